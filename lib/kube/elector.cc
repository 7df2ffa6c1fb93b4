#include "kube/elector.h"

#include <utility>

namespace sluice::kube {

Elector::Elector(Api& api, ElectionOptions options, const runtime::Clock& clock,
                 std::uint64_t prng_seed, ElectorHooks hooks)
    : api_(api),
      options_(options),
      clock_(clock),
      hooks_(std::move(hooks)),
      election_(std::move(options), prng_seed),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Elector::~Elector() = default;

void Elector::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Election::Step step;
    {
      const std::lock_guard lock(mutex_);
      step = election_.next(clock_.now());
    }
    if (step.kind == Election::Kind::kWait) {
      wait_until(step.due, stop);
      continue;
    }
    const base::Result<Json> answer = carry_out(step);
    {
      const std::lock_guard lock(mutex_);
      election_.answered(answer, clock_.now());
    }
    tell();
  }
}

base::Result<Json> Elector::carry_out(const Election::Step& step) {
  switch (step.kind) {
    case Election::Kind::kCreate:
      return api_.create(step.lease);
    case Election::Kind::kUpdate:
      return api_.update(step.lease);
    default:
      return api_.get({&kLeases, options_.name_space, options_.lease_name});
  }
}

void Elector::tell() {
  std::optional<std::uint64_t> leading;
  std::string problem;
  {
    const std::lock_guard lock(mutex_);
    if (election_.leads(clock_.mono_now())) leading = election_.epoch();
    problem = election_.problem();
  }
  if (problem != told_problem_) {
    told_problem_ = problem;
    if (!problem.empty() && hooks_.on_problem) hooks_.on_problem(problem);
  }
  if (leading == told_epoch_) return;
  const bool led = told_epoch_.has_value();
  told_epoch_ = leading;
  if (!leading) {
    if (hooks_.on_lost) hooks_.on_lost();
  } else if (!led) {
    if (hooks_.on_leading) hooks_.on_leading(*leading);
  } else if (hooks_.on_epoch) {
    hooks_.on_epoch(*leading);
  }
}

void Elector::wait_until(base::MonoTime due, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const base::Nanos left(due - clock_.mono_now());
  wake_.wait_for(lock, stop, left, [this] { return woken_; });
  woken_ = false;
}

void Elector::release() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  std::optional<Json> lease;
  {
    const std::lock_guard lock(mutex_);
    lease = election_.release(clock_.now());
  }
  // Where this fails, the next one waits until the lease has run out.
  if (lease) static_cast<void>(api_.update(*lease));
}

base::Status Elector::may_write() const {
  const std::lock_guard lock(mutex_);
  if (election_.may_write(clock_.mono_now())) return {};
  return base::failed_precondition("this process does not lead, or is about to lose the lease");
}

std::optional<std::uint64_t> Elector::epoch() const {
  const std::lock_guard lock(mutex_);
  if (!election_.leads(clock_.mono_now())) return std::nullopt;
  return election_.epoch();
}

bool Elector::met_epoch(std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (!election_.met_epoch(epoch, clock_.wall_now())) return false;
  woken_ = true;
  wake_.notify_all();
  return true;
}

}  // namespace sluice::kube
