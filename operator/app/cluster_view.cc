#include "operator/app/cluster_view.h"

#include <array>
#include <set>
#include <span>
#include <utility>

#include "base/check.h"
#include "kube/object_ref.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/reconcile.h"

namespace sluice::op {
namespace {

using kube::Json;
using kube::ObjectPtr;
using kube::ResourceType;

constexpr std::array kTypes{
    &kube::kQueues,
    // Of what a broker is made, besides its Secrets.
    &kube::kStatefulSets,
    &kube::kServices,
    &kube::kConfigMaps,
    &kube::kPods,
    &kube::kServiceAccounts,
    &kube::kPersistentVolumeClaims,
    &kube::kPodDisruptionBudgets,
    &kube::kNetworkPolicies,
};
constexpr std::span kBrokerTypes = std::span(kTypes).subspan<1>();

void prune(Json& object) {
  if (!object.contains("metadata") || !object["metadata"].is_object()) return;
  object["metadata"].erase("managedFields");
  const auto annotations = object["metadata"].find("annotations");
  if (annotations != object["metadata"].end() && annotations->is_object()) {
    annotations->erase("kubectl.kubernetes.io/last-applied-configuration");
  }
}

std::vector<std::string> key_of_object(const Json& object) {
  const std::string broker =
      kube::text_in(kube::value_in(object, {"metadata", "labels"}), reconcile::kBrokerLabel);
  if (broker.empty()) return {};
  return {broker_key(kube::namespace_of(object), broker)};
}

std::vector<std::string> key_of_queue(const Json& queue) {
  return {broker_key(kube::namespace_of(queue), reconcile::broker_of(queue))};
}

}  // namespace

std::string broker_key(std::string_view name_space, std::string_view broker) {
  return std::string(name_space) + "/" + std::string(broker);
}

BrokerName split_key(const std::string& key) {
  const std::size_t slash = key.find('/');
  CHECK(slash != std::string::npos);
  return {key.substr(0, slash), key.substr(slash + 1)};
}

std::span<const ResourceType* const> ClusterView::types() { return kTypes; }

ClusterView::ClusterView(std::function<void(const std::string& key)> on_change)
    : on_change_(std::move(on_change)) {
  const auto add = [this](const ResourceType* type, kube::IndexKeys keys) {
    kube::CacheHooks hooks;
    hooks.prune = prune;
    hooks.index_keys = keys;
    hooks.on_change = [this, keys = std::move(keys)](const ObjectPtr& before,
                                                     const ObjectPtr& after) {
      std::set<std::string> changed;
      for (const ObjectPtr& object : {before, after}) {
        if (object == nullptr) continue;
        for (std::string& key : keys(*object)) changed.insert(std::move(key));
      }
      for (const std::string& key : changed) on_change_(key);
    };
    caches_.emplace(type, std::make_unique<kube::Cache>(std::move(hooks)));
  };
  add(&kube::kQueues, key_of_queue);
  for (const ResourceType* type : kBrokerTypes) add(type, key_of_object);
}

void ClusterView::start(kube::HttpTransport& transport, const runtime::Clock& clock,
                        const std::string& name_space, std::uint64_t prng_seed,
                        const kube::ReflectorHooks& hooks) {
  kube::ReflectorHooks counting = hooks;
  counting.on_synced = [this, tell = hooks.on_synced] {
    if (++synced_ == caches_.size() && tell) tell();
  };
  for (const auto& [type, cache] : caches_) {
    kube::ListWatchOptions options{type, name_space, {}};
    if (type != &kube::kQueues) options.selectors.label = std::string(reconcile::kBrokerLabel);
    reflectors_.push_back(std::make_unique<kube::Reflector>(transport, std::move(options), *cache,
                                                            clock, ++prng_seed, counting));
  }
}

void ClusterView::stop() {
  for (const auto& reflector : reflectors_) reflector->request_stop();
  reflectors_.clear();
}

std::vector<ObjectPtr> ClusterView::queues(const std::string& key) const {
  return caches_.find(&kube::kQueues)->second->with_key(key);
}

std::vector<ObjectPtr> ClusterView::all_queues() const {
  return caches_.find(&kube::kQueues)->second->all();
}

std::vector<ObjectPtr> ClusterView::objects(const std::string& key) const {
  std::vector<ObjectPtr> out;
  for (const ResourceType* type : kBrokerTypes) {
    std::vector<ObjectPtr> found = caches_.find(type)->second->with_key(key);
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

std::vector<std::string> ClusterView::keys() const {
  std::set<std::string> keys;
  for (const auto& [type, cache] : caches_) {
    for (const ObjectPtr& object : cache->all()) {
      for (std::string& key :
           type == &kube::kQueues ? key_of_queue(*object) : key_of_object(*object)) {
        keys.insert(std::move(key));
      }
    }
  }
  return {keys.begin(), keys.end()};
}

const kube::Cache& ClusterView::pods() const { return *caches_.find(&kube::kPods)->second; }

std::size_t ClusterView::size() const {
  std::size_t size = 0;
  for (const auto& [type, cache] : caches_) size += cache->size() + cache->key_count();
  return size;
}

kube::Cache& ClusterView::cache(const ResourceType& type) {
  const auto found = caches_.find(&type);
  CHECK(found != caches_.end());
  return *found->second;
}

}  // namespace sluice::op
