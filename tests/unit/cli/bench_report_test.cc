#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/bench/broker_process.h"
#include "cli/bench/report.h"
#include "operator/api/manifest.h"

namespace sluice::cli::bench {
namespace {

using testing::HasSubstr;

Report sample_report() {
  Report report;
  report.stored = report.settled = 1'000'000;
  report.publish_seconds = 0.5;
  report.consume_seconds = 0.9;
  report.end_to_end_seconds = 1;
  report.publish_ack.add(base::Nanos(50));
  report.rss_bytes = 20 << 20;
  report.cpu_seconds = 0.25;
  return report;
}

TEST(BenchReport, JsonHasTheDocumentedKeys) {
  Options options;
  options.messages = 1'000'000;
  const auto json = nlohmann::json::parse(report_json(options, sample_report()));
  EXPECT_EQ(json["messages"], 1'000'000);
  EXPECT_EQ(json["size_bytes"], 128);
  EXPECT_EQ(json["producers"], 1);
  EXPECT_EQ(json["consumers"], 1);
  EXPECT_EQ(json["fsync"], "Always");
  EXPECT_EQ(json["publish_per_second"], 2'000'000.0);
  EXPECT_EQ(json["end_to_end_per_second"], 1'000'000.0);
  EXPECT_EQ(json["megabytes_per_second"], 128.0);
  for (const char* latency : {"publish_ack_us", "end_to_end_us"}) {
    for (const char* percentile : {"p50", "p99", "p999"}) {
      EXPECT_TRUE(json[latency].contains(percentile));
    }
  }
  EXPECT_EQ(json["broker_rss_bytes"], 20 << 20);
  EXPECT_EQ(json["broker_cpu_seconds"], 0.25);
  EXPECT_EQ(json["lost"], 0);
  EXPECT_EQ(json["duplicated"], 0);
  EXPECT_FALSE(json.contains("waiting"));
}

TEST(BenchReport, WaitingMessagesAreReportedWhereThereAreSome) {
  Options options;
  options.waiting = 10;
  const auto json = nlohmann::json::parse(report_json(options, sample_report()));
  EXPECT_EQ(json["waiting"], 10);
  EXPECT_TRUE(json.contains("broker_rss_waiting_bytes"));
}

TEST(BenchReport, IsForPeopleToo) {
  EXPECT_THAT(report_text(Options(), sample_report()), HasSubstr("2.00M/s"));
}

TEST(BenchReport, OneBadMessageSpoilsIt) {
  EXPECT_TRUE(sample_report().good());
  Report report = sample_report();
  report.duplicated = 1;
  EXPECT_FALSE(report.good());
}

TEST(BenchManifest, IsOne) {
  Options options;
  EXPECT_EQ(api::parse_manifest(bench_manifest(options)).describe_problems("bench"), "");
  options.messages = 1'000'000'000;
  options.size_bytes = 1'024;
  options.waiting = 100'000'000;
  options.fsync = "Interval";
  const auto manifest = api::parse_manifest(bench_manifest(options));
  EXPECT_EQ(manifest.describe_problems("bench"), "");
  EXPECT_EQ(manifest.queues.size(), 2U);
}

}  // namespace
}  // namespace sluice::cli::bench
