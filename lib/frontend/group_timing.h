#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/time.h"
#include "broker/stats.h"
#include "runtime/clock.h"
#include "storage/write_group.h"

namespace sluice::frontend {

// How long group commits with an fdatasync take. Loop thread.
class GroupTiming {
 public:
  // `clock` must outlive the groups that are out.
  explicit GroupTiming(const runtime::Clock& clock) : clock_(clock) {}

  // The same work, measured where it runs and counted when it is finished.
  std::shared_ptr<storage::LogWork> measure(std::shared_ptr<storage::WriteGroup> group);

  std::uint64_t fsyncs() const { return fsyncs_; }
  broker::HistogramStats seconds() const;

 private:
  class Measured;
  void add(base::Nanos duration);

  // Upper bounds in microseconds; the last count is of all above.
  static constexpr std::array<std::int64_t, 13> kBoundsUs{
      50, 100, 200, 500, 1'000, 2'000, 5'000, 10'000, 20'000, 50'000, 100'000, 500'000, 1'000'000};

  const runtime::Clock& clock_;
  std::array<std::uint64_t, kBoundsUs.size() + 1> counts_{};
  std::uint64_t fsyncs_ = 0;
  double seconds_ = 0;
};

}  // namespace sluice::frontend
