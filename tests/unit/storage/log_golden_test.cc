#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/sha256.h"
#include "storage/fact_codec.h"
#include "storage/log_verify.h"
#include "storage/segment_header.h"
#include "storage/sequence_set.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

// Logs written by released formats stay readable, and today's code still writes the same bytes.
// Files of a new feature level are made by
//   storage_test --gtest_also_run_disabled_tests --gtest_filter='*WriteTheGoldenFiles'
// and added beside the old ones, which are never made again. Of level 2 there are digests only:
// with its large messages, folders are for tests/integration/broker/test_golden.py, which packs
// them.
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

constexpr const char* kDigests = SLUICE_TEST_SOURCE_DIR "/tests/golden/log/level-2.digests";
constexpr std::size_t kLargeBodyBytes = 270'000;  // two pieces
constexpr std::uint64_t kLargeAt = 6;

// What level 2 adds: its records, a message in pieces, an extent that has it, snapshots after it.
class LevelTwo {
 public:
  void write() {
    harness_.feature_level = 2;
    ASSERT_THAT(harness_.open(), IsOk());
    for (int i = 0; i < 5; ++i) publish(false);
    harness_.publish_large(stream_, next_, kLargeBodyBytes);
    live_.insert(base::Sequence(next_++));
    while (harness_.log().active_segment() < 8) {
      const std::uint64_t active = harness_.log().active_segment();
      publish(false);
      if (harness_.log().active_segment() != active) publish(true);
    }
    two_snapshots();
    compact();
    facts();
    publish(true);
    two_snapshots();
  }
  LogHarness& harness() { return harness_; }
  const StreamId& stream() const { return stream_; }

 private:
  void facts() {
    const SubscriptionKey key{stream_, base::SubscriptionId(2)};
    const std::vector<base::SequenceRange> ranges = {{base::Sequence(1), base::Sequence(3)}};
    const base::WallTime at(1'700'000'000'000);
    append(harness_, DeadFact{key,
                              DeadReason::kOverflow,
                              "",
                              "",
                              at,
                              {{base::Sequence(6), 0, 0, base::WallTime(0)}},
                              true});
    append(harness_, RewoundFact{key, ranges});
    append(harness_, DroppedFact{stream_, DropCause::kSize, ranges});
    append(harness_,
           DamagedFact{key, DamageEvent::kFound, base::Lsn(4'096), base::Lsn(8'192), at, ranges});
    append(harness_, SubscriptionExpiredFact{stream_.queue, base::SubscriptionId(3), at});
    TransferFact transfer;
    transfer.task = base::TaskId(id(5));
    transfer.kind = TaskKind::kMove;
    transfer.from = key;
    transfer.to = stream_number(2);
    transfer.first = base::Sequence(1);
    transfer.count = 3;
    transfer.position = base::Sequence(4);
    transfer.ranges = ranges;
    append(harness_, transfer);
    ASSERT_THAT(harness_.log().flush(), IsOk());
  }
  void publish(bool lives) {
    harness_.publish(stream_, next_, 1, 20'000);
    if (lives) live_.insert(base::Sequence(next_));
    ++next_;
    ASSERT_THAT(harness_.log().flush(), IsOk());
  }
  void two_snapshots() {
    ASSERT_THAT(harness_.snapshot("the state"), IsOk());
    append(harness_, FeatureLevelFact{2});
    ASSERT_THAT(harness_.log().flush(), IsOk());
    ASSERT_THAT(harness_.snapshot("the broker's state"), IsOk());
  }
  void compact() {
    LiveMessages live;
    live.next = [this](const StreamId&, base::SequenceRange within) {
      return live_.next_range(within);
    };
    do {
      harness_.housekeeper().allow_copying(1U << 22);
      harness_.housekeeper().compact(live);
      ASSERT_THAT(harness_.housekeeper().run_inline(), IsOk());
    } while (harness_.housekeeper().compacting());
    ASSERT_EQ(harness_.log().segments().extents().size(), 1U);
  }

  LogHarness harness_{1U << 20, 2026};
  const StreamId stream_ = stream_number(1);
  SequenceSet live_;
  std::uint64_t next_ = 1;
};

// A line a file: half of its SHA-256, without the zeros at its end; its bytes without these; path.
std::string digests(LogHarness& harness) {
  std::string text;
  std::vector<std::string> paths = log_files(harness);
  std::erase_if(paths, [](const std::string& path) { return path.find("/free-") != path.npos; });
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    std::vector<std::byte> bytes = *harness.fs().contents(in_data(path));
    while (!bytes.empty() && bytes.back() == std::byte{0}) bytes.pop_back();
    const base::Sha256Digest digest = base::sha256(bytes);
    base::Id128 half;
    std::copy_n(digest.begin(), half.bytes.size(), half.bytes.begin());
    text += half.to_hex() + ' ' + std::to_string(bytes.size()) + ' ' + path + '\n';
  }
  return text;
}

TEST(LogGolden, DISABLED_WriteTheGoldenFilesOfLevel2) {
  LevelTwo log;
  log.write();
  std::ofstream(kDigests) << digests(log.harness());
}

TEST(LogGolden, TodaysCodeWritesTheSameBytesOfLevel2) {
  LevelTwo log;
  log.write();
  std::ifstream in(kDigests);
  const std::string golden((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(digests(log.harness()), golden);
  // It is what it is to be a sample of.
  log.harness().close();
  ASSERT_THAT(log.harness().open(), IsOk());
  EXPECT_EQ(log.harness().log().feature_level(), 2U);
  EXPECT_TRUE(log.harness().report().corrupt.empty());
  EXPECT_EQ(log.harness().opened().broker_state(), bytes_of("the broker's state"));
  const auto large = log.harness().messages().locate(log.stream(), base::Sequence(kLargeAt));
  ASSERT_THAT(large, IsOk());
  ASSERT_TRUE(large->has_value() && (*large)->large());
  EXPECT_TRUE(is_extent(log.harness().log().segments().number_of((*large)->lsn)));
  EXPECT_TRUE(is_extent(log.harness().log().segments().number_of((*large)->chunks)));
}

}  // namespace
}  // namespace sluice::storage
