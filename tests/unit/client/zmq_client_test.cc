#include <gtest/gtest.h>
#include <zmq.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "client/consumer.h"
#include "client/publisher.h"
#include "client/zmq_keys.h"
#include "client/zmq_transport.h"
#include "sluice/sluice.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/client/fake_broker.h"

namespace sluice::client {
namespace {

using base::Millis;
using test::HasCode;
using test::IsOk;

// A FakeBroker behind a ROUTER, in a thread of its own from start() to stop().
class ServedBroker {
 public:
  ServedBroker() : context_(zmq_ctx_new()) {}
  // At all addresses of this machine, and for those only who know the public half of its key.
  explicit ServedBroker(std::string secret_key)
      : context_(zmq_ctx_new()), secret_key_(std::move(secret_key)), endpoint_("tcp://0.0.0.0:*") {}
  ~ServedBroker() {
    stop();
    zmq_ctx_term(context_);
  }

  // On any free port; the same one again after a stop.
  void start() {
    socket_ = zmq_socket(context_, ZMQ_ROUTER);
    const int linger = 0;
    const int one = 1;
    zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket_, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
    if (!secret_key_.empty()) {
      zmq_setsockopt(socket_, ZMQ_CURVE_SERVER, &one, sizeof one);
      zmq_setsockopt(socket_, ZMQ_CURVE_SECRETKEY, secret_key_.c_str(), secret_key_.size() + 1);
    }
    const int unlimited = 0;
    zmq_setsockopt(socket_, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
    zmq_setsockopt(socket_, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
    // The port of the socket before may take a moment to become free.
    while (zmq_bind(socket_, endpoint_.c_str()) != 0) std::this_thread::yield();
    std::array<char, 256> bound{};
    std::size_t size = bound.size();
    CHECK(zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, bound.data(), &size) == 0);
    endpoint_ = bound.data();
    stopping_ = false;
    thread_ = std::thread([this] { serve(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    thread_.join();
    zmq_close(socket_);
    peers_.clear();
    names_.clear();
  }

  const std::string& endpoint() const { return endpoint_; }
  std::string endpoint_at(const std::string& address) const {
    return "tcp://" + address + endpoint_.substr(endpoint_.rfind(':'));
  }
  // To be touched while it is stopped, or before the first client.
  FakeBroker broker;
  // Bodies to deliver to whoever attaches.
  std::atomic<int> deliveries{0};
  // Another shard map, with so many shards.
  std::atomic<std::uint16_t> next_shards{0};

 private:
  void serve() {
    std::vector<std::byte> buffer(wire::kFrameBytesMax);
    while (!stopping_) {
      zmq_pollitem_t item{socket_, 0, ZMQ_POLLIN, 0};
      zmq_poll(&item, 1, 1);
      for (;;) {
        std::array<char, 256> name{};
        const int name_size = zmq_recv(socket_, name.data(), name.size(), ZMQ_DONTWAIT);
        if (name_size < 0) break;
        const int size = zmq_recv(socket_, buffer.data(), buffer.size(), 0);
        CHECK(size >= 0);
        const std::string peer(name.data(), static_cast<std::size_t>(name_size));
        auto [at, fresh] = peers_.try_emplace(peer, peers_.size() + 1);
        if (fresh) names_[at->second] = peer;
        broker.on_frame(at->second, {buffer.data(), static_cast<std::size_t>(size)});
        reply();
      }
      if (const std::uint16_t shards = next_shards.exchange(0)) {
        broker.shards = shards;
        ++broker.map_version;
      }
      if (deliveries > 0) {
        --deliveries;
        broker.deliver({std::string(100'000, 'x'), "small"});
        reply();
      }
    }
  }
  void reply() {
    for (const FakeBroker::Sent& sent : broker.take_sent()) {
      const std::string& peer = names_[sent.connection];
      if (zmq_send(socket_, peer.data(), peer.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) continue;
      zmq_send(socket_, sent.frame.data(), sent.frame.size(), ZMQ_DONTWAIT);
    }
  }

  void* context_;
  void* socket_ = nullptr;
  const std::string secret_key_;
  std::string endpoint_ = "tcp://127.0.0.1:*";
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  std::map<std::string, std::uint64_t> peers_;
  std::map<std::uint64_t, std::string> names_;
};

class ZmqClientTest : public testing::Test {
 protected:
  ZmqClientTest() { served_.start(); }

  base::Result<std::unique_ptr<Connection>> connect() { return connect(served_.endpoint()); }
  static base::Result<std::unique_ptr<Connection>> connect(const std::string& endpoint) {
    ConnectionOptions options;
    options.endpoint = endpoint;
    options.connect_timeout = Millis(20'000);
    options.backoff_min = Millis(1);
    return Connection::open(options);
  }

  ServedBroker served_;
};

TEST_F(ZmqClientTest, PublishesLargeBatchesInOrder) {
  const base::Result<std::unique_ptr<Connection>> connection = connect();
  ASSERT_THAT(connection, IsOk());
  PublisherOptions options;
  options.queue = "orders";
  const base::Result<std::unique_ptr<Publisher>> publisher = Publisher::open(**connection, options);
  ASSERT_THAT(publisher, IsOk());
  std::string body(120, 'x');
  for (int i = 0; i < 50'000; ++i) {
    body.replace(0, 8, std::to_string(10'000'000 + i));
    ASSERT_THAT((*publisher)->append(base::as_bytes(body)), IsOk());
  }
  ASSERT_THAT((*publisher)->flush(Millis(60'000)), IsOk());
  served_.stop();
  const std::vector<std::string>& stored = served_.broker.stored[0];
  ASSERT_EQ(stored.size(), 50'000U);
  for (int i = 0; i < 50'000; ++i) {
    ASSERT_EQ(stored[static_cast<std::size_t>(i)].substr(0, 8), std::to_string(10'000'000 + i));
  }
}

TEST_F(ZmqClientTest, GoesOnWhereItStoodWhenTheBrokerComesBack) {
  const base::Result<std::unique_ptr<Connection>> connection = connect();
  ASSERT_THAT(connection, IsOk());
  PublisherOptions options;
  options.queue = "orders";
  options.batch_bytes = 20'000;
  const base::Result<std::unique_ptr<Publisher>> publisher = Publisher::open(**connection, options);
  ASSERT_THAT(publisher, IsOk());
  const std::string body(100, 'x');
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 2'000; ++i) {
      ASSERT_THAT((*publisher)->append(base::as_bytes(body)), IsOk());
    }
    ASSERT_THAT((*publisher)->send(), IsOk());
    served_.stop();
    served_.start();
  }
  ASSERT_THAT((*publisher)->flush(Millis(60'000)), IsOk());
  served_.stop();
  EXPECT_EQ(served_.broker.stored[0].size(), 6'000U);
  EXPECT_GT((*connection)->reconnects(), 0U);
}

TEST_F(ZmqClientTest, ConsumesWithoutCopying) {
  const base::Result<std::unique_ptr<Connection>> connection = connect();
  ASSERT_THAT(connection, IsOk());
  ConsumerOptions options;
  options.queue = "orders";
  const base::Result<std::unique_ptr<Consumer>> consumer = Consumer::open(**connection, options);
  ASSERT_THAT(consumer, IsOk());
  served_.deliveries = 10;
  std::vector<DeliveredBatch> kept;
  while (kept.size() < 10) {
    base::Result<std::optional<DeliveredBatch>> batch = (*consumer)->poll(Millis(20'000));
    ASSERT_THAT(batch, IsOk());
    ASSERT_TRUE(batch->has_value());
    kept.push_back(std::move(**batch));
  }
  for (const DeliveredBatch& batch : kept) {
    EXPECT_EQ(batch.begin()->message.body.size(), 100'000U);
    EXPECT_EQ(batch.begin()->message.body[99'999], std::byte{'x'});
    (*consumer)->ack(batch);
  }
  ASSERT_THAT((*consumer)->flush_settles(Millis(20'000)), IsOk());
  EXPECT_EQ((*consumer)->stats().messages_settled, 20U);
}

TEST_F(ZmqClientTest, ConnectsWhenTheBrokerComesLate) {
  served_.stop();
  const std::string endpoint = served_.endpoint();
  std::thread late([this] { served_.start(); });
  EXPECT_THAT(connect(endpoint), IsOk());
  late.join();
}

TEST_F(ZmqClientTest, SaysThatNobodyListens) {
  served_.stop();
  ConnectionOptions options;
  options.endpoint = served_.endpoint();
  options.connect_timeout = Millis(50);
  EXPECT_THAT(Connection::open(options), HasCode(base::ErrorCode::kDeadlineExceeded));
}

TEST_F(ZmqClientTest, RefusesAnEndpointThatIsNone) {
  ConnectionOptions options;
  options.endpoint = "127.0.0.1:7650";
  EXPECT_THAT(Connection::open(options), HasCode(base::ErrorCode::kInvalidArgument));
}

TEST_F(ZmqClientTest, ItsGoodbyeLeaves) {
  {
    const base::Result<std::unique_ptr<Connection>> connection = connect();
    ASSERT_THAT(connection, IsOk());
    EXPECT_THAT((*connection)->close(Millis(20'000)), IsOk());
  }
  served_.stop();
  EXPECT_EQ(served_.broker.goodbyes, 1);
}

// A rotation of the key that the brokers of all shards have: each has two ports for it.
TEST(ZmqPeerTest, GoesToTheOtherPortWithTheFolder) {
  const KeyPair older = make_key_pair().value();
  const KeyPair newer = make_key_pair().value();
  const KeyPair own = make_key_pair().value();
  ServedBroker before(older.secret_key);
  ServedBroker after(newer.secret_key);
  before.start();
  after.start();

  std::string folder = testing::TempDir() + "/peer-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto write = [&](const std::string& name, const std::string& text) {
    const std::string path = folder + "/" + name;
    std::ofstream(path + ".new") << text;
    std::filesystem::permissions(path + ".new", std::filesystem::perms::owner_read);
    std::filesystem::rename(path + ".new", path);
  };
  write("client.key", own.secret_key);
  write("broker.pub", older.public_key);
  write("endpoint", before.endpoint_at("127.0.0.1"));

  ConnectionOptions options;
  options.keys_folder = folder;
  options.connect_timeout = Millis(20'000);
  options.backoff_min = Millis(1);
  options.backoff_max = Millis(50);
  const auto connection = Connection::open(options);
  ASSERT_THAT(connection, IsOk());
  // Another address stands for the broker of another shard.
  Connection& peer = (*connection)->peer(before.endpoint_at("127.0.0.2"));
  ASSERT_THAT((*connection)->poll_until([&] { return peer.ready(); }, Millis(20'000)), IsOk());

  write("broker.pub", newer.public_key);
  write("endpoint", after.endpoint_at("127.0.0.1"));
  const auto both_have_moved = [&] {
    return (*connection)->reconnects() > 0 && (*connection)->ready() && peer.reconnects() > 0 &&
           peer.ready();
  };
  EXPECT_THAT((*connection)->poll_until(both_have_moved, Millis(20'000)), IsOk());
  std::filesystem::remove_all(folder);
}

// Who interrupts just when the connection is lost is heard: a client that is closed while its
// broker stops would wait for a minute.
TEST(ZmqTransportTest, ALossHidesNoInterruption) {
  const std::unique_ptr<void, decltype(&zmq_ctx_term)> context(zmq_ctx_new(), zmq_ctx_term);
  std::unique_ptr<void, decltype(&zmq_close)> router(zmq_socket(context.get(), ZMQ_ROUTER),
                                                     zmq_close);
  ASSERT_EQ(zmq_bind(router.get(), "tcp://127.0.0.1:*"), 0);
  std::array<char, 256> endpoint{};
  std::size_t size = endpoint.size();
  ASSERT_EQ(zmq_getsockopt(router.get(), ZMQ_LAST_ENDPOINT, endpoint.data(), &size), 0);
  const std::unique_ptr<Transport> transport = make_zmq_transport(endpoint.data());
  ASSERT_THAT(transport->connect(0), IsOk());
  ASSERT_TRUE(transport->send(base::as_bytes("hello")));
  ASSERT_GT(zmq_recv(router.get(), endpoint.data(), endpoint.size(), 0), 0);
  router.reset();

  Transport::Event event = Transport::Event::kTimeout;
  while (event != Transport::Event::kLost) {
    transport->interrupt();
    event = transport->wait(Millis(20'000));
  }
  EXPECT_EQ(transport->wait(base::Nanos(0)), Transport::Event::kInterrupted);
}

// The public library: callbacks know where each message went, whatever the maps were meanwhile.
TEST_F(ZmqClientTest, APublicProducerFollowsTheShardMap) {
  constexpr int kMessages = 6'000;
  constexpr int kKeys = 11;
  sluice::Result<sluice::Client> client = sluice::Client::connect({.endpoint = served_.endpoint()});
  ASSERT_TRUE(client.has_value());
  sluice::Result<sluice::Producer> producer =
      client->producer({.queue = "orders", .batch_bytes = 500, .linger = Millis(0)});
  ASSERT_TRUE(producer.has_value());
  std::set<std::pair<std::uint16_t, std::uint64_t>> places;  // on the client's thread
  int refused = 0;
  for (int i = 0; i < kMessages; ++i) {
    const std::string key = "key-" + std::to_string(i % kKeys);
    producer->send(sluice::Message(key + "/" + std::to_string(i / kKeys + 1)).key(key),
                   [&](const sluice::Result<sluice::Receipt>& receipt) {
                     if (!receipt) {
                       ++refused;
                     } else {
                       places.emplace(receipt->shard, receipt->sequence);
                     }
                   });
    if (i % 1'000 == 500) served_.next_shards = static_cast<std::uint16_t>(2 + i / 1'000);
  }
  ASSERT_TRUE(producer->flush(Millis(60'000)).has_value());
  // The last map is there for good once the last message was answered after it.
  ASSERT_TRUE(producer->send(sluice::Message("last").key("key-0")).get().has_value());
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(places.size(), static_cast<std::size_t>(kMessages));
  EXPECT_EQ(producer->stats().bytes_pending, 0U);
  served_.stop();
  std::map<std::string, int> seen;
  for (const std::string& body : served_.broker.stored_in_order) {
    if (body == "last") continue;
    const std::size_t slash = body.find('/');
    ASSERT_EQ(std::stoi(body.substr(slash + 1)), ++seen[body.substr(0, slash)]) << body;
  }
  EXPECT_EQ(served_.broker.stored_in_order.size(), static_cast<std::size_t>(kMessages) + 1);
  EXPECT_GT(served_.broker.stored.size(), 1U);
}

}  // namespace
}  // namespace sluice::client
