#include "operator/app/operator_stats.h"

namespace sluice::op {
namespace {

double seconds(base::Nanos time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

void OperatorCounters::reconciled(ReconcileResult result, base::Nanos taken) {
  const std::lock_guard lock(mutex_);
  ++reconciles_[result];
  reconcile_.add(seconds(taken));
}

void OperatorCounters::terminal_error() {
  const std::lock_guard lock(mutex_);
  ++terminal_errors_;
}

void OperatorCounters::waited(base::Nanos time) {
  const std::lock_guard lock(mutex_);
  wait_.add(seconds(time));
}

void OperatorCounters::worked(base::Nanos time) {
  const std::lock_guard lock(mutex_);
  work_.add(seconds(time));
}

void OperatorCounters::request(std::string_view method, int status, base::Millis taken) {
  request(method, status);
  const std::lock_guard lock(mutex_);
  request_seconds_.try_emplace(std::string(method), broker::Histogram::of_seconds())
      .first->second.add(seconds(taken));
}

void OperatorCounters::request(std::string_view method, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{std::string(method), status}];
}

void OperatorCounters::scaled(const std::string& name_space, const std::string& queue,
                              const std::string& subscription, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++decisions_[{name_space, queue, subscription, reason}];
}

void OperatorCounters::scaling_latency(base::Nanos time) {
  const std::lock_guard lock(mutex_);
  latency_.add(seconds(time));
}

void OperatorCounters::keep_queues(const std::set<std::pair<std::string, std::string>>& queues) {
  const std::lock_guard lock(mutex_);
  std::erase_if(decisions_, [&queues](const auto& one) {
    return !queues.contains({std::get<0>(one.first), std::get<1>(one.first)});
  });
}

void OperatorCounters::fill(OperatorStats& stats) const {
  const std::lock_guard lock(mutex_);
  stats.reconciles = reconciles_;
  const auto errors = reconciles_.find(ReconcileResult::kError);
  stats.reconcile_errors = errors == reconciles_.end() ? 0 : errors->second;
  stats.terminal_errors = terminal_errors_;
  stats.reconcile_seconds = reconcile_.stats();
  stats.queue_wait_seconds = wait_.stats();
  stats.queue_work_seconds = work_.stats();
  stats.requests = requests_;
  for (const auto& [method, histogram] : request_seconds_) {
    stats.request_seconds[method] = histogram.stats();
  }
  stats.decisions = decisions_;
  stats.scaling_latency_seconds = latency_.stats();
}

}  // namespace sluice::op
