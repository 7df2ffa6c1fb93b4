#pragma once

#include <cstddef>
#include <cstdint>
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
#include "kube/cache.h"
#include "kube/work_queue.h"
#include "operator/scaler/scaled_queue.h"
#include "operator/scaler/scaler_seams.h"
#include "operator/scaler/scaling_status.h"
#include "operator/scaler/target_scaler.h"

namespace sluice::op {

// The autoscaler at work: follows the Queues and what their brokers tell, and brings every scale
// target to what is decided. It learns always and acts only between start() and stop(), that is
// while this process leads; what it knows of the past is forgotten with stop(). One thread works on
// a target at a time. All methods: any thread; those without a note return at once.
class Scaler {
 public:
  explicit Scaler(ScalerSeams seams, std::size_t threads = 2);
  // Stops.
  ~Scaler();
  Scaler(const Scaler&) = delete;
  Scaler& operator=(const Scaler&) = delete;

  // These are all Queues of the broker, as the API server has them; again after every change.
  void follow(const std::string& broker, const std::vector<kube::ObjectPtr>& queues);
  // One of the broker's shards told something, or its link came or went.
  void observed(const std::string& broker);

  void start();
  // Returns when the threads have ended.
  void stop();

  // What it says of all subscriptions that are scaled; empty while not started.
  std::vector<ScalingStatus> statuses() const;
  // The same for the status of one broker's Queues, by (queue, subscription).
  using Results = std::map<std::pair<std::string, std::string>, reconcile::ScalingResult>;
  Results results(const std::string& broker) const;

  // How much each book holds, by its name: all are empty when no Queue with consumers is left, and
  // those that were have been looked at once more.
  std::map<std::string, std::size_t> book_sizes() const;

  // Works on every target once, as the threads do; when the first of them wants it again. For
  // tests, with no threads. REQUIRES: started.
  base::Millis run_all();

 private:
  using Members = std::vector<std::pair<ScaledQueuePtr, ScaledSubscription>>;
  struct Target {
    TargetRef ref;
    Members members;                       // in the order of their brokers
    std::shared_ptr<TargetScaler> scaler;  // null while not started
    std::vector<std::pair<autoscale::CordonCall, base::Result<std::uint64_t>>> answers;
  };
  // What answers of brokers hold in place of the scaler: late ones find nobody.
  struct Life {
    std::mutex mutex;
    Scaler* scaler = nullptr;
  };

  void work(const std::stop_token& stop);
  // What is to be worked on now; none = the target is gone, and what belongs to it is forgotten.
  std::optional<Target> take_target(const std::string& key);
  // When again; none = the target is gone.
  std::optional<base::Millis> process(const std::string& key);
  // `trying`: one of the shards is being reached for the first time, for so much longer.
  std::vector<ScaledMember> members_of(const Target& target,
                                       std::optional<base::Millis>& trying) const;
  void answered(const std::string& key, const std::shared_ptr<TargetScaler>& of,
                const autoscale::CordonCall& call, base::Result<std::uint64_t> answer);
  // With the lock held.
  void link_targets(const std::string& broker);

  ScalerSeams seams_;
  const std::size_t thread_count_;
  std::shared_ptr<Life> life_;
  Rivals rivals_;
  TypeBook types_;
  kube::WorkQueue queue_;
  mutable std::mutex mutex_;  // guards what follows
  bool started_ = false;
  std::map<std::string, std::vector<ScaledQueuePtr>> queues_;       // by broker
  std::map<std::string, std::vector<std::string>> versions_;        // of its Queue objects
  std::map<std::string, Target> targets_;                           // by key
  std::map<std::string, std::set<std::string>> targets_of_broker_;  // keys
  std::vector<std::jthread> threads_;
};

}  // namespace sluice::op
