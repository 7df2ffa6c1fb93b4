#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tests/integration/client/client_api_fixture.h"

// Settling through the public client library: who is told what, and when.
namespace sluice::test {
namespace {

using std::chrono::milliseconds;

using SettleApiTest = ClientApiTest;

DeliveryBatch fetch(Consumer& consumer, std::size_t count) {
  DeliveryBatch all;
  while (all.size() < count) {
    Result<DeliveryBatch> batch = consumer.receive_batch(kPatience, count - all.size());
    EXPECT_TRUE(batch.has_value() && !batch->empty());
    if (!batch.has_value() || batch->empty()) break;
    for (Delivery& delivery : *batch) all.push_back(std::move(delivery));
  }
  return all;
}

TEST_F(SettleApiTest, AFutureTellsThatItIsCommitted) {
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 5);
  Consumer consumer = open_consumer(client);
  const DeliveryBatch batch = fetch(consumer, 5);
  std::vector<std::future<Status>> told;
  told.push_back(consumer.settle_confirmed(batch[0], Settlement::ack()));
  told.push_back(consumer.settle_confirmed(batch[1], Settlement::fail("not now")));
  told.push_back(consumer.settle_confirmed(batch[2], Settlement::reject("never")));
  told.push_back(consumer.extend(batch[3], milliseconds(5'000)));
  for (std::future<Status>& one : told) {
    const Status status = one.get();
    EXPECT_TRUE(status.has_value()) << status.error().to_string();
  }
  std::promise<Status> called;
  consumer.settle(batch[3], Settlement::release(),
                  [&called](const Status& status) { called.set_value(status); });
  EXPECT_TRUE(called.get_future().get().has_value());
  EXPECT_TRUE(consumer.ack_confirmed({batch[4]}).get().has_value());
  EXPECT_TRUE(consumer.ack_confirmed({}).get().has_value());
  EXPECT_TRUE(consumer.flush(kPatience).has_value());
  EXPECT_EQ(consumer.stats().messages_settled, 5U);
}

TEST_F(SettleApiTest, SettlesInAnyOrder) {
  constexpr std::size_t kCount = 5'000;
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, kCount);
  ConsumerOptions options;
  options.prefetch_messages = 2 * kCount;
  Consumer consumer = open_consumer(client, options);
  const DeliveryBatch batch = fetch(consumer, kCount);
  ASSERT_EQ(batch.size(), kCount);
  DeliveryBatch fourth;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (i % 2 == 0) consumer.ack(batch[i]);
    if (i % 4 == 3) fourth.push_back(batch[i]);
  }
  consumer.ack(fourth);
  std::vector<std::future<Status>> told;
  for (std::size_t i = 1; i < kCount; i += 4) {
    consumer.ack(batch[i - 1]);  // once more: it means nothing
    told.push_back(consumer.settle_confirmed(batch[i], Settlement::ack()));
  }
  for (std::future<Status>& one : told) EXPECT_TRUE(one.get().has_value());
  EXPECT_TRUE(consumer.flush(kPatience).has_value());
  EXPECT_EQ(consumer.stats().messages_stale, 0U);
  EXPECT_TRUE(consumer.stop(kPatience).has_value());
  Consumer another = open_consumer(client);
  send_numbers(producer, 1);
  const DeliveryBatch next = fetch(another, 1);
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].sequence(), kCount + 1);
}

TEST_F(SettleApiTest, AFutureTellsThatItCameTooLate) {
  options_.queues[0].subscriptions[0].delivery.lease = base::Millis(100);
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 1);
  Consumer consumer =
      open_consumer(client, {.prefetch_messages = 1, .extend_for = milliseconds(0)});
  const DeliveryBatch batch = fetch(consumer, 1);
  Consumer other = open_consumer(client);
  const DeliveryBatch again = fetch(other, 1);
  EXPECT_EQ(again[0].stalls(), 1U);
  const Status late = consumer.settle_confirmed(batch[0], Settlement::ack()).get();
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_FALSE(consumer.extend(batch[0]).get().has_value());
  EXPECT_TRUE(other.settle_confirmed(again[0], Settlement::ack()).get().has_value());
  // A second time: an ack is told that it is done, anything else that it comes too late.
  EXPECT_TRUE(other.settle_confirmed(again[0], Settlement::ack()).get().has_value());
  EXPECT_FALSE(other.settle_confirmed(again[0], Settlement::fail()).get().has_value());
}

TEST_F(SettleApiTest, AFlushDoesNotCallConfirmedWhatALostSessionThrewAway) {
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 1);
  Consumer consumer = open_consumer(client);
  const DeliveryBatch batch = fetch(consumer, 1);
  broker_.reset();
  consumer.ack(batch);
  // A broker that knows nothing of the session, nor of its leases.
  const TemporaryFolder other;
  broker_ = std::make_unique<LocalBroker>(other.path(), options_);
  EXPECT_FALSE(consumer.flush(kPatience).has_value());
  broker_.reset();  // before its folder goes
}

TEST_F(SettleApiTest, AnExtensionOfOnesOwnIsNotCutShort) {
  options_.queues[0].subscriptions[0].delivery.lease = base::Millis(100);
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 1);
  Consumer consumer = open_consumer(client, {.extend_for = milliseconds(0)});
  const DeliveryBatch batch = fetch(consumer, 1);
  ASSERT_TRUE(consumer.extend(batch[0], milliseconds(60'000)).get().has_value());
  Consumer other = open_consumer(client);
  const Result<DeliveryBatch> stolen = other.receive_batch(milliseconds(400));
  ASSERT_TRUE(stolen.has_value());
  EXPECT_TRUE(stolen->empty());
  EXPECT_TRUE(consumer.settle_confirmed(batch[0], Settlement::ack()).get().has_value());
}

TEST_F(SettleApiTest, AStoppedConsumerAnswersEverySettle) {
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 2);
  Consumer consumer = open_consumer(client, {.settle_linger = milliseconds(60'000)});
  const DeliveryBatch batch = fetch(consumer, 2);
  // It lingers, and leaves with the end.
  std::future<Status> first = consumer.settle_confirmed(batch[0], Settlement::ack());
  ASSERT_TRUE(consumer.stop(kPatience).has_value());
  EXPECT_TRUE(first.get().has_value());
  const Status late = consumer.settle_confirmed(batch[1], Settlement::ack()).get();
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_FALSE(consumer.extend(batch[1]).get().has_value());
}

// Handlers hand their messages to another thread, which settles them; stop() waits for that.
TEST_F(SettleApiTest, HandlersMayLeaveItForLater) {
  constexpr int kMessages = 2'000;
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, kMessages);
  Consumer consumer = open_consumer(client, {.prefetch_messages = 100});
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Delivery> handed_on;
  int handled = 0;
  std::atomic<int> confirmed{0};
  std::thread settler([&] {
    for (int i = 0; i < kMessages; ++i) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return !handed_on.empty(); });
      const Delivery delivery = std::move(handed_on.front());
      handed_on.pop_front();
      lock.unlock();
      consumer.settle(delivery, Settlement::ack(),
                      [&](const Status& status) { confirmed += status.has_value(); });
    }
  });
  const Status ended = consumer.run(
      [&](const Delivery& delivery) {
        const std::lock_guard lock(mutex);
        handed_on.push_back(delivery);
        changed.notify_one();
        if (++handled == kMessages) consumer.request_stop();
        return Settlement::later();
      },
      2);
  EXPECT_TRUE(ended.has_value());
  EXPECT_TRUE(consumer.stop(kPatience).has_value());
  EXPECT_EQ(confirmed, kMessages);
  settler.join();
}

TEST_F(SettleApiTest, WhatIsNeverSettledIsGivenBackAtTheDeadline) {
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 1);
  Consumer consumer = open_consumer(client);
  EXPECT_TRUE(consumer
                  .run([&](const Delivery& /*delivery*/) {
                    consumer.request_stop();
                    return Settlement::later();
                  })
                  .has_value());
  const Status stopped = consumer.stop(milliseconds(50));
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code(), ErrorCode::kDeadlineExceeded);
  Consumer other = open_consumer(client);
  const DeliveryBatch again = fetch(other, 1);
  EXPECT_EQ(again[0].stalls(), 0U);
  EXPECT_EQ(again[0].attempt(), 1U);
}

TEST_F(SettleApiTest, AFlushDoesNotWaitForWhatOthersSettleMeanwhile) {
  constexpr int kMessages = 20'000;
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, kMessages);
  Consumer consumer = open_consumer(client);
  std::atomic<bool> over{false};
  std::atomic<int> settled{0};
  std::thread busy([&] {
    while (settled < kMessages && !over) {
      const Result<std::optional<Delivery>> one = consumer.receive(kPatience);
      if (!one.has_value() || !one->has_value()) break;
      consumer.ack(**one);
      ++settled;
    }
  });
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(consumer.flush(kPatience).has_value());
  over = true;
  busy.join();
}

TEST_F(SettleApiTest, DeadLettersAreConsumedLikeAQueue) {
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, 2);
  Consumer consumer = open_consumer(client);
  for (const Delivery& delivery : fetch(consumer, 2)) {
    EXPECT_TRUE(consumer.settle_confirmed(delivery, Settlement::reject("no")).get().has_value());
  }
  Consumer letters = open_consumer(client, {.queue = "orders/dlq"});
  const DeliveryBatch dead = fetch(letters, 2);
  EXPECT_EQ(dead[0].body(), "0");
  EXPECT_TRUE(letters.ack_confirmed(dead).get().has_value());
  Admin admin = client.admin();
  const Result<PeekPage> left = admin.peek({.queue = "orders", .dead_letters = true});
  ASSERT_TRUE(left.has_value());
  EXPECT_TRUE(left->messages.empty());
}

TEST_F(SettleApiTest, AtMostOnceSettlesBeforeItHandsOut) {
  constexpr int kMessages = 3'000;
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, kMessages);
  {
    Consumer consumer = open_consumer(client, {.at_most_once = true, .prefetch_messages = 100});
    const DeliveryBatch first = fetch(consumer, 500);  // and nothing of it is settled here
    EXPECT_TRUE(consumer.settle_confirmed(first[0], Settlement::fail()).get().has_value());
    int handled = 0;
    EXPECT_TRUE(consumer
                    .run([&](const Delivery& /*delivery*/) {
                      if (++handled == kMessages - 500) consumer.request_stop();
                      throw std::runtime_error("it does not matter");
                    })
                    .has_value());
    EXPECT_TRUE(consumer.stop(kPatience).has_value());
    EXPECT_EQ(handled, kMessages - 500);
  }
  Consumer other = open_consumer(client);
  const Result<DeliveryBatch> more = other.receive_batch(milliseconds(50));
  ASSERT_TRUE(more.has_value());
  EXPECT_TRUE(more->empty());
}

TEST_F(SettleApiTest, SettlesGoOnAfterTheBrokerRestarts) {
  constexpr int kMessages = 500;
  Client client = connect();
  Producer producer = open_producer(client);
  send_numbers(producer, kMessages);
  Consumer consumer = open_consumer(client);
  const DeliveryBatch batch = fetch(consumer, kMessages);
  broker_.reset();
  std::vector<std::future<Status>> told;
  for (const Delivery& delivery : batch) {
    told.push_back(consumer.settle_confirmed(delivery, Settlement::ack()));
  }
  start();
  int committed = 0;
  for (std::future<Status>& one : told) committed += one.get().has_value();
  // What was told to be committed is: the rest comes again, and nothing else.
  Consumer other = open_consumer(client);
  const Result<DeliveryBatch> more = other.receive_batch(milliseconds(200));
  ASSERT_TRUE(more.has_value());
  EXPECT_EQ(committed + static_cast<int>(more->size()), kMessages);
}

}  // namespace
}  // namespace sluice::test
