#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>

#include "client/admin.h"
#include "client/connection.h"
#include "client/consumer.h"
#include "client/publisher.h"
#include "sluice/sluice.h"
#include "tests/integration/local_broker.h"
#include "wire/error_code.h"

// A queue whose two shards are at two brokers.
namespace sluice::test {
namespace {

using testing::HasSubstr;

class ShardsTest : public testing::Test {
 protected:
  static constexpr std::uint16_t kShards = 2;

  ShardsTest() {
    for (std::uint16_t shard = 0; shard < kShards; ++shard) start(shard, "tcp://127.0.0.1:0");
  }

  void start(std::uint16_t shard, const std::string& endpoint) {
    LocalBrokerOptions options;
    options.client_endpoint = endpoint;
    options.shard = base::ShardIndex(shard);
    options.shards = kShards;
    options.shard_endpoints = [this] {
      const std::lock_guard lock(mutex_);
      return endpoints_;
    };
    broker::QueueConfig queue = plain_queue("orders");
    queue.shards = kShards;
    options.queues = {queue};
    brokers_[shard] = std::make_unique<LocalBroker>(folders_[shard].path(), options);
    const std::lock_guard lock(mutex_);
    endpoints_[shard] = brokers_[shard]->endpoint();
  }
  std::unique_ptr<client::Connection> connect(std::size_t broker) {
    client::ConnectionOptions options;
    options.endpoint = brokers_[broker]->endpoint();
    options.backoff_max = base::Millis(200);
    auto opened = client::Connection::open(options);
    CHECK(opened.has_value());
    return std::move(*opened);
  }
  std::unique_ptr<client::Publisher> publisher(client::Connection& connection) {
    client::PublisherOptions options;
    options.queue = "orders";
    auto opened = client::Publisher::open(connection, options);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return std::move(*opened);
  }
  static void publish(client::Publisher& publisher, int first, int last) {
    for (int i = first; i <= last; ++i) {
      const std::string body = std::to_string(i);
      base::Message message;
      message.body = body;
      if (i % 2 == 0) message.key = body;  // the others go anywhere
      ASSERT_TRUE(publisher.publish(message).has_value());
    }
    ASSERT_TRUE(publisher.flush(base::Millis(20'000)).has_value());
  }
  // Bodies and the shards that they came from, until all of `first` to `last` are here.
  static std::map<int, int> consume(client::Consumer& consumer, std::size_t count) {
    std::map<int, int> got;
    while (got.size() < count) {
      auto batch = consumer.poll(base::Millis(10'000));
      EXPECT_TRUE(batch.has_value() && batch->has_value());
      if (!batch.has_value() || !batch->has_value()) return got;
      for (const client::Delivery& delivery : **batch) {
        const int body = std::stoi(std::string(base::as_text(delivery.message.body)));
        EXPECT_TRUE(got.emplace(body, delivery.shard.value()).second) << body << " came twice";
      }
      consumer.ack(**batch);
    }
    EXPECT_TRUE(consumer.flush_settles(base::Millis(10'000)).has_value());
    return got;
  }
  std::uint64_t messages(std::size_t broker) {
    return brokers_[broker]->stats()->broker.queues.front().published;
  }

  std::mutex mutex_;
  std::vector<std::string> endpoints_ = std::vector<std::string>(kShards);
  TemporaryFolder folders_[kShards];
  std::unique_ptr<LocalBroker> brokers_[kShards];
};

TEST_F(ShardsTest, EachBrokerHasItsShardAndAClientOfOneReachesAll) {
  const auto producing = connect(0);
  const auto consuming = connect(1);
  const auto sender = publisher(*producing);
  publish(*sender, 1, 1'000);
  EXPECT_EQ(messages(0) + messages(1), 1'000U);
  EXPECT_GT(messages(0), 200U);
  EXPECT_GT(messages(1), 200U);

  client::ConsumerOptions options;
  options.queue = "orders";
  const auto consumer = client::Consumer::open(*consuming, options);
  ASSERT_TRUE(consumer.has_value()) << consumer.error().message();
  const auto got = consume(**consumer, 1'000);
  EXPECT_EQ(got.size(), 1'000U);
  std::set<int> shards;
  for (const auto& [body, shard] : got) shards.insert(shard);
  EXPECT_EQ(shards, (std::set<int>{0, 1}));
}

TEST_F(ShardsTest, TheWrongBrokerSaysThatTheShardIsElsewhere) {
  const auto connection = connect(0);
  const auto queue = client::Admin(*connection).resolve("orders");
  ASSERT_TRUE(queue.has_value());
  wire::OpenPublisher open;
  open.queue = queue->id;
  open.shard = 1;
  open.map_version = queue->map_version;
  open.producer.bytes[0] = 1;
  const auto answer = connection->request(open, {});
  ASSERT_TRUE(answer.has_value());
  const auto& opened = std::get<wire::PublisherOpened>(answer->frame.body);
  EXPECT_EQ(static_cast<wire::Code>(opened.code), wire::Code::kUnknownShard);
  EXPECT_THAT(std::string(opened.message), HasSubstr("on another broker; this one has shard 0"));
  client::PeekOptions peek;
  peek.queue = queue->id;
  peek.shard = base::ShardIndex(1);
  EXPECT_EQ(client::Admin(*connection).peek(peek).error().code(), base::ErrorCode::kNotFound);
}

TEST_F(ShardsTest, ABrokerThatStartsAnewLosesNothingAndDoublesNothing) {
  const auto connection = connect(0);
  const auto sender = publisher(*connection);
  publish(*sender, 1, 100);
  client::ConsumerOptions options;
  options.queue = "orders";
  const auto consumer = client::Consumer::open(*connection, options);
  ASSERT_TRUE(consumer.has_value()) << consumer.error().message();
  const std::string endpoint = brokers_[1]->endpoint();
  brokers_[1].reset();
  start(1, endpoint);
  publish(*sender, 101, 300);
  std::map<int, int> got = consume(**consumer, 300);
  EXPECT_EQ(got.size(), 300U);
}

TEST_F(ShardsTest, ABrokerThatIsAwayHoldsUpNoConsumerOfTheOther) {
  const auto sending = connect(0);
  {
    const auto sender = publisher(*sending);
    publish(*sender, 1, 100);
  }
  const std::uint64_t here = messages(0);
  brokers_[1].reset();
  client::ConnectionOptions short_of_time;
  short_of_time.endpoint = brokers_[0]->endpoint();
  short_of_time.connect_timeout = base::Millis(1'000);
  const auto connection = client::Connection::open(short_of_time);
  ASSERT_TRUE(connection.has_value());
  client::ConsumerOptions options;
  options.queue = "orders";
  const auto consumer = client::Consumer::open(**connection, options);
  ASSERT_TRUE(consumer.has_value()) << consumer.error().message();
  EXPECT_EQ(consume(**consumer, here).size(), here);
}

TEST_F(ShardsTest, AProducerBeginsWhileABrokerIsAway) {
  const std::string away = brokers_[1]->endpoint();
  brokers_[1].reset();
  client::ConnectionOptions impatient;
  impatient.endpoint = brokers_[0]->endpoint();
  impatient.request_timeout = base::Millis(300);
  impatient.backoff_max = base::Millis(200);
  const auto connection = client::Connection::open(impatient);
  ASSERT_TRUE(connection.has_value()) << connection.error().message();
  const auto sender = publisher(**connection);
  const auto send = [&](int number, bool with_key) {
    base::Message message;
    const std::string body = std::to_string(number);
    message.body = body;
    if (with_key) message.key = body;
    ASSERT_TRUE(sender->publish(message).has_value());
  };
  for (int i = 0; i < 10; ++i) send(i, false);
  ASSERT_TRUE(sender->flush(base::Millis(20'000)).has_value());
  EXPECT_EQ(messages(0), 10U);
  for (int i = 10; i < 50; ++i) send(i, true);
  EXPECT_FALSE(sender->flush(base::Millis(100)).has_value());
  // One with a name has to know what every shard has of it.
  client::PublisherOptions named;
  named.queue = "orders";
  named.producer = base::ProducerId((*connection)->draw_id());
  EXPECT_FALSE(client::Publisher::open(**connection, named).has_value());
  start(1, away);
  ASSERT_TRUE(sender->flush(base::Millis(20'000)).has_value());
  EXPECT_EQ(messages(0) + messages(1), 50U);
  EXPECT_GT(messages(1), 0U);
}

TEST_F(ShardsTest, AQueueOfAnotherNumberOfShardsIsRefused) {
  brokers_[0].reset();
  runtime::PosixFileSystem fs;
  const runtime::SystemClock clock;
  frontend::HostOptions options;
  options.folder = folders_[0].path();
  options.log.random_id = [] { return base::Id128(); };
  options.broker.hosted_shard = base::ShardIndex(0);
  options.broker.shards = kShards;
  std::optional<frontend::HostError> error;
  const auto host = frontend::BrokerHost::open(
      fs, clock, options, [] {}, error);
  ASSERT_NE(host, nullptr);
  const auto refused = host->configure(clock.now(), plain_queue("emails"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("shards: is 1, and this broker is one of 2"));
}

TEST_F(ShardsTest, TheClientLibraryFollowsTheMap) {
  ClientOptions options;
  options.endpoint = brokers_[0]->endpoint();
  auto client = Client::connect(options);
  ASSERT_TRUE(client.has_value());
  auto producer = client->producer({.queue = "orders"});
  ASSERT_TRUE(producer.has_value()) << producer.error().to_string();
  for (int i = 0; i < 500; ++i)
    producer->send(Message(std::to_string(i)).key(std::to_string(i)), nullptr);
  ASSERT_TRUE(producer->flush(std::chrono::seconds(20)).has_value());
  EXPECT_GT(messages(0), 100U);
  EXPECT_GT(messages(1), 100U);
  auto consumer = client->consumer({.queue = "orders"});
  ASSERT_TRUE(consumer.has_value()) << consumer.error().to_string();
  std::set<std::string> got;
  while (got.size() < 500) {
    auto delivery = consumer->receive(std::chrono::seconds(10));
    ASSERT_TRUE(delivery.has_value() && delivery->has_value());
    got.emplace((*delivery)->body());
    consumer->ack(**delivery);
  }
  EXPECT_TRUE(consumer->flush(std::chrono::seconds(10)).has_value());
}

}  // namespace
}  // namespace sluice::test
