#include "storage/scrubber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/segment_header.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::Lsn;
using base::MonoTime;
using base::Nanos;
using base::Sequence;
using base::SequenceRange;
using sluice::test::IsOk;
using test::LogHarness;
using test::stream_number;

constexpr Nanos kDay = std::chrono::hours(24);
const StreamId kScrubbed = stream_number(1);

class Scrub : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.open(), IsOk()); }

  std::uint64_t segment_bytes() { return harness_.log().segment_bytes(); }
  void publish_five() {
    harness_.publish(kScrubbed, next_, 5, 1'000);
    next_ += 5;
    ASSERT_THAT(harness_.log().flush(), IsOk());
  }
  // Batches of five messages until segment `number` is the active one.
  void publish_until(std::uint64_t number) {
    while (harness_.log().active_segment() < number) publish_five();
  }
  Lsn record_of(Sequence sequence) {
    const auto batch = harness_.messages().locate(kScrubbed, sequence);
    EXPECT_THAT(batch, IsOk());
    return (*batch)->lsn;
  }
  void flip(std::uint64_t segment, std::uint64_t offset) {
    const auto file = harness_.fs().open("/data/segments/" + segment_name(segment),
                                         runtime::OpenMode::kReadWrite);
    ASSERT_THAT(file, IsOk());
    std::byte byte{};
    ASSERT_THAT((*file)->read_at(offset, {&byte, 1}), IsOk());
    byte ^= std::byte{1};
    ASSERT_THAT((*file)->write_at(offset, {&byte, 1}), IsOk());
  }
  // What the loop does each second, for so long. Returns how many pieces were read.
  int run(Scrubber& scrubber, Nanos duration, Nanos step = std::chrono::seconds(60)) {
    int pieces = 0;
    const MonoTime end = now_ + duration;
    for (; now_ < end; now_ = now_ + step) {
      if (const auto work = scrubber.take(now_)) {
        EXPECT_EQ(scrubber.take(now_), nullptr);  // one at a time
        work->finish(work->run());
        ++pieces;
      }
    }
    return pieces;
  }

  int run_at_once(Scrubber& scrubber) {
    return run(scrubber, std::chrono::seconds(5), std::chrono::seconds(1));
  }

  LogHarness harness_;
  std::uint64_t next_ = 1;
  MonoTime now_{1};
};

TEST_F(Scrub, ReadsEverySealedSegmentWithinADay) {
  publish_until(6);
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  EXPECT_EQ(run(scrubber, std::chrono::hours(1), std::chrono::seconds(1)), 0);  // no haste
  EXPECT_GE(run(scrubber, std::chrono::hours(23)), 1);
  run(scrubber, kDay * 4);
  EXPECT_GE(scrubber.stats().bytes, 5 * (harness_.log().segment_bytes() - kSegmentDataOffset));
  EXPECT_TRUE(scrubber.stats().completed_at.has_value());
  EXPECT_EQ(scrubber.stats().findings, 0U);
  EXPECT_TRUE(scrubber.take_findings().empty());
}

TEST_F(Scrub, ALogWithoutSealedSegmentsHasNothingToRead) {
  publish_until(1);
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  EXPECT_EQ(run(scrubber, kDay), 0);
}

TEST_F(Scrub, AFlippedBitOfABodyIsFoundOnceWithItsMessages) {
  publish_until(5);
  const std::uint64_t offset = 20'000;
  flip(2, offset);
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  run(scrubber, kDay * 6);
  const auto findings = scrubber.take_findings();
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].corrupt.size(), 1U);
  EXPECT_EQ(findings[0].corrupt[0].file, segment_name(2));
  EXPECT_LE(findings[0].corrupt[0].begin.value() % harness_.log().segment_bytes(), offset);
  EXPECT_GT(findings[0].corrupt[0].end.value() % harness_.log().segment_bytes(), offset);
  ASSERT_EQ(findings[0].doubtful.size(), 1U);
  EXPECT_EQ(findings[0].doubtful[0].range.count(), 5U);
  for (std::size_t i = 1; i < findings.size(); ++i) EXPECT_TRUE(findings[i].corrupt.empty());
  EXPECT_EQ(scrubber.stats().findings, 1U);
}

TEST_F(Scrub, ALostRecordIsAGapInItsStream) {
  publish_until(4);
  // The head of the second batch of segment 2.
  const auto ranges = harness_.messages().message_index().ranges(2);
  ASSERT_EQ(ranges.size(), 1U);
  const Sequence first = ranges[0].range.first;
  const auto batch = harness_.messages().locate(kScrubbed, first + 5);
  ASSERT_THAT(batch, IsOk());
  flip(2, (*batch)->lsn.value() % harness_.log().segment_bytes() + 5);
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  run(scrubber, kDay * 4);
  const auto findings = scrubber.take_findings();
  ASSERT_FALSE(findings.empty());
  ASSERT_EQ(findings[0].doubtful.size(), 1U);
  EXPECT_EQ(findings[0].doubtful[0].range, (SequenceRange{first + 5, first + 9}));
}

TEST_F(Scrub, TheLastRecordOfASegmentIsMissedByTheIndex) {
  publish_until(4);
  const SequenceRange range = harness_.messages().message_index().ranges(2)[0].range;
  const auto batch = harness_.messages().locate(kScrubbed, range.last);
  ASSERT_THAT(batch, IsOk());
  flip(2, (*batch)->lsn.value() % harness_.log().segment_bytes() + 5);
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  run(scrubber, kDay * 4);
  const auto findings = scrubber.take_findings();
  ASSERT_FALSE(findings.empty());
  ASSERT_EQ(findings[0].doubtful.size(), 1U);
  EXPECT_EQ(findings[0].doubtful[0].range.last, range.last);
}

TEST_F(Scrub, WhatTheStartFoundIsReadAtOnceAndNotToldAgain) {
  publish_until(5);
  flip(3, 20'000);
  Scrubber probe(harness_.log(), harness_.messages().message_index(), {});
  run(probe, kDay * 6);
  const auto found = probe.take_findings();
  ASSERT_FALSE(found.empty());
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), found[0].corrupt);
  EXPECT_EQ(run_at_once(scrubber), 1);
  const auto findings = scrubber.take_findings();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_TRUE(findings[0].corrupt.empty());
  EXPECT_EQ(findings[0].doubtful.size(), 1U);
  EXPECT_EQ(scrubber.stats().findings, 0U);
}

TEST_F(Scrub, DamageThatAReadMetIsToldOnceAndItsSegmentReadAtOnce) {
  publish_until(5);
  flip(3, 20'000);
  flip(3, 40'000);
  harness_.opened().trim_memory();
  const SequenceRange range = harness_.messages().message_index().ranges(3)[0].range;
  harness_.consume(kScrubbed, range.first.value(), range.first.value() + 25);
  const auto met = harness_.messages().take_met_damage();
  ASSERT_EQ(met.size(), 1U);

  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  scrubber.note_met(met[0]);
  EXPECT_EQ(scrubber.stats().met, 0U);
  EXPECT_EQ(run_at_once(scrubber), 1);
  const auto findings = scrubber.take_findings();
  ASSERT_EQ(findings.size(), 1U);
  ASSERT_EQ(findings[0].met.size(), 1U);
  EXPECT_EQ(findings[0].met[0].begin, met[0]);
  EXPECT_EQ(findings[0].met[0].file, segment_name(3));
  EXPECT_THAT(findings[0].met[0].reason, testing::StartsWith("Messages record with 1 bad of "));
  EXPECT_EQ(findings[0].corrupt.size(), 1U);  // the other one
  EXPECT_EQ(findings[0].doubtful.size(), 2U);
  EXPECT_EQ(scrubber.stats().met, 1U);
  EXPECT_EQ(scrubber.stats().findings, 1U);
  scrubber.note_met(met[0]);
  EXPECT_EQ(run_at_once(scrubber), 0);
}

// A round that stands in the midst of a segment has hours.
TEST_F(Scrub, WhatIsMetDoesNotWaitForTheRound) {
  LogHarness large(8U << 20);
  ASSERT_THAT(large.open(), IsOk());
  large.fill_to_segment(4);
  ASSERT_THAT(large.log().flush(), IsOk());
  Scrubber scrubber(large.log(), large.messages().message_index(), {});
  while (scrubber.stats().bytes == 0) ASSERT_LE(run(scrubber, std::chrono::hours(1)), 1);
  scrubber.note_met(Lsn((2U << 20) * 8 + kSegmentDataOffset));
  const std::uint64_t before = scrubber.stats().bytes;
  EXPECT_EQ(run_at_once(scrubber), 1);
  EXPECT_GT(scrubber.stats().bytes, before + (7U << 20));
  // The round goes on where it was.
  run(scrubber, kDay * 2);
  EXPECT_TRUE(scrubber.stats().completed_at.has_value());
}

TEST_F(Scrub, ThreeLostHeadersInARowAreOneRangeWhoeverIsFirst) {
  publish_until(4);
  const SequenceRange range = harness_.messages().message_index().ranges(2)[0].range;
  std::vector<Lsn> records;
  for (std::uint64_t i = 1; i <= 4; ++i) records.push_back(record_of(range.first + 5 * i));
  for (std::size_t i = 0; i < 3; ++i) flip(2, records[i].value() % segment_bytes() + 5);
  const auto expect_one = [&](const std::vector<CorruptRange>& told) {
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].begin, records[0]);
    EXPECT_EQ(told[0].end, records[3]);
  };
  {
    Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
    for (const std::size_t met : {2U, 1U}) scrubber.note_met(records[met]);
    EXPECT_EQ(run_at_once(scrubber), 1);
    scrubber.note_met(records[0]);
    run(scrubber, kDay * 4);
    expect_one(scrubber.take_findings().at(0).met);
    EXPECT_EQ(scrubber.stats().met + scrubber.stats().findings, 1U);
  }
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  run(scrubber, kDay * 4);
  expect_one(scrubber.take_findings().at(0).corrupt);
  for (std::size_t met = 0; met < 3; ++met) scrubber.note_met(records[met]);
  EXPECT_EQ(run_at_once(scrubber), 0);
  EXPECT_EQ(scrubber.stats().met + scrubber.stats().findings, 1U);
}

TEST_F(Scrub, ASegmentThatIsStillWrittenIsReadSoFarAndAgainOnceItIsSealed) {
  publish_until(2);
  for (int i = 0; i < 3; ++i) publish_five();
  const Lsn last = record_of(Sequence(next_ - 5));
  const Lsn written = harness_.log().positions().written;
  flip(2, last.value() % segment_bytes() + 5);
  // Not written yet.
  harness_.publish(kScrubbed, next_, 5, 1'000);
  next_ += 5;
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  scrubber.note_met(last);
  EXPECT_EQ(run_at_once(scrubber), 1);
  auto findings = scrubber.take_findings();
  ASSERT_EQ(findings.size(), 1U);
  ASSERT_EQ(findings[0].met.size(), 1U);
  EXPECT_EQ(findings[0].met[0].begin, last);
  EXPECT_EQ(findings[0].met[0].end, written);
  EXPECT_TRUE(findings[0].corrupt.empty());
  EXPECT_TRUE(findings[0].doubtful.empty());

  publish_until(3);
  EXPECT_EQ(run_at_once(scrubber), 1);
  findings = scrubber.take_findings();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_TRUE(findings[0].met.empty() && findings[0].corrupt.empty());
  ASSERT_EQ(findings[0].doubtful.size(), 1U);
  EXPECT_EQ(findings[0].doubtful[0].range.count(), 5U);
  EXPECT_EQ(scrubber.stats().met + scrubber.stats().findings, 1U);
}

// A forged record may say that others begin anywhere.
TEST_F(Scrub, WhereNothingIsNothingIsFound) {
  publish_until(3);
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  scrubber.note_met(Lsn());
  scrubber.note_met(Lsn(9 * segment_bytes()));
  scrubber.note_met(Lsn(2 * segment_bytes()));
  scrubber.note_met(Lsn(~std::uint64_t{0}));
  scrubber.note_met(record_of(Sequence(1)) + 4);
  EXPECT_EQ(run_at_once(scrubber), 2);
  EXPECT_TRUE(scrubber.take_findings().empty());
  EXPECT_EQ(scrubber.stats().met, 0U);
}

TEST_F(Scrub, ASegmentThatGoesMeanwhileSaysNothing) {
  publish_until(4);
  flip(1, 20'000);
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(),
                    {{Lsn(harness_.log().segment_bytes()), Lsn(), "", ""}});
  const auto work = scrubber.take(now_);
  ASSERT_TRUE(work);
  const base::Status status = work->run();
  harness_.log().segments().remove(1);
  work->finish(status);
  EXPECT_TRUE(scrubber.take_findings().empty());
  EXPECT_EQ(scrubber.stats().findings, 0U);
}

}  // namespace
}  // namespace sluice::storage
