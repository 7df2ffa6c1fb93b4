#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/consumer.h"
#include "client/publisher.h"
#include "frontend/zmq_gatekeeper.h"
#include "frontend/zmq_router.h"
#include "tests/integration/guarded_broker.h"
#include "tests/integration/raw_client.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_codec.h"

// Whoever takes somebody else's routing id or session, over real sockets, gets nothing and harms
// nobody.
namespace sluice::test {
namespace {

using frontend::Inbound;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr auto kReceivePatience = 20s;
constexpr auto kNothing = 300ms;  // how long nothing has to come

class StolenRoutingId : public testing::Test {
 protected:
  StolenRoutingId() {
    const auto ring = access::KeyRing::parse("victim " + victim_key_.public_key + " consume *\n" +
                                             "thief " + thief_key_.public_key + " consume *\n");
    CHECK(ring.has_value());
    auto gatekeeper =
        frontend::ZmqGatekeeper::open(context_, std::make_shared<const access::KeyRing>(*ring));
    CHECK(gatekeeper.has_value());
    gatekeeper_ = std::move(*gatekeeper);
    frontend::RouterOptions options;
    options.endpoint = "tcp://127.0.0.1:0";
    options.curve_secret = broker_.secret_key;
    auto router = frontend::ZmqRouter::open(context_, options);
    CHECK(router.has_value());
    router_ = std::move(*router);
  }

  struct Got {
    Inbound::Kind kind = Inbound::Kind::kNone;
    frontend::Peer peer;
    std::string text;
    std::string user;
  };
  // What comes within `patience`, up to one that says `until`.
  std::vector<Got> receive(const std::string& until, std::chrono::milliseconds patience) {
    std::vector<Got> all;
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < end) {
      if (gatekeeper_ != nullptr) gatekeeper_->serve(base::MonoTime(0));
      const Inbound inbound = router_->receive();
      if (inbound.kind == Inbound::Kind::kNone) {
        std::this_thread::yield();
        continue;
      }
      all.push_back({inbound.kind, inbound.peer, std::string(base::as_text(inbound.frame)),
                     std::string(inbound.user)});
      if (all.back().text == until) break;
    }
    return all;
  }

  client::KeyPair broker_ = new_key_pair();
  client::KeyPair victim_key_ = new_key_pair();
  client::KeyPair thief_key_ = new_key_pair();
  client::KeyPair unknown_key_ = new_key_pair();
  frontend::ZmqContext context_;
  std::unique_ptr<frontend::ZmqGatekeeper> gatekeeper_;
  std::unique_ptr<frontend::ZmqRouter> router_;
};

TEST_F(StolenRoutingId, IsWorthNothing) {
  const std::string endpoint = router_->endpoint();
  RawClient victim({endpoint, &victim_key_, broker_.public_key});
  victim.send("victim");
  const std::vector<Got> first = receive("victim", kReceivePatience);
  ASSERT_EQ(first.size(), 1U);
  ASSERT_EQ(first[0].user, victim_key_.public_key);
  std::byte id[frontend::kRoutingIdBytes];
  frontend::store_routing_id(first[0].peer, id);

  RawClient with_key({endpoint, &thief_key_, broker_.public_key, id});
  RawClient with_unknown_key({endpoint, &unknown_key_, broker_.public_key, id});
  RawClient without_key({endpoint, nullptr, "", id});
  std::vector<RawClient*> thieves = {&with_key, &with_unknown_key, &without_key};
  for (RawClient* thief : thieves) thief->send("thief");
  RawClient fence({endpoint, &thief_key_, broker_.public_key});
  fence.send("fence");
  std::vector<Got> got = receive("fence", kReceivePatience);
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back().text, "fence");
  const std::vector<Got> late = receive("", kNothing);
  got.insert(got.end(), late.begin(), late.end());
  for (const Got& one : got) EXPECT_NE(one.text, "thief");

  const std::string secret = "for the victim";
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(router_->send(first[0].peer, base::as_bytes(secret)), frontend::SendResult::kSent);
    const auto received = victim.receive(kReceivePatience);
    ASSERT_TRUE(received);
    EXPECT_EQ(base::as_text(*received), secret);
  }
  for (RawClient* thief : thieves) EXPECT_FALSE(thief->receive(kNothing));
  victim.send("still here");
  const std::vector<Got> again = receive("still here", kReceivePatience);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].peer, first[0].peer);
  EXPECT_EQ(again[0].user, victim_key_.public_key);
}

// The gatekeeper (the ZAP handler) stops while the broker runs.
class StoppedGatekeeper : public StolenRoutingId {};

TEST_F(StoppedGatekeeper, LetsNobodyElseIn) {
  RawClient victim({router_->endpoint(), &victim_key_, broker_.public_key});
  victim.send("before");
  EXPECT_EQ(receive("before", kReceivePatience).size(), 1U);
  gatekeeper_.reset();
  RawClient late({router_->endpoint(), &thief_key_, broker_.public_key});
  RawClient unknown({router_->endpoint(), &unknown_key_, broker_.public_key});
  for (RawClient* client : {&late, &unknown}) client->send("let me in");
  victim.send("after");
  for (const Got& one : receive("after", kReceivePatience)) EXPECT_EQ(one.text, "after");
  EXPECT_TRUE(receive("", kNothing).empty());
  EXPECT_FALSE(late.receive(kNothing));
}

// A taken id that libzmq draws would end the process, so nobody may know where it begins.
TEST_F(StolenRoutingId, CannotBeForetold) {
  RawClient first({router_->endpoint(), &victim_key_, broker_.public_key});
  first.send("first");
  frontend::ZmqContext other_context;
  frontend::RouterOptions options;
  options.endpoint = "tcp://127.0.0.1:0";
  auto other = frontend::ZmqRouter::open(other_context, options);
  ASSERT_THAT(other, IsOk());
  RawClient second({(*other)->endpoint()});
  second.send("second");
  const std::vector<Got> got = receive("first", kReceivePatience);
  ASSERT_EQ(got.size(), 1U);
  Inbound inbound;
  const auto end = std::chrono::steady_clock::now() + kReceivePatience;
  while (inbound.kind == Inbound::Kind::kNone && std::chrono::steady_clock::now() < end) {
    inbound = (*other)->receive();
  }
  EXPECT_EQ(inbound.kind, Inbound::Kind::kFrame);
  EXPECT_NE(inbound.peer, got[0].peer);
}

class StolenSession : public GuardedBroker {
 protected:
  // What the broker answers to this frame.
  static std::string answer(RawClient& thief, const wire::Frame& frame) {
    thief.send(wire::encoded(frame));
    const auto bytes = thief.receive(kReceivePatience);
    if (!bytes) return "nothing";
    const auto decoded = wire::decode_frame(*bytes);
    if (!decoded.has_value()) return decoded.error().message();
    const auto* error = std::get_if<wire::ErrorFrame>(&decoded->body);
    return error == nullptr ? "let in" : std::string(error->message);
  }

  client::KeyPair thief_key_ = new_key_pair();
};

TEST_F(StolenSession, IsWorthNothingToAnotherKey) {
  start({}, "thief " + thief_key_.public_key + std::string(kRoles));
  const auto victim = connect(known_.secret_key, guarded_->endpoint());
  ASSERT_THAT(victim, IsOk());
  const client::Connection& connection = **victim;

  RawClient thief({guarded_->endpoint(), &thief_key_, broker_.public_key});
  wire::Frame frame;
  wire::Hello hello;
  hello.version_min = hello.version_max = wire::kProtocolVersion;
  hello.session_id = connection.session_id();
  hello.session_epoch = 1;
  hello.client = "thief";
  frame.body = hello;
  EXPECT_THAT(answer(thief, frame), HasSubstr("belongs to another key"));
  // With the numbers of its session, on another connection.
  frame = {};
  frame.header = connection.header(1);
  wire::Resolve resolve;
  resolve.queue = "orders";
  frame.body = resolve;
  EXPECT_THAT(answer(thief, frame), HasSubstr("session"));
  const auto stats = guarded_->stats();
  std::uint64_t refused = 0;
  for (const wire::Code code : {wire::Code::kNoSession, wire::Code::kSessionFenced}) {
    const auto at = stats->transport.frames_refused_by_code.find(static_cast<std::uint16_t>(code));
    if (at != stats->transport.frames_refused_by_code.end()) refused += at->second;
  }
  EXPECT_EQ(refused, 2U);

  client::PublisherOptions options;
  options.queue = "orders";
  auto publisher = client::Publisher::open(**victim, options);
  ASSERT_THAT(publisher, IsOk());
  ASSERT_THAT((*publisher)->append(base::as_bytes(std::string("mine"))), IsOk());
  EXPECT_THAT((*publisher)->flush(base::Millis(20'000)), IsOk());
  EXPECT_EQ(connection.reconnects(), 0U);
}

}  // namespace
}  // namespace sluice::test
