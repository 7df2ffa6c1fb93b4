#include "operator/autoscale/shards.h"

#include <gtest/gtest.h>

#include <chrono>

#include "operator/link/broker_link.h"

namespace sluice::autoscale {
namespace {

using namespace std::chrono_literals;

constexpr base::MonoTime kNow{50'000'000'000};

link::BrokerObservation broker(std::uint64_t ready, base::MonoTime received = kNow) {
  link::SubscriptionObservation subscription;
  subscription.name = "default";
  subscription.ready = ready;
  subscription.in_flight = 2;
  subscription.due_delayed = 1;
  subscription.settled_total = 10;
  subscription.oldest_age = 4s;
  subscription.consumers = {{"worker-a", 2, false}, {"worker-b/1", 0, false}};
  link::QueueObservation queue;
  queue.name = "orders";
  queue.subscriptions = {subscription};
  link::BrokerObservation observation;
  observation.received_at = received;
  observation.incarnation = 3;
  observation.queues = {queue};
  return observation;
}

Shard shard(link::BrokerObservation observation) {
  return {"orders-0", std::make_shared<link::BrokerObservation>(std::move(observation))};
}

TEST(Shards, AddUp) {
  const std::vector<Shard> shards = {shard(broker(5)), shard(broker(7))};
  const Backlog backlog = backlog_of("orders", "default", shards, kNow);
  EXPECT_EQ(backlog.coverage, Coverage::kAll);
  EXPECT_EQ(backlog.ready, 12U);
  EXPECT_EQ(backlog.in_flight, 4U);
  EXPECT_EQ(backlog.due_delayed, 2U);
  EXPECT_EQ(backlog.settled_total, 20U);
  EXPECT_EQ(backlog.busy_replicas, 1U);
  EXPECT_EQ(backlog.counted_since, 6U);
  EXPECT_EQ(backlog.oldest_age, 4s);
}

TEST(Shards, AnAgeGoesOnGrowing) {
  const std::vector<Shard> shards = {
      shard(broker(5, base::MonoTime(kNow.value() - 2'000'000'000)))};
  EXPECT_EQ(backlog_of("orders", "default", shards, kNow).oldest_age, 6s);
}

TEST(Shards, SilenceIsNotZero) {
  const base::MonoTime long_ago = kNow + -base::Nanos(link::kStaleAfter + base::Millis(1)).count();
  const std::vector<Shard> some = {shard(broker(5)), shard(broker(7, long_ago))};
  EXPECT_EQ(backlog_of("orders", "default", some, kNow).coverage, Coverage::kSome);
  EXPECT_EQ(backlog_of("orders", "default", some, kNow).ready, 5U);
  const std::vector<Shard> none = {{"orders-0", nullptr}};
  EXPECT_EQ(backlog_of("orders", "default", none, kNow).coverage, Coverage::kNone);
  EXPECT_EQ(backlog_of("orders", "default", {}, kNow).coverage, Coverage::kNone);
}

TEST(Shards, AQueueOrSubscriptionThatABrokerDoesNotHaveYetIsUnknown) {
  const std::vector<Shard> shards = {shard(broker(5))};
  EXPECT_EQ(backlog_of("invoices", "default", shards, kNow).coverage, Coverage::kNone);
  EXPECT_EQ(backlog_of("orders", "audit", shards, kNow).coverage, Coverage::kNone);
}

TEST(Shards, APausedShardPausesTheQueue) {
  link::BrokerObservation paused = broker(1);
  paused.queues[0].paused = true;
  const std::vector<Shard> shards = {shard(broker(5)), shard(paused)};
  EXPECT_TRUE(backlog_of("orders", "default", shards, kNow).paused);
}

TEST(Shards, AConsumersPodStandsBeforeTheSlash) {
  EXPECT_EQ(pod_of_consumer("worker-a"), "worker-a");
  EXPECT_EQ(pod_of_consumer("worker-a/2/x"), "worker-a");
  EXPECT_EQ(pod_of_consumer(""), "");
}

}  // namespace
}  // namespace sluice::autoscale
