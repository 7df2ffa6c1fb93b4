#include "kube/base64.h"

#include <algorithm>
#include <cstdint>

namespace sluice::kube {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

base::Result<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int digits = 0;
  int padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    const std::size_t value = kAlphabet.find(c);
    if (c == '=') {
      ++padding;
    } else if (value == std::string_view::npos || padding > 0) {
      return base::invalid_argument("no base64");
    }
    bits = (bits << 6U) | (c == '=' ? 0U : static_cast<std::uint32_t>(value));
    if (++digits < 4) continue;
    if (padding > 2) return base::invalid_argument("no base64: padding of three");
    for (int i = 0; i < 3 - padding; ++i) {
      out += static_cast<char>((bits >> (16U - 8U * static_cast<unsigned>(i))) & 0xFFU);
    }
    bits = 0;
    digits = 0;
  }
  if (digits != 0) return base::invalid_argument("no base64: its length is no multiple of 4");
  return out;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = (bits << 8U) | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= count ? kAlphabet[(bits >> (18U - 6U * static_cast<unsigned>(i))) & 63U] : '=';
    }
  }
  return out;
}

}  // namespace sluice::kube
