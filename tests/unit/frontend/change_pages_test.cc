#include "frontend/change_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/prng.h"
#include "wire/frame_codec.h"

namespace sluice::frontend {
namespace {

using broker::QueuePicture;
using broker::SubscriptionPicture;

// What a watcher knows after the pages that it was sent.
class Known {
 public:
  void take(const std::vector<wire::Changes>& pages) {
    for (const wire::Changes& page : pages) {
      std::vector<std::byte> bytes;
      wire::encode_frame({}, page, bytes);
      EXPECT_LE(bytes.size(), 64U * 1024);
      const auto frame = wire::decode_frame(bytes);
      ASSERT_TRUE(frame.has_value()) << frame.error().message();
      queue_ = nullptr;
      subscription_ = nullptr;
      for (const wire::Change& change : std::get<wire::Changes>(frame->body).changes) {
        std::visit([this](const auto& one) { apply(one); }, change);
      }
    }
  }
  std::string text() const {
    std::string out;
    for (const auto& [name, queue] : queues_) {
      out += name + "=" + std::to_string(queue.messages) + " ";
      for (const auto& [sub, one] : queue.subscriptions) {
        out += sub + "=" + std::to_string(one.ready) + " ";
        for (const auto& [consumer, held] : one.consumers) {
          out += consumer + "=" + std::to_string(held) + " ";
        }
      }
    }
    return out;
  }

 private:
  struct Subscription {
    std::uint64_t ready = 0;
    std::map<std::string, std::uint64_t> consumers;
  };
  struct Queue {
    std::uint64_t messages = 0;
    std::map<std::string, Subscription> subscriptions;
  };
  void apply(const wire::QueueChange& change) {
    queue_ = &queues_[std::string(change.name)];
    queue_->messages = change.messages;
    subscription_ = nullptr;
  }
  void apply(const wire::SubscriptionChange& change) {
    ASSERT_NE(queue_, nullptr);
    subscription_ = &queue_->subscriptions[std::string(change.name)];
    subscription_->ready = change.ready;
  }
  void apply(const wire::ConsumerChange& change) {
    ASSERT_NE(subscription_, nullptr);
    subscription_->consumers[std::string(change.name)] = change.in_flight;
  }
  void apply(const wire::GoneChange& change) {
    const std::string name(change.name);
    if (change.kind == wire::ChangeKind::kQueueGone) {
      EXPECT_EQ(queues_.erase(name), 1U) << name;
      queue_ = nullptr;
    } else if (change.kind == wire::ChangeKind::kSubscriptionGone) {
      ASSERT_NE(queue_, nullptr);
      EXPECT_EQ(queue_->subscriptions.erase(name), 1U) << name;
      subscription_ = nullptr;
    } else {
      ASSERT_NE(subscription_, nullptr);
      EXPECT_EQ(subscription_->consumers.erase(name), 1U) << name;
    }
  }

  std::map<std::string, Queue> queues_;
  Queue* queue_ = nullptr;
  Subscription* subscription_ = nullptr;
};

// Some of the names 0 to `names - 1`, rising.
std::vector<std::string> some_names(base::Prng& prng, const std::string& kind, unsigned names) {
  std::vector<std::string> some;
  for (unsigned i = 0; i < names; ++i) {
    if (prng.below(3) > 0) some.push_back(kind + std::to_string(100 + i));
  }
  return some;
}

std::vector<QueuePicture> random_picture(base::Prng& prng) {
  std::vector<QueuePicture> queues;
  for (const std::string& name : some_names(prng, "queue-", 5)) {
    QueuePicture& queue = queues.emplace_back();
    queue.name = name;
    queue.id.bytes[0] = static_cast<std::uint8_t>(prng.below(2));  // sometimes another one
    queue.messages = prng.below(3);
    for (const std::string& subscription : some_names(prng, "sub-", 3)) {
      SubscriptionPicture& one = queue.subscriptions.emplace_back();
      one.name = subscription;
      one.ready = prng.below(2);
      for (const std::string& consumer : some_names(prng, "pod-", 4)) {
        one.consumers.push_back({consumer, prng.below(2), prng.below(2) == 0});
      }
    }
  }
  return queues;
}

TEST(ChangePages, NoChangeIsNoPage) {
  base::Prng prng(1);
  const auto picture = random_picture(prng);
  EXPECT_TRUE(change_pages(picture, picture).empty());
  EXPECT_TRUE(change_pages({}, {}).empty());
}

TEST(ChangePages, OnlyWhatHasChangedIsTold) {
  std::vector<QueuePicture> before(3);
  for (std::size_t i = 0; i < before.size(); ++i) {
    before[i].name = "queue-" + std::to_string(i);
    before[i].subscriptions.emplace_back().name = "default";
    before[i].subscriptions[0].consumers = {{"a", 1, false}, {"b", 1, false}};
  }
  auto after = before;
  after[1].subscriptions[0].consumers[1].in_flight = 7;
  const auto pages = change_pages(before, after);
  ASSERT_EQ(pages.size(), 1U);
  // The consumer, and to what it belongs.
  ASSERT_EQ(pages[0].changes.size(), 3U);
  EXPECT_EQ(std::get<wire::ConsumerChange>(pages[0].changes[2]).in_flight, 7U);
}

TEST(ChangePages, WhoFollowsThemKnowsWhatIsThere) {
  base::Prng prng(7);
  Known follower;
  std::vector<QueuePicture> now;
  for (int i = 0; i < 2'000; ++i) {
    auto next = random_picture(prng);
    follower.take(change_pages(now, next));
    Known fresh;
    fresh.take(change_pages({}, next));
    ASSERT_EQ(follower.text(), fresh.text()) << i;
    now = std::move(next);
  }
}

TEST(ChangePages, ManyConsumersTakeManyPages) {
  std::vector<QueuePicture> now(1);
  now[0].name = std::string(253, 'q');
  now[0].subscriptions.emplace_back().name = std::string(253, 's');
  for (int i = 0; i < 10'000; ++i) {
    now[0].subscriptions[0].consumers.push_back(
        {"orders-worker-7d9f8b6c5-" + std::to_string(100'000 + i), 1, false});
  }
  const auto pages = change_pages({}, now);
  EXPECT_GT(pages.size(), 5U);
  EXPECT_LT(pages.size(), 40U);
  Known follower;
  follower.take(pages);
  EXPECT_EQ(follower.text().find("orders-worker-7d9f8b6c5-109999=1") == std::string::npos, false);
}

TEST(ChangePages, AThousandQueuesFitAFewPages) {
  std::vector<QueuePicture> now(1'000);
  for (std::size_t i = 0; i < now.size(); ++i) {
    now[i].name = "queue-" + std::to_string(10'000 + i);
    now[i].subscriptions.emplace_back().name = "default";
  }
  const auto pages = change_pages({}, now);
  EXPECT_LT(pages.size(), 8U);
  Known follower;
  follower.take(pages);
}

}  // namespace
}  // namespace sluice::frontend
