#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "kube/api.h"
#include "kube/event_series.h"
#include "runtime/clock.h"

namespace sluice::kube {

// Writes Events on a thread of its own: nobody waits for them, and one that cannot be written is
// lost. `api` and `clock` must outlive it.
class EventRecorder {
 public:
  // `on_lost` is told of each error; may be empty.
  EventRecorder(Api& api, EventSource source, const runtime::Clock& clock,
                std::function<void(const base::Error&)> on_lost);
  // Writes nothing more.
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  // Any thread. At most 1,000 wait; what comes then is dropped.
  void record(EventNote note);

 private:
  void run(const std::stop_token& stop);
  void write(const EventNote& note);

  Api& api_;
  const runtime::Clock& clock_;
  std::function<void(const base::Error&)> on_lost_;
  EventSeries series_;  // the thread's
  std::mutex mutex_;    // guards notes_
  std::condition_variable_any changed_;
  std::deque<EventNote> notes_;
  std::jthread thread_;
};

}  // namespace sluice::kube
