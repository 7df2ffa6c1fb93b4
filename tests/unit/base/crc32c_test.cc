#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/prng.h"

namespace sluice::base {
namespace {

std::vector<std::byte> counting_from(std::uint8_t first, int step, std::size_t size) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < size; ++i) {
    bytes.push_back(static_cast<std::byte>(first + static_cast<int>(i) * step));
  }
  return bytes;
}

std::uint32_t bit_by_bit(ByteView data) {
  std::uint32_t sum = 0xFFFFFFFF;
  for (const std::byte byte : data) {
    sum ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = (sum & 1) != 0 ? sum >> 1 ^ 0x82F63B78 : sum >> 1;
  }
  return ~sum;
}

// RFC 3720, B.4.
TEST(Crc32cTest, it_gives_the_sums_of_rfc_3720) {
  EXPECT_EQ(crc32c(counting_from(0, 0, 32)), 0x8A9136AAU);
  EXPECT_EQ(crc32c(counting_from(0xFF, 0, 32)), 0x62A8AB43U);
  EXPECT_EQ(crc32c(counting_from(0, 1, 32)), 0x46DD794EU);
  EXPECT_EQ(crc32c(counting_from(31, -1, 32)), 0x113FDB5CU);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283U);

  std::vector<std::byte> read_command(48);
  const auto put = [&read_command](std::size_t at, int value) {
    read_command[at] = static_cast<std::byte>(value);
  };
  put(0, 0x01);
  put(1, 0xC0);
  put(16, 0x14);
  put(22, 0x04);
  put(27, 0x14);
  put(31, 0x18);
  put(32, 0x28);
  put(40, 0x02);
  EXPECT_EQ(crc32c(read_command), 0xD9963A56U);
}

TEST(Crc32cTest, nothing_has_the_sum_0) { EXPECT_EQ(crc32c({}), 0U); }

TEST(Crc32cTest, every_length_and_alignment_gives_the_sum_of_its_bits) {
  Prng prng(1);
  std::vector<std::byte> bytes(13'000);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(prng.next());
  for (std::size_t length = 0; length < 400; ++length) {
    const ByteView data = ByteView(bytes).subspan(length % 16, length);
    ASSERT_EQ(crc32c(data), bit_by_bit(data)) << length;
  }
  for (std::size_t length = 400; length < 12'900; length += 61) {
    const ByteView data = ByteView(bytes).subspan(length % 16, length);
    ASSERT_EQ(crc32c(data), bit_by_bit(data)) << length;
  }
}

TEST(Crc32cTest, it_goes_on_from_the_sum_of_what_came_before) {
  const std::vector<std::byte> bytes = counting_from(3, 7, 5'000);
  const std::uint32_t whole = crc32c(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 97) {
    const std::uint32_t head = crc32c(ByteView(bytes).first(cut));
    ASSERT_EQ(crc32c(ByteView(bytes).subspan(cut), head), whole) << cut;
  }
}

}  // namespace
}  // namespace sluice::base
