#include "frontend/connection_guard.h"

#include <gtest/gtest.h>

namespace sluice::frontend {
namespace {

using Reason = ConnectionGuard::Reason;

base::MonoTime at_ms(std::int64_t milliseconds) {
  return base::MonoTime(milliseconds * base::kNanosPerMilli);
}
constexpr Peer kPeer(7);

class ConnectionGuardTest : public testing::Test {
 protected:
  // "3 crowded, 4 no_hello"
  std::string cuts(std::int64_t now_ms) {
    std::string text;
    for (const ConnectionGuard::Cut& cut : guard_.take_cuts(at_ms(now_ms))) {
      if (!text.empty()) text += ", ";
      text += std::to_string(cut.fd) + " " + std::string(to_string(cut.reason));
    }
    return text;
  }

  ConnectionGuard guard_{{.strangers_max = 2, .hello_timeout = base::Millis(1'000)}};
};

TEST_F(ConnectionGuardTest, OneTooManyCutsTheOldestStrangerOff) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  guard_.accepted(at_ms(1), 0, 4, "b");
  EXPECT_EQ(cuts(1), "");
  guard_.accepted(at_ms(2), 0, 5, "c");
  EXPECT_EQ(cuts(2), "3 crowded");
  EXPECT_EQ(cuts(2), "");
  EXPECT_EQ(guard_.connections(), 3U);  // until its end is told
  guard_.ended(3);
  EXPECT_EQ(guard_.connections(), 2U);
}

TEST_F(ConnectionGuardTest, ASessionMakesRoom) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  guard_.admitted(3, kPeer);
  guard_.accepted(at_ms(1), 0, 4, "b");
  guard_.accepted(at_ms(2), 0, 5, "c");
  EXPECT_EQ(cuts(2), "");
  EXPECT_EQ(guard_.strangers(), 2U);
}

TEST_F(ConnectionGuardTest, WhoSaysNoHelloInTimeIsCutOff) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  guard_.accepted(at_ms(500), 0, 4, "b");
  guard_.admitted(4, kPeer);
  EXPECT_EQ(cuts(999), "");
  EXPECT_EQ(cuts(1'000), "3 no_hello");
  EXPECT_EQ(cuts(5'000), "");
}

TEST_F(ConnectionGuardTest, WhoseSessionIsGoneIsAStrangerAgain) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  guard_.admitted(3, kPeer);
  guard_.review(at_ms(5'000), [](Peer) { return true; });
  EXPECT_EQ(guard_.strangers(), 0U);
  guard_.review(at_ms(6'000), [](Peer) { return false; });
  EXPECT_EQ(guard_.strangers(), 1U);
  EXPECT_EQ(cuts(6'999), "");
  EXPECT_EQ(cuts(7'000), "3 no_hello");
}

TEST_F(ConnectionGuardTest, ADescriptorThatIsUsedAgainIsAnotherConnection) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  guard_.admitted(3, kPeer);
  guard_.accepted(at_ms(10), 0, 3, "b");
  EXPECT_EQ(guard_.strangers(), 1U);
  EXPECT_EQ(guard_.opened(), 2U);
  EXPECT_EQ(guard_.closed(), 1U);
  EXPECT_TRUE(guard_.condemn(at_ms(10), 3, Reason::kFrameBeforeHello, "worker"));
  const auto cuts = guard_.take_cuts(at_ms(10));
  ASSERT_EQ(cuts.size(), 1U);
  EXPECT_EQ(cuts[0].address, "b");
  EXPECT_EQ(cuts[0].key, "worker");
}

TEST_F(ConnectionGuardTest, WhoIsToBeToldWhyIsCutOffALittleLater) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  EXPECT_TRUE(guard_.condemn(at_ms(200), 3, Reason::kRoutingId, ""));
  EXPECT_FALSE(guard_.condemn(at_ms(300), 3, Reason::kRoutingId, ""));  // told once
  EXPECT_EQ(cuts(199), "");
  EXPECT_EQ(cuts(200), "3 routing_id");
  EXPECT_EQ(cuts(5'000), "");
}

TEST_F(ConnectionGuardTest, WhoeverGetsTheDescriptorOfACondemnedOneStays) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  EXPECT_TRUE(guard_.condemn(at_ms(200), 3, Reason::kRoutingId, ""));
  guard_.ended(3);
  guard_.accepted(at_ms(100), 0, 3, "b");
  guard_.admitted(3, kPeer);
  EXPECT_EQ(cuts(1'000), "");
}

TEST_F(ConnectionGuardTest, WhoeverGetsItAndIsCondemnedTooIsToldInItsOwnTime) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  EXPECT_TRUE(guard_.condemn(at_ms(200), 3, Reason::kRoutingId, ""));
  guard_.accepted(at_ms(100), 0, 3, "b");
  EXPECT_TRUE(guard_.condemn(at_ms(300), 3, Reason::kRoutingId, ""));
  EXPECT_EQ(cuts(299), "");
  EXPECT_EQ(cuts(300), "3 routing_id");
}

TEST_F(ConnectionGuardTest, WhoBreaksAnotherRuleMeanwhileIsCutOffAtOnce) {
  guard_.accepted(at_ms(0), 0, 3, "a");
  EXPECT_TRUE(guard_.condemn(at_ms(200), 3, Reason::kRoutingId, ""));
  EXPECT_TRUE(guard_.condemn(at_ms(100), 3, Reason::kFrameBeforeHello, ""));
  EXPECT_FALSE(guard_.condemn(at_ms(300), 3, Reason::kRoutingId, ""));
  EXPECT_EQ(cuts(100), "3 frame_before_hello");
  EXPECT_EQ(cuts(5'000), "");
}

TEST_F(ConnectionGuardTest, AClosedSocketTakesItsConnectionsAlong) {
  guard_.accepted(at_ms(0), 1, 3, "a");
  guard_.accepted(at_ms(0), 2, 4, "b");
  guard_.ended_all(1);
  EXPECT_EQ(guard_.connections(), 1U);
  EXPECT_EQ(guard_.strangers(), 1U);
  EXPECT_FALSE(guard_.condemn(at_ms(0), 3, Reason::kNoHello, ""));  // nobody any more
  EXPECT_EQ(cuts(0), "");
}

}  // namespace
}  // namespace sluice::frontend
