#include "operator/reconcile/unseen_queues.h"

#include <set>
#include <string_view>
#include <utility>

#include "kube/object_ref.h"
#include "operator/api/names.h"
#include "operator/api/queue.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/queue_numbers.h"
#include "operator/reconcile/retained_data.h"

namespace sluice::reconcile {
namespace {

constexpr std::string_view kGroup = "sluice.dev/";  // of any version

// Queues with messages that are not among `known`, but for those that are noted as retained.
std::set<std::string> unknown_at_shards(const Inputs& inputs, const std::set<std::string>& known) {
  std::set<std::string> names;
  for (const ShardState& shard : inputs.shards) {
    if (!shard.is_heard()) continue;
    for (const link::QueueObservation& one : shard.observation->queues) {
      if (known.contains(one.name)) continue;
      const auto numbers = add_up({shard}, 1, one.name);
      if (numbers && !numbers->is_empty()) names.insert(one.name);
    }
  }
  if (names.empty()) return names;  // nearly always: nothing has to be read for that
  const RetainedData retained = read_retained(inputs);
  std::erase_if(names, [&](const std::string& name) { return retained.queues.contains(name); });
  return names;
}

}  // namespace

std::vector<UnseenQueue> unseen_queues(const Inputs& inputs) {
  std::set<UnseenQueue> unseen;
  // Without a Queue nothing is applied.
  if (inputs.queues.empty()) return {};
  std::set<std::string> uids;
  std::set<std::string> names;
  for (const Json& queue : inputs.queues) {
    uids.insert(kube::uid_of(queue));
    names.insert(kube::name_of(queue));
  }
  for (const kube::ResourceType* type :
       {&kube::kStatefulSets, &kube::kServices, &kube::kConfigMaps, &kube::kSecrets,
        &kube::kServiceAccounts, &kube::kPodDisruptionBudgets, &kube::kNetworkPolicies}) {
    for (const Json* object : inputs.live.of_type(*type)) {
      const Json* owners = find_at(*object, {"metadata", "ownerReferences"});
      if (owners == nullptr || !owners->is_array()) continue;
      for (const Json& owner : *owners) {
        UnseenQueue one{text_at(owner, {"name"}), text_at(owner, {"uid"})};
        const bool is_queue = text_at(owner, {"kind"}) == api::kQueueKind &&
                              text_at(owner, {"apiVersion"}).starts_with(kGroup);
        if (is_queue && api::is_label(one.name) && !uids.contains(one.uid)) {
          unseen.insert(std::move(one));
        }
      }
    }
  }
  // One whose uid nothing tells.
  const auto add_name = [&](const std::string& name) {
    const auto owner = unseen.lower_bound({name, ""});
    if (names.contains(name) || (owner != unseen.end() && owner->name == name)) return;
    if (api::is_label(name)) unseen.insert({name, ""});
  };
  const Json* config = inputs.live.find(kube::kConfigMaps, queues_config_name(inputs.broker));
  const Json* data = config == nullptr ? nullptr : find_at(*config, {"data"});
  if (data != nullptr && data->is_object()) {
    for (const auto& [file, text] : data->items()) {
      if (!std::string_view(file).ends_with(kManifestSuffix)) continue;
      add_name(file.substr(0, file.size() - kManifestSuffix.size()));
    }
  }
  for (const std::string& name : unknown_at_shards(inputs, names)) add_name(name);
  return {unseen.begin(), unseen.end()};
}

}  // namespace sluice::reconcile
