#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "kube/api.h"
#include "kube/election.h"
#include "runtime/clock.h"

namespace sluice::kube {

struct ElectorHooks {
  // Called on the elector's thread, in turns.
  std::function<void(std::uint64_t epoch)> on_leading;
  std::function<void()> on_lost;
  // The epoch was raised while leading.
  std::function<void(std::uint64_t epoch)> on_epoch;
  // A renewal or a look failed; may be empty.
  std::function<void(const std::string& problem)> on_problem;
};

// Runs an Election on a thread of its own. `api` needs short time-outs, and no retries: a call that
// hangs costs the lease. `api` and `clock` must outlive it.
class Elector final {
 public:
  Elector(Api& api, ElectionOptions options, const runtime::Clock& clock, std::uint64_t prng_seed,
          ElectorHooks hooks);
  // Stops without giving the lease back: the next one waits until it has run out.
  ~Elector();
  Elector(const Elector&) = delete;
  Elector& operator=(const Elector&) = delete;

  // Stops and gives the lease back. What depends on leading must have ended before.
  void release();

  // FailedPrecondition: this process must not change the cluster now. Any thread.
  base::Status may_write() const;
  // Of the leadership, while there is one. Any thread.
  std::optional<std::uint64_t> epoch() const;
  // A broker has seen this one; false: no leader can have had it. Any thread.
  bool met_epoch(std::uint64_t epoch);

 private:
  void run(const std::stop_token& stop);
  base::Result<Json> carry_out(const Election::Step& step);
  void wait_until(base::MonoTime due, const std::stop_token& stop);
  void tell();

  Api& api_;
  ElectionOptions options_;
  const runtime::Clock& clock_;
  ElectorHooks hooks_;
  std::optional<std::uint64_t> told_epoch_;  // the thread's
  std::string told_problem_;                 // the thread's
  mutable std::mutex mutex_;                 // guards election_ and woken_
  std::condition_variable_any wake_;
  bool woken_ = false;
  Election election_;
  std::jthread thread_;
};

}  // namespace sluice::kube
