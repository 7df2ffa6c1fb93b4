#include "storage/large_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/message.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::Lsn;
using base::Sequence;
using base::SequenceRange;
using sluice::test::IsOk;
using test::body_of;
using test::large_entry;
using test::LogHarness;
using test::stream_number;

const StreamId kLargeStream = stream_number(1);
constexpr std::uint64_t kLargeSegmentBytes = 1U << 20;
constexpr std::size_t kWholeBodyBytes = 3'000'000;  // 12 pieces, in 4 segments

class LargeMessage : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness.open(), IsOk()); }

  Appended publish(std::uint64_t sequence, std::size_t body_bytes = kWholeBodyBytes) {
    return harness.publish_large(kLargeStream, sequence, body_bytes);
  }
  void flush() { ASSERT_THAT(harness.log().flush(), IsOk()); }
  void forget() { harness.opened().trim_memory(); }
  void restart() {
    harness.close();
    harness.fs().kill();
    ASSERT_THAT(harness.open(), IsOk());
  }
  std::optional<BatchLocation> locate(std::uint64_t sequence) {
    const auto found = harness.messages().locate(kLargeStream, Sequence(sequence));
    EXPECT_THAT(found, IsOk());
    return *found;
  }
  EntrySlice slice(std::uint64_t sequence) {
    const auto batch = locate(sequence);
    CHECK(batch.has_value() && batch->large());
    const auto found =
        harness.messages().slice(*batch, Sequence(sequence), Sequence(sequence), 1000);
    CHECK(found.has_value());
    return *found;
  }
  // All of it, piece by piece; an error where one cannot be read.
  base::Result<std::vector<std::byte>> read(std::uint64_t sequence) {
    const EntrySlice whole = slice(sequence);
    std::vector<std::byte> bytes;
    while (bytes.size() < whole.bytes) {
      ASSIGN_OR_RETURN(const base::ByteView piece,
                       harness.messages().read_piece(whole, bytes.size()));
      bytes.insert(bytes.end(), piece.begin(), piece.end());
    }
    return bytes;
  }
  void expect_whole(std::uint64_t sequence) {
    const auto bytes = read(sequence);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_TRUE(*bytes == large_entry(sequence, kWholeBodyBytes)) << "message " << sequence;
  }
  // Where a piece lies in its file.
  std::pair<std::string, std::uint64_t> place(Lsn lsn) {
    const std::uint64_t segment = lsn.value() / kLargeSegmentBytes;
    return {LogHarness::segment_path(segment), lsn.value() % kLargeSegmentBytes};
  }
  Lsn lsn_of(std::uint64_t sequence, std::size_t piece) {
    const EntrySlice whole = slice(sequence);
    return piece == 0 ? whole.lsn : piece_lsn(whole.chunks, piece, whole.bytes, kLargeSegmentBytes);
  }

  LogHarness harness{kLargeSegmentBytes};
};

TEST_F(LargeMessage, TheDiskBeginsWithItsGroupEarlyAndWithNoOther) {
  const auto begins_early = [&] {
    const auto group = harness.log().take_group();
    CHECK(group != nullptr);
    group->finish(group->run());
    return group->begins_early();
  };
  harness.publish(kLargeStream, 1, 5);
  EXPECT_FALSE(begins_early());
  publish(6);
  EXPECT_TRUE(begins_early());
  harness.publish(kLargeStream, 7, 5);
  EXPECT_FALSE(begins_early());
}

TEST_F(LargeMessage, IsServedFromMemoryFromTheFilesAndAfterARestart) {
  harness.publish(kLargeStream, 1, 5);
  publish(6);
  harness.publish(kLargeStream, 7, 5);
  publish(12);
  expect_whole(6);
  flush();
  forget();
  expect_whole(6);
  expect_whole(12);
  EXPECT_EQ(harness.consume(kLargeStream, 1, 5).size(), 5U);
  EXPECT_EQ(harness.consume(kLargeStream, 7, 11).size(), 5U);
  restart();
  expect_whole(6);
  expect_whole(12);
  EXPECT_EQ(harness.consume(kLargeStream, 7, 11).size(), 5U);
  harness.publish(kLargeStream, 13, 1);
  EXPECT_FALSE(locate(13)->large());
}

TEST_F(LargeMessage, IsFoundThroughASnapshot) {
  publish(1);
  harness.publish(kLargeStream, 2, 3);
  ASSERT_THAT(harness.snapshot("state"), IsOk());
  restart();
  expect_whole(1);
  EXPECT_EQ(harness.consume(kLargeStream, 2, 4).size(), 3U);
}

TEST_F(LargeMessage, PiecesOfAnySizeAddUp) {
  const std::size_t front = large_entry(1, 100).size() - 100;
  std::uint64_t sequence = 0;
  for (const std::size_t entry_bytes :
       {base::kBatchEntriesBytesMax + 1, 2 * kLargePieceBytes - 1, 2 * kLargePieceBytes,
        2 * kLargePieceBytes + 1, 4 * kLargePieceBytes}) {
    const std::size_t body_bytes = entry_bytes - front;
    publish(++sequence, body_bytes);
    flush();
    forget();
    const auto bytes = read(sequence);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_TRUE(*bytes == large_entry(sequence, body_bytes)) << entry_bytes;
  }
}

TEST_F(LargeMessage, TheLargestOneFits) {
  publish(1, base::kLargeBodyBytesMax);
  flush();
  forget();
  const auto bytes = read(1);
  ASSERT_THAT(bytes, IsOk());
  EXPECT_TRUE(*bytes == large_entry(1, base::kLargeBodyBytesMax));
}

// Of every row of its records that a crash may leave.
TEST_F(LargeMessage, ExistsOnceItsLastRecordDoes) {
  harness.publish(kLargeStream, 1, 1);
  flush();
  const Lsn begin = harness.log().positions().appended;
  publish(2);
  flush();
  const Lsn last = slice(2).lsn;
  for (std::size_t piece = 1; piece <= piece_count(large_entry(2, kWholeBodyBytes).size());
       ++piece) {
    const bool whole = piece == piece_count(large_entry(2, kWholeBodyBytes).size());
    const Lsn cut = whole ? last : lsn_of(2, piece);
    EXPECT_LE(begin, cut);
    LogHarness crashed(kLargeSegmentBytes);
    crashed.use(harness.fs().clone());
    // The first record that is missing, and with it everything behind.
    const auto [path, offset] = place(cut);
    crashed.fs().flip_bit(path, offset, 0);
    for (std::uint64_t number = cut.value() / kLargeSegmentBytes + 1; number < 8; ++number) {
      static_cast<void>(crashed.fs().remove(LogHarness::segment_path(number)));
    }
    ASSERT_THAT(crashed.open(), IsOk());
    const auto found = crashed.messages().locate(kLargeStream, Sequence(2));
    ASSERT_THAT(found, IsOk());
    EXPECT_FALSE(found->has_value()) << "cut at piece " << piece;
    EXPECT_EQ(crashed.consume(kLargeStream, 1, 1).size(), 1U);
    // The sequence is given again, to other bytes.
    crashed.publish(kLargeStream, 2, 1);
    EXPECT_EQ(crashed.consume(kLargeStream, 2, 2).at(0).body, body_of(2, 100));
  }
}

TEST_F(LargeMessage, DamageInAnyPieceDamagesItAndNothingElse) {
  harness.publish(kLargeStream, 1, 1);
  publish(2);
  harness.publish(kLargeStream, 3, 1);
  flush();
  const std::size_t pieces = piece_count(slice(2).bytes);
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    for (const std::size_t inside : {std::size_t{40}, std::size_t{700}}) {  // table, tail
      restart();
      const auto [path, offset] = place(lsn_of(2, piece));
      harness.fs().flip_bit(path, offset + inside, 3);
      EXPECT_FALSE(slice(2).damaged);
      EXPECT_THAT(read(2), sluice::test::HasCode(base::ErrorCode::kCorruption))
          << "piece " << piece;
      EXPECT_TRUE(slice(2).damaged);
      EXPECT_EQ(harness.consume(kLargeStream, 1, 1).size(), 1U);
      EXPECT_EQ(harness.consume(kLargeStream, 3, 3).size(), 1U);
      harness.fs().flip_bit(path, offset + inside, 3);
    }
  }
}

TEST_F(LargeMessage, KeepsEverySegmentWithAPieceOfIt) {
  publish(1);
  const std::uint64_t first = slice(1).chunks.value() / kLargeSegmentBytes;
  const std::uint64_t last = slice(1).lsn.value() / kLargeSegmentBytes;
  ASSERT_GT(last, first);
  std::uint64_t next = 2;
  for (; harness.log().active_segment() < last + 6; ++next) {
    harness.publish(kLargeStream, next, 1, 200'000);
    flush();
  }
  bool lives = true;
  const auto any_live = [&](const StreamId&, SequenceRange range) {
    return lives && range.first <= Sequence(1) && Sequence(1) <= range.last;
  };
  ASSERT_THAT(harness.snapshot("one"), IsOk());
  harness.publish(kLargeStream, next++, 1);
  ASSERT_THAT(harness.snapshot("two"), IsOk());
  restart();  // the ranges come from the snapshot
  harness.housekeeper().drop_dead_segments(any_live);
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  const auto kept = harness.log().segments().numbers();
  for (std::uint64_t number = first; number <= last; ++number) {
    EXPECT_THAT(kept, testing::Contains(number));
  }
  EXPECT_THAT(kept, testing::Not(testing::Contains(last + 1)));
  expect_whole(1);
  lives = false;
  harness.housekeeper().drop_dead_segments(any_live);
  ASSERT_THAT(harness.housekeeper().run_inline(), IsOk());
  EXPECT_THAT(harness.log().segments().numbers(), testing::Not(testing::Contains(first)));
}

TEST(LargeMessagePieces, StandWhereARecordThatDoesNotFitRollsTheSegment) {
  // One record of a full piece begins 100 bytes before it would have to end.
  const std::uint64_t entry = 3 * kLargePieceBytes;
  const std::uint64_t record = record_bytes(kChunkHeadBytes, kLargePieceBytes);
  const Lsn chunks(kLargeSegmentBytes * 3 - record - 96);
  EXPECT_EQ(piece_lsn(chunks, 1, entry, kLargeSegmentBytes), chunks);
  EXPECT_EQ(piece_lsn(chunks, 2, entry, kLargeSegmentBytes),
            Lsn(kLargeSegmentBytes * 3 + kSegmentDataOffset));
}

}  // namespace
}  // namespace sluice::storage
