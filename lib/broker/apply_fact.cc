#include "broker/apply_fact.h"

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "broker/config_codec.h"

namespace sluice::broker {

namespace {

using base::Lsn;
using base::SequenceRange;
using base::Status;

base::Error contradiction(Lsn record, const std::string& what) {
  return base::corruption("record at " + std::to_string(record.value()) + ": " + what);
}

// Ranges that a fact can have: ascending and disjoint.
Status check_ranges(const Ranges& ranges, Lsn record) {
  constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max() / 2;
  base::Sequence before;
  for (const SequenceRange& range : ranges) {
    const bool good =
        before < range.first && range.first <= range.last && range.last.value() <= kLast;
    if (!good) return contradiction(record, "impossible sequences");
    before = range.last;
  }
  return {};
}

// The subscription that a fact is about, with its stream long enough for `ranges`.
base::Result<Subscription*> find(State& state, const storage::SubscriptionKey& key,
                                 const Ranges& ranges, Lsn record) {
  RETURN_IF_ERROR(check_ranges(ranges, record));
  Subscription* subscription = state.subscription(key);
  if (subscription == nullptr) {
    return contradiction(record, "queue " + key.stream.queue.to_hex() + ", shard " +
                                     std::to_string(key.stream.shard.value()) + " has no " +
                                     "subscription " + std::to_string(key.subscription.value()));
  }
  // A batch whose record is damaged: the messages exist all the same.
  if (!ranges.empty()) subscription->stream().expect(ranges.back().last);
  return subscription;
}

template <typename Entry>
Ranges ranges_of(const std::vector<Entry>& entries) {
  Ranges ranges;
  for (const Entry& entry : entries) {
    const bool follows = !ranges.empty() && ranges.back().last + 1 == entry.sequence;
    if (follows) {
      ranges.back().last = entry.sequence;
    } else {
      ranges.push_back({entry.sequence, entry.sequence});
    }
  }
  return ranges;
}

// The subscription goes: nobody holds or wants anything for it any more.
void end_subscription(State& state, Queue& queue, base::SubscriptionId id) {
  for (const auto& stream : queue.streams()) {
    Subscription& subscription = *stream->find(id);
    state.leases.leave_all(subscription);
    if (subscription.uses_index()) state.leaving.emplace_back(subscription.key());
    // What it had to settle went before; not so where a record of that is damaged.
    if (stream->next() > base::Sequence(1)) {
      stream->remove(subscription, {base::Sequence(1), stream->next() - 1});
    }
  }
}

// New counters after a failed delivery or a stall; of the two only a failure brings a text.
template <typename Fact>
Status retry(State& state, const Fact& fact, Lsn record) {
  constexpr bool kHasText = std::is_same_v<Fact, storage::FailedFact>;
  const Ranges ranges = ranges_of(fact.entries);
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, ranges, record));
  state.leases.leave(*subscription, ranges);
  for (const storage::RetryEntry& entry : fact.entries) {
    if (subscription->gone().contains(entry.sequence)) continue;
    MessageState next;
    next.attempts = entry.attempts;
    next.stalls = entry.stalls;
    next.due = entry.due;
    next.first_failed = fact.at;
    if (kHasText) next.text = record;
    if (const auto before = subscription->retries().find(entry.sequence)) {
      next.first_failed = before->first_failed;
      if (!kHasText) next.text = before->text;
    }
    subscription->retry(entry.sequence, next);
  }
  return {};
}

}  // namespace

Status apply_fact(State& state, const storage::IncarnationFact& fact, Lsn record) {
  if (fact.incarnation <= state.incarnation) {
    return contradiction(record, "incarnation " + std::to_string(fact.incarnation) + " again");
  }
  state.incarnation = fact.incarnation;
  state.log_id = fact.log_id;
  for (const auto& [id, queue] : state.queues) {
    for (const auto& stream : queue->streams()) stream->jump(fact.sequence_jump);
  }
  return {};
}

Status apply_fact(State& state, const storage::QueueConfiguredFact& fact, Lsn record) {
  ASSIGN_OR_RETURN(StoredConfig stored, decode_config(fact.config));
  Queue* queue = state.queue(fact.queue);
  if (queue == nullptr) {
    auto created = std::make_unique<Queue>(fact.queue, fact.revision, std::move(stored),
                                           state.numbers, state.side);
    state.queues.emplace(fact.queue, std::move(created));
    return {};
  }
  if (stored.config.shards != queue->config().shards) {
    return contradiction(record, "queue " + queue->name() + " with another number of shards");
  }
  for (const base::SubscriptionId id : queue->stored().ids) {
    if (std::find(stored.ids.begin(), stored.ids.end(), id) == stored.ids.end()) {
      end_subscription(state, *queue, id);
    }
  }
  queue->configure(fact.revision, std::move(stored), state.numbers);
  return {};
}

Status apply_fact(State& state, const storage::SubscriptionExpiredFact& fact, Lsn record) {
  Queue* queue = state.queue(fact.queue);
  const bool known = queue != nullptr && queue->has_subscription(fact.subscription);
  if (!known) {
    return contradiction(record, "queue " + fact.queue.to_hex() + " has no subscription " +
                                     std::to_string(fact.subscription.value()) + " to expire");
  }
  StoredConfig stored = queue->stored();
  const auto at = std::find(stored.ids.begin(), stored.ids.end(), fact.subscription);
  stored.config.subscriptions.erase(stored.config.subscriptions.begin() +
                                    (at - stored.ids.begin()));
  stored.ids.erase(at);
  if (stored.ids.empty()) return contradiction(record, "the last subscription expires");
  end_subscription(state, *queue, fact.subscription);
  queue->configure(queue->revision() + 1, std::move(stored), state.numbers);
  return {};
}

Status apply_fact(State& state, const storage::QueueDeletedFact& fact, Lsn record) {
  Queue* queue = state.queue(fact.queue);
  if (queue == nullptr) {
    return contradiction(record, "no queue " + fact.queue.to_hex() + " to delete");
  }
  bool uses_index = false;
  for (const auto& stream : queue->streams()) {
    uses_index = uses_index || !stream->expiry().empty() || !stream->delays().empty();
    for (const auto& subscription : stream->subscriptions()) {
      state.leases.leave_all(*subscription);
      uses_index = uses_index || subscription->uses_index();
    }
  }
  if (uses_index) state.leaving.emplace_back(fact.queue);
  state.producers.forget_queue(fact.queue);
  std::erase_if(state.tasks,
                [&](const auto& task) { return task.second.key.stream.queue == fact.queue; });
  state.queues.erase(fact.queue);
  return {};
}

Status apply_fact(State& state, const storage::LeasedFact& fact, Lsn record) {
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, fact.ranges, record));
  if (state.leases.find(fact.epoch) != nullptr) {
    return contradiction(record, "epoch " + std::to_string(fact.epoch.value()) + " again");
  }
  Lease lease;
  lease.epoch = fact.epoch;
  lease.subscription = subscription;
  lease.session = fact.session;
  lease.lease_ms = fact.lease_ms;
  Ranges ranges = subscription->idle_in(fact.ranges);
  if (ranges.empty()) {
    for (const SequenceRange& range : fact.ranges) {
      for (const SequenceRange& part : subscription->idle_dead_in(range)) ranges.push_back(part);
    }
  }
  if (!ranges.empty()) state.leases.begin(std::move(lease), ranges);
  return {};
}

Status apply_fact(State& state, const storage::SettledFact& fact, Lsn record) {
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, fact.ranges, record));
  state.leases.leave(*subscription, fact.ranges);
  subscription->stream().remove(*subscription, fact.ranges);
  return {};
}

Status apply_fact(State& state, const storage::ReleasedFact& fact, Lsn record) {
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, fact.ranges, record));
  Ranges held;
  state.leases.leave(*subscription, fact.ranges, &held);
  for (const SequenceRange& part : held) subscription->release(part);
  return {};
}

Status apply_fact(State& state, const storage::FailedFact& fact, Lsn record) {
  return retry(state, fact, record);
}

Status apply_fact(State& state, const storage::StalledFact& fact, Lsn record) {
  return retry(state, fact, record);
}

Status apply_fact(State& state, const storage::DeadFact& fact, Lsn record) {
  const Ranges ranges = ranges_of(fact.entries);
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, ranges, record));
  state.leases.leave(*subscription, ranges);
  for (const storage::DeadEntry& entry : fact.entries) {
    if (subscription->gone().contains(entry.sequence)) continue;
    DeadLetter letter;
    letter.reason = fact.reason;
    letter.attempts = entry.attempts;
    letter.stalls = entry.stalls;
    letter.first_failed = entry.first_failed == base::WallTime() ? fact.at : entry.first_failed;
    letter.died_at = fact.at;
    letter.record = record;
    letter.text = record;
    if (const auto before = subscription->retries().find(entry.sequence)) {
      if (fact.error.empty() && before->text != Lsn()) letter.text = before->text;
    }
    subscription->stream().bury(*subscription, entry.sequence, letter, fact.keeps_deliver_at);
  }
  return {};
}

Status apply_fact(State& state, const storage::RedrivenFact& fact, Lsn record) {
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, fact.ranges, record));
  state.leases.leave(*subscription, fact.ranges);
  for (const SequenceRange& range : fact.ranges) {
    const DeadLetters& dead = subscription->dead();
    for (auto at = dead.next(range.first); at && *at <= range.last; at = dead.next(*at + 1)) {
      subscription->stream().revive(*subscription, *at);
    }
  }
  return {};
}

Status apply_fact(State& state, const storage::RewoundFact& fact, Lsn record) {
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, fact.ranges, record));
  for (const SequenceRange& range : fact.ranges) {
    subscription->stream().rewind(*subscription, range);
    ++state.revivals;
  }
  return {};
}

Status apply_fact(State& state, const storage::DroppedFact& fact, Lsn record) {
  RETURN_IF_ERROR(check_ranges(fact.ranges, record));
  Stream* stream = state.stream(fact.stream);
  if (stream == nullptr) {
    return contradiction(record, "no queue " + fact.stream.queue.to_hex() + " with shard " +
                                     std::to_string(fact.stream.shard.value()));
  }
  for (const SequenceRange& range : fact.ranges) {
    stream->expect(range.last);
    for (const auto& subscription : stream->subscriptions()) {
      state.leases.leave(*subscription, {range});
    }
    stream->drop(range);
  }
  return {};
}

Status apply_fact(State& state, const storage::RemovedFact& fact, Lsn record) {
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, fact.ranges, record));
  const bool of_dead = fact.cause == storage::RemoveCause::kDeadExpired ||
                       fact.cause == storage::RemoveCause::kDeadDiscarded;
  state.leases.leave(*subscription, fact.ranges);
  if (!of_dead) {
    subscription->stream().remove(*subscription, fact.ranges);
    return {};
  }
  for (const SequenceRange& range : fact.ranges) {
    const DeadLetters& dead = subscription->dead();
    for (auto at = dead.next(range.first); at && *at <= range.last; at = dead.next(*at + 1)) {
      subscription->discard(*at);
    }
  }
  return {};
}

Status apply_fact(State& state, const storage::DamagedFact& fact, Lsn record) {
  ASSIGN_OR_RETURN(Subscription * subscription, find(state, fact.key, fact.ranges, record));
  for (const SequenceRange& range : fact.ranges) {
    if (fact.event == storage::DamageEvent::kFound) {
      for (const SequenceRange& part : subscription->idle_in(range)) subscription->quarantine(part);
      continue;
    }
    for (const SequenceRange& part : subscription->quarantined_in(range)) {
      if (fact.event == storage::DamageEvent::kReadable) {
        subscription->end_quarantine(part);
      } else {
        subscription->stream().remove(*subscription, part);
      }
    }
  }
  return {};
}

// Only announced: the batch that follows carries it out.
Status apply_fact(State& state, const storage::TransferFact& fact, Lsn record) {
  RETURN_IF_ERROR(check_ranges(fact.ranges, record));
  state.transfer = fact;
  return {};
}

Status apply_fact(State& state, const storage::SessionFact& fact, Lsn) {
  if (fact.event == storage::SessionEvent::kClosed) {
    state.sessions.erase(fact.session);
  } else {
    state.sessions[fact.session] = KnownSession{fact.epoch, fact.client};
  }
  return {};
}

Status apply_fact(State& state, const storage::TaskFact& fact, Lsn record) {
  if (fact.state != storage::TaskState::kRunning) {
    state.tasks.erase(fact.task);
    return {};
  }
  ASSIGN_OR_RETURN(TaskPlan plan, decode_plan(fact.selector));
  const Queue* queue = state.queue(fact.key.stream.queue);
  if (queue == nullptr || !is_possible(fact.kind, fact.key, plan, *queue)) {
    return contradiction(record, "task " + fact.task.to_hex() + " is about nothing that exists");
  }
  const auto [at, is_new] = state.tasks.try_emplace(fact.task);
  Task& task = at->second;
  if (is_new) task.started = record;
  task.id = fact.task;
  task.kind = fact.kind;
  task.key = fact.key;
  task.position = fact.position;
  task.matched = fact.matched;
  task.done = fact.done;
  task.plan = std::move(plan);
  return {};
}

Status apply_fact(State& state, const storage::ProducerFact& fact, Lsn record) {
  state.producers.take_epoch(fact.producer, fact.epoch, record);
  return {};
}

}  // namespace sluice::broker
