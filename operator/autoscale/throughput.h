#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "operator/autoscale/observation.h"

namespace sluice::autoscale {

// How much one replica gets done, and how many have something to do: measured between each two
// observations, the recent past counting most (half of the weight within kHalfLife). Time in which
// something is not known is left out. Plain value; no thread of its own.
class Throughput {
 public:
  static constexpr base::Millis kHalfLife{60'000};
  // A rate is known once so many messages are settled, or somebody was at work for so long.
  static constexpr double kSettledMin = 20;
  static constexpr double kBusySecondsMin = 30;

  void note(const Observation& observation, base::MonoTime now);

  // Messages that a replica settles in a second of work. Where replicas have worked for long and
  // settled nothing, the most that this can mean: one message in that time.
  std::optional<double> per_replica() const;
  // How many replicas had work, on average; absent before kBusySecondsMin were watched.
  std::optional<double> busy_replicas() const;

 private:
  struct Sample {
    base::MonoTime at;
    std::uint64_t settled = 0;
    std::uint64_t counted_since = 0;
    double busy = 0;
  };

  std::optional<Sample> last_;  // of an observation that knew everything
  double settled_ = 0;
  double replica_seconds_ = 0;  // of work, by all of them
  double busy_seconds_ = 0;     // in which at least one was at work
  double watched_seconds_ = 0;
};

}  // namespace sluice::autoscale
