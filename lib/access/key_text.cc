#include "access/key_text.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::access {
namespace {

constexpr std::string_view kDigits =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
constexpr std::size_t kGroupBytes = 4;
constexpr std::size_t kGroupDigits = 5;

}  // namespace

bool is_key_text(std::string_view text) {
  if (text.size() != kKeyTextBytes) return false;
  for (std::size_t at = 0; at < text.size(); at += kGroupDigits) {
    std::uint64_t value = 0;
    for (const char digit : text.substr(at, kGroupDigits)) {
      const std::size_t place = kDigits.find(digit);
      if (place == std::string_view::npos) return false;
      value = value * kDigits.size() + place;
    }
    if (value > 0xFFFF'FFFFU) return false;
  }
  return true;
}

std::string to_key_text(base::ByteView key) {
  CHECK(key.size() == kKeyBytes);
  std::string text;
  text.reserve(kKeyTextBytes);
  for (std::size_t at = 0; at < key.size(); at += kGroupBytes) {
    std::uint64_t value = 0;
    for (const std::byte byte : key.subspan(at, kGroupBytes)) {
      value = value << 8U | std::to_integer<std::uint64_t>(byte);
    }
    char digits[kGroupDigits];
    for (std::size_t i = kGroupDigits; i-- > 0; value /= kDigits.size()) {
      digits[i] = kDigits[value % kDigits.size()];
    }
    text.append(digits, kGroupDigits);
  }
  return text;
}

}  // namespace sluice::access
