#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>

#include "operator/api/manifest.h"
#include "tests/unit/api/manifest_files.h"

namespace sluice::api {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Field;

std::vector<Queue> example(const std::string& name) {
  const std::string path = SLUICE_TEST_SOURCE_DIR "/examples/" + name;
  auto queues = parse_queues(name, test::read_text(path));
  EXPECT_TRUE(queues.has_value()) << queues.error().message();
  return queues.value_or({});
}

TEST(Examples, AreAllGood) {
  const auto files = test::yaml_files("examples");
  ASSERT_GE(files.size(), 4U);
  for (const auto& file : files) {
    const std::string name = file.filename().string();
    EXPECT_EQ(parse_manifest(test::read_text(file)).describe_problems(name), "");
  }
}

TEST(Examples, OrdersIsAWorkQueue) {
  const auto queues = example("orders.yaml");
  ASSERT_EQ(queues.size(), 1U);
  const QueueSpec& spec = queues[0].spec;
  EXPECT_EQ(queues[0].metadata.name, "orders");
  ASSERT_EQ(spec.subscriptions.size(), 1U);
  EXPECT_EQ(spec.subscriptions[0].name, "default");
  ASSERT_TRUE(spec.subscriptions[0].consumers.has_value());
  EXPECT_EQ(spec.subscriptions[0].consumers->scale_target_ref.name, "orders-worker");
  EXPECT_EQ(spec.subscriptions[0].consumers->max_replicas, 50U);
}

TEST(Examples, PublishSubscribeHasTwoSubscriptions) {
  const auto queues = example("publish-subscribe.yaml");
  ASSERT_EQ(queues.size(), 1U);
  const auto& subscriptions = queues[0].spec.subscriptions;
  EXPECT_THAT(subscriptions, ElementsAre(Field(&Subscription::name, "billing"),
                                         Field(&Subscription::name, "audit")));
  EXPECT_EQ(subscriptions[0].delivery.max_attempts, 20);
  EXPECT_EQ(subscriptions[1].delivery.max_attempts, 5);
  EXPECT_EQ(subscriptions[1].start, StartPosition::kNew);
  EXPECT_EQ(subscriptions[1].dead_letter.retention, 90 * 24h);
  EXPECT_EQ(subscriptions[1].dead_letter.bytes, 1ULL << 30);
}

TEST(Examples, DelaysAndRetriesExpireIntoDeadLetters) {
  const auto queues = example("delays-and-retries.yaml");
  ASSERT_EQ(queues.size(), 1U);
  EXPECT_EQ(queues[0].spec.ttl, 48h);
  EXPECT_EQ(queues[0].spec.on_expiry, ExpiryAction::kDeadLetter);
  EXPECT_DOUBLE_EQ(queues[0].spec.subscriptions[0].delivery.backoff.multiplier, 1.8);
}

TEST(Examples, SeveralQueuesShareABroker) {
  const auto queues = example("several-queues.yaml");
  ASSERT_EQ(queues.size(), 2U);
  EXPECT_EQ(queues[0].spec.broker.name, "notifications");
  EXPECT_EQ(queues[1].spec.broker.name, "notifications");
  EXPECT_EQ(queues[1].spec.durability.interval, 1s);
}

}  // namespace
}  // namespace sluice::api
