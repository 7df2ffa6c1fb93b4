#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "operator/autoscale/decide.h"
#include "operator/autoscale/history.h"
#include "operator/autoscale/observation.h"

// A subscription, its consumers and a clock, for tests that turn one of them at a time.
namespace sluice::autoscale {

inline constexpr base::MonoTime kStart{1'000'000'000'000};

struct ScalingWorld {
  Policy policy;
  Observation seen;
  History history;
  base::MonoTime now = kStart;

  ScalingWorld() {
    policy.max_replicas = 50;
    policy.target.backlog_per_replica = 100;
    seen.backlog.coverage = Coverage::kAll;
    seen.backlog.settled_total = 0;
  }

  ScalingWorld& ready(std::uint64_t messages) {
    seen.backlog.ready = messages;
    return *this;
  }
  ScalingWorld& in_flight(std::uint64_t messages) {
    seen.backlog.in_flight = messages;
    return *this;
  }
  ScalingWorld& replicas(std::uint32_t count) {
    seen.replicas = {count, count};
    return *this;
  }
  ScalingWorld& oldest(base::Millis age) {
    seen.backlog.oldest_age = age;
    return *this;
  }

  Decision decide() {
    history.note(policy, seen, now);
    return autoscale::decide(policy, seen, history, now);
  }
  Decision after(base::Millis time) {
    now = now + time;
    return decide();
  }
  // The same once a second, with the replicas that were decided; the last decision.
  Decision follow(base::Millis time) {
    Decision decision = decide();
    for (base::Millis passed{0}; passed < time; passed += base::Millis(1'000)) {
      replicas(decision.replicas);
      decision = after(base::Millis(1'000));
    }
    return decision;
  }
};

}  // namespace sluice::autoscale
