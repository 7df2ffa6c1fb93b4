#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/time.h"

namespace sluice::frontend {

// How many events of a kind are told, where strangers decide how many there are: a few each ten
// seconds, and the next one that is told says how many were not. Metrics count them all.
class LogQuota {
 public:
  static constexpr std::uint32_t kEventsMax = 10;
  static constexpr base::Nanos kInterval{10'000'000'000};

  // Nothing = do not tell; else how many were not told since the last one that was.
  std::optional<std::uint64_t> take(base::MonoTime now) {
    if (!begun_ || now >= *begun_ + kInterval) {
      begun_ = now;
      told_ = 0;
    }
    if (told_ >= kEventsMax) {
      ++untold_;
      return std::nullopt;
    }
    ++told_;
    return std::exchange(untold_, 0);
  }

 private:
  std::optional<base::MonoTime> begun_;
  std::uint32_t told_ = 0;
  std::uint64_t untold_ = 0;
};

}  // namespace sluice::frontend
