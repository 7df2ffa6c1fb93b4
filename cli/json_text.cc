#include "cli/json_text.h"

#include <charconv>
#include <cstring>

namespace sluice::cli {
namespace {

// How many bytes the character has that begins with `first`; 0 = it cannot begin one. `low` and
// `high` bound the second byte, which keeps out overlong forms, surrogates and what is no Unicode.
std::size_t character_bytes(unsigned char first, unsigned char& low, unsigned char& high) {
  low = 0x80;
  high = 0xBF;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) {
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    return 3;
  }
  if (first > 0xF4) return 0;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  return 4;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at < end) {
    std::uint64_t eight = 0;
    while (end - at >= 8) {
      std::memcpy(&eight, at, sizeof eight);
      if ((eight & 0x8080808080808080) != 0) break;
      at += 8;
    }
    if (at == end) return true;
    if (*at < 0x80) {
      ++at;
      continue;
    }
    unsigned char low = 0;
    unsigned char high = 0;
    const std::size_t bytes = character_bytes(*at, low, high);
    if (bytes == 0 || static_cast<std::size_t>(end - at) < bytes) return false;
    if (at[1] < low || at[1] > high) return false;
    for (std::size_t i = 2; i < bytes; ++i) {
      if ((at[i] & 0xC0) != 0x80) return false;
    }
    at += bytes;
  }
  return true;
}

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  static_cast<void>(error);  // 20 digits hold every number
  out.append(digits, end);
}

}  // namespace sluice::cli
