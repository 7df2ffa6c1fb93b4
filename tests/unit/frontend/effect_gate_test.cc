#include "frontend/effect_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/prng.h"

namespace sluice::frontend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A reply that carries the order of its emission in its request number.
broker::SettleReply reply(std::uint32_t session, std::uint64_t number) {
  broker::SettleReply effect;
  effect.origin = {broker::SessionHandle(session), broker::RequestId(number)};
  return effect;
}

storage::LogPositions positions(std::uint64_t written, std::uint64_t durable) {
  return {base::Lsn(1'000'000), base::Lsn(written), base::Lsn(durable)};
}

std::vector<std::uint64_t> release(EffectGate& gate, const storage::LogPositions& at) {
  std::vector<std::uint64_t> numbers;
  gate.release(at, [&](Effect&& effect) {
    numbers.push_back(std::get<broker::SettleReply>(effect).origin.request.value());
  });
  return numbers;
}

TEST(EffectGateTest, KeepsAnEffectUntilItsRecordsAreDurable) {
  EffectGate gate;
  gate.emit({base::Lsn(100), true}, reply(1, 1));
  EXPECT_THAT(release(gate, positions(100, 99)), IsEmpty());
  EXPECT_THAT(release(gate, positions(100, 100)), ElementsAre(1));
  EXPECT_TRUE(gate.empty());
}

TEST(EffectGateTest, WrittenIsEnoughWhereTheQueueSaysSo) {
  EffectGate gate;
  gate.emit({base::Lsn(100), false}, reply(1, 1));
  EXPECT_THAT(release(gate, positions(99, 0)), IsEmpty());
  EXPECT_THAT(release(gate, positions(100, 0)), ElementsAre(1));
}

TEST(EffectGateTest, AnEffectThatWaitsForNothingLeavesAtOnce) {
  EffectGate gate;
  gate.emit({base::Lsn(100), true}, reply(1, 1));
  gate.emit({}, reply(2, 2));
  EXPECT_THAT(release(gate, positions(0, 0)), ElementsAre(2));
}

TEST(EffectGateTest, NothingOvertakesAnEarlierEffectOfItsSession) {
  EffectGate gate;
  gate.emit({base::Lsn(100), true}, reply(1, 1));
  gate.emit({base::Lsn(120), false}, reply(1, 2));
  gate.emit({}, reply(1, 3));
  EXPECT_THAT(release(gate, positions(120, 99)), IsEmpty());
  EXPECT_THAT(release(gate, positions(120, 120)), ElementsAre(1, 2, 3));
}

// Its queue asks for no sync, so there may never be one.
TEST(EffectGateTest, BehindAnEffectThatWaitsForASyncAWriteIsStillEnough) {
  EffectGate gate;
  gate.emit({base::Lsn(100), true}, reply(1, 1));
  gate.emit({base::Lsn(120), false}, reply(1, 2));
  EXPECT_THAT(release(gate, positions(119, 100)), ElementsAre(1));
  EXPECT_THAT(release(gate, positions(120, 100)), ElementsAre(2));
  gate.emit({base::Lsn(200), true}, reply(1, 3));
  gate.emit({base::Lsn(220), false}, reply(1, 4));
  EXPECT_THAT(release(gate, positions(220, 200)), ElementsAre(3, 4));
}

TEST(EffectGateTest, WhatWaitsForASyncDoesNotOvertakeAWriteOfItsSession) {
  EffectGate gate;
  gate.emit({base::Lsn(300), false}, reply(2, 1));
  gate.emit({base::Lsn(100), false}, reply(1, 2));  // behind the other session's
  gate.emit({base::Lsn(110), true}, reply(1, 3));
  EXPECT_THAT(release(gate, positions(299, 299)), IsEmpty());
  EXPECT_THAT(release(gate, positions(300, 299)), ElementsAre(1, 2, 3));
}

TEST(EffectGateTest, AnotherSessionsWriteDoesNotWaitForAnFdatasync) {
  EffectGate gate;
  gate.emit({base::Lsn(100), true}, reply(1, 1));
  gate.emit({base::Lsn(120), false}, reply(2, 2));
  EXPECT_THAT(release(gate, positions(120, 0)), ElementsAre(2));
  EXPECT_EQ(gate.size(), 1U);
}

TEST(EffectGateTest, WhatIsEmittedDuringTheReleaseIsReleasedToo) {
  EffectGate gate;
  gate.emit({}, reply(1, 1));
  std::vector<std::uint64_t> numbers;
  gate.release(positions(0, 0), [&](Effect&& effect) {
    const std::uint64_t number = std::get<broker::SettleReply>(effect).origin.request.value();
    numbers.push_back(number);
    if (number < 3) gate.emit({}, reply(1, number + 1));
  });
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3));
}

TEST(EffectGateTest, KnowsTheSessionOfEveryKind) {
  broker::Deliver deliver;
  deliver.session = broker::SessionHandle(7);
  EXPECT_EQ(session_of(Effect(deliver)), broker::SessionHandle(7));
  EXPECT_EQ(session_of(Effect(reply(8, 1))), broker::SessionHandle(8));
  EXPECT_EQ(session_of(Effect(PreparedFrame{broker::SessionHandle(9), {}, false})),
            broker::SessionHandle(9));
}

// Whatever is emitted: nothing leaves early, a session's effects keep their order, and everything
// leaves in the end.
TEST(EffectGateTest, HoldsItsPromisesForRandomEffects) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    base::Prng prng(seed);
    EffectGate gate;
    std::vector<broker::Wait> waits;
    std::map<std::uint32_t, std::uint64_t> last;
    std::uint64_t left = 0;
    std::uint64_t appended = 100;
    std::uint64_t written = 0;
    std::uint64_t durable = 0;
    const auto check = [&](Effect&& effect) {
      const broker::Origin origin = std::get<broker::SettleReply>(effect).origin;
      const broker::Wait& wait = waits[origin.request.value()];
      EXPECT_LE(wait.lsn.value(), wait.durable ? durable : written);
      const std::uint32_t session = origin.session.value();
      const auto before = last.find(session);
      if (before != last.end()) {
        EXPECT_LT(before->second, origin.request.value());
      }
      last[session] = origin.request.value();
      ++left;
    };
    for (int step = 0; step < 300; ++step) {
      if (prng.chance(0.6)) {
        appended += prng.below(50);
        const std::uint64_t lsn = prng.chance(0.2) ? 0 : appended - prng.below(60);
        waits.push_back({base::Lsn(lsn), prng.chance(0.5)});
        gate.emit(waits.back(), reply(static_cast<std::uint32_t>(prng.below(4)), waits.size() - 1));
      } else {
        written += prng.below(appended - written + 1);
        durable += prng.below(written - durable + 1);
        gate.release(positions(written, durable), check);
      }
    }
    written = appended;
    durable = appended;
    gate.release(positions(written, durable), check);
    EXPECT_EQ(left, waits.size()) << "seed " << seed;
    EXPECT_TRUE(gate.empty());
  }
}

}  // namespace
}  // namespace sluice::frontend
