#include "operator/autoscale/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/autoscale/scaling_world.h"

namespace sluice::autoscale {
namespace {

using namespace std::chrono_literals;

testing::Matcher<const Decision&> is(std::uint32_t replicas, Reason reason,
                                     LimitedBy limit = LimitedBy::kNothing) {
  return testing::AllOf(testing::Field("replicas", &Decision::replicas, replicas),
                        testing::Field("reason", &Decision::reason, reason),
                        testing::Field("limited_by", &Decision::limited_by, limit));
}

TEST(Decide, NothingNeedsNobody) { EXPECT_THAT(ScalingWorld().decide(), is(0, Reason::kIdle)); }

TEST(Decide, TheFirstMessageWakesOneReplicaAtOnce) {
  EXPECT_THAT(ScalingWorld().ready(1).decide(), is(1, Reason::kFirstMessage));
}

TEST(Decide, AMessageInFlightAndADueOneAreWorkToo) {
  EXPECT_EQ(ScalingWorld().in_flight(1).decide().replicas, 1U);
  ScalingWorld world;
  world.seen.backlog.due_delayed = 1;
  EXPECT_EQ(world.decide().replicas, 1U);
}

TEST(Decide, ABacklogIsSharedOutAndRoundedUp) {
  EXPECT_THAT(ScalingWorld().ready(500).decide(), is(5, Reason::kBacklogPerReplica));
  EXPECT_THAT(ScalingWorld().ready(400).in_flight(101).decide(), is(6, Reason::kBacklogPerReplica));
}

TEST(Decide, BoundsHoldAndSaySo) {
  EXPECT_THAT(ScalingWorld().ready(1'000'000).decide(),
              is(50, Reason::kBacklogPerReplica, LimitedBy::kMaxReplicas));
  ScalingWorld world;
  world.policy.min_replicas = 2;
  EXPECT_THAT(world.decide(), is(2, Reason::kIdle, LimitedBy::kMinReplicas));
}

TEST(Decide, ABacklogBeyondAllNumbersIsTheMaximum) {
  ScalingWorld world;
  world.policy.target.backlog_per_replica = 1;
  EXPECT_EQ(world.ready(UINT64_MAX / 2).decide().replicas, 50U);
}

TEST(Decide, FewerOnlyWhenFewerWereEnoughForTheWholeWindow) {
  ScalingWorld world;
  world.policy.scale_in.max_percent = 100;
  world.ready(1'000).replicas(10);
  EXPECT_THAT(world.decide(), is(10, Reason::kBacklogPerReplica));
  world.ready(300);
  EXPECT_THAT(world.after(1s), is(10, Reason::kBacklogPerReplica, LimitedBy::kStabilization));
  EXPECT_THAT(world.after(59s), is(10, Reason::kBacklogPerReplica, LimitedBy::kStabilization));
  EXPECT_THAT(world.after(2s), is(3, Reason::kBacklogPerReplica));
}

TEST(Decide, TheWindowsMaximumIsTheFloorOfWhatGoes) {
  ScalingWorld world;
  world.policy.scale_in.max_percent = 100;
  world.ready(1'000).replicas(10).decide();
  world.ready(600).after(30s);
  world.ready(100).after(15s);
  EXPECT_THAT(world.after(45s), is(6, Reason::kBacklogPerReplica, LimitedBy::kStabilization));
  EXPECT_THAT(world.after(15s), is(1, Reason::kBacklogPerReplica));
}

TEST(Decide, ALeaderThatWasJustElectedWaitsForAWholeWindow) {
  ScalingWorld world;
  world.ready(100).replicas(10);
  EXPECT_THAT(world.decide(), is(10, Reason::kBacklogPerReplica, LimitedBy::kStabilization));
  EXPECT_EQ(world.decide().next_check, 60s);
  EXPECT_THAT(world.after(60s), is(5, Reason::kBacklogPerReplica, LimitedBy::kMaxPercent));
}

TEST(Decide, NextCheckIsWhenTheWindowLetsGo) {
  ScalingWorld world;
  world.ready(1'000).replicas(10).decide();
  world.after(100s);
  world.ready(100);
  const Decision held = world.after(1s);
  EXPECT_EQ(held.limited_by, LimitedBy::kStabilization);
  ASSERT_TRUE(held.next_check.has_value());
  EXPECT_THAT(world.after(*held.next_check - 2ms),
              is(10, Reason::kBacklogPerReplica, LimitedBy::kStabilization));
  EXPECT_THAT(world.after(2ms), is(5, Reason::kBacklogPerReplica, LimitedBy::kMaxPercent));
}

TEST(Decide, OneStepIsAShareOfWhatIsThereAndAtLeastOneReplica) {
  ScalingWorld world;
  world.policy.scale_in = {0s, 0s, 600s, api::DrainTimeoutAction::kHold, 20};
  world.decide();
  EXPECT_THAT(world.replicas(50).after(1s), is(40, Reason::kIdle, LimitedBy::kMaxPercent));
  EXPECT_THAT(world.replicas(4).after(1s), is(3, Reason::kIdle, LimitedBy::kMaxPercent));
  EXPECT_THAT(world.replicas(1).after(1s), is(0, Reason::kIdle));
}

TEST(Decide, ToZeroOnlyAfterTheIdleTime) {
  ScalingWorld world;
  world.policy.scale_in.stabilization = 0s;
  world.policy.scale_in.idle_before_zero = 90s;
  world.ready(5).replicas(1).decide();
  world.ready(0);
  EXPECT_THAT(world.after(1s), is(1, Reason::kIdle, LimitedBy::kIdleBeforeZero));
  const Decision waiting = world.after(30s);
  EXPECT_EQ(waiting.next_check, 60s);
  EXPECT_THAT(world.after(59s), is(1, Reason::kIdle, LimitedBy::kIdleBeforeZero));
  EXPECT_THAT(world.after(1s), is(0, Reason::kIdle));
}

TEST(Decide, OneMessageInFlightBeginsTheIdleTimeAnew) {
  ScalingWorld world;
  world.policy.scale_in.stabilization = 0s;
  world.replicas(1).decide();
  world.in_flight(1).after(59s);
  world.in_flight(0).after(1s);
  EXPECT_THAT(world.after(59s), is(1, Reason::kIdle, LimitedBy::kIdleBeforeZero));
  EXPECT_THAT(world.after(1s), is(0, Reason::kIdle));
}

TEST(Decide, TheLastStepWaitsForTheWindowToo) {
  ScalingWorld world;
  world.policy.scale_in.idle_before_zero = 0s;
  world.ready(5).replicas(1).decide();
  world.ready(0);
  EXPECT_THAT(world.after(1s), is(1, Reason::kIdle, LimitedBy::kStabilization));
  EXPECT_THAT(world.after(61s), is(0, Reason::kIdle));
}

TEST(Decide, WhatIsNotDueYetNeedsNobody) {
  ScalingWorld world;  // delayed messages are in no number of the backlog
  world.policy.scale_in = {0s, 0s, 600s, api::DrainTimeoutAction::kHold, 100};
  EXPECT_THAT(world.replicas(1).decide(), is(0, Reason::kIdle));
}

TEST(Decide, UnknownHolds) {
  ScalingWorld world;
  world.ready(0).replicas(7);
  world.follow(600s);
  world.replicas(7);
  world.seen.backlog = {};
  const Decision decision = world.after(3'600s);
  EXPECT_THAT(decision, is(7, Reason::kMetricsUnknown));
  EXPECT_FALSE(decision.metrics_available);
}

TEST(Decide, UnknownHoldsAlsoAboveTheMaximumAndKeepsTheMinimumUp) {
  ScalingWorld world;
  world.seen.backlog = {};
  EXPECT_THAT(world.replicas(80).decide(), is(80, Reason::kMetricsUnknown));
  world.policy.min_replicas = 2;
  EXPECT_THAT(world.replicas(0).decide(), is(2, Reason::kMetricsUnknown, LimitedBy::kMinReplicas));
}

TEST(Decide, PartOfTheKnowledgeMayAskForMoreAndNeverForFewer) {
  ScalingWorld world;
  world.seen.backlog.coverage = Coverage::kSome;
  world.policy.scale_in = {0s, 0s, 600s, api::DrainTimeoutAction::kHold, 100};
  EXPECT_THAT(world.ready(500).replicas(2).decide(), is(5, Reason::kBacklogPerReplica));
  EXPECT_THAT(world.ready(0).replicas(5).after(1s),
              is(5, Reason::kIdle, LimitedBy::kMetricsPartial));
}

TEST(Decide, TimeThatNobodyWatchedIsNoTimeInWhichFewerWereEnough) {
  ScalingWorld world;
  world.ready(100).replicas(10).decide();
  world.after(59s);
  const Backlog known = world.seen.backlog;
  world.seen.backlog = {};
  world.after(1s);
  world.seen.backlog = known;
  EXPECT_THAT(world.after(1s), is(10, Reason::kBacklogPerReplica, LimitedBy::kStabilization));
  EXPECT_THAT(world.after(58s), is(10, Reason::kBacklogPerReplica, LimitedBy::kStabilization));
  EXPECT_THAT(world.after(2s), is(5, Reason::kBacklogPerReplica, LimitedBy::kMaxPercent));
}

TEST(Decide, APausedQueueHolds) {
  ScalingWorld world;
  world.seen.backlog.paused = true;
  EXPECT_THAT(world.ready(5'000).replicas(3).decide(), is(3, Reason::kQueuePaused));
}

TEST(Decide, AMaximumThatWasLoweredIsReachedInSteps) {
  ScalingWorld world;
  world.ready(5'000).replicas(50).decide();
  world.policy.max_replicas = 10;
  EXPECT_THAT(world.after(1s), is(25, Reason::kBacklogPerReplica, LimitedBy::kMaxPercent));
  EXPECT_THAT(world.replicas(12).after(1s),
              is(10, Reason::kBacklogPerReplica, LimitedBy::kMaxReplicas));
}

TEST(Decide, TheLargestAnswerWins) {
  ScalingWorld world;
  world.policy.target.oldest_message_age = 30s;
  world.policy.target.drain_within = 300s;
  world.ready(1'000).replicas(4).oldest(60s);
  const Decision decision = world.decide();
  EXPECT_THAT(decision, is(10, Reason::kBacklogPerReplica));
  EXPECT_EQ(decision.answers.backlog_per_replica, 10U);
  EXPECT_EQ(decision.answers.oldest_message_age, 8U);
  EXPECT_EQ(decision.answers.drain_within, 4U);
  world.policy.target.backlog_per_replica = 500;
  EXPECT_THAT(world.decide(), is(8, Reason::kOldestMessageAge));
}

struct OldestAge : testing::Test {
  OldestAge() {
    world.policy.target = {std::nullopt, base::Millis(30s), std::nullopt};
    world.ready(10);
  }
  ScalingWorld world;
};

TEST_F(OldestAge, WithoutAConsumerItAsksForOne) {
  EXPECT_THAT(world.oldest(3'600s).decide(), is(1, Reason::kFirstMessage));
}

TEST_F(OldestAge, AsksForMoreInProportionAndAtMostTwice) {
  EXPECT_EQ(world.replicas(4).oldest(45s).decide().replicas, 6U);
  EXPECT_EQ(world.replicas(4).oldest(300s).decide().replicas, 8U);
}

TEST_F(OldestAge, LetsNewReplicasShowWhatTheyDoFirst) {
  world.oldest(300s).replicas(4).decide();
  world.seen.replicas = {8, 4};
  EXPECT_EQ(world.after(5s).replicas, 8U);
  world.replicas(8);
  EXPECT_EQ(world.after(5s).replicas, 8U);
  EXPECT_EQ(world.after(14s).replicas, 8U);
  const Decision next = world.after(1s);
  EXPECT_EQ(next.replicas, 16U);
  EXPECT_EQ(next.next_check, kAgeStep);
}

TEST_F(OldestAge, BetweenHalfAndAllOfItNothingChanges) {
  world.replicas(6).oldest(20s);
  EXPECT_EQ(world.follow(300s).replicas, 6U);
}

TEST_F(OldestAge, WellBelowItAsManyStayAsHaveWork) {
  world.ready(0).in_flight(2).replicas(6).oldest(1s);
  world.seen.backlog.busy_replicas = 2;
  EXPECT_EQ(world.follow(300s).replicas, 2U);
}

struct DrainWithin : testing::Test {
  DrainWithin() { world.policy.target = {std::nullopt, std::nullopt, base::Millis(300s)}; }
  // `replicas` settle `per_second` each for so long.
  void work(std::uint32_t replicas, std::uint64_t per_second, int seconds) {
    world.replicas(replicas);
    for (int i = 0; i < seconds; ++i) {
      *world.seen.backlog.settled_total += replicas * per_second;
      world.after(1s);
    }
  }
  ScalingWorld world;
};

TEST_F(DrainWithin, WhileNoRateIsKnownThoseThatWorkStay) {
  EXPECT_THAT(world.ready(10'000).decide(), is(1, Reason::kFirstMessage));
  EXPECT_THAT(world.replicas(3).after(1s), is(3, Reason::kRateUnknown));
}

TEST_F(DrainWithin, TheBacklogIsDividedByWhatOneReplicaGetsDone) {
  world.ready(30'000).replicas(2).decide();
  work(2, 10, 30);
  const Decision decision = world.decide();
  ASSERT_TRUE(decision.answers.rate_per_replica.has_value());
  EXPECT_NEAR(*decision.answers.rate_per_replica, 10, 1e-9);
  EXPECT_THAT(decision, is(10, Reason::kDrainWithin));
}

TEST_F(DrainWithin, LongWorkThatSettlesNothingIsASlowRateNotAnUnknownOne) {
  world.ready(10).replicas(1).decide();
  work(1, 0, 60);
  const Decision decision = world.decide();
  ASSERT_TRUE(decision.answers.rate_per_replica.has_value());
  EXPECT_LT(*decision.answers.rate_per_replica, 1 / 30.0);
  EXPECT_EQ(decision.reason, Reason::kDrainWithin);
  EXPECT_GE(decision.replicas, 2U);
}

TEST_F(DrainWithin, ABrokerThatStartsAnewIsNoNegativeRate) {
  world.ready(30'000).replicas(1).decide();
  work(1, 10, 30);
  world.seen.backlog.settled_total = 0;
  world.seen.backlog.counted_since = 1;
  world.after(1s);
  work(1, 10, 5);
  EXPECT_NEAR(*world.decide().answers.rate_per_replica, 10, 1e-9);
}

TEST_F(DrainWithin, IdleTimeDoesNotLowerTheRate) {
  world.ready(30'000).replicas(1).decide();
  work(1, 10, 30);
  world.ready(0).after(1s);
  world.after(100s);
  const auto rate = world.decide().answers.rate_per_replica;
  ASSERT_TRUE(rate.has_value());
  EXPECT_NEAR(*rate, 10, 0.5);
}

TEST_F(DrainWithin, TimeInWhichSomethingWasUnknownIsLeftOut) {
  world.ready(30'000).replicas(1).decide();
  work(1, 10, 30);
  world.seen.backlog.coverage = Coverage::kSome;
  world.after(1s);
  world.seen.backlog.coverage = Coverage::kAll;
  *world.seen.backlog.settled_total += 100'000;
  world.after(100s);
  work(1, 10, 5);
  EXPECT_NEAR(*world.decide().answers.rate_per_replica, 10, 1e-9);
}

}  // namespace
}  // namespace sluice::autoscale
