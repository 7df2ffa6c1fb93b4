#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace sluice::fuzz {

// Draws numbers and pieces from the bytes of a fuzzer, from the front. At their end numbers are 0
// and pieces empty, so that every input means something.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const std::byte*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  // REQUIRES: bound > 0. Of a bound above 65,536 not every number is drawn.
  std::size_t below(std::size_t bound) {
    if (bound <= 256) return u8() % bound;
    return bound <= 65'536 ? u16() % bound : bound * u16() / 65'536;
  }
  base::ByteView take(std::size_t bytes) {
    const base::ByteView piece = rest_.first(std::min(bytes, rest_.size()));
    rest_ = rest_.subspan(piece.size());
    return piece;
  }
  std::string_view text(std::size_t bytes) { return base::as_text(take(bytes)); }
  base::ByteView rest() { return take(rest_.size()); }

 private:
  template <typename T>
  T number() {
    std::byte bytes[sizeof(T)] = {};
    const base::ByteView piece = take(sizeof(T));
    std::copy(piece.begin(), piece.end(), bytes);
    return base::load<T>(bytes);
  }

  base::ByteView rest_;
};

}  // namespace sluice::fuzz
