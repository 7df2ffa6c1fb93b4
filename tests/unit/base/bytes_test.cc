#include "base/bytes.h"

#include <gtest/gtest.h>

#include <limits>

namespace sluice::base {
namespace {

TEST(ByteWriterTest, integers_are_little_endian) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.u8(1);
  writer.u16(0x0302);
  writer.u32(0x07060504);
  writer.u64(0x0F0E0D0C0B0A0908);
  ASSERT_EQ(out.size(), 15U);
  EXPECT_EQ(writer.size(), 15U);
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], static_cast<std::byte>(i + 1));
}

TEST(ByteReaderTest, it_reads_what_the_writer_wrote) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.u8(200);
  writer.u16(60'000);
  writer.u32(4'000'000'000);
  writer.u64(std::numeric_limits<std::uint64_t>::max());
  writer.i64(std::numeric_limits<std::int64_t>::min());
  writer.array(std::array<std::uint8_t, 3>{7, 8, 9});
  writer.text16("orders");
  writer.bytes32(as_bytes("body"));
  writer.bytes(as_bytes("rest"));

  ByteReader reader(out);
  EXPECT_EQ(reader.u8(), 200);
  EXPECT_EQ(reader.u16(), 60'000);
  EXPECT_EQ(reader.u32(), 4'000'000'000);
  EXPECT_EQ(reader.u64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(reader.i64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(reader.array<3>(), (std::array<std::uint8_t, 3>{7, 8, 9}));
  EXPECT_EQ(reader.text16(), "orders");
  EXPECT_EQ(as_text(reader.bytes32()), "body");
  EXPECT_FALSE(reader.at_end());
  EXPECT_EQ(reader.remaining(), 4U);
  EXPECT_EQ(as_text(reader.rest()), "rest");
  EXPECT_TRUE(reader.at_end());
}

TEST(ByteReaderTest, a_read_past_the_end_gives_zeros_and_fails_for_good) {
  const std::vector<std::byte> bytes(3, std::byte{0xFF});
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u16(), 0xFFFF);
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_FALSE(reader.at_end());
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(ByteReaderTest, a_length_beyond_the_end_gives_nothing) {
  std::vector<std::byte> bytes;
  ByteWriter(bytes).u32(0xFFFFFFFF);
  ByteReader long_bytes(bytes);
  EXPECT_TRUE(long_bytes.bytes32().empty());
  EXPECT_FALSE(long_bytes.ok());
  ByteReader long_text(bytes);
  EXPECT_TRUE(long_text.text16().empty());
  EXPECT_FALSE(long_text.ok());
  ByteReader long_array(bytes);
  EXPECT_EQ(long_array.array<5>(), (std::array<std::uint8_t, 5>{}));
  EXPECT_FALSE(long_array.ok());
}

TEST(ByteReaderTest, a_decoder_can_refuse_a_value) {
  const std::vector<std::byte> bytes(8);
  ByteReader reader(bytes);
  reader.u8();
  reader.fail();
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(ByteReaderTest, nothing_is_at_its_end) { EXPECT_TRUE(ByteReader({}).at_end()); }

}  // namespace
}  // namespace sluice::base
