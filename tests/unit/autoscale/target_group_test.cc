#include "operator/autoscale/target_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/autoscale/scaling_world.h"

namespace sluice::autoscale {
namespace {

using namespace std::chrono_literals;

Member member(const std::string& queue, std::uint64_t ready) {
  Member one;
  one.id = {queue, "default"};
  one.policy.max_replicas = 50;
  one.policy.target.backlog_per_replica = 100;
  one.policy.scale_in = {0s, 0s, 600s, api::DrainTimeoutAction::kHold, 100};
  one.backlog.coverage = Coverage::kAll;
  one.backlog.ready = ready;
  return one;
}

TEST(TargetGroup, TheLargestNeedWins) {
  TargetGroup group;
  const std::vector<Member> members = {member("a", 100), member("b", 700), member("c", 300)};
  const GroupDecision decided = group.decide(members, {2, 2}, kStart);
  EXPECT_EQ(decided.decision.replicas, 7U);
  EXPECT_EQ(decided.leader, 1U);
  EXPECT_EQ(decided.decision.reason, Reason::kBacklogPerReplica);
}

TEST(TargetGroup, BoundsIntersect) {
  TargetGroup group;
  std::vector<Member> members = {member("a", 0), member("b", 9'000)};
  members[0].policy.min_replicas = 2;
  members[0].policy.max_replicas = 20;
  const GroupDecision decided = group.decide(members, {0, 0}, kStart);
  EXPECT_EQ(decided.min_replicas, 2U);
  EXPECT_EQ(decided.max_replicas, 20U);
  EXPECT_EQ(decided.decision.replicas, 20U);
  EXPECT_EQ(decided.decision.limited_by, LimitedBy::kMaxReplicas);
}

TEST(TargetGroup, BoundsThatLeaveNothingAreAConflict) {
  TargetGroup group;
  std::vector<Member> members = {member("a", 0), member("b", 9'000)};
  members[0].policy.min_replicas = 12;
  members[1].policy.max_replicas = 10;
  const GroupDecision decided = group.decide(members, {4, 4}, kStart);
  EXPECT_EQ(decided.decision.reason, Reason::kBoundsConflict);
  EXPECT_EQ(decided.decision.replicas, 4U);
}

TEST(TargetGroup, ScaleInNeedsAllOfThemKnown) {
  TargetGroup group;
  std::vector<Member> members = {member("a", 0), member("b", 0)};
  members[1].backlog = {};
  const GroupDecision held = group.decide(members, {5, 5}, kStart);
  EXPECT_EQ(held.decision.replicas, 5U);
  EXPECT_EQ(held.decision.reason, Reason::kMetricsUnknown);
  EXPECT_FALSE(held.decision.metrics_available);
  members[1] = member("b", 0);
  EXPECT_EQ(group.decide(members, {5, 5}, kStart + 1'000'000'000).decision.replicas, 0U);
}

TEST(TargetGroup, WhatIsKnownMayAskForMore) {
  TargetGroup group;
  std::vector<Member> members = {member("a", 900), member("b", 0)};
  members[1].backlog = {};
  const GroupDecision decided = group.decide(members, {5, 5}, kStart);
  EXPECT_EQ(decided.decision.replicas, 9U);
  EXPECT_FALSE(decided.decision.metrics_available);
}

TEST(TargetGroup, OneMembersOpenWindowHoldsAll) {
  TargetGroup group;
  std::vector<Member> members = {member("a", 0), member("b", 0)};
  members[1].policy.scale_in.stabilization = 60s;
  EXPECT_EQ(group.decide(members, {5, 5}, kStart).decision.limited_by, LimitedBy::kStabilization);
  EXPECT_EQ(group.decide(members, {5, 5}, kStart + 60'000'000'000).decision.replicas, 0U);
}

TEST(TargetGroup, TheSmallestStepWins) {
  TargetGroup group;
  std::vector<Member> members = {member("a", 0), member("b", 0)};
  members[1].policy.scale_in.max_percent = 10;
  EXPECT_EQ(group.decide(members, {50, 50}, kStart).decision.replicas, 45U);
}

TEST(TargetGroup, AMemberThatLeftAndComesBackHasNoPast) {
  TargetGroup group;
  std::vector<Member> members = {member("a", 0), member("b", 0)};
  members[1].policy.scale_in.stabilization = 60s;
  group.decide(members, {5, 5}, kStart);
  group.decide(std::span(members).first(1), {5, 5}, kStart + 30'000'000'000);
  EXPECT_EQ(group.decide(members, {5, 5}, kStart + 60'000'000'000).decision.limited_by,
            LimitedBy::kStabilization);
}

}  // namespace
}  // namespace sluice::autoscale
