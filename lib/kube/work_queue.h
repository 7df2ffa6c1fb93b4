#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

#include "base/time.h"
#include "runtime/clock.h"

namespace sluice::kube {

struct WorkQueueStats {
  std::uint64_t adds = 0;
  std::uint64_t retries = 0;
  std::size_t depth = 0;
  std::size_t processing = 0;
  std::size_t later = 0;      // keys that have a time at which they come back
  std::size_t failing = 0;    // keys that did not go well the last time
  base::Nanos unfinished{0};  // how long the keys in work have been so, together
  base::Nanos longest_running{0};
};

// Which keys are to be looked at, and when. A key waits at most once and is never in work twice at
// once: one that is added meanwhile is given out again when it is done. Failures of a key wait
// min(5 ms * 2^n, 1000 s), and all of them together are at most ten a second after the first
// hundred. Pure; WorkQueue is the shell.
class WorkQueueCore {
 public:
  void add(const std::string& key, base::MonoTime now);
  // Not before `due`; an earlier time for the same key wins.
  void add_at(const std::string& key, base::MonoTime due);
  // After a failure.
  void add_rate_limited(const std::string& key, base::MonoTime now);
  // The key went well: its next failure is the first.
  void forget(const std::string& key);

  struct Taken {
    std::string key;
    base::Nanos waited{0};
  };
  std::optional<Taken> take(base::MonoTime now);
  // REQUIRES: taken. How long it was in work.
  base::Nanos done(const std::string& key, base::MonoTime now);

  // When take() may have something that it has not now; none = only after an add.
  std::optional<base::MonoTime> next_due() const;
  WorkQueueStats stats(base::MonoTime now) const;

 private:
  struct Waiting {
    std::string key;
    base::MonoTime since;
  };

  void promote(base::MonoTime now);
  base::MonoTime take_token(base::MonoTime now);

  std::deque<Waiting> ready_;
  std::set<std::string> dirty_;                       // to be looked at (again)
  std::map<std::string, base::MonoTime> processing_;  // and since when
  std::set<std::pair<base::MonoTime, std::string>> later_;
  std::map<std::string, base::MonoTime> later_by_key_;
  std::map<std::string, unsigned> failures_;
  double tokens_ = 100;
  std::optional<base::MonoTime> tokens_at_;
  std::uint64_t adds_ = 0;
  std::uint64_t retries_ = 0;
};

// The same for several threads; take() waits. `clock` must outlive it.
class WorkQueue {
 public:
  explicit WorkQueue(const runtime::Clock& clock) : clock_(clock) {}

  void add(const std::string& key);
  void add_after(const std::string& key, base::Nanos delay);
  void add_rate_limited(const std::string& key);
  void forget(const std::string& key);
  // None: stopped.
  std::optional<WorkQueueCore::Taken> take(const std::stop_token& stop);
  // Without waiting; none: nothing is due. For simulations, whose threads are not the system's.
  std::optional<WorkQueueCore::Taken> take_due();
  base::Nanos done(const std::string& key);
  WorkQueueStats stats() const;

 private:
  // With the lock held.
  void tell();

  const runtime::Clock& clock_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::uint64_t changes_ = 0;
  WorkQueueCore core_;
};

}  // namespace sluice::kube
