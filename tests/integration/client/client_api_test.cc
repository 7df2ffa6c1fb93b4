#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/integration/client/client_api_fixture.h"

// The public client library against a real broker: what an application can rely on.
namespace sluice::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

TEST_F(ClientApiTest, TellsWhereAMessageStands) {
  Client client = connect();
  Producer producer = open_producer(client);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const Result<Receipt> receipt = producer.send(Message("hello")).get();
    ASSERT_TRUE(receipt.has_value());
    EXPECT_EQ(receipt->sequence, i);
    EXPECT_FALSE(receipt->duplicate);
  }
}

TEST_F(ClientApiTest, NobodyAnswers) {
  ClientOptions options;
  options.endpoint = "tcp://127.0.0.1:1";
  options.connect_timeout = milliseconds(50);
  const Result<Client> client = Client::connect(options);
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(ClientApiTest, TheNextEndpointIsTriedWhereNobodyAnswers) {
  start();
  ClientOptions options;
  options.endpoint = "tcp://127.0.0.1:1, " + broker_->endpoint();
  options.backoff_max = milliseconds(200);
  Result<Client> client = Client::connect(options);
  ASSERT_TRUE(client.has_value()) << client.error().to_string();
  Producer producer = open_producer(*client);
  EXPECT_TRUE(producer.send(Message("m")).get().has_value());
}

TEST_F(ClientApiTest, ThereIsNoSuchQueue) {
  Client client = connect();
  const Result<Producer> producer = client.producer({.queue = "nowhere"});
  ASSERT_FALSE(producer.has_value());
  EXPECT_EQ(producer.error().code(), ErrorCode::kNotFound);
  const Result<Consumer> consumer = client.consumer({.queue = "nowhere"});
  ASSERT_FALSE(consumer.has_value());
  EXPECT_EQ(consumer.error().code(), ErrorCode::kNotFound);
}

TEST_F(ClientApiTest, AMessageArrivesAsItWasSent) {
  Client client = connect();
  Producer producer = open_producer(client);
  Consumer consumer = open_consumer(client);
  const auto sent = producer.send(Message("body")
                                      .key("k")
                                      .group("g")
                                      .dedup_id("d")
                                      .header("color", "red")
                                      .trace("00-trace-01", "state"));
  const Result<std::optional<Delivery>> got = consumer.receive(kPatience);
  ASSERT_TRUE(got.has_value() && got->has_value());
  const Delivery& delivery = **got;
  EXPECT_EQ(delivery.body(), "body");
  EXPECT_EQ(delivery.key(), "k");
  EXPECT_EQ(delivery.group(), "g");
  EXPECT_EQ(delivery.dedup_id(), "d");
  EXPECT_EQ(delivery.header("color"), "red");
  EXPECT_EQ(delivery.header("shape"), std::nullopt);
  EXPECT_EQ(delivery.traceparent(), "00-trace-01");
  EXPECT_EQ(delivery.headers().size(), 3U);
  EXPECT_EQ(delivery.attempt(), 1U);
  EXPECT_EQ(delivery.to_message().key(), "k");
  consumer.ack(delivery);
  EXPECT_TRUE(consumer.flush(kPatience).has_value());
  EXPECT_EQ(consumer.stats().messages_settled, 1U);
}

TEST_F(ClientApiTest, TooLargeMessagesAreRefusedAtOnce) {
  Client client = connect();
  Producer producer = open_producer(client);
  const Result<Receipt> receipt = producer.send(Message(std::string(1'100'000, 'x'))).get();
  ASSERT_FALSE(receipt.has_value());
  EXPECT_EQ(receipt.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(receipt.error().message(), HasSubstr("MessageTooLarge"));
}

TEST_F(ClientApiTest, LargeMessagesArriveWholeAndInOrder) {
  options_.queues[0].limits.message_bytes_max = 16U << 20;
  Client client = connect();
  Producer producer = open_producer(client);
  Consumer consumer = open_consumer(client);
  std::vector<std::string> bodies{"small", std::string(300'000, 'a'), "small", ""};
  for (int i = 0; bodies.back().size() < (16U << 20); ++i) bodies.back() += std::to_string(i);
  bodies.back().resize(16U << 20);
  for (const std::string& body : bodies) producer.send(Message(body).key("k"), nullptr);
  EXPECT_TRUE(take(consumer, bodies.size()) == bodies);
  EXPECT_EQ(producer.stats().bytes_pending, 0U);
  EXPECT_EQ(producer.stats().messages_stored, bodies.size());
}

TEST_F(ClientApiTest, KeyedAndKeylessMessagesFillTheSameBatches) {
  Client client = connect();
  Producer producer =
      open_producer(client, {.queue = "wide", .batch_bytes = 4'000, .linger = milliseconds(1'000)});
  // Fill the batch of each shard by key, then go round them all without.
  for (int i = 0; i < 64; ++i) {
    producer.send(Message(std::string(900, 'k')).key("k" + std::to_string(i)), nullptr);
  }
  for (int i = 0; i < 64; ++i) producer.send(Message(std::string(900, 'u')), nullptr);
  ASSERT_TRUE(producer.flush(kPatience).has_value());
  EXPECT_EQ(producer.stats().messages_stored, 128U);
}

TEST_F(ClientApiTest, ManyThreadsShareAProducer) {
  Client client = connect();
  Producer producer = open_producer(client, {.batch_bytes = 1'000, .buffer_bytes = 20'000});
  constexpr int kThreads = 4;
  constexpr int kEach = 2'000;
  std::atomic<int> stored{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        producer.send(Message(std::to_string(t) + "/" + std::to_string(i)),
                      [&](const Result<Receipt>& receipt) { stored += receipt.has_value(); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(producer.flush(kPatience).has_value());
  EXPECT_EQ(stored, kThreads * kEach);
  Consumer consumer = open_consumer(client);
  std::map<std::string, int> next;
  for (const std::string& body : take(consumer, kThreads * kEach)) {
    const std::size_t slash = body.find('/');
    EXPECT_EQ(std::stoi(body.substr(slash + 1)), next[body.substr(0, slash)]++);
  }
  EXPECT_EQ(producer.stats().messages_pending, 0U);
  EXPECT_EQ(producer.stats().bytes_pending, 0U);
}

TEST_F(ClientApiTest, FlushWaitsForTheCallbacksToo) {
  Client client = connect();
  Producer producer = open_producer(client);
  std::optional<Status> within;
  const Status sent = producer.try_send(Message("a"), [&](const Result<Receipt>&) {
    std::thread([&] { within = producer.flush(milliseconds(0)); }).join();
  });
  ASSERT_TRUE(sent.has_value());
  ASSERT_TRUE(producer.flush(kPatience).has_value());
  ASSERT_TRUE(within && !within->has_value());
  EXPECT_EQ(within->error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(within->error().message(), "callbacks have not ended yet");
}

TEST_F(ClientApiTest, AFullBufferPushesBack) {
  Client client = connect();
  Producer producer = open_producer(
      client, {.linger = milliseconds(60'000), .buffer_bytes = 100, .when_full = WhenFull::kFail});
  EXPECT_TRUE(producer.try_send(Message(std::string(80, 'a'))).has_value());
  const Status refused = producer.try_send(Message(std::string(80, 'b')));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_FALSE(producer.send(Message(std::string(80, 'c'))).get().has_value());
  ASSERT_TRUE(producer.flush(kPatience).has_value());
  EXPECT_TRUE(producer.try_send(Message("d")).has_value());
  EXPECT_TRUE(producer.close(kPatience).has_value());
  EXPECT_EQ(producer.stats().messages_stored, 2U);
}

TEST_F(ClientApiTest, AClosedProducerTakesNothing) {
  Client client = connect();
  Producer producer = open_producer(client);
  ASSERT_TRUE(producer.close(kPatience).has_value());
  const Status refused = producer.try_send(Message("late"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kFailedPrecondition);
}

TEST_F(ClientApiTest, BatchesHaveOneOutcome) {
  Client client = connect();
  Producer producer = open_producer(client, {.queue = "wide"});
  const std::vector<std::string_view> bodies(5'000, "body");
  EXPECT_EQ(producer.send_batch(bodies).get().stored, 5'000U);
  std::vector<Message> messages;
  for (int i = 0; i < 100; ++i) messages.push_back(Message("m").key(std::to_string(i)));
  messages.push_back(Message(std::string(1'200'000, 'x')));
  const BatchReceipt receipt = producer.send_batch(messages).get();
  EXPECT_EQ(receipt.stored, 100U);
  EXPECT_EQ(receipt.refused, 1U);
  EXPECT_TRUE(receipt.error.has_value());
  EXPECT_EQ(producer.send_batch(std::vector<Message>()).get().stored, 0U);
}

TEST_F(ClientApiTest, KeysKeepTheirShardAndTheirOrder) {
  Client client = connect();
  Producer producer = open_producer(client, {.queue = "wide"});
  ASSERT_EQ(producer.shards(), 4);
  std::set<std::uint16_t> shards;
  for (int key = 0; key < 16; ++key) {
    const Message message = Message("m").key(std::to_string(key));
    const std::optional<std::uint16_t> shard = producer.shard_of(message);
    for (int i = 0; i < 3; ++i) {
      const Result<Receipt> receipt = producer.send(message).get();
      ASSERT_TRUE(receipt.has_value());
      EXPECT_EQ(receipt->shard, shard);
    }
    shards.insert(*shard);
  }
  EXPECT_GT(shards.size(), 1U);
  EXPECT_EQ(producer.shard_of(Message("anywhere")), std::nullopt);
  Consumer consumer = open_consumer(client, {.queue = "wide"});
  EXPECT_EQ(take(consumer, 48).size(), 48U);
}

TEST_F(ClientApiTest, HandlersSettleInEveryWay) {
  Client client = connect();
  Producer producer = open_producer(client);
  for (const char* body : {"ack", "fail", "throw", "reject"}) {
    producer.send(Message(body), nullptr);
  }
  Consumer consumer = open_consumer(client);
  std::mutex mutex;
  std::map<std::string, std::uint32_t> attempts;
  const Status ended = consumer.run(
      [&](const Delivery& delivery) {
        const std::string body(delivery.body());
        const std::lock_guard lock(mutex);
        attempts[body] = delivery.attempt();
        if (attempts.size() == 4 && attempts["fail"] == 2 && attempts["throw"] == 2) {
          consumer.request_stop();
        }
        if (body == "reject") return Settlement::reject("no such thing");
        if (delivery.attempt() > 1) return Settlement::ack();
        if (body == "throw") throw std::runtime_error("it broke");
        if (body == "fail") return Settlement::fail(milliseconds(1), "not now");
        return Settlement::ack();
      },
      3);
  EXPECT_TRUE(ended.has_value());
  ASSERT_TRUE(consumer.stop(kPatience).has_value());
  Admin admin = client.admin();
  const Result<PeekPage> dead = admin.peek({.queue = "orders", .dead_letters = true});
  ASSERT_TRUE(dead.has_value());
  ASSERT_EQ(dead->messages.size(), 1U);
  EXPECT_EQ(dead->messages[0].reason, "Rejected");
  EXPECT_EQ(dead->messages[0].error, "no such thing");
  PurgeOptions some{.queue = "orders", .dead_letters = true, .dry_run = true};
  some.selector.error = "no such";
  some.selector.not_before = dead->messages[0].died_at;
  EXPECT_EQ(admin.purge(some, kPatience)->matched, 1U);
  some.selector.before = dead->messages[0].died_at;
  EXPECT_EQ(admin.purge(some, kPatience)->matched, 0U);
  some.selector.sequences = {{2, 3}, {3, 4}};
  EXPECT_EQ(admin.purge(some, kPatience).error().code(), ErrorCode::kInvalidArgument);
  const Result<TaskStatus> redriven = admin.redrive({.queue = "orders"}, kPatience);
  ASSERT_TRUE(redriven.has_value());
  EXPECT_EQ(redriven->done, 1U);
  const Result<TaskStatus> purged = admin.purge({.queue = "orders"}, kPatience);
  ASSERT_TRUE(purged.has_value());
  EXPECT_EQ(purged->done, 1U);
  EXPECT_THAT(*admin.stat(), HasSubstr("orders"));
}

TEST_F(ClientApiTest, MessagesAreCopiedAndMovedIntoAnotherQueue) {
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 3);
  const std::string large(700'000, 'x');  // travels and lies in pieces
  ASSERT_TRUE(producer.send(Message(large).key("k")).get().has_value());
  Admin admin = client.admin();
  const Result<TaskStatus> counted =
      admin.move({.queue = "orders", .target = "wide", .dry_run = true}, kPatience);
  ASSERT_TRUE(counted.has_value()) << counted.error().to_string();
  EXPECT_EQ(counted->matched, 4U);
  EXPECT_EQ(counted->done, 0U);
  CarryOptions some{.queue = "orders", .target = "wide"};
  some.selector.sequences = {{1, 1}, {2, 2}};
  EXPECT_EQ(admin.copy(some, kPatience)->done, 2U);
  const Result<TaskStatus> moved = admin.move({.queue = "orders", .target = "wide"}, kPatience);
  ASSERT_TRUE(moved.has_value()) << moved.error().to_string();
  EXPECT_EQ(moved->state, TaskStatus::State::kCompleted);
  EXPECT_EQ(moved->done, 4U);
  EXPECT_TRUE(admin.peek({.queue = "orders"})->messages.empty());
  Consumer consumer = open_consumer(client, {.queue = "wide"});
  EXPECT_THAT(take(consumer, 6), UnorderedElementsAre("0", "0", "1", "1", "2", large));
  EXPECT_EQ(admin.move({.queue = "orders", .target = "none"}, kPatience).error().code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(admin.copy({.queue = "orders", .target = "orders"}, kPatience).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST_F(ClientApiTest, AStopFinishesWhatRunsAndReleasesTheRest) {
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 500);
  Consumer consumer = open_consumer(client);
  std::atomic<int> handled{0};
  std::latch running(2);
  std::promise<void> go;
  std::shared_future<void> gone = go.get_future().share();
  std::thread runner([&] {
    EXPECT_TRUE(consumer
                    .run(
                        [&](const Delivery& /*delivery*/) {
                          running.count_down();
                          gone.wait();
                          ++handled;
                        },
                        2)
                    .has_value());
  });
  running.wait();
  std::thread stopper([&] { EXPECT_TRUE(consumer.stop(kPatience).has_value()); });
  // What was not started is another's before the handlers end.
  Consumer other = open_consumer(client);
  EXPECT_EQ(take(other, 498).size(), 498U);
  go.set_value();
  stopper.join();
  runner.join();
  EXPECT_EQ(handled, 2);
  const Result<std::optional<Delivery>> late = consumer.receive(milliseconds(0));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code(), ErrorCode::kFailedPrecondition);
  const Result<DeliveryBatch> more = other.receive_batch(milliseconds(50));
  ASSERT_TRUE(more.has_value());
  EXPECT_TRUE(more->empty());
}

TEST_F(ClientApiTest, LeasesAreExtendedWhileAHandlerRuns) {
  options_.queues[0].subscriptions[0].delivery.lease = base::Millis(200);
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 2);
  Consumer consumer = open_consumer(client);
  const Result<DeliveryBatch> batch = consumer.receive_batch(kPatience);
  ASSERT_TRUE(batch.has_value());
  // Long enough for three leases to have run out; another consumer would get the messages then.
  Consumer other = open_consumer(client);
  const Result<DeliveryBatch> stolen = other.receive_batch(milliseconds(700));
  ASSERT_TRUE(stolen.has_value());
  EXPECT_TRUE(stolen->empty());
  consumer.ack(*batch);
  ASSERT_TRUE(consumer.flush(kPatience).has_value());
  EXPECT_EQ(consumer.stats().messages_settled, 2U);
  EXPECT_EQ(consumer.stats().messages_stale, 0U);
}

TEST_F(ClientApiTest, ASubscriptionMovesToAnotherPlace) {
  broker::SubscriptionConfig audit;
  audit.name = "audit";
  options_.queues[0].subscriptions.push_back(audit);  // keeps what the other settles
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 10);
  Consumer consumer = open_consumer(client);
  EXPECT_EQ(take(consumer, 10).size(), 10U);
  Admin admin = client.admin();
  SeekOptions seek{.queue = "orders", .to = SeekOptions::To::kSequence, .sequence = 8};
  const Result<std::vector<std::uint64_t>> back = admin.seek(seek);
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(*back, std::vector<std::uint64_t>({8}));
  EXPECT_EQ(take(consumer, 3), std::vector<std::string>({"7", "8", "9"}));
  seek.to = SeekOptions::To::kFirst;
  ASSERT_TRUE(admin.seek(seek).has_value());
  EXPECT_EQ(take(consumer, 10).size(), 10U);
  seek.subscription = "audit";
  seek.to = SeekOptions::To::kTime;
  seek.time = std::chrono::system_clock::now() + std::chrono::hours(1);
  EXPECT_EQ(admin.seek(seek)->front(), 11U);
  seek.subscription = "nobody";
  EXPECT_EQ(admin.seek(seek).error().code(), ErrorCode::kNotFound);
}

TEST_F(ClientApiTest, EverythingGoesOnAfterTheBrokerRestarts) {
  std::atomic<int> warnings{0};
  Client client = connect([&](LogLevel level, std::string_view /*text*/) {
    if (level == LogLevel::kWarn) ++warnings;
  });
  Producer producer = open_producer(client, {.batch_bytes = 500});
  Consumer consumer = open_consumer(client);
  constexpr int kMessages = 20'000;
  std::thread sender([&] {
    for (int i = 0; i < kMessages; ++i) producer.send(Message(std::to_string(i)), nullptr);
  });
  std::set<int> seen;
  int restarts = 0;
  while (seen.size() < kMessages) {
    const Result<DeliveryBatch> batch = consumer.receive_batch(kPatience);
    ASSERT_TRUE(batch.has_value() && !batch->empty());
    for (const Delivery& delivery : *batch) seen.insert(std::stoi(std::string(delivery.body())));
    consumer.ack(*batch);
    if (restarts < 3 && seen.size() > static_cast<std::size_t>(restarts + 1) * 4'000) {
      restart();
      ++restarts;
    }
  }
  sender.join();
  ASSERT_TRUE(producer.flush(kPatience).has_value());
  EXPECT_EQ(producer.stats().messages_stored, static_cast<std::uint64_t>(kMessages));
  EXPECT_EQ(producer.stats().messages_refused, 0U);
  EXPECT_GE(warnings, 1);
  EXPECT_GE(client.reconnects(), 1U);
}

TEST_F(ClientApiTest, ANamedProducerGoesOnWhereTheOneBeforeStopped) {
  Client client = connect();
  {
    Producer first = open_producer(client, {.name = "counter"});
    EXPECT_EQ(first.last_sequence(), 0U);
    send_numbers(first, 10);
  }
  Producer second = open_producer(client, {.name = "counter"});
  EXPECT_EQ(second.last_sequence(), 10U);
  // A newer one fences the older.
  Producer third = open_producer(client, {.name = "counter"});
  const Result<Receipt> fenced = second.send(Message("late")).get();
  ASSERT_FALSE(fenced.has_value());
  EXPECT_EQ(fenced.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(third.send(Message("on")).get().has_value());
  EXPECT_EQ(open_producer(client, {.name = "other"}).last_sequence(), 0U);
}

TEST_F(ClientApiTest, ANamedProducerEndsWithTheFirstRefusal) {
  options_.queues[0].limits.messages_max = 5;
  Client client = connect();
  Producer producer = open_producer(client, {.name = "counter"});
  std::vector<std::future<Result<Receipt>>> sent;
  for (int i = 0; i < 6; ++i) {
    sent.push_back(producer.send(Message("m")));
    ASSERT_TRUE(producer.flush(kPatience).has_value());
  }
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(sent[static_cast<std::size_t>(i)].get().has_value());
  EXPECT_EQ(sent[5].get().error().code(), ErrorCode::kResourceExhausted);
  EXPECT_FALSE(producer.send(Message("m")).get().has_value());
  EXPECT_EQ(open_producer(client, {.name = "counter"}).last_sequence(), 5U);
}

TEST_F(ClientApiTest, ANamedProducerTakesNumbersOfTheCallers) {
  Client client = connect();
  {
    Producer first = open_producer(client, {.name = "counter"});
    EXPECT_EQ(first.next_sequence(), 1U);
    for (std::uint64_t number = 1; number <= 3; ++number) {
      const Result<Receipt> receipt = first.send_numbered(number, Message("m")).get();
      ASSERT_TRUE(receipt.has_value());
      EXPECT_FALSE(receipt->duplicate);
    }
    EXPECT_EQ(first.send_numbered(3, Message("m")).get().error().code(), ErrorCode::kAlreadyExists);
    const Result<Receipt> gap = first.send_numbered(5, Message("m")).get();
    ASSERT_FALSE(gap.has_value());
    EXPECT_EQ(gap.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(gap.error().message(), HasSubstr("ProducerGap"));
    EXPECT_FALSE(first.send_numbered(0, Message("m")).get().has_value());
    EXPECT_TRUE(first.send(Message("m")).get().has_value());  // both ways count
    EXPECT_EQ(first.next_sequence(), 5U);
  }
  // Another process that begins at the beginning stores nothing twice.
  Producer second = open_producer(client, {.name = "counter"});
  EXPECT_EQ(second.last_sequence(), 4U);
  for (std::uint64_t number = 1; number <= 6; ++number) {
    const Result<Receipt> receipt = second.send_numbered(number, Message("m")).get();
    ASSERT_TRUE(receipt.has_value());
    EXPECT_EQ(receipt->duplicate, number <= 4);
    EXPECT_EQ(receipt->sequence, number <= 4 ? 0 : number);
  }
  Producer unnamed = open_producer(client);
  EXPECT_EQ(unnamed.send_numbered(1, Message("m")).get().error().code(),
            ErrorCode::kFailedPrecondition);
}

TEST_F(ClientApiTest, HandlesMayGoInAnyOrderAndInCallbacks) {
  std::optional<Client> client(connect());
  std::optional<Producer> producer(open_producer(*client));
  Consumer consumer = open_consumer(*client);
  client.reset();
  std::promise<void> gone;
  producer->send(Message("last"), [&](const Result<Receipt>& /*receipt*/) {
    producer.reset();
    gone.set_value();
  });
  gone.get_future().wait();
  EXPECT_EQ(take(consumer, 1).size(), 1U);
}

}  // namespace
}  // namespace sluice::test
