#include "base/ids.h"

namespace sluice::base {

std::string Id128::to_hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(32);
  for (const std::uint8_t byte : bytes) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

Result<Id128> Id128::from_hex(std::string_view hex) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  if (hex.size() != 32) {
    return invalid_argument("an id is 32 hexadecimal digits, not '" + std::string(hex) + "'");
  }
  Id128 id;
  for (std::size_t i = 0; i < 16; ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return invalid_argument("an id is 32 lower-case hexadecimal digits, not '" +
                              std::string(hex) + "'");
    }
    id.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return id;
}

}  // namespace sluice::base
