#include "broker/task_slice.h"

#include <algorithm>
#include <utility>

#include "broker/message_reader.h"
#include "broker/returning.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

// Messages of one slice: by their book entry, by what is read from the log, or by whole runs.
constexpr std::uint64_t kLettersPerSlice = 1024;
constexpr std::uint64_t kReadsPerSlice = 64;
constexpr std::uint64_t kRunPerSlice = 1U << 20;

bool reads_messages(const TaskPlan& plan) {
  const bool by_age_of_waiting =
      !plan.dead_letters && plan.selector.dead_before != base::WallTime();
  return plan.selector.header.has_value() || by_age_of_waiting;
}

bool in_sequences(const Selector& selector, Sequence sequence) {
  return !selector.sequences || selector.sequences->contains(sequence);
}

bool matches(Core& core, const Task& task, const Stream& stream, Sequence sequence,
             const DeadLetter& letter) {
  const Selector& selector = task.plan.selector;
  if (letter.record >= task.started || !in_sequences(selector, sequence)) return false;
  if (selector.reason && *selector.reason != letter.reason) return false;
  const bool too_young =
      selector.dead_before != base::WallTime() && selector.dead_before <= letter.died_at;
  if (too_young) return false;
  return !selector.header || has_header(core, stream, sequence, *selector.header);
}

// A waiting message by what stands in the log.
bool matches(Core& core, const TaskPlan& plan, const Stream& stream, Sequence sequence) {
  const base::WallTime before = plan.selector.dead_before;
  if (before != base::WallTime()) {
    const auto message = read_message(core, stream, sequence);
    if (!message || before <= message->accepted_at) return false;
  }
  return !plan.selector.header || has_header(core, stream, sequence, *plan.selector.header);
}

// How many messages this slice may look at, and how many it may act on.
std::uint64_t looks_max(const Task& task, const Budget& budget) {
  const std::uint64_t looks = reads_messages(task.plan) ? kReadsPerSlice : kLettersPerSlice;
  return std::min(looks, std::max<std::uint64_t>(1, budget.left()));
}
std::uint64_t acts_max(const Task& task) {
  const std::uint64_t rate = task.plan.rate_per_second_max;
  // A tenth of a second's worth, so that the rate is even.
  return rate == 0 ? kLettersPerSlice : std::max<std::uint64_t>(1, rate / 10);
}

// Dead letters from task.position on. Returns true when there are no more here.
bool dead_slice(Core& core, Task& task, Subscription& subscription, bool dry, Budget& budget) {
  const Stream& stream = subscription.stream();
  const DeadLetters& dead = subscription.dead();
  std::uint64_t looks = looks_max(task, budget);
  std::uint64_t acts = dry ? kLettersPerSlice : acts_max(task);
  Ranges chosen;
  auto at = dead.next(task.position);
  for (; at && looks > 0 && acts > 0; at = dead.next(*at + 1), --looks) {
    budget.take(1);
    const auto letter = dead.find(*at);
    if (!letter || !matches(core, task, stream, *at, *letter)) continue;
    append_range(chosen, {*at, *at});
    --acts;
  }
  const bool is_end = !at;
  if (!is_end) task.position = *at;
  task.matched += count_messages(chosen);
  if (dry || chosen.empty()) return is_end;
  task.done += count_messages(chosen);
  if (task.kind == storage::TaskKind::kRedrive) {
    storage::RedrivenFact fact;
    fact.key = subscription.key();
    fact.task = task.id;
    record_ranges(core, subscription, std::move(fact), chosen);
  } else {
    remove(core, subscription, storage::RemoveCause::kDeadDiscarded, chosen);
  }
  return is_end;
}

// Waiting messages from task.position on, without those that are leased.
bool waiting_slice(Core& core, Task& task, Subscription& subscription, Budget& budget) {
  const Stream& stream = subscription.stream();
  SequenceRange scope{task.position, task.plan.ends[stream.id().shard.value()] - 1};
  if (task.plan.selector.sequences) {
    scope.first = std::max(scope.first, task.plan.selector.sequences->first);
    scope.last = std::min(scope.last, task.plan.selector.sequences->last);
  }
  if (scope.last < scope.first) return true;
  const auto gap = subscription.gone().next_gap(scope);
  if (!gap) return true;
  const bool reads = reads_messages(task.plan);
  const std::uint64_t span = reads ? looks_max(task, budget) : kRunPerSlice;
  const SequenceRange piece{gap->first, std::min(scope.last, gap->first + (span - 1))};
  Ranges chosen;
  for (const SequenceRange& range : subscription.idle_in(piece)) {
    if (!reads) {
      append_range(chosen, range);
      continue;
    }
    for (Sequence at = range.first; at <= range.last; ++at) {
      budget.take(1);
      if (matches(core, task.plan, stream, at)) append_range(chosen, {at, at});
    }
  }
  budget.take(1 + chosen.size());
  task.matched += count_messages(chosen);
  task.done += count_messages(chosen);
  remove(core, subscription, storage::RemoveCause::kPurged, chosen);
  task.position = piece.last + 1;
  return piece.last == scope.last;
}

// On to the next shard, or to the next subscription. False = that was all.
bool advance(const Queue& queue, Task& task) {
  task.position = Sequence(1);
  const std::uint16_t shard = task.key.stream.shard.value();
  if (shard + 1U < queue.streams().size()) {
    task.key.stream.shard = base::ShardIndex(static_cast<std::uint16_t>(shard + 1));
    return true;
  }
  task.key.stream.shard = base::ShardIndex(0);
  if (!task.plan.all_subscriptions) return false;
  std::vector<base::SubscriptionId> ids = queue.stored().ids;
  std::sort(ids.begin(), ids.end());
  const auto next = std::upper_bound(ids.begin(), ids.end(), task.key.subscription);
  if (next == ids.end()) return false;
  task.key.subscription = *next;
  return true;
}

}  // namespace

bool slice(Core& core, Task& task, bool dry, Budget& budget) {
  const Queue& queue = *core.state.queue(task.key.stream.queue);
  Subscription* subscription = core.state.subscription(task.key);
  bool is_end = true;  // of a subscription that was removed meanwhile
  if (subscription != nullptr) {
    is_end = task.plan.dead_letters ? dead_slice(core, task, *subscription, dry, budget)
                                    : waiting_slice(core, task, *subscription, budget);
  }
  return is_end && !advance(queue, task);
}

}  // namespace sluice::broker
