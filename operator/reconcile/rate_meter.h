#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "operator/link/observation.h"
#include "operator/reconcile/inputs.h"

namespace sluice::reconcile {

// Makes rates of the counters that the shards of one broker report: over the last 30 s, or as long
// as there is something to compare. Kept by whoever gets the observations, on one thread.
class RateMeter {
 public:
  static constexpr base::Millis kWindow{30'000};
  static constexpr base::Millis kSampleEvery{1'000};

  void observe(std::size_t shard, const link::BrokerObservation& observation);
  // By queue; a queue of which there are not two samples of one incarnation is not in it.
  std::map<std::string, Rates> rates() const;

 private:
  struct Counters {
    std::uint64_t published = 0;
    std::uint64_t settled = 0;
  };
  struct Sample {
    base::MonoTime time;
    std::map<std::string, Counters> queues;
  };
  struct Shard {
    std::uint32_t incarnation = 0;
    std::deque<Sample> samples;  // oldest first; the last one is always the newest
  };
  std::map<std::size_t, Shard> shards_;
};

}  // namespace sluice::reconcile
