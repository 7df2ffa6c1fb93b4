#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "client/consumer.h"
#include "client/publisher.h"
#include "client/zmq_keys.h"
#include "operator/api/manifest.h"
#include "operator/link/zmq_links.h"
#include "runtime/posix/system_clock.h"
#include "sidecar/queue_config.h"
#include "tests/integration/guarded_broker.h"
#include "wire/manifest_revision.h"

// The operator's links against real brokers in this process.
namespace sluice::link {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Where callbacks run: the test's thread, while it waits.
class Inbox {
 public:
  Post post() {
    return [this](std::function<void()> task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      changed_.notify_one();
    };
  }
  template <typename Done>
  bool run_until(Done done, base::Millis timeout = 10s) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_until(lock, end, [this] { return !tasks_.empty(); })) return done();
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
};

std::string manifest(const std::string& name, const std::string& spec = "{}") {
  return R"({"apiVersion":"sluice.dev/v1alpha1","kind":"Queue","metadata":{"name":")" + name +
         R"("},"spec":)" + spec + "}";
}

class LinkTest : public test::GuardedBroker {
 protected:
  void SetUp() override { restart(); }

  void restart() {
    guarded_.reset();
    test::LocalBrokerOptions options;
    options.configure = [](frontend::BrokerHost& host, base::Now now,
                           std::string_view text) -> base::Result<base::QueueId> {
      ASSIGN_OR_RETURN(const auto queues, api::parse_queues("manifest", text));
      ASSIGN_OR_RETURN(const auto config, sidecar::to_queue_config(queues.front()));
      ASSIGN_OR_RETURN(const base::QueueId queue, host.configure(now, config));
      host.note_manifest(queue, wire::manifest_revision(text));
      return queue;
    };
    start(options, "operator " + operator_.public_key + " operator *\n");
    connect_link();
  }
  void connect_link() {
    link_.reset();
    seen_ = nullptr;
    observations_ = 0;
    link_ = open({guarded_->control_endpoint(), broker_.public_key, operator_.secret_key});
  }
  std::unique_ptr<BrokerLink> open(const LinkAddress& address) {
    LinkEvents events;
    events.observed = [this](auto seen) {
      seen_ = std::move(seen);
      ++observations_;
    };
    events.status_changed = [this](const LinkStatus& status) { status_ = status; };
    return links_->open(address, std::move(events));
  }

  template <typename T>
  std::function<void(T)> into(std::optional<T>& place) {
    return [&place](T value) { place = std::move(value); };
  }
  base::Status configure(std::uint64_t epoch, const std::string& text) {
    std::optional<base::Status> done;
    link_->configure(epoch, text, into(done));
    EXPECT_TRUE(inbox_.run_until([&] { return done.has_value(); }));
    return *done;
  }
  base::Result<QueueRemoval> remove(std::uint64_t epoch, const std::string& queue,
                                    RemoveMode mode) {
    std::optional<base::Result<QueueRemoval>> done;
    link_->remove_queue(epoch, queue, mode, into(done));
    EXPECT_TRUE(inbox_.run_until([&] { return done.has_value(); }));
    return *done;
  }
  base::Result<std::uint64_t> cordon(std::uint64_t epoch, const std::string& consumer,
                                     base::Millis lease) {
    std::optional<base::Result<std::uint64_t>> done;
    link_->cordon(epoch, consumer, lease, into(done));
    EXPECT_TRUE(inbox_.run_until([&] { return done.has_value(); }));
    return *done;
  }

  const QueueObservation* queue(const std::string& name) const {
    if (seen_ == nullptr) return nullptr;
    for (const QueueObservation& one : seen_->queues) {
      if (one.name == name) return &one;
    }
    return nullptr;
  }
  // Waits until the queue's first subscription looks like that.
  template <typename Like>
  bool sees(const std::string& name, Like like, base::Millis timeout = 5s) {
    return inbox_.run_until(
        [&] {
          const QueueObservation* one = queue(name);
          return one != nullptr && like(*one, one->subscriptions.front());
        },
        timeout);
  }
  std::unique_ptr<client::Connection> client(const std::string& name) {
    client::ConnectionOptions options;
    options.endpoint = guarded_->endpoint();
    options.credentials = {broker_.public_key, known_.secret_key};
    options.client_name = name;
    auto opened = client::Connection::open(options);
    CHECK(opened.has_value());
    return std::move(*opened);
  }
  void publish(client::Connection& connection, int count) {
    client::PublisherOptions options;
    options.queue = "orders";
    auto publisher = client::Publisher::open(connection, options);
    ASSERT_TRUE(publisher.has_value()) << publisher.error().message();
    for (int i = 0; i < count; ++i) {
      base::Message message;
      message.body = "m";
      ASSERT_TRUE((*publisher)->publish(message).has_value());
    }
    ASSERT_TRUE((*publisher)->flush(base::Millis(5'000)).has_value());
  }

  runtime::SystemClock clock_;
  Inbox inbox_;
  client::KeyPair operator_ = test::new_key_pair();
  std::shared_ptr<const BrokerObservation> seen_;
  int observations_ = 0;
  LinkStatus status_;
  std::unique_ptr<BrokerLinks> links_ = make_zmq_links(clock_, inbox_.post());
  std::unique_ptr<BrokerLink> link_;
};

TEST_F(LinkTest, AManifestIsInForceAndSeenAtOnce) {
  const std::string text = manifest("emails", R"({"paused":true})");
  ASSERT_TRUE(configure(7, text).has_value());
  EXPECT_TRUE(sees(
      "emails",
      [&](const auto& one, const auto&) {
        return one.paused && one.revision == manifest_revision(text);
      },
      1s));
  const std::string other = manifest("emails");
  ASSERT_TRUE(configure(7, other).has_value());
  EXPECT_TRUE(sees(
      "emails",
      [&](const auto& one, const auto&) {
        return !one.paused && one.revision == manifest_revision(other);
      },
      1s));
  EXPECT_EQ(seen_->leader_epoch, 7U);
  EXPECT_EQ(seen_->version, "test");
  EXPECT_GT(seen_->disk_free_bytes, 0U);
  EXPECT_EQ(seen_->server_keys, 1U);
  EXPECT_TRUE(status_.connected);
}

TEST_F(LinkTest, AWrongManifestIsRefusedWithItsField) {
  const base::Status refused = configure(7, manifest("emails", R"({"shards":65})"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("spec.shards"));
}

// That it is told at once is tested by the broker's own clock (frame_dispatch_control_test.cc).
TEST_F(LinkTest, TheFirstMessageIntoAnIdleQueueIsSeen) {
  const auto connection = client("producer");
  ASSERT_TRUE(sees("orders", [](const auto&, const auto& one) { return one.ready == 0; }));
  // Idle for longer than the interval.
  inbox_.run_until([] { return false; }, 400ms);
  publish(*connection, 1);
  ASSERT_TRUE(sees("orders", [](const auto&, const auto& one) { return one.ready == 1; }));
  EXPECT_TRUE(queue("orders")->subscriptions.front().oldest_age.has_value());
}

TEST_F(LinkTest, ALeaderThatWasReplacedIsRefusedAlsoAfterARestart) {
  ASSERT_TRUE(configure(1'764'000'005, manifest("emails")).has_value());
  restart();
  ASSERT_TRUE(inbox_.run_until([&] { return seen_ != nullptr; }));
  EXPECT_EQ(seen_->leader_epoch, 1'764'000'005U);
  const base::Status refused = configure(1'764'000'004, manifest("emails"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), base::ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().message(), HasSubstr("1764000004 is below 1764000005"));
  EXPECT_FALSE(remove(3, "emails", RemoveMode::kAlways).has_value());
  EXPECT_FALSE(cordon(3, "pod", 1s).has_value());
  EXPECT_TRUE(configure(seen_->leader_epoch + 1, manifest("emails")).has_value());
}

TEST_F(LinkTest, AQueueIsRemovedWithItsCountOrOnlyIfItIsEmpty) {
  publish(*client("producer"), 3);
  auto removal = remove(7, "orders", RemoveMode::kIfEmpty);
  ASSERT_TRUE(removal.has_value()) << removal.error().message();
  EXPECT_FALSE(removal->removed);
  EXPECT_EQ(removal->messages, 3U);
  EXPECT_EQ(removal->ready, 3U);
  removal = remove(7, "orders", RemoveMode::kAlways);
  ASSERT_TRUE(removal.has_value()) << removal.error().message();
  EXPECT_TRUE(removal->removed);
  EXPECT_EQ(removal->messages, 3U);
  EXPECT_TRUE(inbox_.run_until([&] { return seen_ != nullptr && seen_->queues.empty(); }, 1s));
  removal = remove(7, "orders", RemoveMode::kIfEmpty);
  ASSERT_TRUE(removal.has_value());
  EXPECT_EQ(*removal, (QueueRemoval{.removed = true}));
}

TEST_F(LinkTest, ACordonedPodIsSeenToDrain) {
  const auto worker = client("worker-0/uid");
  client::ConsumerOptions options;
  options.queue = "orders";
  auto consumer = client::Consumer::open(*worker, options);
  ASSERT_TRUE(consumer.has_value()) << consumer.error().message();
  const auto producer = client("producer");
  publish(*producer, 2);
  std::size_t taken = 0;
  std::vector<client::DeliveredBatch> batches;
  while (taken < 2) {
    auto batch = (*consumer)->poll(base::Millis(5'000));
    ASSERT_TRUE(batch.has_value() && batch->has_value());
    taken += (*batch)->size();
    batches.push_back(std::move(**batch));
  }
  const auto held = cordon(7, "worker-0", 30s);
  ASSERT_TRUE(held.has_value()) << held.error().message();
  EXPECT_EQ(*held, 2U);
  EXPECT_TRUE(sees("orders", [](const auto&, const auto& one) {
    return one.consumers == std::vector<ConsumerObservation>{{"worker-0/uid", 2, true}};
  }));
  publish(*producer, 1);
  EXPECT_TRUE(sees("orders", [](const auto&, const auto& one) { return one.ready == 1; }));
  for (const auto& batch : batches) (*consumer)->ack(batch);
  ASSERT_TRUE((*consumer)->flush_settles(base::Millis(5'000)).has_value());
  EXPECT_TRUE(sees("orders", [](const auto&, const auto& one) {
    return one.consumers == std::vector<ConsumerObservation>{{"worker-0/uid", 0, true}} &&
           one.ready == 1 && one.settled_total == 2;
  }));
}

TEST_F(LinkTest, AKeyThatIsUnknownOrWithoutTheRoleIsToldAndNothingIsSeen) {
  const std::vector<std::pair<std::string, std::string>> keys = {
      {test::new_key_pair().secret_key, "refused this key"}, {known_.secret_key, "operator"}};
  for (const auto& [secret, why] : keys) {
    seen_ = nullptr;
    link_.reset();
    status_ = {};
    link_ = open({guarded_->control_endpoint(), broker_.public_key, secret});
    EXPECT_TRUE(inbox_.run_until([&, text = why] {
      return status_.problem.find(text) != std::string::npos;
    })) << status_.problem;
    EXPECT_EQ(seen_, nullptr);
  }
}

TEST_F(LinkTest, ABrokerThatStopsIsKnownToBeGoneAndCallsSaySo) {
  ASSERT_TRUE(inbox_.run_until([&] { return status_.connected; }));
  guarded_.reset();
  EXPECT_TRUE(inbox_.run_until([&] { return !status_.connected; }, 5s));
}

TEST_F(LinkTest, NothingIsCalledAfterTheEnd) {
  ASSERT_TRUE(inbox_.run_until([&] { return status_.connected; }));
  int called = 0;
  link_->cordon(7, "pod", 1s, [&](auto) { ++called; });
  link_.reset();
  const int observations = observations_;
  inbox_.run_until([] { return false; }, 500ms);
  EXPECT_EQ(called, 0);
  EXPECT_EQ(observations_, observations);
}

TEST_F(LinkTest, ManyLinksShareAThread) {
  link_.reset();
  std::vector<std::unique_ptr<BrokerLink>> all;
  int connected = 0;
  for (int i = 0; i < 50; ++i) {
    LinkEvents events;
    events.status_changed = [&](const LinkStatus& status) {
      connected += status.connected ? 1 : 0;
    };
    all.push_back(links_->open(
        {guarded_->control_endpoint(), broker_.public_key, operator_.secret_key}, events));
  }
  EXPECT_TRUE(inbox_.run_until([&] { return connected == 50; }));
}

}  // namespace
}  // namespace sluice::link
