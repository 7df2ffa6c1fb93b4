#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "base/prng.h"
#include "tests/unit/autoscale/scaling_world.h"

// Random policies and traces: what has to hold whatever comes.
namespace sluice::autoscale {
namespace {

using namespace std::chrono_literals;

Policy random_policy(base::Prng& random) {
  Policy policy;
  policy.min_replicas = static_cast<std::uint32_t>(random.below(4));
  policy.max_replicas = policy.min_replicas + 1 + static_cast<std::uint32_t>(random.below(60));
  policy.target = {};
  const std::uint64_t targets = 1 + random.below(7);
  if ((targets & 1) != 0) {
    policy.target.backlog_per_replica = static_cast<std::uint32_t>(1 + random.below(200));
  }
  if ((targets & 2) != 0)
    policy.target.oldest_message_age = base::Millis(1'000 + random.below(60'000));
  if ((targets & 4) != 0) policy.target.drain_within = base::Millis(1'000 + random.below(600'000));
  policy.scale_in.stabilization = base::Millis(random.below(120'000));
  policy.scale_in.idle_before_zero = base::Millis(random.below(120'000));
  policy.scale_in.max_percent = static_cast<std::uint32_t>(1 + random.below(100));
  return policy;
}

// The queue moves on by a second or less, and some of its shards fall silent or speak again.
void turn(base::Prng& random, ScalingWorld& world) {
  Backlog& backlog = world.seen.backlog;
  world.now = world.now + base::Millis(1 + random.below(1'000));
  if (random.chance(0.05)) backlog.coverage = static_cast<Coverage>(random.below(3));
  if (random.chance(0.02)) backlog.paused = random.chance(0.3);
  if (random.chance(0.1)) backlog.ready += random.below(3'000);
  if (random.chance(0.02)) backlog.ready = 0;
  const std::uint64_t taken =
      std::min<std::uint64_t>(backlog.ready, std::uint64_t{world.seen.replicas.ready} * 5);
  *backlog.settled_total += backlog.in_flight;
  backlog.in_flight = taken;
  backlog.ready -= taken;
  backlog.due_delayed = random.chance(0.05) ? random.below(10) : 0;
  backlog.oldest_age.reset();
  if (backlog.work() > 0) backlog.oldest_age = base::Millis(random.below(120'000));
  if (random.chance(0.01)) {
    ++backlog.counted_since;
    backlog.settled_total = 0;
  }
}

void expect_invariants(const ScalingWorld& world, const Decision& decision) {
  const std::uint32_t current = world.seen.replicas.wanted;
  const Backlog& backlog = world.seen.backlog;
  EXPECT_LE(decision.replicas, std::max(current, world.policy.max_replicas));
  EXPECT_GE(decision.replicas, std::min(current, world.policy.min_replicas));
  if (decision.replicas >= current) return;
  EXPECT_EQ(backlog.coverage, Coverage::kAll) << "scaled in on partial knowledge";
  EXPECT_FALSE(backlog.paused);
  EXPECT_GE(decision.replicas, std::clamp(decision.answers.largest, world.policy.min_replicas,
                                          world.policy.max_replicas));
  if (decision.replicas == 0) {
    EXPECT_EQ(backlog.work(), 0U) << "to zero with work";
  }
  const auto step =
      std::max<std::uint64_t>(1, std::uint64_t{current} * world.policy.scale_in.max_percent / 100);
  EXPECT_LE(current - decision.replicas, step);
}

TEST(DecideProperties, HoldOnRandomTraces) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Prng random(seed);
    ScalingWorld world;
    world.policy = random_policy(random);
    world.replicas(static_cast<std::uint32_t>(random.below(80)));
    // Up and down again within a window is flapping.
    base::MonoTime grown_at{0};
    base::MonoTime needed_at = world.now;
    for (int i = 0; i < 600; ++i) {
      turn(random, world);
      const Decision decision = world.decide();
      expect_invariants(world, decision);
      const std::uint32_t current = world.seen.replicas.wanted;
      const bool idle =
          world.seen.backlog.coverage == Coverage::kAll && world.seen.backlog.work() == 0;
      if (!idle) needed_at = world.now;
      if (decision.replicas > current) grown_at = world.now;
      if (decision.replicas < current && decision.replicas < world.policy.max_replicas &&
          current <= world.policy.max_replicas) {
        EXPECT_GE(elapsed(grown_at, world.now), world.policy.scale_in.stabilization);
      }
      if (decision.replicas == 0 && current > 0) {
        EXPECT_GE(elapsed(needed_at, world.now), world.policy.scale_in.idle_before_zero);
      }
      if (testing::Test::HasFailure()) return;
      world.seen.replicas.wanted = decision.replicas;
      world.seen.replicas.ready = random.chance(0.5)
                                      ? decision.replicas
                                      : std::min(world.seen.replicas.ready, decision.replicas);
    }
  }
}

TEST(DecideProperties, MoreBacklogNeverMeansFewerReplicas) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Prng random(seed);
    ScalingWorld world;
    world.policy = random_policy(random);
    world.replicas(static_cast<std::uint32_t>(random.below(60)));
    for (int i = 0; i < 50; ++i) {
      turn(random, world);
      world.seen.replicas.wanted = world.decide().replicas;
    }
    world.seen.backlog.oldest_age = base::Millis(random.below(120'000));
    Observation more = world.seen;
    more.backlog.ready += 1 + random.below(5'000);
    History of_more = world.history;
    world.history.note(world.policy, world.seen, world.now);
    of_more.note(world.policy, more, world.now);
    const Decision few = decide(world.policy, world.seen, world.history, world.now);
    const Decision many = decide(world.policy, more, of_more, world.now);
    EXPECT_GE(many.replicas, few.replicas);
    EXPECT_GE(many.answers.largest, few.answers.largest);
  }
}

TEST(DecideProperties, AConstantNeedIsAnsweredOnceAndForAll) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Prng random(seed);
    ScalingWorld world;
    world.policy = random_policy(random);
    world.policy.target = {static_cast<std::uint32_t>(1 + random.below(200)), {}, {}};
    world.ready(random.below(5'000)).replicas(static_cast<std::uint32_t>(random.below(60)));
    world.follow(3'600s);
    const std::uint32_t settled = world.seen.replicas.wanted;
    EXPECT_EQ(settled, std::clamp(world.decide().answers.largest, world.policy.min_replicas,
                                  world.policy.max_replicas));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(world.after(10s).replicas, settled);
  }
}

TEST(DecideProperties, TheSameArgumentsGiveTheSameDecision) {
  ScalingWorld world;
  world.ready(730).replicas(3).decide();
  const Decision once = decide(world.policy, world.seen, world.history, world.now);
  const Decision again = decide(world.policy, world.seen, world.history, world.now);
  EXPECT_EQ(once.replicas, again.replicas);
  EXPECT_EQ(once.reason, again.reason);
  EXPECT_EQ(once.next_check, again.next_check);
}

}  // namespace
}  // namespace sluice::autoscale
