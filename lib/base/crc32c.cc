#include "base/crc32c.h"

#include <nmmintrin.h>

#include <array>

namespace sluice::base {
namespace {

// The instruction takes three cycles but one can start in each, so three lanes of a block are
// summed side by side. What a lane's sum would be with the next lane's bytes behind it is a linear
// map of its 32 bits, kept as one table for each of its four bytes.
using LaneTable = std::array<std::array<std::uint32_t, 256>, 4>;

// Polynomials over GF(2) modulo the CRC's, lowest degree in the highest bit.
constexpr std::uint32_t kPolynomial = 0x82F63B78U;
constexpr std::uint32_t kOne = 0x80000000U;

constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = kOne; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? b >> 1 ^ kPolynomial : b >> 1;
  }
  return product;
}

// x to the power of the lane's bits: what its zero bytes multiply a sum by.
constexpr std::uint32_t power_of_x(std::size_t exponent) {
  std::uint32_t power = kOne;
  std::uint32_t square = kOne >> 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

constexpr LaneTable make_lane_table(std::size_t lane_bytes) {
  const std::uint32_t factor = power_of_x(lane_bytes * 8);
  LaneTable table{};
  for (std::size_t byte = 0; byte < 4; ++byte) {
    for (std::uint32_t value = 0; value < 256; ++value) {
      table[byte][value] = multiply(factor, value << (8 * byte));
    }
  }
  return table;
}

constexpr std::uint32_t behind_lane(const LaneTable& table, std::uint32_t sum) {
  return table[0][sum & 0xFF] ^ table[1][sum >> 8 & 0xFF] ^ table[2][sum >> 16 & 0xFF] ^
         table[3][sum >> 24];
}

// A log block of 4 KiB is one block of the first and a rest of 16 bytes.
constexpr std::size_t kLongLane = 1360;
constexpr std::size_t kShortLane = 120;
constexpr LaneTable kLongTable = make_lane_table(kLongLane);
constexpr LaneTable kShortTable = make_lane_table(kShortLane);

template <std::size_t LaneBytes>
std::uint64_t sum_blocks(const LaneTable& table, std::uint64_t sum, ByteView& data) {
  while (data.size() >= 3 * LaneBytes) {
    const std::byte* at = data.data();
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (const std::byte* end = at + LaneBytes; at < end; at += 8) {
      sum = _mm_crc32_u64(sum, load<std::uint64_t>(at));
      second = _mm_crc32_u64(second, load<std::uint64_t>(at + LaneBytes));
      third = _mm_crc32_u64(third, load<std::uint64_t>(at + 2 * LaneBytes));
    }
    sum = behind_lane(table, static_cast<std::uint32_t>(sum)) ^ second;
    sum = behind_lane(table, static_cast<std::uint32_t>(sum)) ^ third;
    data = data.subspan(3 * LaneBytes);
  }
  return sum;
}

}  // namespace

std::uint32_t crc32c(ByteView data, std::uint32_t crc) {
  std::uint64_t sum = ~crc;
  sum = sum_blocks<kLongLane>(kLongTable, sum, data);
  sum = sum_blocks<kShortLane>(kShortTable, sum, data);
  for (; data.size() >= 8; data = data.subspan(8)) {
    sum = _mm_crc32_u64(sum, load<std::uint64_t>(data.data()));
  }
  auto narrow = static_cast<std::uint32_t>(sum);
  for (const std::byte byte : data) {
    narrow = _mm_crc32_u8(narrow, std::to_integer<std::uint8_t>(byte));
  }
  return ~narrow;
}

}  // namespace sluice::base
