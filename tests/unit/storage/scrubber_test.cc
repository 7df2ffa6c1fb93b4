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

  // Batches of five messages until segment `number` is the active one.
  void publish_until(std::uint64_t number) {
    while (harness_.log().active_segment() < number) {
      harness_.publish(kScrubbed, next_, 5, 1'000);
      next_ += 5;
      ASSERT_THAT(harness_.log().flush(), IsOk());
    }
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
  EXPECT_EQ(run(scrubber, std::chrono::seconds(5), std::chrono::seconds(1)), 1);
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
  EXPECT_TRUE(harness_.messages().take_met_damage().empty());

  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  EXPECT_TRUE(scrubber.note_met(met[0]));
  EXPECT_FALSE(scrubber.note_met(met[0]));
  EXPECT_EQ(scrubber.stats().met, 1U);
  EXPECT_EQ(run(scrubber, std::chrono::seconds(5), std::chrono::seconds(1)), 1);
  const auto findings = scrubber.take_findings();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].corrupt.size(), 1U);  // the other one
  EXPECT_EQ(findings[0].doubtful.size(), 2U);
  EXPECT_EQ(scrubber.stats().findings, 1U);
}

TEST_F(Scrub, ASegmentThatIsStillWrittenIsReadOnceItIsSealed) {
  publish_until(2);
  Scrubber scrubber(harness_.log(), harness_.messages().message_index(), {});
  ASSERT_TRUE(scrubber.note_met({Lsn(2 * harness_.log().segment_bytes() + 5'000), Lsn(), "", ""}));
  EXPECT_EQ(run(scrubber, std::chrono::seconds(5), std::chrono::seconds(1)), 0);
  publish_until(3);
  EXPECT_EQ(run(scrubber, std::chrono::seconds(5), std::chrono::seconds(1)), 1);
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
