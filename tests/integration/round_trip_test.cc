#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/connection.h"
#include "client/consumer.h"
#include "client/publisher.h"
#include "tests/integration/local_broker.h"
#include "tests/support/status_matchers.h"

// The whole way: client, sockets, loop, log on a real disk, and back.
namespace sluice::test {
namespace {

constexpr base::Millis kPatience{30'000};

class RoundTripTest : public testing::Test {
 protected:
  RoundTripTest() { options_.queues.push_back(plain_queue("orders")); }

  std::unique_ptr<client::Connection> connect(const std::string& name) {
    client::ConnectionOptions options;
    options.endpoint = broker_->endpoint();
    options.client_name = name;
    auto connection = client::Connection::open(options);
    EXPECT_THAT(connection, IsOk());
    return std::move(*connection);
  }
  std::unique_ptr<client::Publisher> open_publisher(client::Connection& connection) {
    client::PublisherOptions options;
    options.queue = "orders";
    auto publisher = client::Publisher::open(connection, options);
    EXPECT_THAT(publisher, IsOk());
    return std::move(*publisher);
  }
  std::unique_ptr<client::Consumer> open_consumer(client::Connection& connection) {
    client::ConsumerOptions options;
    options.queue = "orders";
    auto consumer = client::Consumer::open(connection, options);
    EXPECT_THAT(consumer, IsOk());
    return std::move(*consumer);
  }
  void publish(std::uint32_t from, std::uint32_t count) {
    const auto connection = connect("producer");
    const auto publisher = open_publisher(*connection);
    for (std::uint32_t i = from; i < from + count; ++i) {
      ASSERT_THAT(publisher->append(base::as_bytes("message " + std::to_string(i))), IsOk());
    }
    ASSERT_THAT(publisher->flush(kPatience), IsOk());
    EXPECT_EQ(publisher->stats().messages_stored, count);
  }
  // Takes `count` messages and acks each batch.
  std::vector<std::string> consume(std::size_t count) {
    const auto connection = connect("consumer");
    const auto consumer = open_consumer(*connection);
    std::vector<std::string> bodies;
    while (bodies.size() < count) {
      auto batch = consumer->poll(kPatience);
      EXPECT_THAT(batch, IsOk());
      if (!batch.has_value() || !batch->has_value()) break;
      for (const client::Delivery& delivery : **batch) {
        bodies.emplace_back(base::as_text(delivery.message.body));
      }
      consumer->ack(**batch);
    }
    EXPECT_THAT(consumer->flush_settles(kPatience), IsOk());
    EXPECT_EQ(consumer->stats().messages_stale, 0U);
    return bodies;
  }
  void start() { broker_ = std::make_unique<LocalBroker>(folder_.path(), options_); }
  void restart() {
    broker_.reset();
    start();
  }

  TemporaryFolder folder_;
  LocalBrokerOptions options_;
  std::unique_ptr<LocalBroker> broker_;
};

TEST_F(RoundTripTest, WhatIsPublishedIsDeliveredOnceAndSettled) {
  start();
  constexpr std::uint32_t kMessages = 50'000;
  publish(0, kMessages);
  const std::vector<std::string> bodies = consume(kMessages);
  ASSERT_EQ(bodies.size(), kMessages);
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    ASSERT_EQ(bodies[i], "message " + std::to_string(i));
  }
  const auto stats = broker_->stats();
  ASSERT_EQ(stats->broker.queues.size(), 1U);
  EXPECT_EQ(stats->broker.queues[0].messages, 0U);
  EXPECT_EQ(stats->broker.queues[0].subscriptions[0].acked, kMessages);
}

TEST_F(RoundTripTest, ARestartForgetsNothing) {
  start();
  publish(0, 1'000);
  EXPECT_EQ(consume(1).size(), 1'000U);  // the first batch has them all
  publish(1'000, 500);
  restart();
  EXPECT_FALSE(broker_->unclean());
  const std::vector<std::string> bodies = consume(500);
  ASSERT_EQ(bodies.size(), 500U);
  EXPECT_EQ(bodies.front(), "message 1000");
}

TEST_F(RoundTripTest, SegmentsAndSnapshotsComeAndGo) {
  options_.segment_bytes = 1U << 20;
  options_.snapshot_every_segments = 2;
  start();
  constexpr std::uint32_t kMessages = 200'000;  // about 5 MiB
  for (std::uint32_t round = 0; round < 4; ++round) {
    publish(round * kMessages, kMessages);
    EXPECT_EQ(consume(kMessages).size(), kMessages);
  }
  const auto stats = broker_->stats();
  EXPECT_GT(stats->storage.snapshots, 1U);
  EXPECT_LT(stats->storage.segments, 20U);
  restart();
  EXPECT_EQ(broker_->stats()->broker.queues[0].messages, 0U);
}

TEST_F(RoundTripTest, ASynchronousPublisherIsAnsweredWhenItsMessageIsDurable) {
  start();
  const auto connection = connect("producer");
  const auto publisher = open_publisher(*connection);
  base::Message message;
  message.body = "one";
  for (std::uint64_t i = 1; i <= 100; ++i) {
    const auto stored = publisher->publish_sync(message, kPatience);
    ASSERT_THAT(stored, IsOk());
    EXPECT_EQ(stored->sequence, base::Sequence(i));
  }
}

TEST_F(RoundTripTest, MessagesOfAConsumerThatLeavesGoToTheNext) {
  start();
  publish(0, 10);
  {
    const auto connection = connect("first");
    const auto consumer = open_consumer(*connection);
    const auto batch = consumer->poll(kPatience);
    ASSERT_THAT(batch, IsOk());
    ASSERT_TRUE(batch->has_value());
    EXPECT_THAT(connection->close(), IsOk());
  }
  EXPECT_EQ(consume(10).size(), 10U);
}

}  // namespace
}  // namespace sluice::test
