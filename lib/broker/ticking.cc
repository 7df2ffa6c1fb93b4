#include "broker/ticking.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include "base/cover.h"
#include "broker/cordoning.h"
#include "broker/gathering.h"
#include "broker/peeking.h"
#include "broker/retaining.h"
#include "broker/returning.h"
#include "broker/seeking.h"
#include "broker/settling.h"
#include "broker/subscribing.h"

namespace sluice::broker {

namespace {

// Waking and dropping work on runs: a message of a run costs next to nothing.
constexpr std::uint64_t kRunMax = 65'536;
constexpr std::uint64_t kMessagesPerUnit = 64;
// To find a run in the side index.
constexpr std::uint64_t kUnitsPerRun = 4;

// A dead letter has entries in several tables of the side index.
constexpr std::uint64_t kUnitsPerLetter = 8;

// Between two looks at the wall clock, which may step forward at any time.
constexpr base::Nanos kWallLookEvery = std::chrono::seconds(5);

void take_run(Budget& budget, std::uint64_t messages) {
  budget.take(kUnitsPerRun + messages / kMessagesPerUnit);
}

// Gives a lease back whose owner let it run out, or is gone; as much of it as the budget allows.
// Returns false when some of it is left.
bool end_lease(Core& core, base::Now now, const Ending& ending, Budget& budget) {
  Lease* lease = core.state.leases.find(ending.epoch);
  if (lease == nullptr) return true;
  const Ranges ranges = held_by(*lease, std::max<std::uint64_t>(1, budget.left()));
  const std::uint64_t messages = count_messages(ranges);
  const bool is_all = messages == lease->messages;
  budget.take(1 + messages);
  if (core.is_unclaimed_recovered(*lease)) {
    // A restart is nobody's fault.
    give_back(core, now, *lease->subscription, ranges, storage::ReleaseCause::kRestart);
  } else if (ending.end == SessionEnd::kClosed || !core.may_have_left(*lease)) {
    give_back(core, now, *lease->subscription, ranges, ending.cause);
  } else {
    stall(core, now, *lease, ranges, ending.consumer);
  }
  return is_all;
}

void end_leases(Core& core, base::Now now, Budget& budget) {
  while (!core.endings.empty() && !budget.spent()) {
    if (!end_lease(core, now, core.endings.front(), budget)) continue;
    const std::shared_ptr<const DetachAnswer> answer = core.endings.front().answer;
    core.endings.pop_front();
    if (answer == nullptr || core.sessions.find(answer->reply.origin.session) == nullptr) continue;
    const Subscription* subscription = core.state.subscription(answer->subscription);
    core.effects.emit(subscription == nullptr ? Wait{} : Core::wait_for(*subscription),
                      answer->reply);
  }
}

void expire_leases(Core& core, base::Now now, Budget& budget) {
  while (!budget.spent()) {
    const Lease* over = core.state.leases.first_expired(now.mono);
    if (over == nullptr) return;
    // What was said of it in time counts first, also where it has not had its turn yet.
    if (go_on_settling(core, now, over->epoch, budget)) continue;
    Lease* lease = core.state.leases.pop_expired(now.mono);
    if (!core.may_have_left(*lease)) {
      // A disk that stands still is not the consumer's fault, nor the message's.
      COVER("lease that could not leave goes on");
      core.state.leases.set_deadline(
          *lease,
          now.mono + base::Nanos(base::Millis(std::max<std::uint32_t>(1, lease->lease_ms))));
      budget.take(1);
      continue;
    }
    core.end_lease(*lease, SessionEnd::kLost, core.consumer_of(*lease));
    end_leases(core, now, budget);
  }
}

// The time to live of recovered sessions is over: what nobody came back for is released.
void end_recovery(Core& core, base::Now now, Budget& budget) {
  if (!core.recovery_ends || now.mono < *core.recovery_ends) return;
  std::vector<base::SessionId> absent;
  for (const auto& [id, session] : core.state.sessions) {
    if (core.sessions.find(id) == nullptr) absent.push_back(id);
  }
  std::vector<base::Epoch> left;
  for (const auto& [epoch, lease] : core.state.leases.leases()) {
    if (!lease.ending && core.sessions.find(lease.session) == nullptr) left.push_back(epoch);
  }
  for (const base::Epoch epoch : left) {
    Lease& lease = *core.state.leases.find(epoch);
    core.end_lease(lease, SessionEnd::kLost, core.consumer_of(lease));
  }
  for (const base::SessionId& id : absent) {
    storage::SessionFact fact;
    fact.session = id;
    fact.event = storage::SessionEvent::kClosed;
    fact.epoch = core.state.sessions.at(id).epoch;
    fact.client = core.state.sessions.at(id).client;
    core.record(fact, false);
  }
  budget.take(absent.size());
  core.recovery_ends.reset();
  end_leases(core, now, budget);
}

void wake(Core& core, base::Now now, Budget& budget) {
  while (!budget.spent()) {
    Subscription* subscription = core.backoffs.due(now.mono);
    if (subscription == nullptr) break;
    std::vector<base::Sequence> due;
    subscription->retries().pop_due(now.mono, budget.left(), due);
    for (const base::Sequence sequence : due) subscription->wake(sequence);
    budget.take(1 + due.size());
    core.schedule(*subscription);
    core.touch(*subscription);
  }
  while (!budget.spent()) {
    Subscription* subscription = core.dead_rests.due(now.mono);
    if (subscription == nullptr) break;
    subscription->dead_order.wake(now.mono);
    budget.take(1);
    core.schedule(*subscription);
    core.touch(*subscription);
  }
  while (!budget.spent()) {
    Stream* stream = core.delays.due(now.wall);
    if (stream == nullptr) break;
    while (!budget.spent()) {
      const auto run = stream->delays().pop_due(now.wall, kRunMax);
      if (!run) break;
      for (const auto& subscription : stream->subscriptions()) subscription->wake_delayed(*run);
      take_run(budget, run->count());
    }
    core.delays.set(*stream, stream->delays().earliest());
    for (const auto& subscription : stream->subscriptions()) core.touch(*subscription);
  }
}

// The messages of `run` that nobody holds, as far as they may expire.
Ranges expirable(const Subscription& subscription, base::SequenceRange run) {
  Ranges expirable = subscription.idle_in(run);
  if (subscription.unexpiring().empty()) return expirable;
  subscription.unexpiring().for_each_range(run.first, run.last, [&](base::SequenceRange exempt) {
    cut_range(expirable, exempt);
    return true;
  });
  return expirable;
}

// True when single messages may have entries of their own, so that a run is not cheap.
bool has_entries(const Stream& stream) {
  const auto& all = stream.subscriptions();
  return std::any_of(all.begin(), all.end(), [](const auto& subscription) {
    return !subscription->retries().empty() || !subscription->delays().empty();
  });
}

void expire_messages(Core& core, base::Now now, Budget& budget) {
  while (!budget.spent()) {
    Stream* stream = core.expiries.due(now.wall);
    if (stream == nullptr) return;
    const bool drops = stream->queue().config().expiry_action == ExpiryAction::kDrop;
    while (!budget.spent()) {
      const std::uint64_t run_max = drops && !has_entries(*stream) ? kRunMax : budget.left();
      const auto run = stream->expiry().pop_due(now.wall, run_max);
      if (!run) break;
      for (const auto& subscription : stream->subscriptions()) {
        const Ranges over = expirable(*subscription, *run);
        const std::uint64_t entries =
            subscription->retries().known().count_in(*run) + subscription->delays().count_in(*run);
        expire(core, now, *subscription, over);
        budget.take(1 + entries + (drops ? over.size() : count_messages(over)));
      }
    }
    core.expiries.set(*stream, stream->expiry().earliest());
  }
}

void expire_dead_letters(Core& core, base::Now now, Budget& budget) {
  while (!budget.spent()) {
    Subscription* subscription = core.dead_expiries.due(now.wall);
    if (subscription == nullptr) return;
    const base::Millis retention =
        subscription->stream().queue().settings(subscription->id()).dead_letter.retention;
    Ranges over;
    const DeadLetters& dead = subscription->dead();
    const auto& oldest = dead.oldest();
    const auto look = [&](base::Sequence sequence, const DeadLetter& letter) {
      const bool old = letter.died_at + retention.count() <= now.wall;
      if (!old || budget.spent()) return false;
      budget.take(kUnitsPerLetter);
      if (!dead.is_leased(sequence)) over.push_back({sequence, sequence});
      return true;
    };
    if (oldest) dead.for_each_from(oldest->letter.record, oldest->sequence, look);
    normalise(over);
    remove(core, *subscription, storage::RemoveCause::kDeadExpired, over);
    core.schedule(*subscription);
  }
}

// Dead letters above the limit of their subscription that one command left.
void trim_overfull(Core& core, Budget& budget) {
  while (!core.overfull.empty() && !budget.spent()) {
    const auto [queue_id, id] = *core.overfull.begin();
    core.overfull.erase(core.overfull.begin());
    Queue* queue = core.state.queue(queue_id);
    if (queue == nullptr || !queue->has_subscription(id)) continue;
    budget.take(kTrimmedPerStep * kUnitsPerLetter);
    trim_dead_letters(core, *queue, id);
  }
}

// What deleted queues left in the side index.
void clear_index(Core& core, Budget& budget) {
  std::deque<SideKey>& leaving = core.state.leaving;
  while (!leaving.empty() && !budget.spent()) {
    const SideKey& first = leaving.front();
    const std::uint64_t entries = budget.left();
    const std::uint64_t erased =
        core.state.side.index.erase_range(first.view(), first.behind().view(), entries);
    budget.take(1 + erased);
    if (erased < entries) leaving.pop_front();
  }
}

}  // namespace

void pass_time(Core& core, base::Now now, Budget& budget) {
  end_leases(core, now, budget);
  end_recovery(core, now, budget);
  expire_leases(core, now, budget);
  wake(core, now, budget);
  expire_messages(core, now, budget);
  expire_dead_letters(core, now, budget);
  trim_overfull(core, budget);
  drop_retained(core, now, budget);
  expire_subscriptions(core, now, budget);
  clear_index(core, budget);
  go_on_seeking(core, budget);
  go_on_settling(core, now, budget);
  go_on_peeking(core, now, budget);
  expire_gatherings(core, now);
  expire_cordons(core, now);
}

void forget_sessions(Core& core, base::Now now) {
  if (!core.recovery_ends) return;
  core.recovery_ends = now.mono;
  Budget budget(std::numeric_limits<std::int64_t>::max());
  end_recovery(core, now, budget);
}

std::optional<base::MonoTime> next_time(const Core& core, base::Now now) {
  const bool is_unfinished = !core.endings.empty() || !core.unfinished.empty() ||
                             !core.state.leaving.empty() || !core.overfull.empty() ||
                             !core.seeks.empty() || !core.settles.empty();
  if (is_unfinished) return now.mono;
  std::optional<base::MonoTime> next;
  const auto offer = [&](std::optional<base::MonoTime> time) {
    if (time && (!next || *time < *next)) next = std::max(*time, now.mono);
  };
  const auto offer_wall = [&](std::optional<base::WallTime> time) {
    if (!time) return;
    const std::int64_t wait_ms = std::max<std::int64_t>(0, *time - now.wall);
    const base::Nanos wait = std::min(
        kWallLookEvery, base::Nanos(base::Millis(std::min<std::int64_t>(wait_ms, 10'000))));
    offer(now.mono + wait);
  };
  offer(core.state.leases.earliest_deadline());
  offer(core.recovery_ends);
  offer(core.backoffs.earliest());
  offer(core.dead_rests.earliest());
  offer(next_gathering_deadline(core));
  offer(core.created_look);
  offer(next_peek(core));
  offer(core.cordons.earliest());
  offer_wall(core.delays.earliest());
  offer_wall(core.expiries.earliest());
  offer_wall(core.dead_expiries.earliest());
  offer_wall(core.retentions.earliest());
  return next;
}

}  // namespace sluice::broker
