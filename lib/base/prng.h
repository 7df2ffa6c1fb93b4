#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"

namespace sluice::base {

// xoshiro256** (Blackman, Vigna). Seeded, so that a run can be repeated; the distributions are our
// own because those of <random> differ between libraries. Not for secrets. Not thread-safe.
class Prng {
 public:
  explicit Prng(std::uint64_t seed);
  // A stream of its own for a component: a draw added in one does not shift the others.
  Prng(std::uint64_t seed, std::string_view component);

  std::uint64_t next();
  // Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit();
  bool chance(double probability) { return unit() < probability; }
  Id128 id128();

 private:
  std::uint64_t state_[4];
};

}  // namespace sluice::base
