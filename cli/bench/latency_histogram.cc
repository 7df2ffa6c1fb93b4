#include "cli/bench/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sluice::cli::bench {

// Values below 2 * kHalf have a bucket each. Above, the leading bit and the kHalfBits behind it
// name the bucket, so the shift by which the rest is dropped numbers the rows of kHalf buckets.
std::size_t LatencyHistogram::bucket_of(std::uint64_t nanos) {
  const auto bits = static_cast<std::size_t>(std::bit_width(nanos));
  const std::size_t shift = bits > kHalfBits + 1 ? bits - kHalfBits - 1 : 0;
  return shift * kHalf + static_cast<std::size_t>(nanos >> shift);
}

std::uint64_t LatencyHistogram::last_of(std::size_t bucket) {
  const std::size_t shift = bucket < 2 * kHalf ? 0 : bucket / kHalf - 1;
  const std::uint64_t value = bucket - shift * kHalf;
  return ((value + 1) << shift) - 1;
}

void LatencyHistogram::add(base::Nanos latency) {
  const std::int64_t nanos = std::max<std::int64_t>(latency.count(), 0);
  ++counts_[bucket_of(static_cast<std::uint64_t>(nanos))];
  ++count_;
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
}

base::Nanos LatencyHistogram::percentile(double fraction) const {
  if (count_ == 0) return base::Nanos(0);
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  while (seen < wanted && bucket < kBuckets) seen += counts_[bucket++];
  return base::Nanos(static_cast<std::int64_t>(last_of(bucket - 1)));
}

}  // namespace sluice::cli::bench
