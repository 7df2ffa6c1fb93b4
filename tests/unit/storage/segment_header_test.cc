#include "storage/segment_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "tests/support/status_matchers.h"

namespace sluice::storage {
namespace {

using base::ByteView;
using base::ErrorCode;
using sluice::test::HasCode;
using sluice::test::IsOk;

SegmentHeader some_header() {
  SegmentHeader header;
  header.number = 3;
  header.segment_bytes = 1U << 20;
  header.uuid.bytes = {1, 2, 3, 4, 5};
  header.log_id.bytes = {9, 8, 7};
  return header;
}

std::vector<std::byte> block_of(const SegmentHeader& header) {
  std::vector<std::byte> block(kSegmentDataOffset);
  encode_segment_header(header, block);
  return block;
}

TEST(SegmentHeader, ComesBackAsItWas) {
  const auto decoded = decode_segment_header(block_of(some_header()));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->number, 3U);
  EXPECT_EQ(decoded->segment_bytes, 1U << 20);
  EXPECT_EQ(decoded->uuid, some_header().uuid);
  EXPECT_EQ(decoded->log_id, some_header().log_id);
  EXPECT_EQ(decoded->base(), base::Lsn(3U << 20));
  EXPECT_EQ(decoded->uuid_prefix(), 0x04030201U);
}

TEST(SegmentHeader, OneOfTheTwoCopiesIsEnough) {
  for (const std::size_t copy : {std::size_t{0}, kSegmentHeaderCopyOffset}) {
    auto block = block_of(some_header());
    block[copy + 20] ^= std::byte{1};
    EXPECT_THAT(decode_segment_header(block), IsOk());
  }
  auto block = block_of(some_header());
  block[20] ^= std::byte{1};
  block[kSegmentHeaderCopyOffset + 20] ^= std::byte{1};
  EXPECT_THAT(decode_segment_header(block), HasCode(ErrorCode::kCorruption));
}

TEST(SegmentHeader, AShortFileHasNone) {
  const auto block = block_of(some_header());
  EXPECT_THAT(decode_segment_header({}), HasCode(ErrorCode::kCorruption));
  EXPECT_THAT(decode_segment_header(ByteView(block).first(127)), HasCode(ErrorCode::kCorruption));
  EXPECT_THAT(decode_segment_header(ByteView(block).first(128)), IsOk());
}

TEST(SegmentHeader, ANewerFormatOrLevelIsNoCorruption) {
  const auto newer = [](std::size_t offset) {
    auto block = block_of(some_header());
    base::store(block.data() + offset, std::uint32_t{99});
    base::store(block.data() + 124, base::crc32c(ByteView(block).first(124)));
    return decode_segment_header(block);
  };
  EXPECT_THAT(newer(8), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(newer(12), HasCode(ErrorCode::kFailedPrecondition));
}

TEST(SegmentHeader, NamesAndNumbers) {
  EXPECT_EQ(segment_name(0x1AB), "00000000000001AB.log");
  EXPECT_EQ(parse_segment_name("00000000000001AB.log"), 0x1ABU);
  EXPECT_EQ(parse_segment_name("00000000000001ab.log"), std::nullopt);
  EXPECT_EQ(parse_segment_name("00000000000001AB.log.tmp"), std::nullopt);
  EXPECT_EQ(parse_segment_name("1AB.log"), std::nullopt);
  EXPECT_EQ(pool_name(5), "free-0000000000000005.seg");
  EXPECT_EQ(parse_pool_name(pool_name(5)), 5U);
  EXPECT_EQ(parse_pool_name(segment_name(5)), std::nullopt);
  EXPECT_EQ(parse_snapshot_name(snapshot_name(base::Lsn(77))), base::Lsn(77));
}

}  // namespace
}  // namespace sluice::storage
