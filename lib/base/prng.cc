#include "base/prng.h"

#include <cstring>

#include "base/check.h"
#include "base/fnv1a.h"

namespace sluice::base {
namespace {

std::uint64_t rotate_left(std::uint64_t value, int bits) {
  return (value << bits) | (value >> (64 - bits));
}

std::uint64_t split_mix(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

}  // namespace

Prng::Prng(std::uint64_t seed) {
  for (std::uint64_t& word : state_) word = split_mix(seed);
}

Prng::Prng(std::uint64_t seed, std::string_view component) : Prng(seed ^ fnv1a(component)) {}

std::uint64_t Prng::next() {
  const std::uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate_left(state_[3], 45);
  return result;
}

std::uint64_t Prng::below(std::uint64_t bound) {
  CHECK(bound > 0);
  // Rejects the uneven rest so that every value is equally likely.
  const std::uint64_t limit = (0 - bound) % bound;
  std::uint64_t value = next();
  while (value < limit) value = next();
  return value % bound;
}

double Prng::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

Id128 Prng::id128() {
  Id128 id;
  const std::uint64_t halves[2] = {next(), next()};
  std::memcpy(id.bytes.data(), halves, sizeof halves);
  return id;
}

}  // namespace sluice::base
