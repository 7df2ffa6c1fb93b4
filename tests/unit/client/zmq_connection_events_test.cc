#include "client/zmq_connection_events.h"

#include <gtest/gtest.h>
#include <zmq.h>

namespace sluice::client {
namespace {

TEST(ConnectionEventsTest, AConnectionIsThereFromItsHandshakeToItsEnd) {
  ConnectionEvents events;
  EXPECT_FALSE(events.connected());
  EXPECT_FALSE(events.take(ZMQ_EVENT_HANDSHAKE_SUCCEEDED));
  EXPECT_TRUE(events.connected());
  EXPECT_TRUE(events.take(ZMQ_EVENT_DISCONNECTED));
  EXPECT_FALSE(events.connected());
  EXPECT_EQ(events.failure(), HandshakeFailure::kNone);
}

TEST(ConnectionEventsTest, TheReasonIsKnownAtTheEndHoweverLateThatIsRead) {
  ConnectionEvents events;
  EXPECT_FALSE(events.take(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH));
  EXPECT_EQ(events.failure(), HandshakeFailure::kKeyRefused);
  EXPECT_TRUE(events.take(ZMQ_EVENT_CLOSED));
  EXPECT_EQ(events.failure(), HandshakeFailure::kKeyRefused);
}

TEST(ConnectionEventsTest, TheFirstReasonIsTheCause) {
  ConnectionEvents events;
  events.take(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
  events.take(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
  EXPECT_EQ(events.failure(), HandshakeFailure::kProtocol);
}

TEST(ConnectionEventsTest, ABrokenOffHandshakeIsNoRefusal) {
  ConnectionEvents events;
  events.take(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
  EXPECT_EQ(events.failure(), HandshakeFailure::kBrokenOff);
}

}  // namespace
}  // namespace sluice::client
