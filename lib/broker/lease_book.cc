#include "broker/lease_book.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "broker/subscription.h"

namespace sluice::broker {

namespace {

constexpr base::MonoTime kNoDeadline{std::numeric_limits<std::int64_t>::max()};

constexpr base::SequenceRange kAll{base::Sequence(0),
                                   base::Sequence(std::numeric_limits<std::uint64_t>::max())};

}  // namespace

Ranges held_by(const Lease& lease, std::uint64_t messages_max) {
  Ranges held;
  lease.subscription->holdings().append_held(lease.epoch, kAll,
                                             std::min(messages_max, lease.messages), held);
  return held;
}

std::uint64_t append_held(const Lease& lease, base::SequenceRange range, Ranges& out) {
  return lease.subscription->holdings().append_held(lease.epoch, range, range.count(), out);
}

bool holds_any(const Lease& lease, base::SequenceRange range) {
  Ranges first;
  return lease.subscription->holdings().append_held(lease.epoch, range, 1, first) > 0;
}

Lease& LeaseBook::begin(Lease lease, const Ranges& ranges) {
  CHECK(lease.subscription != nullptr && !ranges.empty());
  lease.messages = count_messages(ranges);
  lease.deadline = kNoDeadline;
  lease.dead = lease.subscription->dead().any_in(ranges.front());
  lease.suspect = lease.subscription->hold(lease.epoch, ranges) || lease.suspect;
  by_session_[lease.session].insert(lease.epoch);
  const auto [at, is_new] = leases_.emplace(lease.epoch, std::move(lease));
  CHECK(is_new);
  return at->second;
}

void LeaseBook::leave(Subscription& subscription, const Ranges& ranges, Ranges* parts) {
  subscription.let_go(ranges, [&](base::Epoch epoch, const Ranges& held) {
    cut(epoch, count_messages(held));
    if (parts == nullptr) return;
    for (const base::SequenceRange& part : held) append_range(*parts, part);
  });
}

void LeaseBook::leave_all(Subscription& subscription) {
  const std::optional<base::Sequence> last = subscription.held().last();
  if (last) leave(subscription, Ranges{base::SequenceRange{base::Sequence(1), *last}});
}

Lease* LeaseBook::find(base::Epoch epoch) {
  const auto found = leases_.find(epoch);
  return found == leases_.end() ? nullptr : &found->second;
}

const std::set<base::Epoch>* LeaseBook::of_session(const base::SessionId& session) const {
  const auto found = by_session_.find(session);
  return found == by_session_.end() ? nullptr : &found->second;
}

void LeaseBook::set_deadline(Lease& lease, base::MonoTime deadline) {
  clear_deadline(lease);
  lease.deadline = deadline;
  deadlines_.emplace(deadline, lease.epoch);
}

void LeaseBook::clear_deadline(Lease& lease) {
  if (lease.deadline == kNoDeadline) return;
  deadlines_.erase({lease.deadline, lease.epoch});
  lease.deadline = kNoDeadline;
}

std::optional<base::MonoTime> LeaseBook::earliest_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

const Lease* LeaseBook::first_expired(base::MonoTime now) const {
  if (deadlines_.empty() || now < deadlines_.begin()->first) return nullptr;
  const auto found = leases_.find(deadlines_.begin()->second);
  CHECK(found != leases_.end());
  return &found->second;
}

Lease* LeaseBook::pop_expired(base::MonoTime now) {
  if (first_expired(now) == nullptr) return nullptr;
  Lease* lease = find(deadlines_.begin()->second);
  clear_deadline(*lease);
  return lease;
}

void LeaseBook::cut(base::Epoch epoch, std::uint64_t left) {
  const auto at = leases_.find(epoch);
  CHECK(at != leases_.end());
  Lease& lease = at->second;
  CHECK(left <= lease.messages);
  lease.messages -= left;
  if (watcher_ != nullptr) watcher_->on_left(lease, left);
  if (lease.messages > 0) return;
  clear_deadline(lease);
  const auto session = by_session_.find(lease.session);
  CHECK(session != by_session_.end());
  session->second.erase(epoch);
  if (session->second.empty()) by_session_.erase(session);
  leases_.erase(at);
}

}  // namespace sluice::broker
