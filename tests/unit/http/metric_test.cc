#include "frontend/http/metric.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "frontend/http/prometheus_text.h"
#include "frontend/http/queue_selection.h"
#include "tests/unit/http/prometheus_reader.h"
#include "tests/unit/http/sample_stats.h"

namespace sluice::frontend::http {
namespace {

using test::PrometheusPage;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string text_of(const ProcessStats& stats, const SeriesLimits& limits = {}) {
  return to_prometheus_text(build_metrics(stats, limits));
}
PrometheusPage page_of(const ProcessStats& stats, const SeriesLimits& limits = {}) {
  PrometheusPage page = test::read_prometheus(text_of(stats, limits));
  EXPECT_THAT(page.errors, IsEmpty());
  return page;
}

TEST(Metrics, EachHasAHelpAndAType) {
  const PrometheusPage page = page_of(test::sample_stats());
  EXPECT_GE(page.type.size(), 55U);
  for (const auto& [name, type] : page.type) {
    EXPECT_EQ(page.help.count(name), 1U) << name;
    EXPECT_EQ(name.rfind("sluice_", 0), 0U) << name;
    const bool is_total = name.size() > 6 && name.compare(name.size() - 6, 6, "_total") == 0;
    EXPECT_EQ(type == "counter", is_total) << name << " is a " << type;
  }
}

TEST(Metrics, TellTheProcess) {
  const PrometheusPage page = page_of(test::sample_stats());
  EXPECT_EQ(page.value("sluice_build_info{version=\"0.1.0\",revision=\"abc1234\"}"), 1);
  EXPECT_EQ(page.value("sluice_identity_info{log_id=\"ab000000000000000000000000000000\"}"), 1);
  EXPECT_EQ(page.value("sluice_stats_timestamp_seconds"), 1'772'357'400.25);
  EXPECT_EQ(page.value("sluice_process_start_time_seconds"), 1'772'350'000.25);
  EXPECT_EQ(page.value("sluice_process_cpu_seconds_total"), 1.5);
  EXPECT_EQ(page.value("sluice_process_resident_memory_bytes"), 12'000'000);
  EXPECT_EQ(page.value("sluice_sessions"), 5);
  EXPECT_EQ(page.value("sluice_connections"), 6);
  EXPECT_EQ(page.value("sluice_storage_bytes{kind=\"used\"}"), 256.0 * (1 << 20));
  EXPECT_EQ(page.value("sluice_storage_bytes{kind=\"limit\"}"), 1024.0 * (1 << 20));
  EXPECT_EQ(page.value("sluice_storage_bytes{kind=\"free\"}"), 5120.0 * (1 << 20));
  EXPECT_EQ(page.value("sluice_storage_bytes{kind=\"size\"}"), 20480.0 * (1 << 20));
  EXPECT_EQ(page.value("sluice_storage_bytes{kind=\"low\"}"), 1024.0 * (1 << 20));
  EXPECT_EQ(page.value("sluice_snapshot_age_seconds"), 12.5);
  EXPECT_EQ(page.value("sluice_scrub_age_seconds"), 3600);
  EXPECT_EQ(page.value("sluice_scrub_bytes_total"), 1 << 20);
  EXPECT_EQ(page.value("sluice_scrub_findings_total"), 0);
  EXPECT_EQ(page.value("sluice_frames_refused_total{reason=\"UnknownQueue\"}"), 2);
  EXPECT_EQ(page.value("sluice_handshake_failures_total{reason=\"auth\"}"), 1);
  EXPECT_EQ(page.value("sluice_gatekeeper_answers"), 1);
  EXPECT_EQ(page.value("sluice_wal_corrupt_ranges"), 0);
}

TEST(Metrics, ARevisionThatNobodyKnowsIsNoLabel) {
  ProcessStats stats = test::sample_stats();
  stats.build.revision.clear();
  EXPECT_EQ(page_of(stats).value("sluice_build_info{version=\"0.1.0\"}"), 1);
}

TEST(Metrics, WhatDoesNotExistHasNoSample) {
  ProcessStats stats;
  const PrometheusPage page = page_of(stats);
  EXPECT_EQ(page.samples.count("sluice_snapshot_age_seconds"), 0U);
  EXPECT_EQ(page.samples.count("sluice_scrub_age_seconds"), 0U);
  EXPECT_EQ(page.samples.count("sluice_storage_bytes{kind=\"limit\"}"), 0U);
  EXPECT_EQ(page.samples.count("sluice_wal_fsync_duration_seconds_count"), 0U);
  // But everything that can be is announced.
  EXPECT_EQ(page.type.size(), page_of(test::sample_stats()).type.size());
}

TEST(Metrics, TellEachQueueAndSubscription) {
  const PrometheusPage page = page_of(test::sample_stats());
  EXPECT_EQ(page.value("sluice_queue_messages{queue=\"orders\"}"), 201);
  EXPECT_EQ(page.value("sluice_queue_messages{queue=\"invoices\"}"), 101);
  EXPECT_EQ(page.value("sluice_queue_messages_limit{queue=\"orders\"}"), 1'000'000);
  EXPECT_EQ(page.value("sluice_messages_published_total{queue=\"orders\"}"), 206);
  EXPECT_EQ(page.value("sluice_publishes_refused_total{queue=\"orders\",reason=\"QueueFull\"}"),
            209);
  const std::string labels = "{queue=\"orders\",subscription=\"default\"}";
  EXPECT_EQ(page.value("sluice_queue_messages_ready" + labels), 211);
  EXPECT_EQ(page.value("sluice_queue_messages_inflight" + labels), 212);
  EXPECT_EQ(page.value("sluice_queue_messages_delayed" + labels), 213);
  EXPECT_EQ(page.value("sluice_queue_messages_dead_lettered" + labels), 214);
  EXPECT_EQ(page.value("sluice_queue_dead_letters_inflight" + labels), 231);
  EXPECT_EQ(page.value("sluice_queue_oldest_message_age_seconds" + labels), 200.5);
  EXPECT_EQ(page.value("sluice_queue_consumers" + labels), 216);
  EXPECT_EQ(page.value("sluice_messages_delivered_total" + labels), 217);
  EXPECT_EQ(page.value("sluice_messages_acked_total" + labels), 219);
  EXPECT_EQ(page.value("sluice_stale_receipts_total" + labels), 225);
  const std::string dead =
      "sluice_messages_dead_lettered_total{queue=\"orders\",subscription="
      "\"default\",reason=\"";
  EXPECT_EQ(page.value(dead + "Rejected\"}"), 226);
  EXPECT_EQ(page.value(dead + "StallsExceeded\"}"), 0);
}

TEST(Metrics, HistogramBucketsHoldThoseBelow) {
  const PrometheusPage page = page_of(test::sample_stats());
  const std::string name = "sluice_wal_fsync_duration_seconds";
  EXPECT_EQ(page.value(name + "_bucket{le=\"0.001\"}"), 70);
  EXPECT_EQ(page.value(name + "_bucket{le=\"0.01\"}"), 76);
  EXPECT_EQ(page.value(name + "_bucket{le=\"+Inf\"}"), 77);
  EXPECT_EQ(page.value(name + "_count"), 77);
  EXPECT_EQ(page.value(name + "_sum"), 0.125);
  EXPECT_EQ(page.value("sluice_end_to_end_latency_seconds_count{queue=\"orders\",subscription="
                       "\"default\"}"),
            15);
}

TEST(Metrics, AHistogramThatContradictsItselfIsLeftOut) {
  ProcessStats stats;
  stats.storage.fsync_seconds = {{1, 2, 3}, {1, 2}, 4};
  EXPECT_EQ(page_of(stats).samples.count("sluice_wal_fsync_duration_seconds_count"), 0U);
}

TEST(Metrics, CodesOfALaterVersionShareASeries) {
  ProcessStats stats;
  stats.transport.frames_refused_by_code = {{900, 2}, {901, 3}};
  EXPECT_EQ(page_of(stats).value("sluice_frames_refused_total{reason=\"Unknown\"}"), 5);
}

TEST(Metrics, LabelsAreEscaped) {
  ProcessStats stats;
  stats.build.version = "a\"b\\c\nd";
  EXPECT_THAT(text_of(stats), HasSubstr("version=\"a\\\"b\\\\c\\nd\""));
}

TEST(SeriesLimits, QueuesBeyondAreAddedUp) {
  ProcessStats stats;
  for (std::uint64_t i = 0; i < 5; ++i) {
    stats.broker.queues.push_back(test::sample_queue("q" + std::to_string(i), i * 1'000));
  }
  const PrometheusPage page = page_of(stats, {.queues_max = 2, .subscriptions_max = 100});
  EXPECT_EQ(page.value("sluice_queues"), 5);
  EXPECT_EQ(page.value("sluice_queue_messages{queue=\"q0\"}"), 1);
  EXPECT_EQ(page.value("sluice_queue_messages{queue=\"q1\"}"), 1'001);
  EXPECT_EQ(page.samples.count("sluice_queue_messages{queue=\"q2\"}"), 0U);
  EXPECT_EQ(page.value("sluice_queue_messages{queue=\"_other\"}"), 9'003);
  EXPECT_EQ(page.value("sluice_queue_messages_limit{queue=\"_other\"}"), 3'000'000);
  EXPECT_EQ(page.value("sluice_publishes_refused_total{queue=\"_other\",reason=\"QueueFull\"}"),
            9'027);
  const std::string labels = "{queue=\"_other\",subscription=\"_other\"}";
  EXPECT_EQ(page.value("sluice_queue_messages_ready" + labels), 9'033);
  EXPECT_EQ(page.value("sluice_queue_oldest_message_age_seconds" + labels), 4'000.5);
  EXPECT_EQ(page.value("sluice_end_to_end_latency_seconds_count" + labels), 45);
  EXPECT_EQ(page.value("sluice_end_to_end_latency_seconds_sum" + labels), 37.5);
}

TEST(SeriesLimits, SubscriptionsCountToo) {
  ProcessStats stats;
  for (std::uint64_t i = 0; i < 3; ++i) {
    broker::QueueStats queue = test::sample_queue("q" + std::to_string(i), i);
    for (int extra = 0; extra < 9; ++extra) {
      queue.subscriptions.push_back(queue.subscriptions.front());
      queue.subscriptions.back().name = "s" + std::to_string(extra);
    }
    stats.broker.queues.push_back(queue);
  }
  const QueueSelection all =
      select_queues(stats.broker, {.queues_max = 3, .subscriptions_max = 30});
  EXPECT_THAT(all.named, SizeIs(3));
  EXPECT_FALSE(all.other.has_value());
  const QueueSelection some =
      select_queues(stats.broker, {.queues_max = 3, .subscriptions_max = 29});
  EXPECT_THAT(some.named, SizeIs(2));
  ASSERT_TRUE(some.other.has_value());
  EXPECT_EQ(some.other->subscriptions.front().ready, 10U * 13U);
}

TEST(SeriesLimits, AThousandQueuesAreNamed) {
  ProcessStats stats;
  for (std::uint64_t i = 0; i < 1'002; ++i) {
    stats.broker.queues.push_back(test::sample_queue("q" + std::to_string(10'000 + i), i));
  }
  const PrometheusPage page = page_of(stats);
  EXPECT_EQ(page.samples.count("sluice_queue_messages{queue=\"q10999\"}"), 1U);
  EXPECT_EQ(page.samples.count("sluice_queue_messages{queue=\"q11000\"}"), 0U);
  EXPECT_EQ(page.value("sluice_queue_messages{queue=\"_other\"}"), 1'001 + 1'002);
}

// Prometheus' own judge, where it is installed.
TEST(Metrics, PassPromtool) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "promtool is not installed";
  }
  const std::string file = testing::TempDir() + "sluice_metrics_" + std::to_string(getpid());
  std::ofstream(file) << text_of(test::sample_stats());
  EXPECT_EQ(std::system(("promtool check metrics < " + file).c_str()), 0);
  std::remove(file.c_str());
}

}  // namespace
}  // namespace sluice::frontend::http
