#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/compaction_plan.h"
#include "storage/fact_codec.h"
#include "storage/log_dump.h"
#include "storage/log_verify.h"
#include "storage/scrubber.h"
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
using test::LogHarness;
using test::stream_number;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kSegmentBytes = 64 * 1024;
constexpr std::size_t kBodyBytes = 500;

TEST(CompactionPlan, TakesTheSparsestFilesThatFitOneExtent) {
  const CompactionLimits limits{100, 1'000, 64};
  EXPECT_THAT(choose_files({{1, 1'000, 600}, {2, 1'000, 100}, {3, 1'000, 350}}, limits),
              ElementsAre(2, 3));
  EXPECT_THAT(choose_files({{1, 1'000, 900}, {2, 1'000, 100}}, limits), ElementsAre(2));
}

TEST(CompactionPlan, LeavesALittleGarbageAlone) {
  EXPECT_THAT(choose_files({{1, 1'000, 900}, {2, 1'000, 850}}, {100, 1'000, 64}), IsEmpty());
  EXPECT_THAT(choose_files({{1, 1'000, 1}}, {1'000, 1'000, 64}), IsEmpty());
  EXPECT_THAT(choose_files({}, {100, 1'000, 64}), IsEmpty());
  // Copying almost everything to free a little is worth nothing.
  EXPECT_THAT(choose_files({{1, 1'000, 760}, {2, 1'000, 760}}, {100, 1'000, 64}), IsEmpty());
}

// Two streams in some segments, everything settled but what a test says.
class Compaction : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.open(), IsOk()); }

  Housekeeper& keeper() { return harness_.housekeeper(); }
  SegmentSet& segments() { return harness_.log().segments(); }

  void publish_to_segment(std::uint64_t number) {
    while (harness_.log().active_segment() < number) {
      for (unsigned which = 0; which < 2; ++which) {
        harness_.publish(stream_number(which), next_[which], 5, kBodyBytes);
        next_[which] += 5;
      }
      ASSERT_THAT(harness_.log().flush(), IsOk());
    }
  }
  // Both kept snapshots are of now.
  void two_snapshots() {
    ASSERT_THAT(harness_.snapshot("one"), IsOk());
    ASSERT_THAT(harness_.snapshot("two"), IsOk());
  }
  // Ten segments of which one message in `nth` lives.
  void fill(std::uint64_t nth) {
    publish_to_segment(11);
    two_snapshots();
    for (unsigned which = 0; which < 2; ++which) {
      for (std::uint64_t i = 1; i < next_[which]; i += nth) live_[which].insert(Sequence(i));
    }
  }

  LiveMessages needs() {
    LiveMessages live;
    live.next = [this](const StreamId& stream, SequenceRange within) {
      return live_[stream.queue.bytes[0]].next_range(within);
    };
    live.pinned = [this](Lsn begin, Lsn end) { return begin <= pinned_ && pinned_ < end; };
    live.revivals = [this] { return revivals_; };
    return live;
  }
  void step() {
    keeper().allow_copying(1U << 22);
    keeper().compact(needs());
  }
  void drop() {
    keeper().drop_dead_segments([this](const StreamId& stream, SequenceRange range) {
      return live_[stream.queue.bytes[0]].contains_any(range);
    });
  }
  // False where the log died.
  bool compact() {
    for (int rounds = 0; rounds < 4; ++rounds) {
      do {
        step();
        if (!keeper().run_inline()) return false;
      } while (keeper().compacting());
    }
    drop();
    return keeper().run_inline().has_value();
  }
  // Everything that lives is there.
  void check() {
    for (unsigned which = 0; which < 2; ++which) {
      live_[which].for_each_range(Sequence(1), Sequence(next_[which]), [&](SequenceRange run) {
        const auto seen =
            harness_.consume(stream_number(which), run.first.value(), run.last.value());
        EXPECT_EQ(seen.size(), run.count()) << "from " << run.first.value();
        for (const auto& one : seen) EXPECT_EQ(one.body, test::body_of(one.sequence, kBodyBytes));
        return true;
      });
    }
  }
  void reopen() {
    harness_.close();
    harness_.fs().crash(CrashPlan::lose_unsynced());
    ASSERT_THAT(harness_.open(), IsOk());
    EXPECT_TRUE(harness_.report().corrupt.empty())
        << harness_.report().corrupt.front().file << harness_.report().corrupt.front().reason;
  }
  std::vector<std::string> extent_files() {
    std::vector<std::string> names = *harness_.fs().list("/data/segments");
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(".ext"); });
    return names;
  }

  LogHarness harness_{kSegmentBytes};
  std::uint64_t next_[2] = {1, 1};
  SequenceSet live_[2];
  Lsn pinned_;
  std::uint64_t revivals_ = 0;
};

TEST_F(Compaction, SparseSegmentsBecomeOneExtent) {
  fill(40);
  const std::uint64_t moves = harness_.messages().moves();
  ASSERT_TRUE(compact());
  EXPECT_EQ(keeper().compactor().compactions(), 1U);
  // So whoever remembers where a batch lay asks again.
  EXPECT_EQ(harness_.messages().moves(), moves + 1);
  EXPECT_THAT(segments().numbers(), ElementsAre(11));
  ASSERT_EQ(segments().extents().size(), 1U);
  EXPECT_LT(segments().file_bytes(segments().extents()[0]), kSegmentBytes / 2);
  EXPECT_EQ(extent_files().size(), 1U);
  check();
  // What is in between is gone for whoever looks for it.
  const auto after = harness_.messages().locate(stream_number(0), Sequence(2));
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ((*after)->first, Sequence(41));
  publish_to_segment(12);
  check();
}

TEST_F(Compaction, AStartFindsTheExtentWithAndWithoutASnapshot) {
  fill(40);
  ASSERT_TRUE(compact());
  reopen();
  EXPECT_THAT(segments().numbers(), ElementsAre(11));
  check();
  publish_to_segment(12);
  two_snapshots();
  reopen();
  EXPECT_EQ(segments().extents().size(), 1U);
  check();
  const auto verdict = verify_log(harness_.fs(), LogHarness::kFolder);
  ASSERT_THAT(verdict, IsOk());
  EXPECT_TRUE(verdict->ok());
  EXPECT_EQ(verdict->segments.back().state, SegmentState::kExtent);
  EXPECT_GT(verdict->segments.back().records, 10U);
}

TEST_F(Compaction, ExtentsAreScrubbedAsSegmentsAre) {
  fill(40);
  ASSERT_TRUE(compact());
  base::MonoTime now{1};
  const auto scrub_for_days = [&](int days) {
    Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
    for (int minutes = 0; minutes < days * 24 * 60; ++minutes) {
      now = now + base::Nanos(std::chrono::minutes(1));
      if (const auto work = scrubber.take(now)) work->finish(work->run());
    }
    return scrubber.take_findings();
  };
  EXPECT_TRUE(scrub_for_days(3).empty());
  harness_.opened().trim_memory();
  harness_.fs().flip_bit("/data/segments/" + extent_files().front(), kSegmentDataOffset + 700, 1);
  const auto findings = scrub_for_days(3);
  ASSERT_FALSE(findings.empty());  // what is doubtful is told in each round
  ASSERT_EQ(findings[0].corrupt.size(), 1U);
  EXPECT_EQ(findings[0].corrupt[0].file, extent_files().front());
  EXPECT_FALSE(findings[0].doubtful.empty());
}

TEST_F(Compaction, TheOlderSnapshotAndTheRecordGiveTheSame) {
  fill(40);
  ASSERT_TRUE(compact());
  harness_.append_fact(1);
  ASSERT_THAT(harness_.snapshot("three"), IsOk());
  const auto names = *harness_.fs().list("/data/snapshots");
  harness_.fs().flip_bit("/data/snapshots/" + names.back(), 200, 1);
  harness_.close();
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_EQ(harness_.report().bad_snapshots.size(), 1U);
  EXPECT_TRUE(harness_.report().corrupt.empty());
  check();
}

TEST_F(Compaction, TheDumpTellsOfTheSwapAndTheMessages) {
  fill(40);
  ASSERT_TRUE(compact());
  std::vector<std::string> swaps;
  std::size_t copies = 0;
  ASSERT_THAT(dump_log(harness_.fs(), LogHarness::kFolder, {},
                       [&](const DumpRecord& record) {
                         if (record.type == RecordType::kExtentSwap) {
                           for (const DumpField& field : record.fields) {
                             if (field.name == "replaced") swaps.push_back(field.value);
                           }
                         }
                         if (record.file.ends_with(".ext")) ++copies;
                       }),
              IsOk());
  EXPECT_THAT(swaps, ElementsAre("1,2,3,4,5,6,7,8,9,10"));
  EXPECT_GT(copies, 10U);
}

TEST_F(Compaction, ExtentsAreCompactedAgainAndGoWhenNothingLivesInThem) {
  fill(10);
  ASSERT_TRUE(compact());
  const std::uint64_t first = keeper().compactor().compactions();
  ASSERT_GE(first, 2U);
  for (unsigned which = 0; which < 2; ++which) {
    for (std::uint64_t i = 1; i < next_[which]; ++i) {
      if (i % 100 != 1) live_[which].erase(Sequence(i));
    }
  }
  publish_to_segment(12);
  two_snapshots();
  ASSERT_TRUE(compact());
  EXPECT_GT(keeper().compactor().compactions(), first);
  check();
  reopen();
  check();
  for (SequenceSet& live : live_) live.clear();
  drop();
  ASSERT_THAT(keeper().run_inline(), IsOk());
  EXPECT_THAT(extent_files(), IsEmpty());
  reopen();
  EXPECT_THAT(segments().extents(), IsEmpty());
}

TEST_F(Compaction, ADenseSegmentBetweenSparseOnesStaysAndIsFound) {
  publish_to_segment(11);
  two_snapshots();
  const auto ranges = harness_.messages().message_index().ranges(5);
  for (unsigned which = 0; which < 2; ++which) {
    for (std::uint64_t i = 1; i < next_[which]; i += 40) live_[which].insert(Sequence(i));
    live_[which].insert(ranges[which].range);
  }
  ASSERT_TRUE(compact());
  EXPECT_THAT(segments().numbers(), ElementsAre(5, 11));
  check();
  reopen();
  check();
  publish_to_segment(12);
  two_snapshots();
  reopen();
  check();
}

TEST_F(Compaction, ALogOfTheFirstLevelIsLeftAsItIs) {
  LogHarness old(kSegmentBytes);
  old.feature_level = 1;
  ASSERT_THAT(old.open(), IsOk());
  for (std::uint64_t i = 1; old.log().active_segment() < 6; ++i) {
    old.publish(stream_number(0), i, 1, kBodyBytes);
    ASSERT_THAT(old.log().flush(), IsOk());
  }
  ASSERT_THAT(old.snapshot("one"), IsOk());
  ASSERT_THAT(old.snapshot("two"), IsOk());
  live_[0].insert(Sequence(1));
  old.housekeeper().compact(needs());
  EXPECT_FALSE(old.housekeeper().compacting());
}

TEST_F(Compaction, SegmentsAboveTheOlderSnapshotAndThoseWithTextsStay) {
  fill(40);
  publish_to_segment(14);
  pinned_ = Lsn(3 * kSegmentBytes + 5'000);
  ASSERT_TRUE(compact());
  EXPECT_THAT(segments().numbers(), ElementsAre(3, 11, 12, 13, 14));
  check();
}

TEST_F(Compaction, ADamagedRecordStaysWhereItIs) {
  fill(40);
  const auto batch = harness_.messages().locate(stream_number(1), Sequence(41));
  ASSERT_THAT(batch, IsOk());
  const std::uint64_t number = (*batch)->lsn.value() / kSegmentBytes;
  const std::uint64_t offset = (*batch)->lsn.value() % kSegmentBytes;
  harness_.opened().trim_memory();
  harness_.fs().flip_bit(LogHarness::segment_path(number), offset + 400, 2);
  ASSERT_TRUE(compact());
  EXPECT_THAT(segments().numbers(), ElementsAre(number, 11));
  const auto seen = harness_.consume(stream_number(1), 41, 41);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(seen[0].damaged);
  live_[1].erase(Sequence(41));
  check();
}

TEST_F(Compaction, PiecesThatACrashLeftWithoutTheirMessageMeanNothing) {
  publish_to_segment(3);
  harness_.log().append(RecordType::kMessageChunk, test::bytes_of("head"), test::bytes_of("a part"),
                        true);
  fill(40);
  ASSERT_TRUE(compact());
  EXPECT_THAT(segments().numbers(), ElementsAre(11));
  check();
}

TEST_F(Compaction, MessagesThatAreWantedAgainMeanwhileStopTheSwap) {
  fill(40);
  step();  // it looks
  while (!keeper().compactor().holds(1)) step();
  for (int slices = 0; slices < 100; ++slices) {  // all of the copying
    keeper().allow_copying(1U << 22);
    ASSERT_THAT(keeper().run_inline(), IsOk());
  }
  EXPECT_EQ(extent_files().size(), 1U);
  ++revivals_;
  live_[0].insert({Sequence(1), Sequence(100)});
  step();
  EXPECT_EQ(keeper().compactor().compactions(), 0U);
  ASSERT_THAT(keeper().run_inline(), IsOk());
  EXPECT_THAT(extent_files(), IsEmpty());
  check();
  ASSERT_TRUE(compact());
  EXPECT_GE(keeper().compactor().compactions(), 1U);
  check();
}

TEST_F(Compaction, WhoeverRefersToAnOldSegmentReadsItUntilEverythingFromBeforeIsOut) {
  fill(40);
  const auto batch = harness_.messages().locate(stream_number(0), Sequence(41));
  ASSERT_THAT(batch, IsOk());
  const auto slice = harness_.messages().slice(**batch, Sequence(41), Sequence(41), 1U << 20);
  ASSERT_THAT(slice, IsOk());
  harness_.opened().trim_memory();
  const auto run_all = [&] {
    ASSERT_THAT(harness_.log().flush(), IsOk());
    while (const auto work = keeper().take_background()) work->finish(work->run());
    ASSERT_THAT(harness_.log().flush(), IsOk());
  };
  while (keeper().compactor().compactions() == 0) {
    step();
    run_all();
  }
  run_all();
  EXPECT_THAT(harness_.messages().read(*slice), IsOk());
  EXPECT_THAT(harness_.fs().contents(LogHarness::segment_path(1)), IsOk());
  keeper().set_released(harness_.log().positions().durable);
  run_all();
  harness_.messages().trim_memory();
  EXPECT_FALSE(harness_.messages().read(*slice).has_value());
  check();
}

// Copying, swap and removal, cut off after every single operation: what lives is there once.
TEST_F(Compaction, ACrashAtAnyStepLeavesOldOrNew) {
  fill(40);
  harness_.close();
  const auto before = harness_.fs().clone();
  for (std::uint64_t stop = 1;; ++stop) {
    harness_.use(before->clone());
    ASSERT_THAT(harness_.open(), IsOk());
    harness_.fs().stop_after(stop);
    const bool done = compact() && harness_.log().flush().has_value() && keeper().idle() &&
                      keeper().compactor().compactions() > 0 && segments().numbers().size() == 1;
    const auto stopped = harness_.fs().clone();
    for (const int fate : {0, 1, 2}) {
      harness_.use(stopped->clone());
      base::Prng prng(stop);
      CrashPlan plan = fate == 0 ? CrashPlan::lose_unsynced() : CrashPlan::keep_all();
      if (fate == 2) {
        plan = CrashPlan::keep_prefix(prng.below(stopped->unsynced_bytes() + 1));
        plan.keep_folder_changes(prng.below(stopped->unsynced_folder_changes().size() + 1));
      }
      harness_.fs().crash(plan);
      for (int again = 0; again < 2; ++again) {
        ASSERT_THAT(harness_.open(), IsOk()) << "stopped after " << stop;
        EXPECT_TRUE(harness_.report().corrupt.empty()) << "stopped after " << stop;
        EXPECT_TRUE(harness_.report().bad_snapshots.empty());
        check();
        ASSERT_THAT(keeper().run_inline(), IsOk());
        EXPECT_EQ(extent_files().size(), segments().extents().size());
        harness_.close();
        harness_.fs().crash(CrashPlan::lose_unsynced());
      }
      if (HasFailure()) return;
    }
    if (done) break;
  }
}

}  // namespace
}  // namespace sluice::storage
