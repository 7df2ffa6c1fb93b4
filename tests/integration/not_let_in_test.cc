#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/publisher.h"
#include "frontend/zmq_gatekeeper.h"
#include "frontend/zmq_wait.h"
#include "runtime/posix/wakeup.h"
#include "tests/integration/guarded_broker.h"
#include "tests/integration/raw_client.h"
#include "tests/support/captured_log.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_codec.h"

// Who may not get in, over real sockets: nothing of it gets through, and each case is told in words
// to whoever can be told, in words in the broker's log, and counted by a metric.
namespace sluice::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr auto kToldWithin = 20s;
constexpr auto kSilence = 300ms;  // how long nothing has to come

// The broker's gatekeeper on a thread of its own, so that it can stop while the broker runs.
class SeparateGatekeeper {
 public:
  ~SeparateGatekeeper() { stop(); }

  decltype(frontend::ServerHooks::open_gatekeeper) hook() {
    return [this](frontend::ZmqContext& context, std::shared_ptr<const access::KeyRing> ring)
               -> base::Result<std::unique_ptr<frontend::ZmqGatekeeper>> {
      auto opened = frontend::ZmqGatekeeper::open(context, std::move(ring));
      CHECK(opened.has_value());
      auto stop_asked = runtime::Wakeup::create();
      CHECK(stop_asked.has_value());
      stop_asked_ = std::move(*stop_asked);
      thread_ = std::thread([this, gatekeeper = std::move(*opened)]() mutable {
        std::vector<frontend::ZmqWaited> waited = {{gatekeeper->handle()}};
        while (!frontend::zmq_wait(waited, stop_asked_->fd(), -1)) {
          gatekeeper->serve(base::MonoTime(0));
        }
        gatekeeper.reset();
      });
      return std::unique_ptr<frontend::ZmqGatekeeper>();
    };
  }
  void stop() {
    if (!thread_.joinable()) return;
    stop_asked_->notify();
    thread_.join();
  }

 private:
  std::unique_ptr<runtime::Wakeup> stop_asked_;
  std::thread thread_;
};

class NotLetIn : public GuardedBroker {
 protected:
  static std::string hello() {
    wire::Frame frame;
    wire::Hello hello;
    hello.version_min = hello.version_max = wire::kProtocolVersion;
    hello.session_epoch = 1;
    hello.client = "raw";
    frame.body = hello;
    return std::string(base::as_text(encoded(frame)));
  }
  // What it is told next; empty = nothing within `patience`.
  static std::string told(RawClient& client, std::chrono::milliseconds patience) {
    const auto bytes = client.receive(patience);
    if (!bytes) return "";
    const auto frame = wire::decode_frame(*bytes);
    if (!frame.has_value()) return frame.error().message();
    if (std::holds_alternative<wire::Welcome>(frame->body)) return "welcome";
    const auto* error = std::get_if<wire::ErrorFrame>(&frame->body);
    return error == nullptr ? "another frame" : std::string(error->message);
  }
  void expect_nothing_came_through() {
    const auto stats = guarded_->stats();
    EXPECT_EQ(stats->broker.sessions, 0U);
    EXPECT_EQ(stats->transport.frames_received, 0U);
  }
  static base::Status publish(client::Connection& connection, const std::string& body) {
    client::PublisherOptions options;
    options.queue = "orders";
    auto publisher = client::Publisher::open(connection, options);
    if (!publisher.has_value()) return publisher.error();
    const auto appended = (*publisher)->append(base::as_bytes(body));
    if (!appended.has_value()) return appended.error();
    return (*publisher)->flush(base::Millis(20'000));
  }

  CapturedLog log_;
  client::KeyPair other_ = new_key_pair();
};

TEST_F(NotLetIn, WithAWrongKey) {
  start();
  EXPECT_THAT(refusal(other_.secret_key, guarded_->endpoint()),
              HasSubstr("the broker refused this key"));
  wait_for("auth", 1);
  EXPECT_THAT(log_.find("key_refused"), HasSubstr("unknown key " + other_.public_key));
  expect_nothing_came_through();
}

TEST_F(NotLetIn, WithoutAKey) {
  start();
  EXPECT_THAT(refusal("", guarded_->endpoint()), HasSubstr("lets in only who has a key"));
  // Which of the two sides saw first that they do not fit together.
  while (failures("mechanism") + failures("broken_off") == 0) std::this_thread::yield();
  EXPECT_THAT(log_.find("handshake_failed"),
              AnyOf(HasSubstr("one side has keys and the other has none"),
                    HasSubstr("it ended in its handshake")));
  expect_nothing_came_through();
}

TEST_F(NotLetIn, WithARoutingIdOfItsOwn) {
  start();
  const std::string id = "mine";
  RawClient chooser({guarded_->endpoint(), &known_, broker_.public_key, base::as_bytes(id)});
  chooser.send(hello());
  chooser.send(hello());
  EXPECT_THAT(told(chooser, kToldWithin),
              AllOf(HasSubstr("routing id: the broker draws it"), HasSubstr("ZMQ_ROUTING_ID")));
  EXPECT_EQ(told(chooser, kSilence), "");  // once
  wait_for("routing_id", 1);
  EXPECT_THAT(log_.find("handshake_failed", "routing_id"),
              AllOf(HasSubstr("it has chosen its own routing id"), HasSubstr("\"key\":\"worker\""),
                    HasSubstr("\"peer\":\"127.0.0.1:")));
  EXPECT_EQ(guarded_->stats()->broker.sessions, 0U);
}

TEST_F(NotLetIn, WithAStolenRoutingId) {
  LocalBrokerOptions options;
  options.guard.hello_timeout = base::Millis(1'000);
  start(options, "thief " + other_.public_key + std::string(kRoles));
  // One like those that a broker draws, so that the test knows it.
  const std::string id("\0abcd", frontend::kRoutingIdBytes);
  RawClient victim({guarded_->endpoint(), &known_, broker_.public_key, base::as_bytes(id)});
  victim.send(hello());
  ASSERT_EQ(told(victim, kToldWithin), "welcome");
  RawClient thief({guarded_->endpoint(), &other_, broker_.public_key, base::as_bytes(id)});
  thief.send(hello());
  wait_for("no_hello", 1);
  EXPECT_EQ(told(thief, kSilence), "");  // ZeroMQ lets nobody tell it anything
  EXPECT_THAT(
      log_.find("handshake_failed", "no_hello"),
      AllOf(HasSubstr("has the routing id of another one"), HasSubstr("\"peer\":\"127.0.0.1:")));
  const auto stats = guarded_->stats();
  EXPECT_EQ(stats->broker.sessions, 1U);
  EXPECT_EQ(stats->transport.frames_received, 1U);
  victim.send(std::string("not a frame of a session"));
  EXPECT_NE(told(victim, kToldWithin), "");  // it is still there
}

TEST_F(NotLetIn, WithoutTheRole) {
  start({}, "reader " + other_.public_key + " consume *\n");
  const auto reader = connect(other_.secret_key, guarded_->endpoint());
  ASSERT_THAT(reader, IsOk());
  const base::Status refused = publish(**reader, "not for it");
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(),
              AllOf(HasSubstr("reader"), HasSubstr("produce"), HasSubstr("orders")));
  EXPECT_THAT(log_.find("access_denied"),
              AllOf(HasSubstr("reader"), HasSubstr("produce"), HasSubstr("orders")));
  const auto stats = guarded_->stats();
  EXPECT_EQ(stats->transport.denied_by_role.at("produce"), 1U);
  EXPECT_EQ(stats->broker.queues.at(0).published, 0U);
}

TEST_F(NotLetIn, ToTheControlPortUnlessItIsTheOperator) {
  start();
  EXPECT_THAT(refusal(known_.secret_key, guarded_->control_endpoint()),
              HasSubstr("needs the role operator"));
  EXPECT_EQ(guarded_->stats()->transport.denied_by_role.at("operator"), 1U);
}

// ZeroMQ does not tell the client why it was cut off; it may not even see its handshake fail.
const auto kNoReason = AnyOf(HasSubstr("cannot check any now"), HasSubstr("nobody answers there"),
                             HasSubstr("lets nobody in now"));

TEST_F(NotLetIn, WhereTheGatekeeperHasStopped) {
  SeparateGatekeeper gatekeeper;
  LocalBrokerOptions options;
  options.open_gatekeeper = gatekeeper.hook();
  start(options);
  const auto early = connect(known_.secret_key, guarded_->endpoint());
  ASSERT_THAT(early, IsOk());
  EXPECT_EQ(guarded_->stats()->transport.gatekeeper_answers, true);
  gatekeeper.stop();
  EXPECT_THAT(refusal(known_.secret_key, guarded_->endpoint()), kNoReason);
  EXPECT_THAT(log_.wait_for("gatekeeper_silent"), HasSubstr("no new connection is let in"));
  const auto stats = guarded_->stats();
  EXPECT_EQ(stats->transport.gatekeeper_answers, false);
  EXPECT_GE(stats->transport.handshake_failures_by_reason.at("broken_off"), 1U);
  EXPECT_EQ(stats->broker.sessions, 1U);
  EXPECT_THAT(publish(**early, "who is in is served"), IsOk());
}

TEST_F(NotLetIn, WhereThereIsNoGatekeeper) {
  LocalBrokerOptions options;
  options.open_gatekeeper = [](frontend::ZmqContext&, std::shared_ptr<const access::KeyRing>)
      -> base::Result<std::unique_ptr<frontend::ZmqGatekeeper>> {
    return std::unique_ptr<frontend::ZmqGatekeeper>();
  };
  start(options);
  EXPECT_THAT(refusal(known_.secret_key, guarded_->endpoint()), kNoReason);
  wait_for("broken_off", 1);
  log_.wait_for("gatekeeper_silent");
  EXPECT_EQ(guarded_->stats()->transport.gatekeeper_answers, false);
  expect_nothing_came_through();
}

TEST_F(NotLetIn, ButWhoHasAKeyIs) {
  start();
  const auto connection = connect(known_.secret_key, guarded_->endpoint());
  ASSERT_THAT(connection, IsOk());
  EXPECT_THAT(publish(**connection, "mine"), IsOk());
  const auto stats = guarded_->stats();
  EXPECT_EQ(stats->transport.keys, 1U);
  EXPECT_EQ(stats->transport.gatekeeper_answers, true);
  EXPECT_EQ(log_.find("handshake_failed"), "");
}

}  // namespace
}  // namespace sluice::test
