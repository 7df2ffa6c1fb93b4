#pragma once

#include <cstdint>
#include <vector>

#include "broker/stats.h"

namespace sluice::broker {

// Counts values below upper bounds. Each bound belongs to its bucket; a last bucket takes the rest.
class Histogram {
 public:
  // REQUIRES: ascending.
  explicit Histogram(std::vector<double> bounds);

  static Histogram of_seconds();  // 100 us .. 1 h
  static Histogram of_bytes();    // 64 B .. 16 MiB

  void add(double value, std::uint64_t times = 1);
  const HistogramStats& stats() const { return stats_; }

 private:
  HistogramStats stats_;
};

}  // namespace sluice::broker
