#include "operator/api/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "tests/support/status_matchers.h"
#include "tests/unit/api/manifest_files.h"

namespace sluice::api {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

constexpr std::string_view kHead =
    "apiVersion: sluice.dev/v1alpha1\nkind: Queue\nmetadata: {name: orders}\n";

Queue parse_one(std::string_view spec) {
  auto queues = parse_queues("test.yaml", std::string(kHead) + std::string(spec));
  EXPECT_THAT(queues, test::IsOk());
  if (!queues) return {};
  EXPECT_THAT(*queues, SizeIs(1));
  return queues->front();
}

Queue good_file(const std::string& name) {
  const std::string path = std::string(SLUICE_TEST_SOURCE_DIR) + "/tests/manifests/good/" + name;
  auto queues = parse_queues(name, test::read_text(path));
  EXPECT_THAT(queues, test::IsOk());
  return queues ? queues->front() : Queue{};
}

std::string problems_of(std::string_view text) {
  return parse_manifest(text).describe_problems("f.yaml");
}

TEST(Manifest, DefaultsAreSafe) {
  const Queue queue = parse_one("");
  const QueueSpec& spec = queue.spec;
  EXPECT_EQ(queue.metadata.name, "orders");
  EXPECT_EQ(queue.metadata.name_space, "");
  EXPECT_EQ(spec.shards, 1);
  EXPECT_EQ(spec.durability.fsync, Fsync::kAlways);
  EXPECT_EQ(spec.durability.interval, 100ms);
  EXPECT_EQ(spec.ordering, Ordering::kUnordered);
  EXPECT_EQ(spec.ttl, 0ms);
  EXPECT_EQ(spec.on_expiry, ExpiryAction::kDrop);
  EXPECT_EQ(spec.limits.messages, 1'000'000U);
  EXPECT_EQ(spec.limits.bytes, 6ULL << 30);
  EXPECT_EQ(spec.limits.message_bytes, 1ULL << 20);
  EXPECT_EQ(spec.limits.overflow, Overflow::kReject);
  EXPECT_EQ(spec.deletion_policy, DeletionPolicy::kRetain);
  EXPECT_EQ(spec.broker.name, "orders");
  EXPECT_EQ(storage_bytes(spec), 10ULL << 30);
  EXPECT_FALSE(spec.paused);
  ASSERT_THAT(spec.subscriptions, SizeIs(1));
  const Subscription& subscription = spec.subscriptions[0];
  EXPECT_EQ(subscription.name, "default");
  EXPECT_EQ(subscription.start, StartPosition::kAll);
  EXPECT_FALSE(subscription.consumers.has_value());
  EXPECT_EQ(subscription.delivery.lease_duration, 30s);
  EXPECT_EQ(subscription.delivery.max_lease, 12h);
  EXPECT_EQ(subscription.delivery.max_attempts, 5);
  EXPECT_EQ(subscription.delivery.max_stalls, 3);
  EXPECT_EQ(subscription.delivery.backoff.initial, 1s);
  EXPECT_EQ(subscription.delivery.backoff.max, 5min);
  EXPECT_DOUBLE_EQ(subscription.delivery.backoff.multiplier, 2);
  EXPECT_DOUBLE_EQ(subscription.delivery.backoff.jitter, 0.2);
  EXPECT_EQ(subscription.dead_letter.retention, 14 * 24h);
  EXPECT_EQ(subscription.dead_letter.bytes, 1ULL << 30);
  EXPECT_EQ(subscription.dead_letter.overflow, DeadOverflow::kDropOldestDead);
}

TEST(Manifest, NullAndEmptyMeanTheDefault) {
  const Queue queue = good_file("null_means_default.yaml");
  EXPECT_EQ(queue.spec.shards, 1);
  EXPECT_EQ(queue.spec.limits.bytes, 6ULL << 30);
  EXPECT_EQ(queue.spec.delivery.max_attempts, 5);
  EXPECT_THAT(queue.spec.subscriptions, SizeIs(1));
}

TEST(Manifest, EveryFieldArrives) {
  const Queue queue = good_file("full.yaml");
  const QueueSpec& spec = queue.spec;
  EXPECT_EQ(queue.metadata.name_space, "shop");
  EXPECT_THAT(queue.metadata.labels,
              ElementsAre(Pair("app.kubernetes.io/part-of", "shop"), Pair("team", "")));
  EXPECT_THAT(queue.metadata.annotations,
              ElementsAre(Pair("example.com/owner", "team shop, ext. 42")));
  EXPECT_EQ(spec.shards, 4);
  EXPECT_EQ(spec.durability.fsync, Fsync::kInterval);
  EXPECT_EQ(spec.durability.interval, 250ms);
  EXPECT_EQ(spec.ttl, 48h);
  EXPECT_EQ(spec.on_expiry, ExpiryAction::kDeadLetter);
  EXPECT_EQ(spec.limits.messages, 250'000U);
  EXPECT_EQ(spec.limits.bytes, 4ULL << 30);
  EXPECT_EQ(spec.limits.message_bytes, 512ULL << 10);
  EXPECT_EQ(spec.limits.overflow, Overflow::kBlock);
  EXPECT_EQ(spec.broker.name, "shop");
  EXPECT_EQ(spec.broker.version, "0.1.0");
  EXPECT_EQ(spec.broker.storage.size, 20ULL << 30);
  EXPECT_EQ(spec.broker.storage.storage_class_name, "fast");
  EXPECT_THAT(spec.broker.resources.requests,
              ElementsAre(Pair("cpu", "500m"), Pair("memory", "256Mi")));
  EXPECT_THAT(
      spec.broker.resources.limits,
      ElementsAre(Pair("cpu", "2"), Pair("ephemeral-storage", "1.5Gi"), Pair("memory", "1Gi")));
  ASSERT_THAT(spec.access_from, SizeIs(2));
  EXPECT_EQ(spec.access_from[0].pod_labels->at("role"), "worker");
  EXPECT_EQ(spec.access_from[0].namespace_labels->at("kubernetes.io/metadata.name"), "shop");
  EXPECT_FALSE(spec.access_from[1].namespace_labels.has_value());
  EXPECT_THAT(*spec.access_from[1].pod_labels, IsEmpty());
  EXPECT_EQ(spec.deletion_policy, DeletionPolicy::kDeleteIfEmpty);
  EXPECT_TRUE(spec.paused);
}

TEST(Manifest, TheDefaultSubscriptionHasTheSpecsSettings) {
  const Queue queue = good_file("full.yaml");
  ASSERT_THAT(queue.spec.subscriptions, SizeIs(1));
  const Subscription& subscription = queue.spec.subscriptions[0];
  EXPECT_EQ(subscription.name, "default");
  EXPECT_EQ(subscription.delivery.lease_duration, 45s);
  EXPECT_EQ(subscription.delivery.max_lease, 90min);
  EXPECT_EQ(subscription.delivery.max_attempts, 8);
  EXPECT_EQ(subscription.delivery.max_stalls, 2);
  EXPECT_EQ(subscription.delivery.backoff.initial, 500ms);
  EXPECT_EQ(subscription.delivery.backoff.max, 10min);
  EXPECT_DOUBLE_EQ(subscription.delivery.backoff.multiplier, 1.5);
  EXPECT_DOUBLE_EQ(subscription.delivery.backoff.jitter, 0.5);
  EXPECT_EQ(subscription.dead_letter.retention, 30 * 24h);
  EXPECT_EQ(subscription.dead_letter.bytes, 512ULL << 20);
  EXPECT_EQ(subscription.dead_letter.overflow, DeadOverflow::kBlock);
  ASSERT_TRUE(subscription.consumers.has_value());
  const Consumers& consumers = *subscription.consumers;
  EXPECT_EQ(consumers.scale_target_ref.api_version, "apps/v1");
  EXPECT_EQ(consumers.scale_target_ref.kind, "StatefulSet");
  EXPECT_EQ(consumers.scale_target_ref.name, "orders-worker");
  EXPECT_EQ(consumers.min_replicas, 1U);
  EXPECT_EQ(consumers.max_replicas, 20U);
  EXPECT_EQ(consumers.target.backlog_per_replica, 50U);
  EXPECT_EQ(consumers.target.oldest_message_age, 60s);
  EXPECT_EQ(consumers.target.drain_within, 10min);
  EXPECT_EQ(consumers.scale_in.stabilization, 2min);
  EXPECT_EQ(consumers.scale_in.idle_before_zero, 5min);
  EXPECT_EQ(consumers.scale_in.drain_timeout, 20min);
  EXPECT_EQ(consumers.scale_in.on_drain_timeout, DrainTimeoutAction::kProceed);
  EXPECT_EQ(consumers.scale_in.max_percent, 25U);
}

TEST(Manifest, ASubscriptionOverridesFieldByField) {
  const Queue queue = good_file("subscriptions.yaml");
  ASSERT_THAT(queue.spec.subscriptions, SizeIs(2));
  const Subscription& billing = queue.spec.subscriptions[0];
  EXPECT_EQ(billing.delivery.lease_duration, 20s);
  EXPECT_EQ(billing.delivery.max_attempts, 20);
  EXPECT_EQ(billing.delivery.backoff.initial, 2s);
  EXPECT_EQ(billing.delivery.backoff.max, 1h);
  EXPECT_EQ(billing.dead_letter.bytes, 256ULL << 20);
  ASSERT_TRUE(billing.consumers.has_value());
  EXPECT_FALSE(billing.consumers->target.backlog_per_replica.has_value());
  const Subscription& audit = queue.spec.subscriptions[1];
  EXPECT_EQ(audit.delivery.max_attempts, 7);
  EXPECT_EQ(audit.dead_letter.bytes, 1ULL << 30);
  EXPECT_EQ(audit.dead_letter.retention, 72h);
  EXPECT_FALSE(audit.consumers.has_value());
}

TEST(Manifest, ConsumersWithoutTargetScaleOnBacklog) {
  const Queue queue = parse_one("spec: {consumers: {scaleTargetRef: {name: w}}}\n");
  const Consumers& consumers = *queue.spec.subscriptions[0].consumers;
  EXPECT_EQ(consumers.target.backlog_per_replica, kBacklogPerReplicaDefault);
  EXPECT_EQ(consumers.scale_target_ref.kind, "Deployment");
}

TEST(Manifest, AnUnsetVolumeGrowsWithTheLimits) {
  const Queue queue = parse_one("spec: {limits: {bytes: 40Gi}, deadLetter: {bytes: 8Gi}}\n");
  EXPECT_FALSE(queue.spec.broker.storage.size.has_value());
  EXPECT_EQ(storage_bytes(queue.spec), 60ULL << 30);
}

TEST(Manifest, KeepsTheOrderOfDocumentsAndSkipsEmptyOnes) {
  const std::string path =
      std::string(SLUICE_TEST_SOURCE_DIR) + "/tests/manifests/good/several_documents.yaml";
  const auto queues = parse_queues("several", test::read_text(path));
  ASSERT_THAT(queues, test::IsOk());
  ASSERT_THAT(*queues, SizeIs(3));
  EXPECT_EQ((*queues)[0].metadata.name, "orders");
  EXPECT_EQ((*queues)[1].metadata.name, "invoices");
  EXPECT_EQ((*queues)[2].metadata.name_space, "other");
  EXPECT_EQ((*queues)[0].line, 2);
}

TEST(Manifest, AnErrorHasOneLineAProblem) {
  const auto queues =
      parse_queues("dir/orders.yaml", std::string(kHead) + "spec: {shards: 0,\n  paused: 1}\n");
  EXPECT_THAT(queues, test::HasCode(base::ErrorCode::kInvalidArgument));
  EXPECT_EQ(queues.error().message(),
            "dir/orders.yaml:4: spec.shards: \"0\" is out of range; allowed is a whole number from "
            "1 to 64\n"
            "dir/orders.yaml:5: spec.paused: \"1\" is a whole number (it stands without quotes); "
            "expected true or false, without quotes");
}

TEST(Manifest, ListsAHundredProblemsAndCountsTheRest) {
  std::string text(kHead);
  for (int i = 0; i < 250; ++i) text += "unknown" + std::to_string(i) + ": x\n";
  const Manifest manifest = parse_manifest(text);
  EXPECT_THAT(manifest.problems, SizeIs(Problems::kProblemsMax));
  EXPECT_EQ(manifest.problems_left_out, 150U);
  EXPECT_THAT(manifest.describe_problems("f"), HasSubstr("f: and 150 more problems"));
}

TEST(Manifest, RefusesAFileOverTheLimits) {
  const std::string comment = "# " + std::string(1024 * 1024, 'x') + "\n";
  EXPECT_THAT(problems_of(std::string(kHead) + comment), HasSubstr("at most 1048576"));

  std::string documents;
  for (int i = 0; i < 1'001; ++i) documents += "---\n{}\n";
  EXPECT_THAT(problems_of(documents), HasSubstr("more problems"));
  documents.clear();
  for (int i = 0; i < 1'001; ++i) documents += "---\n";
  EXPECT_THAT(problems_of(documents), HasSubstr("too many documents in one file; at most 1000"));

  std::string values = std::string(kHead) + "spec: [";
  for (int i = 0; i < 200'001; ++i) values += "1,";
  EXPECT_THAT(problems_of(values + "]\n"),
              HasSubstr("too many values in one file; at most 200000"));
}

TEST(Manifest, TakesAThousandQueues) {
  std::string text;
  for (int i = 0; i < 1'000; ++i) {
    text += "---\napiVersion: sluice.dev/v1alpha1\nkind: Queue\nmetadata: {name: q" +
            std::to_string(i) + "}\n";
  }
  const auto queues = parse_queues("thousand", text);
  ASSERT_THAT(queues, test::IsOk());
  EXPECT_THAT(*queues, SizeIs(1'000));
}

TEST(Manifest, WhatFollowsASyntaxErrorIsNotJudged) {
  EXPECT_THAT(
      problems_of(std::string(kHead) + "spec: {shards: 0}\n---\n{{{\n---\nkind: Other\n"),
      AllOf(HasSubstr("f.yaml:4: spec.shards"), HasSubstr("f.yaml:"), Not(HasSubstr("Other"))));
}

TEST(Manifest, UnknownFieldsOfAStoredObjectArePassedOver) {
  constexpr std::string_view kStored =
      "apiVersion: sluice.dev/v1alpha1\nkind: Queue\n"
      "metadata: {name: orders, annotations: {sluice.dev/stored: \"true\"}}\n";
  constexpr std::string_view kSpec =
      "spec: {fresh: 1, deduplication: {window: 1m}, delivery: {maxAttempts: 7, pace: {x: 1}}}\n";
  const Manifest stored = parse_manifest(std::string(kStored) + std::string(kSpec));
  ASSERT_TRUE(stored.ok()) << stored.describe_problems("f.yaml");
  EXPECT_THAT(
      stored.queues.front().passed_over,
      testing::UnorderedElementsAre("spec.fresh", "spec.deduplication", "spec.delivery.pace"));
  EXPECT_EQ(stored.queues.front().spec.delivery.max_attempts, 7U);
  // What people write is read as strictly as ever, also behind a stored one in the same file.
  EXPECT_EQ(parse_manifest(std::string(kHead) + std::string(kSpec)).problems.size(), 3U);
  EXPECT_EQ(parse_manifest(std::string(kStored) + "---\n" + std::string(kHead) + std::string(kSpec))
                .problems.size(),
            3U + 1U);  // and the name stands twice
  // Known fields are not taken more lightly.
  EXPECT_THAT(problems_of(std::string(kStored) + "spec: {shards: many}\n"),
              HasSubstr("spec.shards"));
}

}  // namespace
}  // namespace sluice::api
