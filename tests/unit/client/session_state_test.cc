#include "client/session_state.h"

#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace sluice::client {
namespace {

using base::Millis;
using base::MonoTime;
using test::HasCode;
using test::IsOk;
using Action = SessionState::Action;
using Phase = SessionState::Phase;

constexpr MonoTime kStart{1'000'000'000};

wire::Welcome welcome(std::uint8_t id, bool resumed) {
  wire::Welcome welcome;
  welcome.session_id.bytes[0] = id;
  welcome.session = 77;
  welcome.session_epoch = 3;
  welcome.incarnation = 2;
  welcome.resumed = resumed;
  welcome.heartbeat_ms = 1'000;
  return welcome;
}

class SessionStateTest : public testing::Test {
 protected:
  void open() {
    ASSERT_EQ(state_.step(kStart), Action::kConnect);
    ASSERT_TRUE(state_.on_welcome(kStart, welcome(5, false)));
  }

  SessionState state_{{}, base::Prng(1)};
};

TEST_F(SessionStateTest, BeginsWithANewSessionAtOnce) {
  EXPECT_EQ(state_.step(kStart), Action::kConnect);
  EXPECT_TRUE(state_.hello().session_id.is_zero());
  EXPECT_EQ(state_.hello().session_epoch, 0U);
  EXPECT_EQ(state_.step(kStart), Action::kNone);
}

TEST_F(SessionStateTest, StampsHeadersWithWhatWelcomeSaid) {
  open();
  const wire::FrameHeader header = state_.header(9);
  EXPECT_EQ(header.session, 77U);
  EXPECT_EQ(header.session_epoch, 3U);
  EXPECT_EQ(header.request, 9U);
  EXPECT_EQ(state_.incarnation(), 2U);
}

TEST_F(SessionStateTest, ResumesByIdAndEpochAfterALostConnection) {
  open();
  state_.on_lost(kStart);
  EXPECT_EQ(state_.phase(), Phase::kWaiting);
  EXPECT_EQ(state_.hello().session_id.bytes[0], 5);
  EXPECT_EQ(state_.hello().session_epoch, 3U);
  ASSERT_EQ(state_.step(kStart + Millis(100)), Action::kConnect);
  ASSERT_TRUE(state_.on_welcome(kStart + Millis(101), welcome(5, true)));
  EXPECT_TRUE(state_.resumed());
}

TEST_F(SessionStateTest, ASessionUnderAnotherIdIsNotResumed) {
  open();
  state_.on_lost(kStart);
  ASSERT_EQ(state_.step(kStart + Millis(100)), Action::kConnect);
  ASSERT_TRUE(state_.on_welcome(kStart + Millis(101), welcome(6, true)));
  EXPECT_FALSE(state_.resumed());
}

TEST_F(SessionStateTest, AWelcomeThatNobodyAskedForIsNotTaken) {
  open();
  EXPECT_FALSE(state_.on_welcome(kStart, welcome(6, true)));
  EXPECT_EQ(state_.id().bytes[0], 5);
}

TEST_F(SessionStateTest, GivesAnAttemptUpAndBacksOffLongerEachTime) {
  MonoTime now = kStart;
  Millis longest(0);
  for (int attempt = 0; attempt < 10; ++attempt) {
    ASSERT_EQ(state_.step(now), Action::kConnect);
    now = state_.deadline();
    ASSERT_EQ(state_.step(now), Action::kDisconnect);
    const auto pause = Millis((state_.deadline() - now) / base::kNanosPerMilli);
    EXPECT_LE(pause, Millis(5'000));
    EXPECT_GE(pause, std::min(longest / 2, Millis(2'500)) / 2);
    longest = std::max(longest, pause);
    now = state_.deadline();
  }
  EXPECT_GT(longest, Millis(2'500));
}

TEST_F(SessionStateTest, AWelcomeMakesTheNextPauseShortAgain) {
  MonoTime now = kStart;
  for (int attempt = 0; attempt < 5; ++attempt) {
    ASSERT_EQ(state_.step(now), Action::kConnect);
    now = state_.deadline();
    ASSERT_EQ(state_.step(now), Action::kDisconnect);
    now = state_.deadline();
  }
  ASSERT_EQ(state_.step(now), Action::kConnect);
  ASSERT_TRUE(state_.on_welcome(now, welcome(5, false)));
  state_.on_lost(now);
  EXPECT_LE(state_.deadline(), now + Millis(100));
}

TEST_F(SessionStateTest, SendsAHeartbeatWhenItSentNothingForAnInterval) {
  open();
  EXPECT_EQ(state_.step(kStart + Millis(999)), Action::kNone);
  EXPECT_EQ(state_.deadline(), kStart + Millis(1'000));
  EXPECT_EQ(state_.step(kStart + Millis(1'000)), Action::kSendHeartbeat);
  EXPECT_EQ(state_.step(kStart + Millis(1'000)), Action::kNone);
}

TEST_F(SessionStateTest, AnyFrameSentCountsAsLife) {
  open();
  state_.on_sent(kStart + Millis(600));
  state_.on_heard(kStart + Millis(600));
  EXPECT_EQ(state_.step(kStart + Millis(1'500)), Action::kNone);
}

TEST_F(SessionStateTest, AsksWhenItHearsNothingHoweverMuchItSends) {
  open();
  state_.on_sent(kStart + Millis(900));
  EXPECT_EQ(state_.step(kStart + Millis(1'000)), Action::kSendHeartbeat);
}

TEST_F(SessionStateTest, GivesASilentBrokerUpTwoIntervalsAfterItAsked) {
  open();
  ASSERT_EQ(state_.step(kStart + Millis(1'000)), Action::kSendHeartbeat);
  ASSERT_EQ(state_.step(kStart + Millis(2'000)), Action::kSendHeartbeat);
  EXPECT_EQ(state_.step(kStart + Millis(2'999)), Action::kNone);
  EXPECT_EQ(state_.step(kStart + Millis(3'000)), Action::kDisconnect);
  EXPECT_EQ(state_.phase(), Phase::kWaiting);
}

TEST_F(SessionStateTest, ALongHandlerIsNoSilenceOfTheBrokers) {
  open();
  // Nobody called for a minute; the answer to what was asked then is read before step().
  ASSERT_EQ(state_.step(kStart + Millis(1'000)), Action::kSendHeartbeat);
  state_.on_heard(kStart + Millis(61'000));
  EXPECT_EQ(state_.step(kStart + Millis(61'000)), Action::kSendHeartbeat);
  EXPECT_TRUE(state_.open());
}

TEST_F(SessionStateTest, SaysHelloAgainWhenTheBrokerKnowsNoSession) {
  open();
  EXPECT_THAT(state_.on_refused(kStart, wire::Code::kNoSession, ""), IsOk());
  EXPECT_EQ(state_.hello().session_id.bytes[0], 5);
  EXPECT_EQ(state_.step(kStart + Millis(100)), Action::kConnect);
}

TEST_F(SessionStateTest, BeginsANewSessionWhenAnotherHasTakenItOver) {
  open();
  EXPECT_THAT(state_.on_refused(kStart, wire::Code::kSessionFenced, ""), IsOk());
  EXPECT_TRUE(state_.hello().session_id.is_zero());
}

TEST_F(SessionStateTest, WaitsForABrokerThatIsNotReady) {
  ASSERT_EQ(state_.step(kStart), Action::kConnect);
  EXPECT_THAT(state_.on_refused(kStart, wire::Code::kNotReady, ""), IsOk());
  EXPECT_EQ(state_.phase(), Phase::kWaiting);
}

TEST_F(SessionStateTest, EndsWhereNoAttemptCanHelp) {
  ASSERT_EQ(state_.step(kStart), Action::kConnect);
  EXPECT_THAT(state_.on_refused(kStart, wire::Code::kUnsupportedVersion, "2 to 3"),
              HasCode(base::ErrorCode::kFailedPrecondition));
}

TEST_F(SessionStateTest, DoesNotFloodABrokerThatAsksForNoPauseBetweenHeartbeats) {
  ASSERT_EQ(state_.step(kStart), Action::kConnect);
  wire::Welcome hasty = welcome(5, false);
  hasty.heartbeat_ms = 0;
  ASSERT_TRUE(state_.on_welcome(kStart, hasty));
  EXPECT_EQ(state_.step(kStart + Millis(1)), Action::kNone);
}

}  // namespace
}  // namespace sluice::client
