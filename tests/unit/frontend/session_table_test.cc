#include "frontend/session_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/prng.h"

namespace sluice::frontend {
namespace {

using broker::RefusalCode;

Peer peer(std::uint8_t number, Port port = Port::kClient) {
  const std::byte id[kRoutingIdBytes] = {std::byte{0}, std::byte{1}, std::byte{2}, std::byte{3},
                                         std::byte{number}};
  return make_peer(port, id);
}

base::MonoTime at(std::int64_t milliseconds) {
  return base::MonoTime(milliseconds * base::kNanosPerMilli);
}

class SessionTableTest : public testing::Test {
 protected:
  SessionTable::Hello say_hello(std::int64_t ms, Peer from, wire::Hello hello = {}) {
    return table_.hello(at(ms), from, 1, hello);
  }
  wire::FrameHeader header(const SessionTable::Session& session) {
    wire::FrameHeader header;
    header.session = session.number;
    header.session_epoch = session.epoch;
    return header;
  }

  base::Prng prng_{1};
  SessionOptions options_{.ttl = base::Millis(10'000), .sessions_max = 3};
  SessionTable table_{options_, 7, [this] { return base::SessionId(prng_.id128()); }};
};

TEST(PeerTest, HoldsPortAndRoutingId) {
  const std::byte id[kRoutingIdBytes] = {std::byte{0}, std::byte{0xFF}, std::byte{2}, std::byte{3},
                                         std::byte{0xFE}};
  const Peer control = make_peer(Port::kControl, id);
  EXPECT_EQ(port_of(control), Port::kControl);
  EXPECT_EQ(port_of(make_peer(Port::kClient, id)), Port::kClient);
  std::byte back[kRoutingIdBytes];
  store_routing_id(control, back);
  EXPECT_TRUE(std::equal(std::begin(id), std::end(id), std::begin(back)));
}

TEST(PeerTest, HoldsTheDoorToo) {
  const std::byte id[kRoutingIdBytes] = {std::byte{0}, std::byte{0xFF}, std::byte{0xFF},
                                         std::byte{0xFF}, std::byte{0xFF}};
  const Peer peer = make_peer(Port::kControl, id, 255);
  EXPECT_EQ(port_of(peer), Port::kControl);
  EXPECT_EQ(door_of(peer), 255);
  EXPECT_EQ(door_of(make_peer(Port::kControl, id)), 0);
  EXPECT_NE(peer, make_peer(Port::kControl, id));
}

TEST_F(SessionTableTest, ANewSessionGetsIdNumberAndEpoch) {
  const auto result = say_hello(0, peer(1));
  ASSERT_FALSE(result.refusal.refused());
  EXPECT_FALSE(result.session->id.is_zero());
  EXPECT_EQ(result.session->epoch, 1U);
  EXPECT_EQ(result.session->number >> 32U, 7U);
  EXPECT_FALSE(result.session->resumed);
  EXPECT_EQ(table_.heard(at(1), peer(1), header(*result.session)).session, result.session);
}

TEST_F(SessionTableTest, AVersionThatItDoesNotSpeakIsRefused) {
  wire::Hello hello;
  hello.version_min = wire::kProtocolVersion + 1;
  hello.version_max = wire::kProtocolVersion + 3;
  EXPECT_EQ(say_hello(0, peer(1), hello).refusal.code, RefusalCode::kUnsupportedVersion);
  EXPECT_EQ(table_.size(), 0U);
}

TEST_F(SessionTableTest, AFrameOfAnUnknownSessionIsNotLetIn) {
  wire::FrameHeader header;
  header.session = (7ULL << 32U) | 5U;
  EXPECT_EQ(table_.heard(at(0), peer(1), header).code, RefusalCode::kNoSession);
}

TEST_F(SessionTableTest, ANumberOfAnEarlierIncarnationIsNoSession) {
  const auto result = say_hello(0, peer(1));
  wire::FrameHeader old = header(*result.session);
  old.session -= 1ULL << 32U;
  EXPECT_EQ(table_.heard(at(0), peer(1), old).code, RefusalCode::kNoSession);
}

TEST_F(SessionTableTest, ResumingFencesTheOlderConnection) {
  const SessionTable::Session before = *say_hello(0, peer(1)).session;
  wire::Hello again;
  again.session_id = before.id;
  again.session_epoch = before.epoch;
  const auto after = say_hello(100, peer(2), again);
  ASSERT_FALSE(after.refusal.refused());
  EXPECT_TRUE(after.session->resumed);
  EXPECT_EQ(after.session->handle, before.handle);
  EXPECT_EQ(after.session->epoch, before.epoch + 1);
  EXPECT_EQ(table_.size(), 1U);
  EXPECT_EQ(table_.heard(at(101), peer(1), header(before)).code, RefusalCode::kSessionFenced);
  EXPECT_EQ(table_.heard(at(101), peer(2), header(*after.session)).code, RefusalCode::kNone);
  EXPECT_EQ(table_.find(peer(1)), nullptr);
  EXPECT_EQ(table_.find(peer(2)), after.session);
}

TEST_F(SessionTableTest, TheRightNumbersFromAnotherConnectionAreFenced) {
  const auto result = say_hello(0, peer(1));
  EXPECT_EQ(table_.heard(at(1), peer(2), header(*result.session)).code,
            RefusalCode::kSessionFenced);
}

TEST_F(SessionTableTest, AnIdFromBeforeARestartIsTakenUpAboveTheClientsEpoch) {
  wire::Hello hello;
  hello.session_id = base::SessionId(prng_.id128());
  hello.session_epoch = 41;
  const auto result = say_hello(0, peer(1), hello);
  EXPECT_EQ(result.session->id, hello.session_id);
  EXPECT_EQ(result.session->epoch, 42U);
  EXPECT_FALSE(result.session->resumed);
}

TEST_F(SessionTableTest, ASecondSessionOnAConnectionTakesItFromTheFirst) {
  const broker::SessionHandle first = say_hello(0, peer(1)).session->handle;
  const auto second = say_hello(1, peer(1));
  EXPECT_NE(second.session->handle, first);
  ASSERT_NE(table_.find(first), nullptr);
  EXPECT_FALSE(table_.find(first)->connected);
  EXPECT_EQ(table_.find(peer(1)), second.session);
}

TEST_F(SessionTableTest, TheLimitIsAnswered) {
  for (std::uint8_t i = 1; i <= 3; ++i) ASSERT_FALSE(say_hello(0, peer(i)).refusal.refused());
  EXPECT_EQ(say_hello(0, peer(4)).refusal.code, RefusalCode::kLimitReached);
  wire::Hello again;
  again.session_id = table_.find(peer(2))->id;
  EXPECT_FALSE(say_hello(0, peer(5), again).refusal.refused());
}

TEST_F(SessionTableTest, SilenceForTheTimeToLiveEndsASession) {
  const SessionTable::Session session = *say_hello(0, peer(1)).session;
  EXPECT_EQ(table_.next_expiry(), at(10'000));
  EXPECT_TRUE(table_.expire(at(9'999)).empty());
  table_.heard(at(9'999), peer(1), header(session));
  EXPECT_TRUE(table_.expire(at(10'000)).empty());
  EXPECT_EQ(table_.next_expiry(), at(19'999));
  const auto gone = table_.expire(at(19'999));
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone[0].handle, session.handle);
  EXPECT_EQ(table_.size(), 0U);
  EXPECT_EQ(table_.next_expiry(), std::nullopt);
}

TEST_F(SessionTableTest, ALostConnectionStartsTheTimeToLiveOnce) {
  const broker::SessionHandle handle = say_hello(0, peer(1)).session->handle;
  table_.disconnected(at(5'000), handle);
  table_.disconnected(at(9'000), handle);
  EXPECT_TRUE(table_.expire(at(14'999)).empty());
  EXPECT_EQ(table_.expire(at(15'000)).size(), 1U);
}

TEST_F(SessionTableTest, ASlotIsReusedUnderAnotherHandle) {
  const SessionTable::Session first = *say_hello(0, peer(1)).session;
  table_.remove(first.handle);
  const auto second = say_hello(0, peer(1));
  EXPECT_NE(second.session->handle, first.handle);
  EXPECT_EQ(table_.find(first.handle), nullptr);
  EXPECT_EQ(table_.heard(at(0), peer(1), header(first)).code, RefusalCode::kNoSession);
}

TEST_F(SessionTableTest, ASessionStaysOnItsPort) {
  const SessionTable::Session session = *say_hello(0, peer(1)).session;
  wire::Hello again;
  again.session_id = session.id;
  EXPECT_EQ(say_hello(0, peer(1, Port::kControl), again).refusal.code, RefusalCode::kNoSession);
  EXPECT_EQ(table_.heard(at(0), peer(1, Port::kControl), header(session)).code,
            RefusalCode::kNoSession);
}

TEST_F(SessionTableTest, WhoSaidGoodbyeIsNoLongerHeard) {
  SessionTable::Session* session = say_hello(0, peer(1)).session;
  session->closing = true;
  EXPECT_EQ(table_.heard(at(0), peer(1), header(*session)).code, RefusalCode::kNoSession);
}

TEST_F(SessionTableTest, ASessionIsOnTheDoorOfItsLastConnection) {
  const std::byte id[kRoutingIdBytes] = {};
  const Peer old_door = make_peer(Port::kClient, id, 1);
  const Peer new_door = make_peer(Port::kClient, id, 2);
  const auto first = say_hello(0, old_door);
  ASSERT_FALSE(first.refusal.refused());
  EXPECT_EQ(table_.peers_of(1), std::vector<Peer>{old_door});
  wire::Hello hello;
  hello.version_min = hello.version_max = wire::kProtocolVersion;
  hello.session_id = first.session->id;
  hello.session_epoch = first.session->epoch;
  const auto moved = table_.hello(at(1), new_door, 1, hello);
  ASSERT_FALSE(moved.refusal.refused());
  EXPECT_TRUE(moved.session->resumed);
  EXPECT_TRUE(table_.peers_of(1).empty());
  EXPECT_EQ(table_.peers_of(2), std::vector<Peer>{new_door});
}

}  // namespace
}  // namespace sluice::frontend
