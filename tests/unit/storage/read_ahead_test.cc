#include "storage/read_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::Sequence;
using sluice::test::IsOk;
using test::LogHarness;
using test::stream_number;

const StreamId kStreamOne = stream_number(1);
const StreamId kStreamTwo = stream_number(2);
constexpr std::uint64_t kLargeSegmentBytes = 4ULL << 20;

// Carries out all that is wanted, as the reader thread would. Returns how many stretches.
int read_all(ReadAhead& reads) {
  int stretches = 0;
  while (const auto work = reads.take()) {
    EXPECT_EQ(reads.take(), nullptr);  // one is out at a time
    work->finish(work->run());
    ++stretches;
  }
  return stretches;
}

// 8 MiB of messages in two segments, none of them in memory.
void fill_on_disk(LogHarness& harness) {
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t first = 1; first <= 8'000; first += 20) {
    harness.publish(kStreamOne, first, 20, 1'000);
    if (first % 1'000 == 1) {
      ASSERT_THAT(harness.log().flush(), IsOk());
    }
  }
  ASSERT_THAT(harness.log().flush(), IsOk());
  harness.opened().trim_memory();
}

TEST(ReadAhead, WhatLiesInMemoryIsReadyAtOnce) {
  LogHarness harness(kLargeSegmentBytes);
  ASSERT_THAT(harness.open(), IsOk());
  for (std::uint64_t first = 1; first <= 200; first += 20)
    harness.publish(kStreamOne, first, 20, 900);
  for (std::uint64_t at = 1; at <= 200; ++at) {
    EXPECT_TRUE(harness.messages().ready(kStreamOne, Sequence(at)));
  }
  EXPECT_EQ(harness.messages().read_ahead().take(), nullptr);
}

TEST(ReadAhead, NothingToReadIsReady) {
  LogHarness harness(kLargeSegmentBytes);
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_TRUE(harness.messages().ready(kStreamTwo, Sequence(1)));
}

TEST(ReadAhead, OldMessagesAreReadyOnceTheirStretchWasRead) {
  LogHarness harness(kLargeSegmentBytes);
  fill_on_disk(harness);
  ReadAhead& reads = harness.messages().read_ahead();
  EXPECT_FALSE(harness.messages().ready(kStreamOne, Sequence(1)));
  EXPECT_EQ(reads.finished(), 0U);
  const auto work = reads.take();
  ASSERT_NE(work, nullptr);
  EXPECT_FALSE(harness.messages().ready(kStreamOne, Sequence(1)));
  work->finish(work->run());
  EXPECT_EQ(reads.finished(), 1U);
  EXPECT_TRUE(harness.messages().ready(kStreamOne, Sequence(1)));
}

TEST(ReadAhead, WhatIsInThePageCacheIsReadByWhoWantsIt) {
  LogHarness harness(kLargeSegmentBytes);
  fill_on_disk(harness);
  harness.fs().set_in_page_cache(true);
  for (std::uint64_t at = 1; at <= 8'000; ++at) {
    ASSERT_TRUE(harness.messages().ready(kStreamOne, Sequence(at)));
  }
  EXPECT_EQ(harness.messages().read_ahead().take(), nullptr);
}

TEST(ReadAhead, WhatWaitsIsNotLookedForAgain) {
  LogHarness harness(kLargeSegmentBytes);
  fill_on_disk(harness);
  EXPECT_FALSE(harness.messages().ready(kStreamOne, Sequence(1)));
  harness.fs().set_in_page_cache(true);
  EXPECT_FALSE(harness.messages().ready(kStreamOne, Sequence(1)));
  EXPECT_EQ(read_all(harness.messages().read_ahead()), 3);
  EXPECT_TRUE(harness.messages().ready(kStreamOne, Sequence(1)));
}

TEST(ReadAhead, WhoReadsInOrderWaitsOnlyAtTheBeginning) {
  LogHarness harness(kLargeSegmentBytes);
  fill_on_disk(harness);
  int waited = 0;
  int stretches = 0;
  for (std::uint64_t at = 1; at <= 8'000; at += 20) {
    if (!harness.messages().ready(kStreamOne, Sequence(at))) ++waited;
    stretches += read_all(harness.messages().read_ahead());
    ASSERT_TRUE(harness.messages().ready(kStreamOne, Sequence(at)));
    ASSERT_EQ(harness.consume(kStreamOne, at, at + 19).size(), 20U);
  }
  EXPECT_EQ(waited, 1);
  EXPECT_EQ(stretches, 8);  // each once
}

TEST(ReadAhead, WhatIsAskedForGoesBeforeWhatMayBeAskedFor) {
  LogHarness harness(kLargeSegmentBytes);
  fill_on_disk(harness);
  ReadAhead& reads = harness.messages().read_ahead();
  EXPECT_FALSE(harness.messages().ready(kStreamOne, Sequence(1)));
  EXPECT_FALSE(harness.messages().ready(kStreamOne, Sequence(7'000)));
  for (int i = 0; i < 3; ++i) {  // the second may begin in one stretch and end in another
    const auto work = reads.take();
    work->finish(work->run());
  }
  EXPECT_TRUE(harness.messages().ready(kStreamOne, Sequence(1)));
  EXPECT_TRUE(harness.messages().ready(kStreamOne, Sequence(7'000)));
}

TEST(ReadAhead, ADroppedSegmentKeepsNobodyWaiting) {
  LogHarness harness(kLargeSegmentBytes);
  fill_on_disk(harness);
  EXPECT_FALSE(harness.messages().ready(kStreamOne, Sequence(1)));
  harness.log().segments().remove(1);
  read_all(harness.messages().read_ahead());
  EXPECT_TRUE(harness.messages().ready(kStreamOne, Sequence(1)));
}

TEST(ReadAhead, AnyOldRecordIsReadyOnceItsStretchWasRead) {
  LogHarness harness(kLargeSegmentBytes);
  ASSERT_THAT(harness.open(), IsOk());
  const base::Lsn fact = harness.append_fact(7).begin;
  ASSERT_THAT(harness.log().flush(), IsOk());
  EXPECT_TRUE(harness.messages().record_ready(fact));
  harness.fill_to_segment(3);
  harness.opened().trim_memory();
  EXPECT_FALSE(harness.messages().record_ready(fact));
  EXPECT_GT(read_all(harness.messages().read_ahead()), 0);
  EXPECT_TRUE(harness.messages().record_ready(fact));
  EXPECT_TRUE(harness.messages().record_ready(base::Lsn()));
}

}  // namespace
}  // namespace sluice::storage
