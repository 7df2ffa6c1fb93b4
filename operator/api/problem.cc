#include "operator/api/problem.h"

#include <algorithm>
#include <utility>

namespace sluice::api {

std::string Problem::to_string(std::string_view file) const {
  std::string out(file);
  if (line > 0) out += ":" + std::to_string(line);
  out += ": ";
  if (!path.empty()) out += path + ": ";
  return out + text;
}

void Problems::add(int line, std::string path, std::string text) {
  if (full()) {
    ++left_out_;
    return;
  }
  list_.push_back({line, std::move(path), std::move(text)});
}

void Problems::sort() {
  std::stable_sort(list_.begin(), list_.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
}

std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string out;
  for (const char c : text.substr(0, bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F || c == '"' ? '?' : c;
  }
  if (text.size() <= bytes_max) return out;
  // A cut must not leave half a UTF-8 character behind.
  while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0U) == 0x80U) out.pop_back();
  if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0U) out.pop_back();
  return out + "...";
}

std::string shown(std::string_view text) {
  constexpr std::size_t kShownBytes = 60;
  return '"' + printable(text, kShownBytes) + '"';
}

std::string path_step(std::string_view key) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
  constexpr std::size_t kStepBytes = 63;
  const bool plain = !key.empty() && key.size() <= kStepBytes &&
                     key.find_first_not_of(kPlain) == std::string_view::npos;
  return plain ? std::string(key) : shown(key);
}

}  // namespace sluice::api
