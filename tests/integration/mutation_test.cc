#include <gtest/gtest.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/key_files.h"
#include "base/check.h"
#include "base/prng.h"
#include "client/connection.h"
#include "client/consumer.h"
#include "client/publisher.h"
#include "client/zmq_keys.h"
#include "tests/integration/local_broker.h"
#include "tests/integration/sidecar_process.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/http/raw_peer.h"
#include "tests/unit/http/request_mutation.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_codec.h"

// A running broker meets 30,000 wrong frames in plain text, 30,000 from a key that it knows, and
// 40,000 wrong requests: it stays up, serves others meanwhile, and does not grow. In the dev preset
// the sanitizers watch the broker's process. SLUICE_MUTATIONS is another number than 100,000 in
// all.
namespace sluice::test {
namespace {

constexpr std::uint64_t kSeed = 20'261'123;
constexpr std::uint64_t kMutations = 100'000;
constexpr std::uint64_t kPercentOfFrames = 30;  // without keys, and as many with
constexpr std::uint64_t kPercentOfRequests = 40;
constexpr int kFramesOfASession = 50;
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

// So many percent of all, shared out to the rounds.
std::uint64_t share_of_a_round(std::uint64_t percent) {
  const char* given = std::getenv("SLUICE_MUTATIONS");
  const std::uint64_t all = given == nullptr ? kMutations : std::stoull(given);
  return all * percent / 100 / kRounds;
}

// A client socket that sends whatever bytes it is given.
class HostileSocket {
 public:
  // With `keys`, those of a client; else plain text.
  HostileSocket(void* context, const std::string& endpoint, const client::KeyPair* keys,
                const std::string& broker_key)
      : socket_(zmq_socket(context, ZMQ_DEALER)), has_key_(keys != nullptr) {
    const int none = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none);
    if (has_key_) {
      const auto set = [this](int option, const std::string& key) {
        CHECK(zmq_setsockopt(socket_, option, key.c_str(), key.size() + 1) == 0);
      };
      set(ZMQ_CURVE_SERVERKEY, broker_key);
      set(ZMQ_CURVE_PUBLICKEY, keys->public_key);
      set(ZMQ_CURVE_SECRETKEY, keys->secret_key);
    }
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
    // An id that somebody made up is refused where there are keys.
    if (!has_key_) {
      for (auto& byte : hello.session_id.bytes) byte = static_cast<std::uint8_t>(prng.next());
    }
    hello.client = "hostile";
    session_ = 0;
    wire::Frame frame;
    frame.body = hello;
    send(wire::encoded(frame));
    const auto begin = std::chrono::steady_clock::now();
    auto again = begin + std::chrono::seconds(5);
    while (session_ == 0 && !testing::Test::HasFatalFailure()) {
      const auto now = std::chrono::steady_clock::now();
      ASSERT_LT(now, begin + std::chrono::minutes(1)) << "no WELCOME";
      // The broker cuts off who has had no session for long; ZeroMQ then connects anew.
      if (now > again) {
        send(wire::encoded(frame));
        again = now + std::chrono::seconds(5);
      }
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
  bool has_key_;
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
    context_ = zmq_ctx_new();
  }
  ~MutationTest() override {
    sockets_.clear();
    zmq_ctx_term(context_);
  }

  // Sessions of sockets that are gone make room soon.
  void start_broker() {
    broker_ = std::make_unique<SidecarProcess>(folder_.path(), kManifest,
                                               std::vector<std::string>{"--session-ttl", "1s"});
  }
  // One key that may do everything, on both ports.
  void start_guarded_broker() {
    const std::string keys = folder_.path() + "/keys";
    CHECK(std::filesystem::create_directory(keys));
    keys_ = *client::make_key_pair();
    const client::KeyPair own = *client::make_key_pair();
    broker_key_ = own.public_key;
    CHECK(access::write_new_file(keys + "/server.key", own.secret_key, 0600).has_value());
    CHECK(access::write_new_file(
              keys + "/authorized_keys",
              "hostile " + keys_->public_key + " produce,consume,inspect,admin,operator *\n", 0644)
              .has_value());
    broker_ = std::make_unique<SidecarProcess>(
        folder_.path(), kManifest, std::vector<std::string>{"--session-ttl", "1s", "--keys", keys});
  }

  void open_sockets() {
    sockets_.clear();
    const auto open = [this](const std::string& endpoint) {
      sockets_.push_back(std::make_unique<HostileSocket>(context_, endpoint,
                                                         keys_ ? &*keys_ : nullptr, broker_key_));
    };
    for (int i = 0; i < 3; ++i) open(broker_->endpoint());
    open(broker_->control_endpoint());
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
    if (keys_) options.credentials = {broker_key_, keys_->secret_key};
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

  void send_wrong_frames();

  TemporaryFolder folder_;
  base::Prng prng_{kSeed, "mutation"};
  const std::vector<wire::SampleFrame> samples_ = wire::sample_frames();
  std::unique_ptr<SidecarProcess> broker_;
  std::optional<client::KeyPair> keys_;
  std::string broker_key_;
  void* context_ = nullptr;
  std::vector<std::unique_ptr<HostileSocket>> sockets_;
};

void MutationTest::send_wrong_frames() {
  std::uint64_t rss_after_first = 0;
  for (int round = 0; round < kRounds; ++round) {
    open_sockets();
    const std::uint64_t frames = share_of_a_round(kPercentOfFrames);
    for (std::uint64_t sent = 0; sent < frames; sent += kFramesOfASession) {
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
    EXPECT_GT(answers, frames / 15);  // it was looked at, not only dropped
    if (round == 0) rss_after_first = broker_->rss_bytes();
  }
  EXPECT_LT(broker_->rss_bytes(), rss_after_first + kGrowthMax);
  sockets_.clear();
  EXPECT_EQ(broker_->stop(), 0) << broker_->log();
}

TEST_F(MutationTest, ABrokerOutlivesWrongFrames) {
  start_broker();
  send_wrong_frames();
}

TEST_F(MutationTest, ABrokerOutlivesWrongFramesFromAKeyThatItKnows) {
  start_guarded_broker();
  send_wrong_frames();
}

TEST_F(MutationTest, ABrokerOutlivesWrongRequests) {
  start_broker();
  std::uint64_t rss_after_first = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t requests = share_of_a_round(kPercentOfRequests);
    for (std::uint64_t i = 0; i < requests; ++i) {
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
