#pragma once

#include <cstdint>

#include "base/bytes.h"

// Numbers of 1 to 10 bytes, 7 bits each, lowest first (unsigned LEB128). Signed ones are zigzag:
// 0, -1, 1, -2 are 0, 1, 2, 3.
namespace sluice::storage {

inline void put_varint(base::ByteWriter& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.u8(static_cast<std::uint8_t>(value | 0x80));
  out.u8(static_cast<std::uint8_t>(value));
}

inline constexpr std::size_t kVarintBytesMax = 10;

// The same into bytes that are there. Returns where it ends.
inline std::byte* store_varint(std::byte* at, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<std::byte>(value | 0x80);
  *at++ = static_cast<std::byte>(value);
  return at;
}

// Fails the reader where the number does not end in time or has bits above the 64th.
inline std::uint64_t get_varint(base::ByteReader& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint64_t byte = in.u8();
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  in.fail();
  return 0;
}

// `to - from` modulo 2^64, as a signed distance: zigzag.
inline std::uint64_t zigzag_delta(std::uint64_t from, std::uint64_t to) {
  const std::uint64_t delta = to - from;
  const std::uint64_t sign = (delta >> 63) != 0 ? ~std::uint64_t{0} : 0;
  return (delta << 1) ^ sign;
}

inline void put_delta(base::ByteWriter& out, std::uint64_t from, std::uint64_t to) {
  put_varint(out, zigzag_delta(from, to));
}

inline std::uint64_t get_delta(base::ByteReader& in, std::uint64_t from) {
  const std::uint64_t zigzag = get_varint(in);
  const std::uint64_t sign = (zigzag & 1) != 0 ? ~std::uint64_t{0} : 0;
  return from + ((zigzag >> 1) ^ sign);
}

}  // namespace sluice::storage
