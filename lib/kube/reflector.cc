#include "kube/reflector.h"

#include <chrono>
#include <utility>

namespace sluice::kube {

Reflector::Reflector(HttpTransport& transport, ListWatchOptions options, ObjectSink& sink,
                     const runtime::Clock& clock, std::uint64_t prng_seed, ReflectorHooks hooks)
    : transport_(transport),
      core_(std::move(options), prng_seed),
      sink_(sink),
      clock_(clock),
      hooks_(std::move(hooks)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Reflector::~Reflector() = default;

void Reflector::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const ListWatch::Step step = core_.next(clock_.mono_now());
    switch (step.kind) {
      case ListWatch::Kind::kWait:
        wait_until(step.due, stop);
        break;
      case ListWatch::Kind::kList:
        list(step.target);
        break;
      case ListWatch::Kind::kWatch:
        watch(step.target, stop);
        break;
    }
    if (stop.stop_requested()) return;
    tell_problem();
    if (core_.synced() && !synced_.exchange(true) && hooks_.on_synced) hooks_.on_synced();
  }
}

void Reflector::list(const std::string& target) {
  const base::Result<HttpResponse> response = transport_.send({"GET", target, "", ""});
  observe(response);
  core_.listed(response, sink_, clock_.mono_now());
}

void Reflector::watch(const std::string& target, const std::stop_token& stop) {
  core_.watch_began(clock_.mono_now());
  const base::Result<HttpResponse> response = transport_.stream(
      {"GET", target, "", ""},
      [this](std::string_view line) { return core_.watch_line(line, sink_, clock_.mono_now()); },
      stop);
  if (stop.stop_requested()) return;
  observe(response);
  core_.watch_ended(response, clock_.mono_now());
}

void Reflector::observe(const base::Result<HttpResponse>& response) {
  if (response.has_value() && response->status == 401) transport_.forget_credentials();
  if (hooks_.observe) hooks_.observe("GET", response.has_value() ? response->status : 0);
}

void Reflector::tell_problem() {
  if (core_.problem() == told_problem_) return;
  told_problem_ = core_.problem();
  if (hooks_.on_problem) hooks_.on_problem(told_problem_);
}

void Reflector::wait_until(base::MonoTime due, const std::stop_token& stop) {
  const base::Nanos left(due - clock_.mono_now());
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, left, [] { return false; });
}

}  // namespace sluice::kube
