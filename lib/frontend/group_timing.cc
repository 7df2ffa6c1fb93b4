#include "frontend/group_timing.h"

#include <algorithm>
#include <utility>

namespace sluice::frontend {

class GroupTiming::Measured final : public storage::LogWork {
 public:
  Measured(GroupTiming& timing, std::shared_ptr<storage::WriteGroup> group)
      : timing_(timing), clock_(timing.clock_), group_(std::move(group)) {}

  base::Status run() override {
    const base::MonoTime begin = clock_.mono_now();
    base::Status status = group_->run();
    duration_ = base::Nanos(clock_.mono_now() - begin);
    return status;
  }
  void finish(const base::Status& status) override {
    if (status.has_value() && group_->needs_sync()) timing_.add(duration_);
    group_->finish(status);
  }

 private:
  GroupTiming& timing_;
  const runtime::Clock& clock_;
  std::shared_ptr<storage::WriteGroup> group_;
  base::Nanos duration_{0};
};

std::shared_ptr<storage::LogWork> GroupTiming::measure(std::shared_ptr<storage::WriteGroup> group) {
  return std::make_shared<Measured>(*this, std::move(group));
}

void GroupTiming::add(base::Nanos duration) {
  const std::int64_t us = duration.count() / 1'000;
  const auto bound = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us);
  ++counts_[static_cast<std::size_t>(bound - kBoundsUs.begin())];
  ++fsyncs_;
  seconds_ += static_cast<double>(duration.count()) / 1e9;
}

broker::HistogramStats GroupTiming::seconds() const {
  broker::HistogramStats stats;
  for (const std::int64_t bound : kBoundsUs) {
    stats.bounds.push_back(static_cast<double>(bound) / 1e6);
  }
  stats.counts.assign(counts_.begin(), counts_.end());
  stats.sum = seconds_;
  return stats;
}

}  // namespace sluice::frontend
