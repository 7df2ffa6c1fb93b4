#include "storage/record_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/message.h"
#include "base/prng.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ByteView;
using base::Lsn;
using test::batch_from;
using test::bytes_of;

constexpr RecordStamp kStamp{0xA1B2C3D4, Lsn(0x40001000), Lsn(0x40000000)};

std::vector<std::byte> encoded(RecordType type, ByteView head, ByteView tail) {
  std::vector<std::byte> record(record_bytes(head.size(), tail.size()), std::byte{0xEE});
  encode_record(type, head, tail, kStamp, record.data());
  return record;
}

std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed) {
  base::Prng prng(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(prng.next());
  return bytes;
}

TEST(RecordCodec, WhatWasEncodedComesBack) {
  for (const std::size_t head : {0U, 1U, 80U, 65'535U}) {
    for (const std::size_t tail : {0U, 1U, 4095U, 4096U, 4097U, 100'000U}) {
      const auto head_bytes = random_bytes(head, head + 1);
      const auto tail_bytes = random_bytes(tail, tail + 2);
      const auto record = encoded(RecordType::kSettled, head_bytes, tail_bytes);
      const auto header = parse_record_header(record, kStamp.lsn, kStamp.segment_uuid);
      ASSERT_TRUE(header);
      EXPECT_TRUE(verify_record_header(*header, record));
      EXPECT_EQ(header->type, RecordType::kSettled);
      EXPECT_EQ(header->durable, kStamp.durable);
      EXPECT_EQ(header->total_bytes(), record.size());
      EXPECT_EQ(header->end(), kStamp.lsn + record.size());
      EXPECT_EQ(record.size() % kRecordAlignment, 0U);
      EXPECT_EQ(header->head_bytes, head);
      const ByteView payload =
          ByteView(record).subspan(header->payload_offset(), header->payload_bytes);
      EXPECT_TRUE(std::ranges::equal(payload.first(head), head_bytes));
      EXPECT_TRUE(std::ranges::equal(payload.subspan(head), tail_bytes));
      const BlockTable table = block_table(*header, record);
      ASSERT_EQ(table.blocks(), block_count(tail));
      for (std::size_t block = 0; block < table.blocks(); ++block) {
        const ByteView bytes = ByteView(record).subspan(
            header->tail_offset() + table.block_begin(block), table.block_bytes(block));
        EXPECT_TRUE(table.verify(block, bytes));
        EXPECT_FALSE(table.has_entry(block));
      }
    }
  }
}

TEST(RecordCodec, AHeadThatIsTooLongForTheHeadersChecksumGoesOnInBlocks) {
  const auto head = random_bytes(100'000, 3);
  const auto tail = random_bytes(5'000, 4);
  const auto record = encoded(RecordType::kLeased, head, tail);
  const auto header = parse_record_header(record, kStamp.lsn, std::nullopt);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->head_bytes, kRecordHeadBytesMax);
  EXPECT_EQ(header->tail_bytes(), 105'000 - kRecordHeadBytesMax);
  EXPECT_TRUE(verify_record_header(*header, record));
  const ByteView payload = ByteView(record).subspan(header->payload_offset(), 105'000);
  EXPECT_TRUE(std::ranges::equal(payload.first(head.size()), head));
  EXPECT_TRUE(std::ranges::equal(payload.subspan(head.size()), tail));
  const BlockTable table = block_table(*header, record);
  for (std::size_t block = 0; block < table.blocks(); ++block) {
    EXPECT_TRUE(table.verify(
        block, ByteView(record).subspan(header->tail_offset() + table.block_begin(block),
                                        table.block_bytes(block))));
  }
}

TEST(RecordCodec, TheLargestRecordHasTheDocumentedSize) {
  EXPECT_EQ(record_bytes(0, kRecordBytesMax), kRecordTotalBytesMax);
  EXPECT_LE(record_bytes(kMessagesHeadBytes, base::kBatchEntriesBytesMax), kRecordTotalBytesMax);
}

TEST(RecordCodec, TheBlockTableNamesTheFirstMessageOfEachBlock) {
  const std::vector<std::byte> head(kMessagesHeadBytes);
  for (const std::size_t body : {20U, 100U, 4088U, 10'000U}) {
    const std::uint32_t count = static_cast<std::uint32_t>(60'000 / (body + 8));
    const auto entries = batch_from(1, count, body);
    const auto record = encoded(RecordType::kMessages, head, entries);
    const auto header = parse_record_header(record, kStamp.lsn, std::nullopt);
    ASSERT_TRUE(header);
    const BlockTable table = block_table(*header, record);
    std::vector<std::size_t> begins;
    ByteView left = entries;
    while (!left.empty()) {
      begins.push_back(entries.size() - left.size());
      base::take_entry(left);
    }
    for (std::size_t block = 0; block < table.blocks(); ++block) {
      const auto first = std::lower_bound(begins.begin(), begins.end(), table.block_begin(block));
      const bool any =
          first != begins.end() && *first < table.block_begin(block) + table.block_bytes(block);
      ASSERT_EQ(table.has_entry(block), any) << "body " << body << " block " << block;
      if (!any) continue;
      EXPECT_EQ(table.block_begin(block) + table.entry_offset(block), *first);
      EXPECT_EQ(table.entry_index(block), first - begins.begin());
    }
  }
}

TEST(RecordCodec, AnyFlippedBitUnderTheHeadersChecksumIsFound) {
  const auto record =
      encoded(RecordType::kMessages, std::vector<std::byte>(80), batch_from(1, 50, 200));
  const auto header = parse_record_header(record, kStamp.lsn, kStamp.segment_uuid);
  ASSERT_TRUE(header);
  for (std::size_t bit = 0; bit < header->covered_bytes() * 8; ++bit) {
    auto damaged = record;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto parsed = parse_record_header(damaged, kStamp.lsn, kStamp.segment_uuid);
    if (!parsed || parsed->covered_bytes() > damaged.size()) continue;
    EXPECT_FALSE(verify_record_header(*parsed, damaged)) << "bit " << bit;
  }
}

TEST(RecordCodec, AFlippedBitInTheTailIsFoundInItsBlockOnly) {
  const auto entries = batch_from(1, 100, 200);
  const auto record = encoded(RecordType::kMessages, std::vector<std::byte>(80), entries);
  const auto header = parse_record_header(record, kStamp.lsn, kStamp.segment_uuid);
  ASSERT_TRUE(header);
  base::Prng prng(5);
  for (int round = 0; round < 300; ++round) {
    auto damaged = record;
    const std::size_t at = prng.below(entries.size());
    damaged[header->tail_offset() + at] ^= std::byte{1} << prng.below(8);
    EXPECT_TRUE(verify_record_header(*header, damaged));
    const BlockTable table = block_table(*header, damaged);
    for (std::size_t block = 0; block < table.blocks(); ++block) {
      const bool good = table.verify(
          block, ByteView(damaged).subspan(header->tail_offset() + table.block_begin(block),
                                           table.block_bytes(block)));
      EXPECT_EQ(good, block != at / kBlockBytes);
    }
  }
}

TEST(RecordCodec, ARecordVerifiesAtItsOwnPlaceOnly) {
  const auto record = encoded(RecordType::kSettled, bytes_of("head"), {});
  EXPECT_TRUE(parse_record_header(record, kStamp.lsn, kStamp.segment_uuid));
  EXPECT_FALSE(parse_record_header(record, kStamp.lsn + 8, kStamp.segment_uuid));
  EXPECT_FALSE(parse_record_header(record, kStamp.lsn, kStamp.segment_uuid + 1));
  for (std::size_t bytes = 0; bytes < kRecordHeaderBytes; ++bytes) {
    EXPECT_FALSE(parse_record_header(ByteView(record).first(bytes), kStamp.lsn, std::nullopt));
  }
}

TEST(RecordCodec, ImpossibleLengthsAreNoHeader) {
  auto record = encoded(RecordType::kSettled, bytes_of("head"), {});
  const auto with = [&](std::size_t offset, auto value) {
    auto changed = record;
    base::store(changed.data() + offset, value);
    return parse_record_header(changed, kStamp.lsn, kStamp.segment_uuid);
  };
  EXPECT_FALSE(with(4, std::uint32_t{kRecordBytesMax + 1}));
  EXPECT_FALSE(with(4, std::uint32_t{0xFFFFFFFF}));
  EXPECT_FALSE(with(2, std::uint16_t{5}));         // more head than payload
  EXPECT_FALSE(with(24, kStamp.lsn.value() + 1));  // durable before it existed
}

TEST(RecordCodec, PaddingHasNoTableAndReachesToTheEnd) {
  for (const std::size_t bytes : {32U, 40U, 4096U, 1U << 20}) {
    std::vector<std::byte> record(kRecordHeaderBytes);
    encode_padding(bytes, kStamp, record.data());
    const auto header = parse_record_header(record, kStamp.lsn, kStamp.segment_uuid);
    ASSERT_TRUE(header);
    EXPECT_TRUE(header->padding());
    EXPECT_EQ(header->total_bytes(), bytes);
    EXPECT_TRUE(verify_record_header(*header, record));
  }
}

TEST(RecordCodec, ABatchThatIsNoneIsStoredButNotIndexed) {
  std::vector<std::byte> broken(9'000, std::byte{0xFF});  // an entry longer than all
  const auto record = encoded(RecordType::kMessages, std::vector<std::byte>(80), broken);
  const auto header = parse_record_header(record, kStamp.lsn, std::nullopt);
  ASSERT_TRUE(header);
  const BlockTable table = block_table(*header, record);
  EXPECT_TRUE(table.has_entry(0));
  EXPECT_FALSE(table.has_entry(1));
}

}  // namespace
}  // namespace sluice::storage
