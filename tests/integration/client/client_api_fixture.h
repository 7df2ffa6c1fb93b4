#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/sluice.h"
#include "tests/integration/local_broker.h"

namespace sluice::test {

inline constexpr std::chrono::seconds kPatience{60};

// The public client library against a real broker in this process.
class ClientApiTest : public testing::Test {
 protected:
  ClientApiTest() {
    broker::QueueConfig wide = plain_queue("wide");
    wide.shards = 4;
    options_.queues = {plain_queue("orders"), wide};
  }

  void start() {
    broker_ = std::make_unique<LocalBroker>(folder_.path(), options_);
    options_.client_endpoint = broker_->endpoint();
  }
  void restart() {
    broker_.reset();
    start();
  }
  Client connect(LogHook log = nullptr) {
    if (broker_ == nullptr) start();
    ClientOptions options;
    options.endpoint = broker_->endpoint();
    options.backoff_max = std::chrono::milliseconds(200);
    options.log = std::move(log);
    Result<Client> client = Client::connect(std::move(options));
    EXPECT_TRUE(client.has_value());
    return std::move(*client);
  }
  static Producer open_producer(Client& client, ProducerOptions options = {}) {
    if (options.queue.empty()) options.queue = "orders";
    Result<Producer> producer = client.producer(std::move(options));
    EXPECT_TRUE(producer.has_value()) << producer.error().to_string();
    return std::move(*producer);
  }
  static Consumer open_consumer(Client& client, ConsumerOptions options = {}) {
    if (options.queue.empty()) options.queue = "orders";
    Result<Consumer> consumer = client.consumer(std::move(options));
    EXPECT_TRUE(consumer.has_value()) << consumer.error().to_string();
    return std::move(*consumer);
  }
  // Sends "0" .. "count - 1".
  static void send_numbers(Producer& producer, int count) {
    for (int i = 0; i < count; ++i) producer.send(Message(std::to_string(i)), nullptr);
    const Status flushed = producer.flush(kPatience);
    ASSERT_TRUE(flushed.has_value()) << flushed.error().to_string();
  }
  // Receives and acknowledges `count` messages.
  static std::vector<std::string> take(Consumer& consumer, std::size_t count) {
    std::vector<std::string> bodies;
    while (bodies.size() < count) {
      const Result<DeliveryBatch> batch = consumer.receive_batch(kPatience, count - bodies.size());
      EXPECT_TRUE(batch.has_value());
      if (!batch.has_value() || batch->empty()) break;
      for (const Delivery& delivery : *batch) bodies.emplace_back(delivery.body());
      consumer.ack(*batch);
    }
    EXPECT_TRUE(consumer.flush(kPatience).has_value());
    return bodies;
  }

  TemporaryFolder folder_;
  LocalBrokerOptions options_;
  std::unique_ptr<LocalBroker> broker_;
};

}  // namespace sluice::test
