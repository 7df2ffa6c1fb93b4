#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kube/cache.h"
#include "kube/http_transport.h"
#include "kube/reflector.h"
#include "kube/resource_type.h"
#include "runtime/clock.h"

namespace sluice::op {

// "NAMESPACE/BROKER": what is reconciled at a time.
std::string broker_key(std::string_view name_space, std::string_view broker);
struct BrokerName {
  std::string name_space;
  std::string broker;
};
BrokerName split_key(const std::string& key);

// What the cluster has of Queues and of their brokers, as watched: the Queues, and of the types
// that brokers are made of the objects with the broker's label. Secrets are not among them: nobody
// may list those (SecretStore reads them by name). Caches are written by the reflectors' threads,
// and read by any.
class ClusterView {
 public:
  // `on_change` gets the key of each broker that something changed for; any thread.
  explicit ClusterView(std::function<void(const std::string& key)> on_change);

  // Of what is watched: Queues first.
  static std::span<const kube::ResourceType* const> types();

  // Begins to watch; empty `name_space` = all. Of the hooks, on_synced is called once, when all
  // collections were listed. The transport and the clock must outlive it.
  void start(kube::HttpTransport& transport, const runtime::Clock& clock,
             const std::string& name_space, std::uint64_t prng_seed,
             const kube::ReflectorHooks& hooks);
  void stop();

  // All collections were listed once.
  bool synced() const { return synced_.load() == caches_.size(); }
  std::vector<kube::ObjectPtr> queues(const std::string& key) const;
  std::vector<kube::ObjectPtr> all_queues() const;
  std::vector<kube::ObjectPtr> objects(const std::string& key) const;
  // Of all brokers that there is anything of.
  std::vector<std::string> keys() const;
  const kube::Cache& pods() const;
  // How many objects are in view, and under how many keys those of each type are found.
  std::size_t size() const;

  // What a watch would write to; for tests and simulations.
  kube::Cache& cache(const kube::ResourceType& type);

 private:
  std::function<void(const std::string& key)> on_change_;
  std::map<const kube::ResourceType*, std::unique_ptr<kube::Cache>> caches_;
  std::atomic<std::size_t> synced_{0};  // collections
  std::vector<std::unique_ptr<kube::Reflector>> reflectors_;
};

}  // namespace sluice::op
