#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/guarded_broker.h"
#include "tests/integration/raw_client.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/http/raw_peer.h"

// What becomes of connections that never get as far as a session.
namespace sluice::test {
namespace {

class Strangers : public GuardedBroker {
 protected:
  std::uint16_t port() const {
    const std::string endpoint = guarded_->endpoint();
    return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
  }
};

TEST_F(Strangers, EachHandshakeThatFailsIsCountedByItsReason) {
  start();
  const client::KeyPair nobody = new_key_pair();
  const client::KeyPair other = new_key_pair();
  {
    // ZMTP 3.0: signature, version, the mechanism NULL, not a server, filler.
    std::string greeting("\xFF\0\0\0\0\0\0\0\0\x7F\3\0NULL", 16);
    greeting.resize(64);
    RawPeer plain(port());
    plain.send(greeting);
    EXPECT_TRUE(plain.rest());
    wait_for("mechanism", 1);
  }
  const RawClient wrong_broker({guarded_->endpoint(), &known_, other.public_key});
  wait_for("server_key", 1);
  const RawClient wrong_key({guarded_->endpoint(), &nobody, broker_.public_key});
  wait_for("auth", 1);
  {
    RawPeer web(port());
    web.send("GET / HTTP/1.1\r\n\r\n");
    web.end_sending();
    EXPECT_TRUE(web.rest());
  }
  EXPECT_THAT(connect(known_.secret_key, guarded_->endpoint()), IsOk());
  // None but that of who has a key, whose goodbye may still be on its way.
  EXPECT_LE(guarded_->stats()->broker.sessions, 1U);
}

TEST_F(Strangers, OneConnectionTooManyCutsTheOldestOff) {
  LocalBrokerOptions options;
  options.guard.strangers_max = 5;
  start(options);
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int i = 0; i < 20; ++i) {
    silent.push_back(std::make_unique<RawPeer>(port()));
    ASSERT_TRUE(silent.back()->connected());
  }
  wait_for("crowded", 15);
  EXPECT_TRUE(silent.front()->rest());  // the broker has closed it
  const auto connection = connect(known_.secret_key, guarded_->endpoint());
  EXPECT_THAT(connection, IsOk());
  EXPECT_EQ(guarded_->stats()->transport.connections_opened, 21U);
}

TEST_F(Strangers, ASilentHandshakeHasATimeLimit) {
  LocalBrokerOptions options;
  options.handshake_timeout = base::Millis(100);
  start(options);
  RawPeer silent(port());
  EXPECT_TRUE(silent.rest());
  wait_for("broken_off", 1);
}

TEST_F(Strangers, WhoseKeyIsGoodHasToSayHelloInTime) {
  LocalBrokerOptions options;
  options.guard.hello_timeout = base::Millis(100);
  start(options);
  const RawClient silent({guarded_->endpoint(), &known_, broker_.public_key});
  wait_for("no_hello", 1);
}

TEST_F(Strangers, ALargeFrameBeforeHelloEndsTheConnection) {
  start();
  const auto good = connect(known_.secret_key, guarded_->endpoint());
  ASSERT_THAT(good, IsOk());
  RawClient greedy({guarded_->endpoint(), &known_, broker_.public_key});
  greedy.send(std::string(64 * 1024, 'x'));
  wait_for("frame_before_hello", 1);
  EXPECT_THAT((*good)->poll(base::Millis(0)), IsOk());
}

TEST_F(Strangers, SessionsHaveALimitOfTheirOwn) {
  LocalBrokerOptions options;
  options.sessions_max = 2;
  start(options);
  const auto first = connect(known_.secret_key, guarded_->endpoint());
  const auto second = connect(known_.secret_key, guarded_->endpoint());
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(refusal(known_.secret_key, guarded_->endpoint()), testing::HasSubstr("its limit"));
  EXPECT_THAT((*first)->poll(base::Millis(0)), IsOk());
}

}  // namespace
}  // namespace sluice::test
