#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/consumer.h"
#include "client/publisher.h"
#include "tests/integration/local_broker.h"
#include "tests/integration/raw_client.h"
#include "tests/support/status_matchers.h"
#include "wire/frame_codec.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // g++ has no header for it
#endif

// A client that asks for everything and reads nothing.
namespace sluice::test {
namespace {

constexpr base::Millis kPatience{30'000};
constexpr std::size_t kBodyBytes = 200 * 1024;
constexpr int kMessages = 800;  // 160 MiB

// Of this process, in MiB. A sanitizer's shadow, and what it keeps of freed memory, is not what a
// broker uses: there it counts what is allocated.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
std::size_t memory_mib() { return __sanitizer_get_current_allocated_bytes() >> 20; }
#else
std::size_t memory_mib() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t pages = 0;
  statm >> size >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) >> 20;
}
#endif

class SlowReaderTest : public testing::Test {
 protected:
  SlowReaderTest() {
    LocalBrokerOptions options;
    options.queues = {plain_queue("orders"), plain_queue("others")};
    for (broker::QueueConfig& queue : options.queues) queue.limits.bytes_max = 1ULL << 30;
    options.segment_bytes = 64U << 20;
    options.session_ttl = base::Millis(60'000);
    broker_ = std::make_unique<LocalBroker>(folder_.path(), options);
    client::ConnectionOptions connection;
    connection.endpoint = broker_->endpoint();
    connection.client_name = "test";
    connection_ = *client::Connection::open(connection);
  }
  void publish(const std::string& queue, int count) {
    client::PublisherOptions options;
    options.queue = queue;
    const auto publisher = *client::Publisher::open(*connection_, options);
    const std::vector<std::byte> body(kBodyBytes, std::byte{'x'});
    for (int i = 0; i < count; ++i) {
      ASSERT_THAT(publisher->append(body), IsOk());
      if (i % 16 == 15) {
        ASSERT_THAT(publisher->flush(kPatience), IsOk());
      }
    }
    ASSERT_THAT(publisher->flush(kPatience), IsOk());
  }
  // Takes and acks so many.
  void consume(const std::string& queue, int count) {
    client::ConsumerOptions options;
    options.queue = queue;
    const auto consumer = *client::Consumer::open(*connection_, options);
    for (int got = 0; got < count;) {
      auto batch = consumer->poll(kPatience);
      ASSERT_THAT(batch, IsOk());
      ASSERT_TRUE(batch->has_value()) << got << " came";
      for (const client::Delivery& delivery : **batch) {
        EXPECT_EQ(delivery.message.body.size(), kBodyBytes);
        ++got;
      }
      consumer->ack(**batch);
    }
    EXPECT_THAT(consumer->flush_settles(kPatience), IsOk());
  }
  template <typename T>
  T ask(RawClient& client, wire::FrameHeader& header, const wire::Body& body) {
    std::vector<std::byte> bytes;
    header.request = 1;
    wire::encode_frame(header, body, bytes);
    client.send(bytes);
    for (;;) {
      answer_ = *client.receive(std::chrono::milliseconds(kPatience.count()));
      const auto frame = wire::decode_frame(answer_);
      if (const T* found = std::get_if<T>(&frame->body)) return *found;
    }
  }

  TemporaryFolder folder_;
  std::unique_ptr<LocalBroker> broker_;
  std::unique_ptr<client::Connection> connection_;
  std::vector<std::byte> answer_;
};

TEST_F(SlowReaderTest, CostsTheBrokerALittleAndOthersNothing) {
  publish("others", 10);
  consume("others", 10);
  publish("orders", kMessages);
  const std::size_t before = memory_mib();

  RawClient stuck({.endpoint = broker_->endpoint(), .broker_key = {}, .frames_max = 1});
  wire::FrameHeader header;
  const auto welcome = ask<wire::Welcome>(stuck, header, wire::Hello{});
  header.session = welcome.session;
  header.session_epoch = welcome.session_epoch;
  wire::Attach attach;
  attach.queue = ask<wire::Resolved>(stuck, header, wire::Resolve{"orders"}).queue;
  attach.map_version = 1;
  attach.messages_limit = 1'000'000;
  attach.bytes_limit = 1ULL << 40;
  ask<wire::Attached>(stuck, header, attach);

  // Meanwhile all is as ever elsewhere.
  publish("others", 50);
  consume("others", 50);
  const auto stats = broker_->stats();
  std::uint64_t held = 0;
  for (const broker::QueueStats& queue : stats->broker.queues) {
    if (queue.name == "orders") held = queue.subscriptions.at(0).in_flight;
  }
  // 16 MiB and what the sockets' buffers hold.
  EXPECT_GT(held, 50U);
  EXPECT_LT(held, 300U);
  EXPECT_LT(memory_mib(), before + 60);
  // What it does not hold others get. The sockets' buffers may still grow, and take some more.
  consume("orders", kMessages - 300);

  // When it reads it gets all that it was given, and is not thrown out.
  for (std::uint64_t received = 0; received < held;) {
    const auto bytes = stuck.receive(std::chrono::milliseconds(kPatience.count()));
    ASSERT_TRUE(bytes.has_value()) << received << " of " << held;
    const auto frame = wire::decode_frame(*bytes);
    ASSERT_THAT(frame, IsOk());
    const auto* deliver = std::get_if<wire::Deliver>(&frame->body);
    if (deliver == nullptr) continue;
    for (const wire::DeliverRun& run : deliver->runs) received += run.count;
  }
}

}  // namespace
}  // namespace sluice::test
