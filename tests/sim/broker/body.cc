#include "tests/sim/broker/body.h"

#include <algorithm>

namespace sluice::sim {

std::string make_body(std::uint64_t tag, std::size_t bytes) {
  std::string body(std::max(bytes, kBodyBytesMin), '\0');
  auto* const at = reinterpret_cast<std::byte*>(body.data());
  base::store(at, tag);
  base::store(at + 8, std::uint64_t{body.size()});
  std::uint64_t state = tag * 0x9E37'79B9'7F4A'7C15U + 1;
  for (std::size_t i = kBodyBytesMin; i < body.size(); ++i) {
    state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    body[i] = static_cast<char>(state >> 56);
  }
  return body;
}

std::optional<std::uint64_t> read_body(base::ByteView body) {
  if (body.size() < kBodyBytesMin) return std::nullopt;
  const auto tag = base::load<std::uint64_t>(body.data());
  if (base::as_text(body) != make_body(tag, body.size())) return std::nullopt;
  return tag;
}

}  // namespace sluice::sim
