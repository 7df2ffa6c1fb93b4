#include "operator/scaler/scaled_queue.h"

#include <gtest/gtest.h>

#include "tests/unit/scaler/fake_cluster.h"

namespace sluice::op {
namespace {

TEST(ScaledQueue, HasWhatTheAutoscalerNeeds) {
  FakeCluster cluster;
  kube::Json object = cluster.queue(FakeCluster::consumers());
  object["spec"]["shards"] = 3;
  const auto queue = scaled_queue_of(object);
  ASSERT_TRUE(queue.has_value());
  EXPECT_EQ(queue->name_space, "shop");
  EXPECT_EQ(queue->name, "orders");
  EXPECT_EQ(queue->broker, "shop/orders");
  EXPECT_EQ(queue->shards, 3);
  EXPECT_FALSE(queue->reconcile_paused);
  ASSERT_EQ(queue->subscriptions.size(), 1U);
  EXPECT_EQ(queue->subscriptions[0].name, "default");
  EXPECT_EQ(queue->subscriptions[0].policy.max_replicas, 50U);
  EXPECT_EQ(queue->regarding["uid"], "uid-orders");
}

TEST(ScaledQueue, OnlyWhereThereAreConsumersAndTheSpecIsGood) {
  FakeCluster cluster;
  const kube::Json good = cluster.queue(FakeCluster::consumers());
  kube::Json none = good;
  none["spec"].erase("consumers");
  EXPECT_FALSE(scaled_queue_of(none).has_value());
  kube::Json wrong = good;
  wrong["spec"]["consumers"]["minReplicas"] = 51;
  EXPECT_FALSE(scaled_queue_of(wrong).has_value());
  kube::Json deleted = good;
  deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  EXPECT_FALSE(scaled_queue_of(deleted).has_value());
  kube::Json bare = good;
  bare.erase("spec");
  EXPECT_FALSE(scaled_queue_of(bare).has_value());
}

TEST(ScaledQueue, SeesThePause) {
  FakeCluster cluster;
  kube::Json object = cluster.queue(FakeCluster::consumers());
  object["metadata"]["annotations"] = {{"sluice.dev/pause-reconcile", "true"}};
  EXPECT_TRUE(scaled_queue_of(object)->reconcile_paused);
}

}  // namespace
}  // namespace sluice::op
