#include "operator/autoscale/numbers.h"

#include <gtest/gtest.h>

#include <chrono>

#include "operator/autoscale/reason.h"
#include "tests/unit/autoscale/scaling_world.h"

namespace sluice::autoscale {
namespace {

using namespace std::chrono_literals;

std::string numbers(ScalingWorld& world) {
  const Decision decision = world.decide();
  return numbers_of(world.policy, world.seen.backlog, decision);
}

TEST(Numbers, TellWhatIsKnownWhatEachTargetAsksForAndWhatIsAllowed) {
  ScalingWorld world;
  world.ready(5'000).in_flight(200).oldest(12'345ms);
  world.seen.backlog.due_delayed = 3;
  EXPECT_EQ(numbers(world),
            "ready 5000, in flight 200, due 3, oldest 12s; backlogPerReplica 100 asks for 53; "
            "0 to 50 allowed");
}

TEST(Numbers, ARateIsToldWhereThereIsOne) {
  ScalingWorld world;
  world.policy.target = {{}, {}, base::Millis(300s)};
  world.ready(30'000).replicas(1);
  EXPECT_EQ(numbers(world), "ready 30000, in flight 0; drainWithin 5m asks for 1; 0 to 50 allowed");
  for (int i = 0; i < 30; ++i) {
    *world.seen.backlog.settled_total += 9;
    world.after(4s);
  }
  EXPECT_EQ(numbers(world),
            "ready 30000, in flight 0; drainWithin 5m asks for 45 at 2.25/s each; 0 to 50 allowed");
}

TEST(Numbers, WhatIsNotKnownIsNotToldAsZero) {
  ScalingWorld world;
  world.seen.backlog = {};
  EXPECT_EQ(numbers(world), "nothing is known; 0 to 50 allowed");
  world.seen.backlog.coverage = Coverage::kSome;
  EXPECT_EQ(numbers(world),
            "of the shards that tell: ready 0, in flight 0; backlogPerReplica 100 asks for 0; "
            "0 to 50 allowed");
}

TEST(Numbers, AgesAreWholeSecondsOnceTheyAreLong) {
  EXPECT_EQ(rounded_text(1'234ms), "1s234ms");
  EXPECT_EQ(rounded_text(61'234ms), "1m1s");
  EXPECT_EQ(rounded_text(-5ms), "0s");
}

TEST(Reasons, HaveNamesThatLeadBackAndSentences) {
  for (const Reason reason : kReasons) {
    EXPECT_EQ(find_reason(to_string(reason)), reason);
    EXPECT_FALSE(sentence_of(reason).empty());
  }
  for (const LimitedBy limit : kLimits) EXPECT_EQ(find_limit(to_string(limit)), limit);
  EXPECT_EQ(find_reason("Whim"), std::nullopt);
}

}  // namespace
}  // namespace sluice::autoscale
