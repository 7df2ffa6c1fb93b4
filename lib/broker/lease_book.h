#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "broker/command.h"
#include "broker/effect.h"
#include "broker/sequence_runs.h"

namespace sluice::broker {

class Subscription;

// Of one delivery batch; far above what fits a frame.
inline constexpr std::uint64_t kLeaseMessagesMax = 1U << 20;

// One delivery batch, as long as it holds messages. Which ones is known to their subscription
// (Subscription::holdings), where thousands that do not touch cost bits: see held_by().
struct Lease {
  base::Epoch epoch;
  Subscription* subscription = nullptr;
  base::SessionId session;
  std::uint32_t lease_ms = 0;
  std::uint64_t messages = 0;  // not settled yet
  bool suspect = false;        // its one message had a stall when it was delivered
  bool dead = false;           // they are dead letters
  // Not in the log:
  AttachmentHandle attachment;  // 0 = recovered and not claimed yet
  Wait leaves_after;            // what its DELIVER waits for
  base::MonoTime delivered_at;
  base::MonoTime deadline;
  bool ending = false;  // its session is gone; it waits for its turn to be given back
};

// What the lease holds, ascending; of much of it the first `messages_max`.
Ranges held_by(const Lease& lease,
               std::uint64_t messages_max = std::numeric_limits<std::uint64_t>::max());
// Appends what it holds of `range`, and returns how many messages that are.
std::uint64_t append_held(const Lease& lease, base::SequenceRange range, Ranges& out);
bool holds_any(const Lease& lease, base::SequenceRange range);

// Hears of every message that leaves a lease, whatever the reason.
class LeaseWatcher {
 public:
  virtual ~LeaseWatcher() = default;
  // `messages` have left; the lease is over when lease.messages is 0 (it is gone after the call).
  virtual void on_left(const Lease& lease, std::uint64_t messages) = 0;
};

// All leases of the broker, by epoch, by session and by deadline.
class LeaseBook {
 public:
  // May be set after recovery; not owned.
  void watch(LeaseWatcher* watcher) { watcher_ = watcher; }

  // Of `ranges`, ascending. REQUIRES: a new epoch; non-empty ranges that nobody holds.
  Lease& begin(Lease lease, const Ranges& ranges);
  // Takes `ranges` of `subscription` (ascending) out of the leases that hold parts of them; those
  // parts are appended to `parts`, ascending.
  void leave(Subscription& subscription, const Ranges& ranges, Ranges* parts = nullptr);
  void leave_all(Subscription& subscription);
  // nullptr = over or never known. Valid until the lease changes.
  Lease* find(base::Epoch epoch);
  const std::map<base::Epoch, Lease>& leases() const { return leases_; }
  // The session's leases, oldest first.
  const std::set<base::Epoch>* of_session(const base::SessionId& session) const;

  // Only leases with a deadline expire; recovered ones have none until they are claimed.
  void set_deadline(Lease& lease, base::MonoTime deadline);
  void clear_deadline(Lease& lease);
  std::optional<base::MonoTime> earliest_deadline() const;
  // The lease that is over first at `now`; nullptr = none is.
  const Lease* first_expired(base::MonoTime now) const;
  // The same; its deadline is cleared.
  Lease* pop_expired(base::MonoTime now);

 private:
  void cut(base::Epoch epoch, std::uint64_t left);

  LeaseWatcher* watcher_ = nullptr;
  std::map<base::Epoch, Lease> leases_;
  std::map<base::SessionId, std::set<base::Epoch>> by_session_;
  std::set<std::pair<base::MonoTime, base::Epoch>> deadlines_;
};

}  // namespace sluice::broker
