#include <gtest/gtest.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "client/connection.h"
#include "client/consumer.h"
#include "client/publisher.h"
#include "tests/integration/local_broker.h"
#include "tests/integration/sidecar_process.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/http/raw_peer.h"
#include "tests/unit/http/request_mutation.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_codec.h"

// A running broker meets 60,000 wrong frames and 40,000 wrong requests: it stays up, serves others
// meanwhile, and does not grow. In the dev preset the sanitizers watch the broker's process.
namespace sluice::test {
namespace {

constexpr std::uint64_t kSeed = 20'261'123;
constexpr int kFrames = 60'000;
constexpr int kFramesOfASession = 50;
constexpr int kRequests = 40'000;
constexpr int kRounds = 20;  // a check of the broker's health after each
constexpr std::uint64_t kGrowthMax = 96ULL << 20;
constexpr base::Millis kPatience{60'000};

// The sample frames name "orders"; the other queue is the one whose health is looked at.
constexpr const char* kManifest = R"(apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: orders}
spec: {limits: {messages: 1000, bytes: 1Mi}}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: health}
spec: {}
)";

// A client socket that sends whatever bytes it is given.
class HostileSocket {
 public:
  HostileSocket(void* context, const std::string& endpoint)
      : socket_(zmq_socket(context, ZMQ_DEALER)) {
    const int none = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none);
    CHECK(zmq_connect(socket_, endpoint.c_str()) == 0);
  }
  ~HostileSocket() { zmq_close(socket_); }
  HostileSocket(const HostileSocket&) = delete;
  HostileSocket& operator=(const HostileSocket&) = delete;

  // The session of the last WELCOME seen; frames of a session reach what frames of none do not.
  std::uint64_t session() const { return session_; }
  std::uint64_t answers() const { return answers_; }
  void send(base::ByteView bytes) {
    CHECK(zmq_send(socket_, bytes.data(), bytes.size(), 0) >= 0);
    take_answers();
  }
  // Opens a session, and by the order of frames knows that all before were looked at.
  void say_hello(base::Prng& prng) {
    wire::Hello hello;
    hello.version_min = hello.version_max = wire::kProtocolVersion;
    for (std::uint8_t& byte : hello.session_id.bytes) byte = static_cast<std::uint8_t>(prng.next());
    hello.client = "hostile";
    session_ = 0;
    wire::Frame frame;
    frame.body = hello;
    send(wire::encoded(frame));
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (session_ == 0 && !testing::Test::HasFatalFailure()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "no WELCOME";
      zmq_pollitem_t item{socket_, 0, ZMQ_POLLIN, 0};
      zmq_poll(&item, 1, 100);
      take_answers();
    }
  }

 private:
  void take_answers() {
    for (;;) {
      const int size = zmq_recv(socket_, buffer_.data(), buffer_.size(), ZMQ_DONTWAIT);
      if (size < 0) return;
      const auto bytes = static_cast<std::size_t>(size);
      ++answers_;
      const auto frame =
          wire::decode_frame(base::ByteView(buffer_.data(), std::min(bytes, buffer_.size())));
      // What the broker says is never garbage, whatever it was told.
      ASSERT_THAT(frame, IsOk());
      if (const auto* welcome = std::get_if<wire::Welcome>(&frame->body)) {
        session_ = welcome->session;
      }
    }
  }

  void* socket_;
  std::uint64_t session_ = 0;
  std::uint64_t answers_ = 0;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(wire::kFrameBytesMax);
};

class MutationTest : public testing::Test {
 protected:
  MutationTest() {
    // ASan keeps what was freed for a while; that is no growth of the broker's.
    const char* given = std::getenv("ASAN_OPTIONS");
    setenv("ASAN_OPTIONS",
           (std::string(given == nullptr ? "" : given) + ":quarantine_size_mb=8").c_str(), 1);
    broker_ = std::make_unique<SidecarProcess>(folder_.path(), kManifest);
    context_ = zmq_ctx_new();
  }
  ~MutationTest() override {
    sockets_.clear();
    zmq_ctx_term(context_);
  }

  void open_sockets() {
    sockets_.clear();
    for (int i = 0; i < 3; ++i) {
      sockets_.push_back(std::make_unique<HostileSocket>(context_, broker_->endpoint()));
    }
    sockets_.push_back(std::make_unique<HostileSocket>(context_, broker_->control_endpoint()));
  }

  std::vector<std::byte> hostile_frame(const HostileSocket& socket) {
    if (prng_.below(10) == 0) {
      std::vector<std::byte> noise(prng_.below(500));
      for (std::byte& byte : noise) byte = static_cast<std::byte>(prng_.next());
      return noise;
    }
    wire::Frame frame = samples_[prng_.below(samples_.size())].frame;
    if (prng_.below(20) != 0) frame.header.session = socket.session();
    if (std::holds_alternative<wire::Hello>(frame.body)) frame.header.session = 0;
    std::vector<std::byte> bytes = wire::encoded(frame);
    if (prng_.below(4) == 0) return bytes;  // good by itself, and out of place
    for (std::uint64_t flips = 1 + prng_.below(4); flips > 0; --flips) {
      const std::size_t at =
          prng_.below(10) == 0
              ? prng_.below(bytes.size())
              : std::min<std::size_t>(wire::kHeaderBytes + prng_.below(64), bytes.size() - 1);
      bytes[at] = static_cast<std::byte>(prng_.next());
    }
    if (prng_.below(8) == 0) bytes.resize(prng_.below(bytes.size() + 1));
    return bytes;
  }

  // Somebody else's message goes all the way.
  void expect_health(int round) {
    SCOPED_TRACE("round " + std::to_string(round));
    ASSERT_TRUE(broker_->running()) << broker_->log();
    client::ConnectionOptions options;
    options.endpoint = broker_->endpoint();
    auto connection = client::Connection::open(options);
    ASSERT_THAT(connection, IsOk());
    client::PublisherOptions publisher_options;
    publisher_options.queue = "health";
    auto publisher = client::Publisher::open(**connection, publisher_options);
    ASSERT_THAT(publisher, IsOk());
    const std::string body = "round " + std::to_string(round);
    ASSERT_THAT((*publisher)->append(base::as_bytes(body)), IsOk());
    ASSERT_THAT((*publisher)->flush(kPatience), IsOk());
    client::ConsumerOptions consumer_options;
    consumer_options.queue = "health";
    auto consumer = client::Consumer::open(**connection, consumer_options);
    ASSERT_THAT(consumer, IsOk());
    auto batch = (*consumer)->poll(kPatience);
    ASSERT_THAT(batch, IsOk());
    ASSERT_TRUE(batch->has_value());
    EXPECT_EQ(base::as_text((*batch)->begin()->message.body), body);
    (*consumer)->ack(**batch);
    ASSERT_THAT((*consumer)->flush_settles(kPatience), IsOk());
    const auto ready = get(broker_->http_port(), "/readyz");
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->status, 200);
  }

  TemporaryFolder folder_;
  base::Prng prng_{kSeed, "mutation"};
  const std::vector<wire::SampleFrame> samples_ = wire::sample_frames();
  std::unique_ptr<SidecarProcess> broker_;
  void* context_ = nullptr;
  std::vector<std::unique_ptr<HostileSocket>> sockets_;
};

TEST_F(MutationTest, ABrokerOutlivesWrongFrames) {
  std::uint64_t rss_after_first = 0;
  for (int round = 0; round < kRounds; ++round) {
    open_sockets();
    for (int sent = 0; sent < kFrames / kRounds; sent += kFramesOfASession) {
      HostileSocket& socket = *sockets_[prng_.below(sockets_.size())];
      socket.say_hello(prng_);
      for (int i = 0; i < kFramesOfASession; ++i) socket.send(hostile_frame(socket));
      if (HasFatalFailure()) return;
    }
    for (const auto& socket : sockets_) socket->say_hello(prng_);
    expect_health(round);
    if (HasFatalFailure()) return;
    std::uint64_t answers = 0;
    for (const auto& socket : sockets_) answers += socket->answers();
    EXPECT_GT(answers, 100U);  // it was looked at, not only dropped
    if (round == 0) rss_after_first = broker_->rss_bytes();
  }
  EXPECT_LT(broker_->rss_bytes(), rss_after_first + kGrowthMax);
  sockets_.clear();
  EXPECT_EQ(broker_->stop(), 0) << broker_->log();
}

TEST_F(MutationTest, ABrokerOutlivesWrongRequests) {
  std::uint64_t rss_after_first = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kRequests / kRounds; ++i) {
      RawPeer peer(broker_->http_port());
      ASSERT_TRUE(peer.connected()) << i;
      peer.send(mutated_request(prng_));
      peer.end_sending();
      const auto answers = peer.rest();
      ASSERT_TRUE(answers) << i << " hangs";
      ASSERT_TRUE(answers->empty() || answers->rfind("HTTP/1.1 ", 0) == 0) << *answers;
    }
    expect_health(round);
    if (HasFatalFailure()) return;
    if (round == 0) rss_after_first = broker_->rss_bytes();
  }
  EXPECT_LT(broker_->rss_bytes(), rss_after_first + kGrowthMax);
  EXPECT_EQ(broker_->stop(), 0) << broker_->log();
}

}  // namespace
}  // namespace sluice::test
