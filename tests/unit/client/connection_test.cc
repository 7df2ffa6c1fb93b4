#include "client/connection.h"

#include <gtest/gtest.h>

#include "base/message.h"
#include "client/admin.h"
#include "client/zmq_transport.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/client/fake_transport.h"

namespace sluice::client {
namespace {

using base::ErrorCode;
using base::Millis;
using test::HasCode;
using test::IsOk;
using wire::Code;

class ConnectionTest : public testing::Test {
 protected:
  base::Status open(ConnectionOptions options = {}) {
    auto transport = std::make_unique<FakeTransport>(broker_);
    transport_ = transport.get();
    transport_->refuse_connections = refuse_;
    ASSIGN_OR_RETURN(connection_, Connection::open(std::move(options), std::move(transport)));
    return {};
  }

  FakeBroker broker_;
  FakeTransport* transport_ = nullptr;
  bool refuse_ = false;
  std::unique_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, OpensASession) {
  ConnectionOptions options;
  options.client_name = "worker-0/6f2a";
  ASSERT_THAT(open(options), IsOk());
  EXPECT_TRUE(connection_->ready());
  EXPECT_EQ(broker_.last_client, "worker-0/6f2a");
  EXPECT_EQ(connection_->broker_software(), "fake/1");
  EXPECT_EQ(connection_->incarnation(), 9U);
  EXPECT_EQ(connection_->reconnects(), 0U);
}

TEST_F(ConnectionTest, NamesItselfWhenNobodyDoes) {
  ASSERT_THAT(open(), IsOk());
  EXPECT_NE(broker_.last_client.find('/'), std::string::npos);
}

TEST_F(ConnectionTest, TakesTheDetourToAPeerWhereThereIsOne) {
  ConnectionOptions options;
  options.detours = {{"tcp://orders-1.shop.svc:7650", "tcp://127.0.0.1:40123"}};
  ASSERT_THAT(open(options), IsOk());
  client::Connection& there = connection_->peer("tcp://orders-1.shop.svc:7650");
  EXPECT_EQ(there.options().endpoint, "tcp://127.0.0.1:40123");
  EXPECT_EQ(&there, &connection_->peer("tcp://orders-1.shop.svc:7650"));
  EXPECT_EQ(connection_->peer("tcp://orders-2.shop.svc:7650").options().endpoint,
            "tcp://orders-2.shop.svc:7650");
  EXPECT_EQ(transport_->peers,
            (std::vector<std::string>{"tcp://127.0.0.1:40123", "tcp://orders-2.shop.svc:7650"}));
}

TEST_F(ConnectionTest, SaysThatNobodyAnswers) {
  refuse_ = true;
  const base::Status status = open();
  ASSERT_THAT(status, HasCode(ErrorCode::kDeadlineExceeded));
  EXPECT_NE(status.error().message().find("nobody answers there"), std::string::npos)
      << status.error().message();
}

TEST_F(ConnectionTest, TriesTheEndpointsInTurnAndStaysWithTheOneThatAnswers) {
  auto transport = std::make_unique<FakeTransport>(broker_);
  transport_ = transport.get();
  transport_->nobody_at_first = 2;
  base::Result<std::unique_ptr<Connection>> opened = Connection::open({}, std::move(transport));
  ASSERT_THAT(opened, IsOk());
  connection_ = std::move(*opened);
  EXPECT_EQ(transport_->turns, std::vector<std::size_t>({0, 1, 2}));
  transport_->cut();
  ASSERT_THAT(
      connection_->poll_until([&] { return connection_->reconnects() == 1; }, Millis(5'000)),
      IsOk());
  EXPECT_EQ(transport_->turns.back(), 2U);
}

TEST(Endpoints, AreSplitAtCommas) {
  using List = std::vector<std::string>;
  EXPECT_EQ(split_endpoints("tcp://a:1"), List({"tcp://a:1"}));
  EXPECT_EQ(split_endpoints("tcp://a:1, tcp://b:2 ,ipc://c"),
            List({"tcp://a:1", "tcp://b:2", "ipc://c"}));
  EXPECT_EQ(split_endpoints(" , "), List());
}

TEST_F(ConnectionTest, WaitsForABrokerThatRecovers) {
  broker_.hello_refusals = {Code::kNotReady, Code::kNotReady, Code::kNotReady};
  EXPECT_THAT(open(), IsOk());
  EXPECT_EQ(broker_.hellos, 4);
}

TEST_F(ConnectionTest, GivesUpAtOnceWhereVersionsDoNotFit) {
  broker_.hello_refusals = {Code::kUnsupportedVersion};
  EXPECT_THAT(open(), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_EQ(broker_.hellos, 1);
}

TEST_F(ConnectionTest, AnInterruptedPollReturnsEarly) {
  ASSERT_THAT(open(), IsOk());
  while (transport_->receive()) {
  }
  const base::MonoTime before = connection_->now();
  connection_->interrupt();
  ASSERT_THAT(connection_->poll(Millis(500)), IsOk());
  EXPECT_LT(connection_->now(), before + Millis(500));
}

TEST_F(ConnectionTest, KeepsAnIdleSessionAlive) {
  ASSERT_THAT(open(), IsOk());
  for (int i = 0; i < 100; ++i) ASSERT_THAT(connection_->poll(Millis(500)), IsOk());
  EXPECT_GT(broker_.heartbeats, 20);
  EXPECT_EQ(broker_.hellos, 1);
}

TEST_F(ConnectionTest, ALongHandlerCostsNoConnection) {
  ASSERT_THAT(open(), IsOk());
  transport_->advance(Millis(60'000));
  ASSERT_THAT(connection_->keep_alive(), IsOk());
  ASSERT_THAT(connection_->poll(Millis(100)), IsOk());
  EXPECT_EQ(broker_.hellos, 1);
}

TEST_F(ConnectionTest, ResumesItsSessionOverANewSocket) {
  ASSERT_THAT(open(), IsOk());
  const base::SessionId id = connection_->session_id();
  transport_->cut();
  EXPECT_THAT(
      connection_->poll_until([this] { return connection_->reconnects() == 1; }, Millis(5'000)),
      IsOk());
  EXPECT_EQ(connection_->session_id(), id);
  EXPECT_EQ(transport_->connects(), 2);
}

TEST_F(ConnectionTest, LeavesABrokerThatFellSilent) {
  ASSERT_THAT(open(), IsOk());
  broker_.silent = true;
  EXPECT_THAT(connection_->poll_until([this] { return !connection_->ready(); }, Millis(3'500)),
              IsOk());
  broker_.silent = false;
  EXPECT_THAT(connection_->poll_until([this] { return connection_->ready(); }, Millis(5'000)),
              IsOk());
}

TEST_F(ConnectionTest, SaysHelloAgainWhenTheBrokerForgotTheSession) {
  ASSERT_THAT(open(), IsOk());
  broker_.forget_sessions();
  EXPECT_THAT(Admin(*connection_).resolve("orders"), IsOk());
  EXPECT_EQ(broker_.hellos, 2);
}

TEST_F(ConnectionTest, AnswersRequests) {
  ASSERT_THAT(open(), IsOk());
  Admin admin(*connection_);
  const base::Result<QueueInfo> info = admin.resolve("orders");
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->shards, 1);
  EXPECT_EQ(info->subscriptions, std::vector<std::string>({"default"}));
  EXPECT_THAT(admin.resolve("ordres"), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(admin.stat(), HasCode(ErrorCode::kUnimplemented));
  EXPECT_THAT(admin.resolve(std::string(300, 'x')), HasCode(ErrorCode::kInvalidArgument));
}

TEST_F(ConnectionTest, ARequestThatChangesThingsIsNotRepeated) {
  ASSERT_THAT(open(), IsOk());
  broker_.cut_on_delete = true;
  EXPECT_THAT(Admin(*connection_).delete_queue({}), HasCode(ErrorCode::kUnavailable));
}

TEST_F(ConnectionTest, ARequestThatWasNeverSentIsSentOverTheNextConnection) {
  ASSERT_THAT(open(), IsOk());
  transport_->cut();
  EXPECT_THAT(Admin(*connection_).delete_queue({}), IsOk());
}

TEST_F(ConnectionTest, ARequestThatOnlyAsksIsRepeated) {
  ASSERT_THAT(open(), IsOk());
  transport_->cut();
  EXPECT_THAT(Admin(*connection_).resolve("orders"), IsOk());
}

TEST_F(ConnectionTest, ARequestEndsInTimeWhenNobodyAnswers) {
  ASSERT_THAT(open(), IsOk());
  broker_.silent = true;
  EXPECT_THAT(Admin(*connection_).resolve("orders"), HasCode(ErrorCode::kDeadlineExceeded));
}

TEST_F(ConnectionTest, ClosesWithAGoodbye) {
  ASSERT_THAT(open(), IsOk());
  EXPECT_THAT(connection_->close(), IsOk());
  EXPECT_EQ(broker_.goodbyes, 1);
  EXPECT_THAT(connection_->poll(Millis(0)), HasCode(ErrorCode::kFailedPrecondition));
}

TEST_F(ConnectionTest, ClosesAtOnceWhenTheBrokerGoes) {
  ASSERT_THAT(open(), IsOk());
  broker_.cut_on_goodbye = true;
  transport_->refuse_connections = true;
  const base::MonoTime before = transport_->now();
  EXPECT_THAT(connection_->close(Millis(20'000)), IsOk());
  EXPECT_EQ(transport_->now(), before);
}

TEST_F(ConnectionTest, SaysGoodbyeWhenItIsDestroyed) {
  ASSERT_THAT(open(), IsOk());
  connection_.reset();
  EXPECT_EQ(broker_.goodbyes, 1);
}

TEST_F(ConnectionTest, ADeadLetterWithoutItsMessageHidesNoOther) {
  ASSERT_THAT(open(), IsOk());
  std::vector<std::byte> entry;
  ASSERT_THAT(base::append_entry(base::Message{.body = "good"}, entry), IsOk());
  wire::PeekedMessage lost;
  lost.sequence = 1;
  lost.dead = true;
  lost.reason = 1;
  wire::PeekedMessage good = lost;
  good.sequence = 2;
  good.entry = entry;
  broker_.peeked.messages = {lost, good};
  const base::Result<PeekPage> page = Admin(*connection_).peek({.dead_letters = true});
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->messages.size(), 2U);
  EXPECT_FALSE(page->messages[0].readable);
  EXPECT_TRUE(page->messages[1].readable);
  EXPECT_EQ(page->messages[1].message.body, "good");
  // Only a dead letter can lack it.
  broker_.peeked.messages[0].dead = false;
  broker_.peeked.messages[0].reason = 0;
  EXPECT_THAT(Admin(*connection_).peek({}), HasCode(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace sluice::client
