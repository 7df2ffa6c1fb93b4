#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace sluice::cli::bench {

// Latencies in buckets that are exact below 64 ns and then 1/32 of their value wide, so that a
// percentile is off by 3 % at most. Zero bytes are an empty one and it holds no pointers: it may
// lie in memory that processes share. One writer.
class LatencyHistogram {
 public:
  // What took less than nothing counts as nothing.
  void add(base::Nanos latency);
  void merge(const LatencyHistogram& other);

  std::uint64_t count() const { return count_; }
  // The upper end of the bucket that the `fraction`-th latency is in; 0 when empty.
  base::Nanos percentile(double fraction) const;

 private:
  static constexpr std::size_t kHalfBits = 5;  // a power of two has so many bits of buckets
  static constexpr std::size_t kHalf = std::size_t{1} << kHalfBits;
  static constexpr std::size_t kBuckets = (64 - kHalfBits) * kHalf;

  static std::size_t bucket_of(std::uint64_t nanos);
  static std::uint64_t last_of(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
};

}  // namespace sluice::cli::bench
