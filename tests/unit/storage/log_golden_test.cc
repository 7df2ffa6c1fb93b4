#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "storage/fact_codec.h"
#include "storage/log_verify.h"
#include "storage/segment_header.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

// Logs written by released formats stay readable, and today's code still writes the same bytes.
// Files of a new feature level are made by
//   storage_test --gtest_also_run_disabled_tests --gtest_filter='*WriteTheGoldenFiles'
// and added beside the old ones, which are never made again.
namespace sluice::storage {
namespace {

using runtime::OpenMode;
using sluice::test::IsOk;
using test::bytes_of;
using test::LogHarness;
using test::stream_number;

constexpr std::string_view kFolder = SLUICE_TEST_SOURCE_DIR "/tests/golden/log/level-1/";
constexpr std::uint64_t kGoldenSegmentBytes = 16 * 1024;

template <typename Fact>
void append(LogHarness& harness, const Fact& fact) {
  std::vector<std::byte> head;
  encode(fact, head);
  harness.log().append(record_type(fact), head, {}, true);
}

base::Id128 id(std::uint8_t first) {
  base::Id128 made;
  for (std::size_t i = 0; i < 16; ++i) made.bytes[i] = static_cast<std::uint8_t>(first + i);
  return made;
}

// One record of each type, batches with and without company in their block, a rolled segment, a
// snapshot in the middle.
void write_log(LogHarness& harness) {
  harness.feature_level = 1;
  ASSERT_THAT(harness.open(), IsOk());
  const StreamId stream = stream_number(1);
  const SubscriptionKey key{stream, base::SubscriptionId(2)};
  const std::vector<base::SequenceRange> ranges = {{base::Sequence(1), base::Sequence(3)},
                                                   {base::Sequence(9), base::Sequence(9)}};
  append(harness,
         IncarnationFact{1, false, base::WallTime(1'700'000'000'000), 1U << 20, id(1), "0.1.0"});
  append(harness, FeatureLevelFact{1});
  append(harness, QueueConfiguredFact{stream.queue, "orders", 1, bytes_of("config")});
  append(harness, SessionFact{base::SessionId(id(2)), SessionEvent::kOpened, 1, "pod-1"});
  append(harness, ProducerFact{base::ProducerId(id(3)), 1});
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.publish(stream, 1, 10, 30);
  harness.publish(stream, 11, 2, 5'000);
  ASSERT_THAT(harness.log().flush(), IsOk());
  ASSERT_THAT(harness.snapshot("the broker's state"), IsOk());
  append(harness, LeasedFact{key, base::SessionId(id(2)), base::Epoch(1ULL << 32), 30'000, ranges});
  append(harness, SettledFact{key, ranges});
  append(harness, ReleasedFact{key, ReleaseCause::kConsumer, ranges});
  append(harness, FailedFact{key,
                             "boom",
                             "pod-1",
                             base::WallTime(1'700'000'001'000),
                             {{base::Sequence(4), 1, 0, base::WallTime(1'700'000'002'000)}}});
  append(harness, StalledFact{key,
                              "pod-1",
                              base::WallTime(1'700'000'003'000),
                              {{base::Sequence(5), 0, 1, base::WallTime(1'700'000'003'000)}}});
  append(harness, DeadFact{key,
                           DeadReason::kRejected,
                           "bad",
                           "pod-1",
                           base::WallTime(1'700'000'004'000),
                           {{base::Sequence(6), 1, 0, base::WallTime(0)}}});
  append(harness, RedrivenFact{key, base::TaskId(id(4)), ranges});
  append(harness, RemovedFact{key, RemoveCause::kPurged, ranges});
  append(harness, TaskFact{base::TaskId(id(4)), TaskKind::kRedrive, TaskState::kRunning, key, 7, 3,
                           base::Sequence(6), bytes_of("selector")});
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.publish(stream, 13, 1, 3'000);
  append(harness, QueueDeletedFact{stream.queue});
  append(harness, SegmentsDroppedFact{{77}});
  ASSERT_THAT(harness.log().flush(), IsOk());
  ASSERT_EQ(harness.log().active_segment(), 2U);
}

std::string in_data(const std::string& path) {
  std::string whole(LogHarness::kFolder);
  whole += '/';
  whole += path;
  return whole;
}

std::vector<std::string> log_files(LogHarness& harness) {
  std::vector<std::string> paths;
  for (const std::string folder : {"segments/", "snapshots/"}) {
    const auto names = harness.fs().list(in_data(folder));
    for (const std::string& name : *names) paths.push_back(folder + name);
  }
  return paths;
}

std::string golden_path(const std::string& path) {
  std::string golden(kFolder);
  golden += path.substr(path.find('/') + 1);
  return golden;
}

std::vector<std::byte> read_golden(const std::string& path) {
  std::ifstream in(golden_path(path), std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return bytes_of(text);
}

TEST(LogGolden, DISABLED_WriteTheGoldenFiles) {
  LogHarness harness(kGoldenSegmentBytes, 2026);
  write_log(harness);
  for (const std::string& path : log_files(harness)) {
    const auto bytes = harness.fs().contents(in_data(path));
    std::ofstream out(golden_path(path), std::ios::binary);
    out << base::as_text(*bytes);
  }
}

TEST(LogGolden, TodaysCodeWritesTheSameBytes) {
  LogHarness harness(kGoldenSegmentBytes, 2026);
  write_log(harness);
  const std::vector<std::string> paths = log_files(harness);
  EXPECT_EQ(paths.size(), 3U);
  for (const std::string& path : paths) {
    const auto bytes = harness.fs().contents(in_data(path));
    const auto golden = read_golden(path);
    // A segment has its whole size from the start since 0.2.
    ASSERT_GE(bytes->size(), golden.size()) << path;
    const auto end = bytes->begin() + static_cast<std::ptrdiff_t>(golden.size());
    EXPECT_TRUE(std::equal(bytes->begin(), end, golden.begin())) << path;
    EXPECT_TRUE(std::all_of(end, bytes->end(), [](std::byte b) { return b == std::byte{0}; }));
  }
}

TEST(LogGolden, AFolderOfTheFirstLevelIsReadable) {
  LogHarness writer(kGoldenSegmentBytes, 2026);
  write_log(writer);
  LogHarness harness;
  for (const std::string& path : log_files(writer)) {
    const std::string to = in_data(path);
    ASSERT_THAT(harness.fs().create_folder(to.substr(0, to.find_last_of('/'))), IsOk());
    const auto file = harness.fs().open(to, OpenMode::kCreate);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT((*file)->write_at(0, read_golden(path)), IsOk());
  }
  const auto verified = verify_log(harness.fs(), LogHarness::kFolder);
  ASSERT_THAT(verified, IsOk());
  EXPECT_TRUE(verified->ok());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_EQ(harness.opened().broker_state(), bytes_of("the broker's state"));
  EXPECT_EQ(harness.log().feature_level(), 1U);
  EXPECT_TRUE(harness.report().corrupt.empty());
  std::vector<RecordType> types;
  for (const test::Replayed& record : harness.replayed()) types.push_back(record.type);
  EXPECT_EQ(types, (std::vector<RecordType>{
                       RecordType::kLeased, RecordType::kSettled, RecordType::kReleased,
                       RecordType::kFailed, RecordType::kStalled, RecordType::kDead,
                       RecordType::kRedriven, RecordType::kRemoved, RecordType::kTask,
                       RecordType::kMessages, RecordType::kQueueDeleted}));
  const auto seen = harness.consume(stream_number(1), 1, 13);
  ASSERT_EQ(seen.size(), 13U);
  EXPECT_EQ(seen[0].body, test::body_of(1, 30));
  EXPECT_EQ(seen[11].body, test::body_of(12, 5'000));
  EXPECT_EQ(seen[12].body, test::body_of(13, 3'000));
}

}  // namespace
}  // namespace sluice::storage
