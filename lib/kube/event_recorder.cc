#include "kube/event_recorder.h"

#include <optional>
#include <utility>

namespace sluice::kube {
namespace {

constexpr std::size_t kWaitingMax = 1'000;
constexpr base::Nanos kForgetEach = std::chrono::minutes(1);

}  // namespace

EventRecorder::EventRecorder(Api& api, EventSource source, const runtime::Clock& clock,
                             std::function<void(const base::Error&)> on_lost)
    : api_(api),
      clock_(clock),
      on_lost_(std::move(on_lost)),
      series_(std::move(source)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

EventRecorder::~EventRecorder() = default;

void EventRecorder::record(EventNote note) {
  const std::lock_guard lock(mutex_);
  if (notes_.size() >= kWaitingMax) return;
  notes_.push_back(std::move(note));
  changed_.notify_one();
}

void EventRecorder::run(const std::stop_token& stop) {
  while (true) {
    std::optional<EventNote> note;
    {
      std::unique_lock lock(mutex_);
      const auto has_notes = [this] { return !notes_.empty(); };
      if (series_.size() == 0) {
        changed_.wait(lock, stop, has_notes);
      } else {
        changed_.wait_for(lock, stop, kForgetEach, has_notes);
      }
      if (stop.stop_requested()) return;
      if (!notes_.empty()) {
        note = std::move(notes_.front());
        notes_.pop_front();
      }
    }
    if (note) {
      write(*note);
    } else {
      series_.forget(clock_.mono_now());
    }
  }
}

void EventRecorder::write(const EventNote& note) {
  const std::optional<EventWrite> write = series_.add(note, clock_.now());
  if (!write) return;
  const base::Result<Json> written =
      write->create ? api_.create(*write->create) : api_.merge_patch(write->ref, write->patch);
  if (!written.has_value() && on_lost_) on_lost_(written.error());
}

}  // namespace sluice::kube
