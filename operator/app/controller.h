#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kube/api.h"
#include "kube/event_series.h"
#include "kube/object_ref.h"
#include "kube/work_queue.h"
#include "operator/app/cluster_view.h"
#include "operator/app/link_book.h"
#include "operator/app/name_claims.h"
#include "operator/app/operator_stats.h"
#include "operator/app/plan_runner.h"
#include "operator/app/secret_store.h"
#include "operator/link/broker_link.h"
#include "operator/reconcile/inputs.h"
#include "operator/reconcile/key_maker.h"
#include "operator/reconcile/plan.h"
#include "operator/reconcile/wait_book.h"
#include "runtime/clock.h"

namespace sluice::op {

using ScalingResults = std::map<std::pair<std::string, std::string>, reconcile::ScalingResult>;

// All that a Controller is given; it must outlive the Controller.
struct ControllerSeams {
  kube::Api& api;  // fenced
  link::BrokerLinks& links;
  const runtime::Clock& clock;
  reconcile::KeyMaker& keys;
  OperatorCounters& counters;
  std::function<void(kube::EventNote)> record;
  // Of the leadership; none = somebody else leads.
  std::function<std::optional<std::uint64_t>()> epoch;
  // A broker has seen this one.
  std::function<void(std::uint64_t)> met_epoch;
  // What the autoscaler says of the broker's Queues, by (queue, subscription); may be empty.
  std::function<ScalingResults(const std::string& key)> scaling;
  // Each observation of a broker, before anything is concluded from it; may be empty.
  std::function<void(const std::string& key, std::size_t shard,
                     const std::shared_ptr<const link::BrokerObservation>&)>
      on_observation;
};

struct ControllerOptions {
  reconcile::Options reconcile;
  std::size_t workers = 4;
  // The operator may read namespaces and storage classes.
  bool cluster_rights = true;
};

// Watches, and brings each broker to what its Queues ask for. One key is worked on by one thread at
// a time. The view is filled always; workers run only between start_workers() and stop_workers(),
// that is while this process leads.
class Controller {
 public:
  Controller(ControllerSeams seams, ControllerOptions options);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  ClusterView& view() { return view_; }
  LinkBook& links() { return links_; }
  kube::WorkQueue& work() { return work_; }

  // Everything is looked at once. REQUIRES: the view is synced.
  void start_workers();
  // Returns when the last one has ended; links stay.
  void stop_workers();

  // For whoever leads next, before an orderly end: for how long deletions have waited for brokers
  // that are not heard. REQUIRES: no worker runs.
  void hand_over();

  // Works on one key, as a worker does. For tests and simulations.
  void process(const std::string& key);

  // Fills in what the controller knows.
  void fill(OperatorStats& stats) const;

  // What was counted of Queues that are gone goes, also where nobody asks for metrics.
  void forget_counts() const;

  // How much each book holds, by its name: all are empty when no Queue is left in the cluster, and
  // nothing of their brokers.
  std::map<std::string, std::size_t> book_sizes() const;

 private:
  struct Outcome {
    base::Status status;
    std::optional<base::Millis> again;
    bool stalled = false;
    bool gone = false;  // no Queue is left of the broker
  };

  void work(const std::stop_token& stop);
  Outcome reconcile(const std::string& key);
  base::Status gather(const std::string& key, reconcile::Inputs& inputs);
  base::Status read_unseen(const std::string& key, reconcile::Inputs& inputs);
  // What becomes of the names that a plan takes.
  enum class Names : std::uint8_t { kFree, kFound, kClaimed };
  base::Result<Names> ask_for_names(const std::string& key, const reconcile::Plan& plan,
                                    std::set<kube::ObjectRef>& asked, reconcile::Inputs& inputs);
  base::Result<bool> read_what_goes(const reconcile::Plan& plan, std::set<kube::ObjectRef>& asked,
                                    reconcile::Inputs& inputs);
  base::Result<bool> read_claims(std::set<kube::ObjectRef>& asked, reconcile::Inputs& inputs);
  base::Result<bool> read_leaving(const reconcile::Plan& plan, std::set<kube::ObjectRef>& asked,
                                  reconcile::Inputs& inputs);
  base::Result<bool> read_newer(const std::vector<kube::ObjectRef>& refs,
                                std::set<kube::ObjectRef>& asked, reconcile::Inputs& inputs);
  void look_at_shards(const std::string& key, reconcile::Inputs& inputs);
  void follow_shards(const std::string& key, const reconcile::Inputs& inputs);
  void follow_keys(const std::string& key, reconcile::Inputs& inputs);
  void keep_waits(const std::string& key, const reconcile::Plan& plan, base::MonoTime now);
  bool namespace_is_terminating(const reconcile::Inputs& inputs);
  void read_storage_classes(reconcile::Inputs& inputs);
  void forget(const std::string& key);

  ControllerSeams seams_;
  ControllerOptions options_;
  kube::WorkQueue work_;
  ClusterView view_;
  SecretStore secrets_;
  LinkBook links_;
  PlanRunner runner_;
  NameClaims claims_;
  struct StorageClass {
    // None: not to be had, for want of the class or of a right; that, too, is kept for a while.
    std::optional<bool> expandable;
    base::MonoTime read_at;
  };
  mutable std::mutex mutex_;  // guards what follows, but not workers_
  std::map<std::string, StorageClass> storage_classes_;
  // By broker: uids of Queues that its objects name, and that are known to be gone.
  std::map<std::string, std::set<std::string>> gone_queues_;
  std::map<std::string, reconcile::WaitBook> waits_;  // by broker, of those with deletions
  std::vector<std::jthread> workers_;
};

}  // namespace sluice::op
