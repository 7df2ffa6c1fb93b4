#include "broker/histogram.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::broker {

Histogram::Histogram(std::vector<double> bounds) {
  CHECK(std::is_sorted(bounds.begin(), bounds.end()));
  stats_.counts.assign(bounds.size() + 1, 0);
  stats_.bounds = std::move(bounds);
}

Histogram Histogram::of_seconds() {
  return Histogram({0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,  0.1,   0.25,
                    0.5,    1.0,    2.5,   5.0,    10.0,  30.0, 60.0,  300.0, 900.0, 3600.0});
}

Histogram Histogram::of_bytes() {
  return Histogram(
      {64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 16777216.0});
}

void Histogram::add(double value, std::uint64_t times) {
  const auto bucket = std::lower_bound(stats_.bounds.begin(), stats_.bounds.end(), value);
  stats_.counts[static_cast<std::size_t>(bucket - stats_.bounds.begin())] += times;
  stats_.sum += value * static_cast<double>(times);
}

}  // namespace sluice::broker
