#pragma once

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "operator/autoscale/scale_in.h"
#include "tests/unit/autoscale/scaling_world.h"

// A target, its pods and the brokers they consume from, as small as scale-in can see them: brokers
// keep cordons as leases, a ReplicaSet removes pods in its own order, pods end some time after they
// were told to.
namespace sluice::autoscale {

class FakeTarget {
 public:
  explicit FakeTarget(std::size_t brokers = 1) {
    for (std::size_t i = 0; i < brokers; ++i) brokers_.emplace_back();
  }

  struct FakePod {
    Pod pod;
    bool connected = true;
    std::vector<std::uint64_t> in_flight;  // at each broker
  };
  struct FakeBroker {
    std::map<std::string, base::MonoTime> cordoned_until;
    std::uint32_t incarnation = 1;
    bool reachable = true;
    std::vector<std::string> strangers;  // consumers that name no pod
  };

  FakePod& add_pod(const std::string& name) {
    FakePod fake;
    fake.pod.name = name;
    fake.pod.uid = "uid-" + std::to_string(++uids_);
    fake.pod.created = base::WallTime(static_cast<std::int64_t>(uids_));
    fake.pod.started = fake.pod.ready = true;
    fake.in_flight.resize(brokers_.size());
    return pods_.emplace_back(fake);
  }
  void add_pods(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) add_pod("worker-" + std::to_string(pods_.size()));
    replicas_ = static_cast<std::uint32_t>(pods_.size());
  }
  FakePod& pod(std::size_t index) { return pods_.at(index); }
  FakePod* find(const std::string& name) {
    const auto found = std::find_if(pods_.begin(), pods_.end(),
                                    [&](const FakePod& one) { return one.pod.name == name; });
    return found == pods_.end() ? nullptr : &*found;
  }

  bool is_cordoned(const std::string& name, std::size_t broker = 0) const {
    const auto found = brokers_[broker].cordoned_until.find(name);
    return found != brokers_[broker].cordoned_until.end() && found->second > now;
  }

  ScaleInWorld world() const {
    ScaleInWorld world;
    world.members = {{"orders", "default"}};
    world.target.replicas = replicas_;
    world.target.rolling_out = rolling_out;
    world.target.by_ordinal = by_ordinal;
    for (const FakePod& one : pods_) world.target.pods.push_back(one.pod);
    for (std::size_t i = 0; i < brokers_.size(); ++i) {
      world.brokers.push_back({"orders-" + std::to_string(i), told_by(i)});
    }
    return world;
  }

  // Carries out a step as the shell does; brokers answer at once.
  void carry_out(ScaleIn& machine, const ScaleStep& step) {
    if (step.replicas && *step.replicas > replicas_) replicas_ = *step.replicas;
    for (const CordonCall& call : step.cordons) {
      const std::size_t index = static_cast<std::size_t>(call.broker.back() - '0');
      FakeBroker& broker = brokers_.at(index);
      if (!broker.reachable || refuse_cordons) {
        machine.refused(call, now);
        continue;
      }
      broker.cordoned_until[call.pod] = now + call.lease;
      const FakePod* of = find(call.pod);
      machine.answered(call, of == nullptr ? 0 : of->in_flight[index], now);
    }
    std::size_t marks = 0;
    for (const PodMark& mark : step.marks) {
      if (marks++ == marks_max) return;
      FakePod* of = find(mark.pod);
      if (of == nullptr || of->pod.uid != mark.uid) continue;
      of->pod.deletion_cost = mark.cost;
      of->pod.chosen = mark.chosen;
    }
    if (step.replicas && *step.replicas < replicas_) {
      replicas_ = *step.replicas;
      ++scale_ins;
    }
  }

  // What the controller does: tells the pods to end that are too many, in a ReplicaSet's order.
  // Those that it told, as they were.
  std::vector<FakePod> control() {
    std::vector<FakePod*> live;
    for (FakePod& one : pods_) {
      if (!one.pod.terminating) live.push_back(&one);
    }
    const auto rank = [&](const FakePod* one) {
      const std::int64_t cost = one->pod.deletion_cost ? std::stoll(*one->pod.deletion_cost) : 0;
      return by_ordinal
                 ? std::tuple(false, false, -static_cast<std::int64_t>(ordinal_of(one->pod.name)))
                 : std::tuple(one->pod.started, one->pod.ready, cost);
    };
    std::stable_sort(live.begin(), live.end(),
                     [&](const FakePod* a, const FakePod* b) { return rank(a) < rank(b); });
    std::vector<FakePod> told;
    for (std::size_t i = 0; i + replicas_ < live.size(); ++i) {
      told.push_back(*live[i]);
      live[i]->pod.terminating = true;
    }
    return told;
  }
  void end_terminating() {
    std::erase_if(pods_, [](const FakePod& one) { return one.pod.terminating; });
  }

  std::uint32_t replicas() const { return replicas_; }
  void set_replicas(std::uint32_t replicas) { replicas_ = replicas; }
  std::vector<FakePod>& pods() { return pods_; }
  FakeBroker& broker(std::size_t index) { return brokers_.at(index); }

  base::MonoTime now = kStart;
  bool rolling_out = false;
  bool by_ordinal = false;
  bool refuse_cordons = false;
  // Of one step: the write after them fails, and ends the step.
  std::size_t marks_max = std::numeric_limits<std::size_t>::max();
  int scale_ins = 0;

 private:
  std::shared_ptr<const link::BrokerObservation> told_by(std::size_t index) const {
    const FakeBroker& broker = brokers_[index];
    if (!broker.reachable) return nullptr;
    auto told = std::make_shared<link::BrokerObservation>();
    told->received_at = now;
    told->incarnation = broker.incarnation;
    link::SubscriptionObservation subscription;
    subscription.name = "default";
    for (const FakePod& one : pods_) {
      if (!one.connected || !one.pod.started) continue;
      subscription.consumers.push_back(
          {one.pod.name, one.in_flight[index], is_cordoned(one.pod.name, index)});
    }
    for (const std::string& stranger : broker.strangers) {
      subscription.consumers.push_back({stranger, 1, false});
    }
    link::QueueObservation queue;
    queue.name = "orders";
    queue.subscriptions = {subscription};
    told->queues = {queue};
    return told;
  }

  std::vector<FakePod> pods_;
  std::vector<FakeBroker> brokers_;
  std::uint32_t replicas_ = 0;
  std::uint64_t uids_ = 0;
};

}  // namespace sluice::autoscale
