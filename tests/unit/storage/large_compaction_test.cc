#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/check.h"
#include "storage/large_message.h"
#include "storage/log_verify.h"
#include "storage/sequence_set.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::Lsn;
using base::Sequence;
using base::SequenceRange;
using runtime::CrashPlan;
using sluice::test::IsOk;
using test::body_of;
using test::large_entry;
using test::LogHarness;
using test::stream_number;
using testing::Contains;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::uint64_t kMixedSegmentBytes = 1U << 20;
constexpr std::size_t kMixedSmallBytes = 20'000;
const StreamId kMixedStream = stream_number(1);

// Large messages among small ones, of which a test says what lives.
class LargeCompaction : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.open(), IsOk()); }

  Housekeeper& keeper() { return harness_.housekeeper(); }
  SegmentSet& segments() { return harness_.log().segments(); }

  std::uint64_t publish_large(std::size_t body_bytes) {
    const std::uint64_t sequence = next_++;
    harness_.publish_large(kMixedStream, sequence, body_bytes);
    EXPECT_THAT(harness_.log().flush(), IsOk());
    large_[sequence] = body_bytes;
    live_.insert(Sequence(sequence));
    return sequence;
  }
  void publish_small(std::uint64_t count, bool lives = false) {
    for (std::uint64_t i = 0; i < count; ++i) {
      harness_.publish(kMixedStream, next_, 1, kMixedSmallBytes);
      if (lives) live_.insert(Sequence(next_));
      ++next_;
    }
    ASSERT_THAT(harness_.log().flush(), IsOk());
  }
  // Sparse segments, with one message each that lives, until the active one is this.
  void fill_to_segment(std::uint64_t number) {
    while (harness_.log().active_segment() < number) {
      const std::uint64_t active = harness_.log().active_segment();
      publish_small(1);
      if (harness_.log().active_segment() != active) publish_small(1, true);
    }
  }
  void two_snapshots() {
    ASSERT_THAT(harness_.snapshot("one"), IsOk());
    ASSERT_THAT(harness_.snapshot("two"), IsOk());
  }
  LiveMessages needs() {
    LiveMessages live;
    live.next = [this](const StreamId&, SequenceRange within) { return live_.next_range(within); };
    if (knows_sizes_) {
      live.sizes = [this](const StreamId&, SequenceRange run) {
        std::pair<std::uint64_t, std::uint64_t> sizes;
        for (Sequence at = run.first; at <= run.last; ++at) {
          const auto found = large_.find(at.value());
          sizes.first += 1;
          sizes.second += found == large_.end() ? kMixedSmallBytes : found->second;
        }
        return sizes;
      };
    }
    return live;
  }
  bool compact() {
    for (int rounds = 0; rounds < 6; ++rounds) {
      do {
        keeper().allow_copying(1U << 22);
        keeper().compact(needs());
        if (!keeper().run_inline()) return false;
      } while (keeper().compacting());
    }
    keeper().drop_dead_segments(
        [this](const StreamId&, SequenceRange range) { return live_.contains_any(range); });
    return keeper().run_inline().has_value();
  }
  void check() {
    harness_.opened().trim_memory();
    live_.for_each_range(Sequence(1), Sequence(next_), [&](SequenceRange run) {
      for (Sequence at = run.first; at <= run.last; ++at) check(at);
      return true;
    });
  }
  void check(Sequence at) {
    const auto batch = harness_.messages().locate(kMixedStream, at);
    ASSERT_THAT(batch, IsOk());
    ASSERT_TRUE(batch->has_value() && (*batch)->first == at) << "message " << at.value();
    const auto size = large_.find(at.value());
    if (size == large_.end()) {
      const auto seen = harness_.consume(kMixedStream, at.value(), at.value());
      ASSERT_THAT(seen, SizeIs(1));
      EXPECT_EQ(seen[0].body, body_of(at.value(), kMixedSmallBytes));
      return;
    }
    const auto slice = harness_.messages().slice(**batch, at, at, 1'000);
    ASSERT_THAT(slice, IsOk());
    std::vector<std::byte> bytes;
    while (bytes.size() < slice->bytes) {
      const auto piece = harness_.messages().read_piece(*slice, bytes.size());
      ASSERT_THAT(piece, IsOk()) << "message " << at.value();
      bytes.insert(bytes.end(), piece->begin(), piece->end());
    }
    EXPECT_TRUE(bytes == large_entry(at.value(), size->second)) << "message " << at.value();
  }
  void reopen() {
    harness_.close();
    harness_.fs().crash(CrashPlan::lose_unsynced());
    ASSERT_THAT(harness_.open(), IsOk());
    EXPECT_THAT(harness_.report().corrupt, IsEmpty());
  }
  std::pair<std::uint64_t, std::uint64_t> segments_of(std::uint64_t sequence) {
    const auto batch = harness_.messages().locate(kMixedStream, Sequence(sequence));
    CHECK(batch.has_value() && batch->has_value());
    return {segments().number_of((*batch)->chunks), segments().number_of((*batch)->lsn)};
  }

  LogHarness harness_{kMixedSegmentBytes};
  std::uint64_t next_ = 1;
  SequenceSet live_;
  std::map<std::uint64_t, std::size_t> large_;  // their bodies
  bool knows_sizes_ = true;
};

TEST_F(LargeCompaction, OneThatLivesIsMovedWhole) {
  publish_small(5);
  publish_large(400'000);
  publish_small(1, true);
  fill_to_segment(8);
  two_snapshots();
  ASSERT_EQ(segments_of(6).first, 1U);
  ASSERT_TRUE(compact());
  EXPECT_THAT(segments().numbers(), Not(Contains(1)));
  EXPECT_TRUE(is_extent(segments_of(6).second));
  EXPECT_EQ(segments_of(6).first, segments_of(6).second);
  check();
  reopen();
  check();
  fill_to_segment(9);
  two_snapshots();
  reopen();
  check();
  const auto verdict = verify_log(harness_.fs(), LogHarness::kFolder);
  ASSERT_THAT(verdict, IsOk());
  EXPECT_TRUE(verdict->ok());
}

TEST_F(LargeCompaction, PiecesInSeveralSegmentsComeTogether) {
  publish_small(30);
  const std::uint64_t large = publish_large(700'000);
  publish_small(2, true);
  fill_to_segment(8);
  two_snapshots();
  const auto lay = segments_of(large);
  ASSERT_LT(lay.first, lay.second);
  ASSERT_TRUE(compact());
  EXPECT_TRUE(is_extent(segments_of(large).second));
  EXPECT_EQ(segments_of(large).first, segments_of(large).second);
  check();
  reopen();
  check();
  // Nothing keeps either file for it.
  live_ = {};
  live_.insert(Sequence(large));
  ASSERT_TRUE(compact());
  for (std::uint64_t number = lay.first; number <= lay.second; ++number) {
    EXPECT_THAT(segments().numbers(), Not(Contains(number)));
  }
  check();
}

// The file with its record, and the one with its first pieces, each in turn too full to be moved.
TEST_F(LargeCompaction, ANeighbourThatStaysLosesOnlyWhatWasMoved) {
  for (const bool record_stays : {true, false}) {
    harness_.close();
    harness_.use(std::make_unique<runtime::MemoryFileSystem>());
    ASSERT_THAT(harness_.open(), IsOk());
    next_ = 1;
    live_ = {};
    large_.clear();
    publish_small(30, !record_stays);
    const std::uint64_t large = publish_large(700'000);
    publish_small(25, record_stays);
    fill_to_segment(9);
    two_snapshots();
    const auto lay = segments_of(large);
    ASSERT_EQ(lay.first + 1, lay.second);
    ASSERT_TRUE(compact());
    const std::uint64_t stays = record_stays ? lay.second : lay.first;
    const std::uint64_t goes = record_stays ? lay.first : lay.second;
    EXPECT_THAT(segments().numbers(), Contains(stays));
    EXPECT_THAT(segments().numbers(), Not(Contains(goes)));
    EXPECT_TRUE(is_extent(segments_of(large).second));
    check();
    reopen();
    check();
    // What lives in the neighbour goes: so does the file, although the large one lives.
    live_ = {};
    live_.insert(Sequence(large));
    publish_small(3);
    two_snapshots();
    ASSERT_TRUE(compact());
    EXPECT_THAT(segments().numbers(), Not(Contains(stays)));
    check();
    reopen();
    check();
  }
}

TEST_F(LargeCompaction, ADeadOneAmongLiveOnesIsLeftBehind) {
  publish_small(1, true);
  const std::uint64_t dead = publish_large(400'000);
  publish_small(1, true);
  live_.erase(Sequence(dead));
  fill_to_segment(8);
  two_snapshots();
  ASSERT_TRUE(compact());
  ASSERT_THAT(segments().extents(), SizeIs(1));
  EXPECT_LT(segments().file_bytes(segments().extents()[0]), 300'000U);
  check();
}

TEST_F(LargeCompaction, SizesThatWereNotKnownAreFoundOut) {
  knows_sizes_ = false;
  // In each segment a large one that lives among small ones that do not.
  while (harness_.log().active_segment() < 12) {
    publish_small(2);
    for (int i = 0; i < 30; ++i) harness_.publish(kMixedStream, next_++, 1, 100);
    publish_large(300'000);
    publish_small(20);
  }
  two_snapshots();
  const std::size_t before = segments().numbers().size();
  ASSERT_TRUE(compact());
  EXPECT_GE(keeper().compactor().compactions(), 2U);
  EXPECT_LT(segments().numbers().size() + segments().extents().size(), before);
  check();
  reopen();
  check();
}

TEST_F(LargeCompaction, ExtentsWithLargeOnesAreCompactedAgain) {
  std::vector<std::uint64_t> large;
  while (harness_.log().active_segment() < 10) {
    large.push_back(publish_large(300'000));
    publish_small(20);
  }
  two_snapshots();
  ASSERT_TRUE(compact());
  const std::uint64_t first = keeper().compactor().compactions();
  EXPECT_GE(first, 2U);
  check();
  for (std::size_t i = 0; i < large.size(); ++i) {
    if (i % 4 != 0) live_.erase(Sequence(large[i]));
  }
  fill_to_segment(12);
  two_snapshots();
  ASSERT_TRUE(compact());
  EXPECT_GT(keeper().compactor().compactions(), first);
  check();
  reopen();
  check();
  live_.clear();
  ASSERT_TRUE(compact());
  EXPECT_THAT(segments().extents(), IsEmpty());
}

TEST_F(LargeCompaction, ADamagedPieceStaysWhereItIs) {
  publish_small(30);
  const std::uint64_t large = publish_large(700'000);
  const auto batch = harness_.messages().locate(kMixedStream, Sequence(large));
  ASSERT_THAT(batch, IsOk());
  publish_small(20);
  fill_to_segment(8);
  two_snapshots();
  harness_.opened().trim_memory();
  const Lsn chunks = (*batch)->chunks;
  harness_.fs().flip_bit(LogHarness::segment_path(chunks.value() / kMixedSegmentBytes),
                         chunks.value() % kMixedSegmentBytes + 900, 1);
  ASSERT_TRUE(compact());
  EXPECT_THAT(segments().numbers(), Contains(segments_of(large).first));
  EXPECT_THAT(segments().numbers(), Contains(segments_of(large).second));
  const auto slice = harness_.messages().slice(**batch, Sequence(large), Sequence(large), 1'000);
  ASSERT_THAT(slice, IsOk());
  EXPECT_THAT(harness_.messages().read_piece(*slice, kLargePieceBytes),
              sluice::test::HasCode(base::ErrorCode::kCorruption));
}

// Copying, swap and removal, cut off after every single operation.
TEST_F(LargeCompaction, ACrashAtAnyStepLeavesOldOrNew) {
  publish_small(30);
  publish_large(700'000);
  publish_small(2, true);
  fill_to_segment(6);
  two_snapshots();
  harness_.close();
  const auto before = harness_.fs().clone();
  for (std::uint64_t stop = 1;; ++stop) {
    harness_.use(before->clone());
    ASSERT_THAT(harness_.open(), IsOk());
    harness_.fs().stop_after(stop);
    const bool done = compact() && harness_.log().flush().has_value() && keeper().idle() &&
                      keeper().compactor().compactions() > 0;
    const auto stopped = harness_.fs().clone();
    for (const bool keeps : {false, true}) {
      harness_.use(stopped->clone());
      harness_.fs().crash(keeps ? CrashPlan::keep_all() : CrashPlan::lose_unsynced());
      ASSERT_THAT(harness_.open(), IsOk()) << "stopped after " << stop;
      EXPECT_THAT(harness_.report().corrupt, IsEmpty()) << "stopped after " << stop;
      check();
      harness_.close();
      if (HasFailure()) return;
    }
    if (done) break;
  }
}

}  // namespace
}  // namespace sluice::storage
