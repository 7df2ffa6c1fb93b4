#include <gtest/gtest.h>

#include <array>

#include "storage/extent_header.h"
#include "storage/fact_codec.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

// The bytes of docs/log-format.md, made by hand: they never change.
namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::Sequence;
using sluice::test::HasCode;
using sluice::test::IsOk;

constexpr std::string_view kSwap =
    "03000080000000000909090909090909090909090909090900200000000000"
    "00eeffc0000300000003000000000000000700000000000000010000800000"
    "00000100000005050505050505050505050505050505020002000000058004"
    "ff06ae40020000000a4be80c64";
constexpr std::string_view kHeader =
    "534c554943455854010000000200000003000080000000000000030000800000"
    "0000010000000000090909090909090909090909090909090707070707070707"
    "0707070707070707002000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000004b45c250";

std::string hex(base::ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<std::size_t>(byte >> 4)];
    text += kDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

base::Id128 filled(std::uint8_t value) {
  base::Id128 id;
  id.bytes.fill(value);
  return id;
}

TEST(ExtentFormat, TheSwapHasItsDocumentedBytes) {
  ExtentSwapFact fact;
  fact.extent = kExtentNumberFirst + 3;
  fact.uuid = filled(9);
  fact.bytes = 8'192;
  fact.header_crc = 0xC0FFEE;
  fact.replaced = {3, 7, kExtentNumberFirst + 1};
  fact.streams.push_back({{base::QueueId(filled(5)), base::ShardIndex(2)},
                          {{Sequence(5), 4'096}, {Sequence(900), 70'000}},
                          {{Sequence(5), Sequence(80)}, {Sequence(900), Sequence(1'000)}}});
  std::vector<std::byte> bytes;
  encode(fact, bytes);
  EXPECT_EQ(hex(bytes), kSwap);
  const auto again = decode_extent_swap(bytes);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->replaced, fact.replaced);
  EXPECT_EQ(again->streams, fact.streams);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_THAT(decode_extent_swap(base::ByteView(bytes).first(length)),
                HasCode(ErrorCode::kCorruption));
  }
}

TEST(ExtentFormat, TheHeaderHasItsDocumentedBytesTwice) {
  ExtentHeader header;
  header.number = kExtentNumberFirst + 3;
  header.segment_bytes = 64 * 1024;
  header.uuid = filled(9);
  header.log_id = filled(7);
  header.bytes = 8'192;
  std::vector<std::byte> block(kSegmentDataOffset);
  EXPECT_EQ(encode_extent_header(header, block), 0x50C2454BU);
  EXPECT_EQ(hex(base::ByteView(block).first(kSegmentHeaderBytes)), kHeader);
  block[20] ^= std::byte{1};  // the copy is there
  const auto again = decode_extent_header(block);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->number, header.number);
  EXPECT_EQ(again->bytes, header.bytes);
  EXPECT_EQ(again->uuid, header.uuid);
  block[kSegmentHeaderCopyOffset + 20] ^= std::byte{1};
  EXPECT_THAT(decode_extent_header(block), HasCode(ErrorCode::kCorruption));
}

TEST(ExtentFormat, ExtentsHaveNamesOfTheirOwn) {
  EXPECT_EQ(extent_name(kExtentNumberFirst + 1), "0000000080000001.ext");
  EXPECT_EQ(parse_extent_name("0000000080000001.ext"), kExtentNumberFirst + 1);
  EXPECT_EQ(parse_extent_name("0000000000000001.ext"), std::nullopt);
  EXPECT_EQ(parse_extent_name("0000000080000001.log"), std::nullopt);
  EXPECT_EQ(data_file_name(2), "0000000000000002.log");
}

}  // namespace
}  // namespace sluice::storage
