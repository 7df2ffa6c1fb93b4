#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/unit/scaler/fake_cluster.h"

namespace sluice::op {

struct ScalerTest : testing::Test {
  ScalerTest() {
    scaler.follow(FakeCluster::kBroker, kept({cluster.queue(FakeCluster::consumers())}));
  }

  void start() { scaler.start(); }
  base::Millis run() { return scaler.run_all(); }
  // Runs as often as it is asked for, with the controllers at work, for so long.
  void run_for(base::Millis time) {
    const base::MonoTime end = cluster.clock.mono + time;
    while (cluster.clock.mono < end) {
      const base::Millis again = std::min(run(), base::Millis(500));
      cluster.control();
      cluster.clock.advance(again);
    }
  }
  link::SubscriptionObservation& subscription() { return cluster.broker.subscriptions[0]; }
  void ready(std::uint64_t messages) { subscription().ready = messages; }
  // Each pod consumes, and holds so many.
  void connect_pods(std::uint64_t in_flight) {
    subscription().consumers.clear();
    for (std::uint32_t i = 0; i < cluster.replicas(); ++i) {
      subscription().consumers.push_back({"worker-h-" + std::to_string(i), in_flight, false});
    }
    subscription().in_flight = in_flight * cluster.replicas();
  }
  // Five pods work until nothing waits, hold a message each, and are too many for long enough.
  void begin_to_drain() {
    ready(500);
    start();
    run_for(std::chrono::seconds(2));
    ready(0);
    connect_pods(1);
    run_for(std::chrono::seconds(70));
  }
  ScalingStatus status() {
    const auto all = scaler.statuses();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? ScalingStatus{} : all.front();
  }
  std::string reason() { return std::string(autoscale::to_string(status().reason)); }

  FakeCluster cluster;
  Scaler scaler{cluster.seams(), 0};
};

}  // namespace sluice::op
