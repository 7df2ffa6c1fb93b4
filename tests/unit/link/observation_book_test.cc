#include "operator/link/observation_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::link {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class ObservationBookTest : public testing::Test {
 protected:
  // The observation that these changes make.
  BrokerObservation take(std::vector<wire::Change> changes, std::int64_t now_ms = 10'000) {
    wire::Changes page;
    page.now_ms = now_ms;
    page.changes = std::move(changes);
    auto taken = book_.take(page);
    EXPECT_TRUE(taken.has_value() && taken->has_value());
    return **taken;
  }
  static wire::Change queue(std::string_view name, std::uint64_t messages = 0) {
    return wire::QueueChange{.name = name, .messages = messages};
  }
  static wire::Change subscription(std::string_view name, std::uint64_t ready = 0,
                                   std::int64_t oldest_ms = 0) {
    return wire::SubscriptionChange{.name = name, .ready = ready, .oldest_ms = oldest_ms};
  }
  static wire::Change consumer(std::string_view name, std::uint64_t in_flight) {
    return wire::ConsumerChange{name, in_flight, false};
  }

  ObservationBook book_;
};

TEST_F(ObservationBookTest, EachObservationIsWholeThoughOnlyChangesCome) {
  take({queue("a", 1), subscription("default", 1), consumer("pod-0", 1), queue("b", 2)});
  const BrokerObservation seen = take({queue("b", 5)});
  ASSERT_THAT(seen.queues, SizeIs(2));
  EXPECT_EQ(seen.queues[0].messages, 1U);
  EXPECT_EQ(seen.queues[1].messages, 5U);
  ASSERT_THAT(seen.queues[0].subscriptions, SizeIs(1));
  EXPECT_THAT(seen.queues[0].subscriptions[0].consumers,
              ElementsAre(ConsumerObservation{"pod-0", 1, false}));
}

TEST_F(ObservationBookTest, AnAgeGrowsWithoutAChange) {
  EXPECT_EQ(
      take({queue("a"), subscription("default", 1, 9'000)}).queues[0].subscriptions[0].oldest_age,
      base::Millis(1'000));
  EXPECT_EQ(take({}, 12'500).queues[0].subscriptions[0].oldest_age, base::Millis(3'500));
  EXPECT_EQ(take({}, 1).queues[0].subscriptions[0].oldest_age, base::Millis(0));
  EXPECT_EQ(take({queue("a"), subscription("default")}).queues[0].subscriptions[0].oldest_age,
            std::nullopt);
}

TEST_F(ObservationBookTest, WhatIsGoneIsGoneWithAllThatBelongsToIt) {
  take({queue("a"), subscription("x"), consumer("pod-0", 1), subscription("y"), queue("b")});
  EXPECT_THAT(take({queue("a"), subscription("x"),
                    wire::GoneChange{wire::ChangeKind::kConsumerGone, "pod-0"}})
                  .queues[0]
                  .subscriptions[0]
                  .consumers,
              SizeIs(0));
  EXPECT_THAT(take({queue("a"), wire::GoneChange{wire::ChangeKind::kSubscriptionGone, "x"}})
                  .queues[0]
                  .subscriptions,
              SizeIs(1));
  EXPECT_THAT(take({wire::GoneChange{wire::ChangeKind::kQueueGone, "a"}}).queues, SizeIs(1));
}

TEST_F(ObservationBookTest, PagesCountTogether) {
  wire::Changes page;
  page.last = false;
  page.changes = {queue("a", 1)};
  auto taken = book_.take(page);
  ASSERT_TRUE(taken.has_value());
  EXPECT_FALSE(taken->has_value());
  EXPECT_THAT(take({queue("b", 2)}).queues, SizeIs(2));
}

TEST_F(ObservationBookTest, APageWithoutAHeadIsRefused) {
  take({queue("a"), subscription("default")});
  for (const wire::Change& change : {subscription("default"), consumer("pod-0", 1)}) {
    wire::Changes page;
    page.changes = {change};
    EXPECT_FALSE(book_.take(page).has_value());
  }
}

TEST_F(ObservationBookTest, ABrokerCannotFillTheMemory) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= ObservationBook::kEntriesMax; ++i) {
    names.push_back("q" + std::to_string(i));
  }
  wire::Changes page;
  for (const std::string& name : names) page.changes.push_back(queue(name));
  EXPECT_FALSE(book_.take(page).has_value());
}

}  // namespace
}  // namespace sluice::link
