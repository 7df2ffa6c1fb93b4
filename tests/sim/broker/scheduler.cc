#include "tests/sim/broker/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::sim {
void Scheduler::at(base::MonoTime time, std::function<void()> event) {
  heap_.push_back({std::max(time, now_), ++made_, std::move(event)});
  std::push_heap(heap_.begin(), heap_.end(), Later{});
}

bool Scheduler::step() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), Later{});
  Event event = std::move(heap_.back());
  heap_.pop_back();
  CHECK(event.time >= now_);
  now_ = event.time;
  ++events_;
  event.run();
  return true;
}

void Scheduler::note(std::string_view what, std::uint64_t value) {
  note(what, base::ByteView(std::as_bytes(std::span(&value, 1))));
}

void Scheduler::note(std::string_view what, base::ByteView bytes) {
  const std::int64_t time = now_.value();
  hash_ = base::fnv1a(base::as_text(std::as_bytes(std::span(&time, 1))), hash_);
  hash_ = base::fnv1a(what, hash_);
  hash_ = base::fnv1a(base::as_text(bytes), hash_);
}

}  // namespace sluice::sim
