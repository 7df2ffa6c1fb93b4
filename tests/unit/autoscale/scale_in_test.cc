#include "operator/autoscale/scale_in.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/prng.h"
#include "tests/support/thinning.h"
#include "tests/unit/autoscale/fake_target.h"

namespace sluice::autoscale {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

struct ScaleInTest : testing::Test {
  // One step towards `wanted`, carried out.
  ScaleStep step(std::uint32_t wanted) {
    const ScaleStep step = machine.step(fake.world(), wanted, policy, fake.now);
    fake.carry_out(machine, step);
    return step;
  }
  ScaleStep after(base::Millis time, std::uint32_t wanted) {
    fake.now = fake.now + time;
    return step(wanted);
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const FakeTarget::FakePod& one : fake.pods()) {
      if (!one.pod.terminating) out.push_back(one.pod.name);
    }
    return out;
  }

  FakeTarget fake;
  ScaleIn machine;
  DrainPolicy policy;
};

TEST_F(ScaleInTest, MoreReplicasAreWrittenAtOnce) {
  fake.add_pods(2);
  const ScaleStep grown = step(5);
  EXPECT_EQ(grown.replicas, 5U);
  EXPECT_THAT(grown.cordons, IsEmpty());
  EXPECT_THAT(grown.marks, IsEmpty());
}

TEST_F(ScaleInTest, NothingIsDoneWhereNothingChanges) {
  fake.add_pods(2);
  const ScaleStep same = step(2);
  EXPECT_EQ(same.replicas, std::nullopt);
  EXPECT_THAT(same.cordons, IsEmpty());
  EXPECT_THAT(same.marks, IsEmpty());
  EXPECT_EQ(same.next_check, std::nullopt);
}

TEST_F(ScaleInTest, ThePodWithTheFewestMessagesIsCordonedDrainedMarkedAndGoes) {
  fake.add_pods(3);
  fake.pod(0).in_flight = {5};
  fake.pod(1).in_flight = {2};
  fake.pod(2).in_flight = {9};
  const ScaleStep first = step(2);
  EXPECT_THAT(first.cordons, SizeIs(1));
  EXPECT_EQ(first.cordons[0].pod, "worker-1");
  EXPECT_EQ(first.cordons[0].lease, 30s);
  EXPECT_EQ(first.limited_by, LimitedBy::kDraining);
  EXPECT_EQ(after(1s, 2).replicas, std::nullopt);

  fake.pod(1).in_flight = {0};
  const ScaleStep last = after(1s, 2);
  EXPECT_THAT(last.marks, ElementsAre(PodMark{"worker-1", "uid-2", "-1000000", ""}));
  EXPECT_EQ(last.replicas, 2U);
  fake.control();
  EXPECT_THAT(names(), ElementsAre("worker-0", "worker-2"));
}

TEST_F(ScaleInTest, APodThatHoldsNothingGoesAsSoonAsItsBrokersAnswered) {
  fake.add_pods(2);
  EXPECT_EQ(step(1).replicas, std::nullopt);
  EXPECT_EQ(after(1ms, 1).replicas, 1U);
}

TEST_F(ScaleInTest, EveryBrokerHasToAgree) {
  fake = FakeTarget(2);
  fake.add_pods(1);
  fake.pod(0).in_flight = {0, 1};
  step(0);
  EXPECT_TRUE(fake.is_cordoned("worker-0", 0));
  EXPECT_TRUE(fake.is_cordoned("worker-0", 1));
  EXPECT_EQ(after(2s, 0).replicas, std::nullopt);
  fake.pod(0).in_flight = {0, 0};
  EXPECT_EQ(after(1s, 0).replicas, 0U);
}

TEST_F(ScaleInTest, ABrokerThatIsNotKnownStopsItAndLiftsWhatItCan) {
  fake = FakeTarget(2);
  fake.add_pods(2);
  fake.pod(0).in_flight = fake.pod(1).in_flight = {1, 1};
  step(1);
  fake.broker(1).reachable = false;
  const ScaleStep stopped = after(1s, 1);
  EXPECT_EQ(stopped.limited_by, LimitedBy::kMetricsPartial);
  EXPECT_FALSE(fake.is_cordoned("worker-0", 0));
  EXPECT_FALSE(fake.is_cordoned("worker-1", 0));
}

TEST_F(ScaleInTest, CordonsAreRenewedAndSentAgainAfterARefusal) {
  fake.add_pods(2);
  fake.pod(0).in_flight = fake.pod(1).in_flight = {1};
  step(1);
  EXPECT_THAT(after(9s, 1).cordons, IsEmpty());
  const ScaleStep renewed = after(1s, 1);
  EXPECT_THAT(renewed.cordons, SizeIs(1));
  EXPECT_EQ(renewed.next_check, 5s);  // should nobody answer
  fake.refuse_cordons = true;
  EXPECT_THAT(after(10s, 1).cordons, SizeIs(1));
  EXPECT_THAT(after(999ms, 1).cordons, IsEmpty());
  EXPECT_THAT(after(1ms, 1).cordons, SizeIs(1));
}

TEST_F(ScaleInTest, ACordonThatNobodyConfirmsLetsNobodyGo) {
  fake.add_pods(2);
  fake.refuse_cordons = true;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(after(1s, 1).replicas, std::nullopt);
}

TEST_F(ScaleInTest, ARestartedBrokerHasForgottenItsCordons) {
  fake.add_pods(1);
  fake.pod(0).in_flight = {1};
  step(0);
  fake.broker(0) = {};
  fake.broker(0).incarnation = 2;
  fake.pod(0).in_flight = {0};
  const ScaleStep again = after(1s, 0);
  EXPECT_EQ(again.replicas, std::nullopt);
  EXPECT_THAT(again.cordons, SizeIs(1));
  EXPECT_EQ(after(1s, 0).replicas, 0U);
}

TEST_F(ScaleInTest, NewBacklogLiftsTheCordonAndStops) {
  fake.add_pods(3);
  for (std::size_t i = 0; i < 3; ++i) fake.pod(i).in_flight = {4};
  step(1);
  EXPECT_TRUE(fake.is_cordoned("worker-2"));
  const ScaleStep stopped = after(1s, 3);
  EXPECT_THAT(stopped.cordons, SizeIs(2));
  EXPECT_EQ(stopped.cordons[0].lease, 0s);
  EXPECT_FALSE(fake.is_cordoned("worker-2"));
  EXPECT_THAT(after(1s, 3).cordons, IsEmpty());
}

TEST_F(ScaleInTest, FewerThatAreToGoLetsTheOthersWorkOn) {
  fake.add_pods(4);
  for (std::size_t i = 0; i < 4; ++i) fake.pod(i).in_flight = {i + 1};
  step(1);
  after(1s, 3);
  EXPECT_TRUE(fake.is_cordoned("worker-0"));
  EXPECT_FALSE(fake.is_cordoned("worker-1"));
  EXPECT_FALSE(fake.is_cordoned("worker-2"));
}

TEST_F(ScaleInTest, ThoseThatAreDoneGoAfterAWhileWithoutTheOthers) {
  fake.add_pods(3);
  fake.pod(0).in_flight = {9};
  fake.pod(1).in_flight = {1};
  step(0);
  EXPECT_EQ(after(1s, 0).replicas, std::nullopt);
  const ScaleStep some = after(4s, 0);
  EXPECT_EQ(some.replicas, 2U);
  EXPECT_EQ(some.limited_by, LimitedBy::kDraining);
  fake.control();
  EXPECT_THAT(names(), ElementsAre("worker-0", "worker-1"));
}

// Two of four go. An attempt that broke off half-way marked worker-1, which works again meanwhile.
struct BrokenOffScaleInTest : ScaleInTest {
  BrokenOffScaleInTest() {
    fake.add_pods(4);
    fake.pod(0).in_flight = fake.pod(3).in_flight = {9};
    fake.pod(1).in_flight = {1};
    fake.pod(1).pod.deletion_cost = "-1000000";
    fake.pod(1).pod.chosen = "";
  }
  void expect_only_worker_2_goes() {
    const std::vector<FakeTarget::FakePod> told = fake.control();
    ASSERT_THAT(told, SizeIs(1));
    EXPECT_EQ(told[0].pod.name, "worker-2");
  }
};

TEST_F(BrokenOffScaleInTest, WhoIsNotDoneIsNotMarkedWhenOthersGo) {
  EXPECT_THAT(step(2).leaving, UnorderedElementsAre("worker-1", "worker-2"));
  const ScaleStep some = after(5s, 2);
  EXPECT_EQ(some.replicas, 3U);
  EXPECT_THAT(some.marks, ElementsAre(PodMark{"worker-1", "uid-2", std::nullopt, std::nullopt},
                                      PodMark{"worker-2", "uid-3", "-1000000", ""}));
  expect_only_worker_2_goes();
}

// The user's own cost comes back with the mark that is taken away, and would be the lowest.
TEST_F(BrokenOffScaleInTest, WhoIsNotDoneCostsMoreThanWhoGoesAlsoWithACostOfItsOwn) {
  fake.pod(1).pod.deletion_cost = "-5000001";
  fake.pod(1).pod.chosen = "-5000000";
  // Marked when nobody had a cost so low.
  fake.pod(2).pod.deletion_cost = "-1000000";
  fake.pod(2).pod.chosen = "";
  EXPECT_THAT(step(2).leaving, UnorderedElementsAre("worker-1", "worker-2"));
  EXPECT_THAT(after(5s, 2).marks,
              ElementsAre(PodMark{"worker-1", "uid-2", "-5000000", std::nullopt},
                          PodMark{"worker-2", "uid-3", "-5000001", ""}));
  expect_only_worker_2_goes();
}

TEST_F(ScaleInTest, UntilAPodHasGoneItStaysCordonedAndNobodyElseGoes) {
  fake.add_pods(3);
  step(2);
  after(1s, 2);
  ASSERT_EQ(fake.replicas(), 2U);
  const ScaleStep waiting = after(1s, 1);
  EXPECT_EQ(waiting.replicas, std::nullopt);
  EXPECT_EQ(waiting.limited_by, LimitedBy::kDraining);
  EXPECT_TRUE(fake.is_cordoned(fake.control().at(0).pod.name));
  // It takes its time to end, and goes on asking.
  EXPECT_THAT(after(10s, 2).leaving, SizeIs(1));
  fake.end_terminating();
  EXPECT_THAT(after(1s, 2).leaving, IsEmpty());
}

TEST_F(ScaleInTest, AtTheTimeOutAPodIsLetOffAndStays) {
  policy.timeout = 60s;
  fake.add_pods(1);
  fake.pod(0).in_flight = {1};
  step(0);
  EXPECT_FALSE(after(59s, 0).drain_timed_out);
  const ScaleStep late = after(1s, 0);
  EXPECT_TRUE(late.drain_timed_out);
  EXPECT_THAT(late.stuck, ElementsAre("worker-0"));
  EXPECT_EQ(late.replicas, std::nullopt);
  EXPECT_FALSE(fake.is_cordoned("worker-0"));
  EXPECT_TRUE(after(30s, 0).drain_timed_out);
  EXPECT_FALSE(fake.is_cordoned("worker-0"));
  after(31s, 0);  // it has rested
  EXPECT_TRUE(fake.is_cordoned("worker-0"));
}

TEST_F(ScaleInTest, AnotherPodGoesInThePlaceOfOneThatIsStuck) {
  policy.timeout = 60s;
  fake.add_pods(2);
  fake.pod(0).in_flight = {1};
  fake.pod(1).in_flight = {2};
  step(1);
  EXPECT_TRUE(fake.is_cordoned("worker-0"));
  after(60s, 1);
  fake.pod(1).in_flight = {0};
  after(1s, 1);
  EXPECT_EQ(after(1s, 1).replicas, 1U);
  fake.control();
  EXPECT_THAT(names(), ElementsAre("worker-0"));
}

TEST_F(ScaleInTest, WithProceedItGoesWithWhatItHolds) {
  policy = {60s, api::DrainTimeoutAction::kProceed};
  fake.add_pods(1);
  fake.pod(0).in_flight = {1};
  step(0);
  EXPECT_EQ(after(60s, 0).replicas, 0U);
}

TEST_F(ScaleInTest, NobodyGoesDuringARollout) {
  fake.add_pods(3);
  fake.rolling_out = true;
  const ScaleStep waiting = step(1);
  EXPECT_EQ(waiting.limited_by, LimitedBy::kRollout);
  EXPECT_THAT(waiting.cordons, IsEmpty());
}

TEST_F(ScaleInTest, NobodyGoesWhileAPodThatStartedIsNotReady) {
  fake.add_pods(3);
  fake.pod(1).pod.ready = false;
  EXPECT_EQ(step(1).limited_by, LimitedBy::kPodsNotReady);
  EXPECT_EQ(after(60s, 1).replicas, std::nullopt);
}

TEST_F(ScaleInTest, AllMayGoAlsoWhereOneIsNotReady) {
  fake.add_pods(2);
  fake.pod(1).pod.ready = false;
  fake.pod(0).in_flight = {1};
  step(0);
  EXPECT_EQ(after(10s, 0).replicas, std::nullopt);  // it would go first, and is not alone
  fake.pod(0).in_flight = {0};
  EXPECT_EQ(after(1s, 0).replicas, 0U);
}

TEST_F(ScaleInTest, PodsThatNeverStartedGoFirst) {
  fake.add_pods(3);
  fake.pod(0).pod.started = fake.pod(0).pod.ready = false;
  step(2);
  EXPECT_EQ(after(1s, 2).replicas, 2U);
  fake.control();
  EXPECT_THAT(names(), ElementsAre("worker-1", "worker-2"));
}

TEST_F(ScaleInTest, ReplicasThatWereNeverCreatedNeedNoPodToGo) {
  fake.add_pods(2);
  fake.set_replicas(10);
  EXPECT_EQ(step(5).replicas, 5U);
  EXPECT_THAT(names(), SizeIs(2));
  step(1);
  EXPECT_EQ(after(1s, 1).replicas, 1U);
}

TEST_F(ScaleInTest, ConsumersThatNameNoPodKeepPodsThatNobodyNames) {
  fake.add_pods(3);
  fake.pod(1).connected = false;
  fake.broker(0).strangers = {"laptop"};
  step(0);
  EXPECT_EQ(after(1s, 0).replicas, 1U);
  fake.control();
  fake.end_terminating();
  EXPECT_THAT(names(), ElementsAre("worker-1"));
  const ScaleStep kept = after(1s, 0);
  EXPECT_EQ(kept.limited_by, LimitedBy::kUnmatchedConsumers);
  EXPECT_EQ(kept.replicas, std::nullopt);
  fake.broker(0).strangers.clear();
  after(1s, 0);
  EXPECT_EQ(after(1s, 0).replicas, 0U);
}

TEST_F(ScaleInTest, AStatefulSetLosesItsHighestOrdinals) {
  fake.by_ordinal = true;
  fake.add_pods(12);
  fake.pod(11).in_flight = {3};
  fake.pod(10).in_flight = {0};
  step(10);
  EXPECT_THAT(after(10s, 10).replicas, std::nullopt);  // 11 holds some, so 10 has to wait
  fake.pod(11).in_flight = {0};
  const ScaleStep last = after(1s, 10);
  EXPECT_EQ(last.replicas, 10U);
  EXPECT_THAT(last.marks, IsEmpty());
}

TEST_F(ScaleInTest, AStatefulSetsStuckPodHoldsAllBelowIt) {
  policy.timeout = 60s;
  fake.by_ordinal = true;
  fake.add_pods(3);
  fake.pod(2).in_flight = {1};
  step(1);
  after(60s, 1);
  const ScaleStep held = after(1s, 1);
  EXPECT_TRUE(held.drain_timed_out);
  EXPECT_EQ(held.replicas, std::nullopt);
  EXPECT_FALSE(fake.is_cordoned("worker-1"));
}

TEST_F(ScaleInTest, AnotherLeaderGoesOnWithTheSamePods) {
  fake.add_pods(3);
  for (std::size_t i = 0; i < 3; ++i) fake.pod(i).in_flight = {i + 1};
  step(2);
  EXPECT_TRUE(fake.is_cordoned("worker-0"));
  fake.pod(0).in_flight = {100};
  machine = ScaleIn();
  EXPECT_THAT(after(1s, 2).leaving, ElementsAre("worker-0"));
}

TEST_F(ScaleInTest, AnotherLeaderTakesPodsThatWereMarkedAlready) {
  fake.add_pods(3);
  fake.pod(2).pod.deletion_cost = "-1000000";
  fake.pod(2).pod.chosen = "";
  fake.pod(2).in_flight = {7};
  EXPECT_THAT(step(2).leaving, ElementsAre("worker-2"));
  fake.pod(2).in_flight = {0};
  const ScaleStep last = after(1s, 2);
  EXPECT_THAT(last.marks, IsEmpty());
  EXPECT_EQ(last.replicas, 2U);
}

TEST_F(ScaleInTest, AnotherLeaderLiftsAndUnmarksWhatStays) {
  fake.add_pods(2);
  fake.pod(0).pod.deletion_cost = "-1000000";
  fake.pod(0).pod.chosen = "7";
  fake.pod(1).pod.deletion_cost = "-1000000";
  fake.pod(1).pod.chosen = "";
  fake.broker(0).cordoned_until["worker-0"] = fake.now + base::Nanos(20s);
  const ScaleStep cleared = step(2);
  EXPECT_THAT(cleared.cordons, ElementsAre(CordonCall{"orders-0", "worker-0", 0s, fake.now}));
  EXPECT_THAT(cleared.marks,
              UnorderedElementsAre(PodMark{"worker-0", "uid-1", "7", std::nullopt},
                                   PodMark{"worker-1", "uid-2", std::nullopt, std::nullopt}));
}

TEST_F(ScaleInTest, LettingGoOfATargetLiftsEverything) {
  fake.add_pods(2);
  fake.pod(0).in_flight = fake.pod(1).in_flight = {1};
  step(1);
  fake.carry_out(machine, machine.release(fake.world(), fake.now));
  EXPECT_FALSE(fake.is_cordoned("worker-0"));
  EXPECT_FALSE(fake.is_cordoned("worker-1"));
}

// Pods take messages unless cordoned, finish some, vanish, restart; brokers restart and fall
// silent; leaders change; what is wanted changes: nobody is told to go who holds a message.
TEST(ScaleInProperties, NobodyGoesWhoHoldsAMessage) {
  int gone = 0;
  for (std::uint64_t seed = 1; seed <= 150 / test::kThinning; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Prng random(seed);
    FakeTarget fake(1 + random.below(3));
    fake.by_ordinal = random.chance(0.3);
    fake.add_pods(static_cast<std::uint32_t>(1 + random.below(12)));
    std::size_t brokers = fake.world().brokers.size();
    ScaleIn machine;
    std::uint32_t wanted = fake.replicas();
    for (int i = 0; i < 400; ++i) {
      fake.now = fake.now + base::Millis(random.below(3'000));
      if (random.chance(0.05)) wanted = static_cast<std::uint32_t>(random.below(12));
      if (random.chance(0.02)) machine = ScaleIn();
      fake.refuse_cordons = random.chance(0.05);
      fake.rolling_out = random.chance(0.02);
      fake.marks_max = random.chance(0.2) ? random.below(4) : 1'000;
      for (std::size_t b = 0; b < brokers; ++b) {
        fake.broker(b).reachable = !random.chance(0.03);
        if (!random.chance(0.01)) continue;
        fake.broker(b).cordoned_until.clear();
        ++fake.broker(b).incarnation;
      }
      for (FakeTarget::FakePod& one : fake.pods()) {
        if (random.chance(0.02)) one.pod.ready = !one.pod.ready;
        for (std::size_t b = 0; b < brokers; ++b) {
          std::uint64_t& held = one.in_flight[b];
          held = held > 0 && random.chance(0.5) ? held - 1 : held;
          const bool cordoned = fake.is_cordoned(one.pod.name, b);
          if (!cordoned && one.pod.ready && random.chance(0.3)) ++held;
        }
      }
      fake.carry_out(machine, machine.step(fake.world(), wanted, DrainPolicy{}, fake.now));
      for (const FakeTarget::FakePod& one : fake.control()) {
        ++gone;
        for (const std::uint64_t held : one.in_flight) EXPECT_EQ(held, 0U) << one.pod.name;
      }
      if (random.chance(0.5)) fake.end_terminating();
      while (fake.pods().size() < fake.replicas()) {
        std::uint64_t number = 0;
        while (fake.find("worker-" + std::to_string(number)) != nullptr) ++number;
        fake.add_pod("worker-" + std::to_string(number));
      }
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(gone, 1'000 / static_cast<int>(test::kThinning));
}

// With everybody answering and work that ends, what is wanted is reached.
TEST(ScaleInProperties, WhatIsWantedIsReached) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Prng random(seed);
    FakeTarget fake(1 + random.below(3));
    fake.by_ordinal = random.chance(0.3);
    fake.add_pods(20);
    for (FakeTarget::FakePod& one : fake.pods()) {
      for (std::uint64_t& held : one.in_flight) held = random.below(5);
    }
    ScaleIn machine;
    const auto wanted = static_cast<std::uint32_t>(random.below(20));
    for (int i = 0; i < 60; ++i) {
      fake.now = fake.now + base::Millis(1'000);
      for (FakeTarget::FakePod& one : fake.pods()) {
        for (std::uint64_t& held : one.in_flight) held -= std::min<std::uint64_t>(held, 1);
      }
      fake.carry_out(machine, machine.step(fake.world(), wanted, DrainPolicy{}, fake.now));
      fake.control();
      fake.end_terminating();
    }
    EXPECT_EQ(fake.replicas(), wanted);
    EXPECT_EQ(fake.pods().size(), wanted);
    for (const FakeTarget::FakePod& one : fake.pods()) {
      EXPECT_FALSE(fake.is_cordoned(one.pod.name));
      EXPECT_FALSE(one.pod.chosen.has_value());
    }
  }
}

}  // namespace
}  // namespace sluice::autoscale
