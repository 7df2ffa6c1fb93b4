#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "client/consumer.h"
#include "client/publisher.h"
#include "tests/integration/guarded_broker.h"
#include "tests/support/status_matchers.h"

namespace sluice::test {
namespace {

using testing::HasSubstr;

constexpr base::Millis kPatience{60'000};
constexpr const char* kAnyPort = "tcp://127.0.0.1:0";

// A program with a folder of keys: says and takes numbers until it is told to stop.
class Rotation : public GuardedBroker {
 protected:
  Rotation() {
    LocalBrokerOptions options;
    options.rotation.quiet = base::Millis(200);
    start(options);
    write_folder(broker_.public_key, guarded_->endpoint());
  }

  std::string client_folder() const { return folder_.path() + "/client"; }
  // As a person would do it: each file by a rename, so that nobody reads half a line.
  void write_folder(const std::string& broker_key, const std::string& endpoint) {
    std::filesystem::create_directories(client_folder());
    const auto put = [&](const std::string& name, const std::string& text) {
      const std::string path = client_folder() + "/" + name;
      std::ofstream(path + ".new") << text << "\n";
      std::filesystem::permissions(path + ".new", std::filesystem::perms::owner_read);
      std::filesystem::rename(path + ".new", path);
    };
    put("client.key", known_.secret_key);
    put("broker.pub", broker_key);
    put("endpoint", endpoint);
  }
  std::unique_ptr<client::Connection> connect_by_folder() {
    client::ConnectionOptions options;
    options.keys_folder = client_folder();
    auto connection = client::Connection::open(options);
    CHECK(connection.has_value());
    return *std::move(connection);
  }

  void produce() {
    const auto connection = connect_by_folder();
    client::PublisherOptions options;
    options.queue = "orders";
    auto publisher = client::Publisher::open(*connection, options);
    ASSERT_THAT(publisher, IsOk());
    while (!stop_) {
      const std::string body = std::to_string(produced_);
      ASSERT_THAT((*publisher)->append(base::as_bytes(body)), IsOk());
      ++produced_;
      if (produced_ % 10 == 0) {
        ASSERT_THAT((*publisher)->flush(kPatience), IsOk());
      }
    }
    ASSERT_THAT((*publisher)->flush(kPatience), IsOk());
    EXPECT_GE(connection->reconnects(), 1U);
    finished_ = true;
  }

  void consume() {
    const auto connection = connect_by_folder();
    client::ConsumerOptions options;
    options.queue = "orders";
    auto consumer = client::Consumer::open(*connection, options);
    ASSERT_THAT(consumer, IsOk());
    while (!finished_ || consumed_ < produced_) {
      auto batch = (*consumer)->poll(base::Millis(100));
      ASSERT_THAT(batch, IsOk());
      if (!batch->has_value()) continue;
      for (const client::Delivery& delivery : **batch) {
        const auto number = std::stoul(std::string(base::as_text(delivery.message.body)));
        if (seen_.size() <= number) seen_.resize(number + 1);
        ++seen_[number];
        ++consumed_;
      }
      (*consumer)->ack(**batch);
    }
    ASSERT_THAT((*consumer)->flush_settles(kPatience), IsOk());
    EXPECT_EQ((*consumer)->stats().messages_stale, 0U);
    EXPECT_GE(connection->reconnects(), 1U);
  }

  void wait_for_more(std::uint64_t messages) {
    const std::uint64_t goal = consumed_ + messages;
    while (consumed_ < goal && !HasFatalFailure()) std::this_thread::yield();
  }
  void wait_for_keys(std::uint32_t keys) {
    while (guarded_->stats()->transport.server_keys != keys && !HasFatalFailure()) {
      std::this_thread::yield();
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<bool> finished_{false};
  std::atomic<std::uint64_t> produced_{0};
  std::atomic<std::uint64_t> consumed_{0};
  std::vector<std::uint32_t> seen_;  // of the consumer's thread until it has ended
};

TEST_F(Rotation, NothingIsLostOrDoubledWhileTheKeyChanges) {
  std::thread producer([this] { produce(); });
  std::thread consumer([this] { consume(); });
  wait_for_more(100);
  const std::string old_endpoint = guarded_->endpoint();
  const client::KeyPair next = new_key_pair();
  const access::NextKey wish{next.secret_key, kAnyPort, kAnyPort};
  EXPECT_THAT(guarded_->follow_keys(broker_.secret_key, wish), IsOk());
  EXPECT_NE(guarded_->endpoint(), old_endpoint);
  EXPECT_EQ(guarded_->stats()->transport.server_keys, 2U);
  wait_for_more(100);  // those who do not know yet go on
  write_folder(next.public_key, guarded_->endpoint());
  wait_for_keys(1);
  wait_for_more(100);
  stop_ = true;
  producer.join();
  consumer.join();
  EXPECT_EQ(consumed_, produced_);
  EXPECT_EQ(seen_, std::vector<std::uint32_t>(produced_, 1));
  const auto stats = guarded_->stats();
  EXPECT_EQ(stats->transport.sessions_to_move, 0U);
  EXPECT_EQ(stats->broker.queues.at(0).subscriptions.at(0).stalled, 0U);
  EXPECT_THAT(connect(known_.secret_key, old_endpoint), testing::Not(IsOk()));
}

TEST_F(Rotation, TheFolderEndsItOrTakesItBack) {
  const std::string old_endpoint = guarded_->endpoint();
  const client::KeyPair next = new_key_pair();
  const access::NextKey wish{next.secret_key, kAnyPort, ""};
  ASSERT_THAT(guarded_->follow_keys(broker_.secret_key, wish), IsOk());
  // The same again is no other rotation; another key is, and has to wait.
  EXPECT_THAT(guarded_->follow_keys(broker_.secret_key, wish), IsOk());
  const access::NextKey other{new_key_pair().secret_key, kAnyPort, ""};
  const base::Status refused = guarded_->follow_keys(broker_.secret_key, other);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("finish it first"));
  // Taken back.
  EXPECT_THAT(guarded_->follow_keys(broker_.secret_key, std::nullopt), IsOk());
  EXPECT_EQ(guarded_->endpoint(), old_endpoint);
  EXPECT_EQ(guarded_->stats()->transport.server_keys, 1U);
  // Once more, and ended by the folder: the next key is the key.
  ASSERT_THAT(guarded_->follow_keys(broker_.secret_key, wish), IsOk());
  EXPECT_THAT(guarded_->follow_keys(next.secret_key, std::nullopt), IsOk());
  EXPECT_NE(guarded_->endpoint(), old_endpoint);
  EXPECT_EQ(guarded_->stats()->transport.server_keys, 1U);
  write_folder(next.public_key, guarded_->endpoint());
  EXPECT_NE(connect_by_folder(), nullptr);
}

TEST_F(Rotation, AnAddressThatIsTakenChangesNothing) {
  const access::NextKey wish{new_key_pair().secret_key, guarded_->endpoint(), ""};
  const base::Status refused = guarded_->follow_keys(broker_.secret_key, wish);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("cannot listen"));
  EXPECT_EQ(guarded_->stats()->transport.server_keys, 1U);
  EXPECT_THAT(connect(known_.secret_key, guarded_->endpoint()), IsOk());
}

}  // namespace
}  // namespace sluice::test
