#include "broker/task_slice.h"

#include <algorithm>
#include <utility>

#include "broker/returning.h"
#include "broker/task_match.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

// Messages of one slice: by their book entry, by what is read from the log, or by whole runs.
constexpr std::uint64_t kLettersPerSlice = 256;
// Of the budget, for what has entries in several tables of the side index.
constexpr std::uint64_t kUnitsPerEntry = 8;
constexpr std::uint64_t kReadsPerSlice = 64;
constexpr std::uint64_t kRunPerSlice = 1U << 20;

// How many messages this slice may look at, and how many it may act on.
std::uint64_t looks_max(const Task& task, const Budget& budget) {
  const std::uint64_t looks = reads_log(task.plan) ? kReadsPerSlice : kLettersPerSlice;
  return std::min(looks, std::max<std::uint64_t>(1, budget.left()));
}
std::uint64_t acts_max(const Task& task) {
  const std::uint64_t rate = task.plan.rate_per_second_max;
  // A tenth of a second's worth, so that the rate is even.
  return rate == 0 ? kLettersPerSlice : std::max<std::uint64_t>(1, rate / 10);
}

// Counts what a slice chose, and names some of it in a dry run.
void note_chosen(const Subscription& subscription, const Ranges& chosen, Task& task, DryRun* dry) {
  task.matched += count_messages(chosen);
  if (dry == nullptr) {
    task.done += count_messages(chosen);
    return;
  }
  for (const SequenceRange& range : chosen) {
    for (Sequence at = range.first; at <= range.last; ++at) {
      if (dry->samples.size() >= dry->samples_max) return;
      dry->samples.push_back({subscription.stream().id().shard, at});
    }
  }
}

// Whether the task can look at the message now; else storage is bringing it in.
bool can_look(Core& core, const Task& task, const Subscription& subscription, Sequence at,
              bool text_is_ready) {
  const bool is_ready =
      !reads_messages(task.plan) || core.messages.ready(subscription.stream().id(), at);
  return is_ready && text_is_ready;
}

// Dead letters from task.position on. Ends where there are no more here.
Slice dead_slice(Core& core, Task& task, Subscription& subscription, DryRun* dry, Budget& budget) {
  Slice result;
  const DeadLetters& dead = subscription.dead();
  std::uint64_t looks = looks_max(task, budget);
  std::uint64_t acts = dry != nullptr ? kLettersPerSlice : acts_max(task);
  Ranges chosen;
  auto at = dead.next(task.position);
  for (; at && looks > 0 && acts > 0; at = dead.next(*at + 1), --looks) {
    budget.take(1);
    const auto letter = dead.find(*at);
    const bool has_text = !letter || letter_text_ready(core, task.plan, *letter);
    result.reads = !can_look(core, task, subscription, *at, has_text);
    if (result.reads) break;
    if (!letter || dead.is_leased(*at) || !matches(core, task, subscription, *at, *letter))
      continue;
    append_range(chosen, {*at, *at});
    budget.take(kUnitsPerEntry);
    --acts;
  }
  result.is_end = !at;
  if (at) task.position = *at;
  note_chosen(subscription, chosen, task, dry);
  if (dry != nullptr || chosen.empty()) return result;
  if (task.kind == storage::TaskKind::kRedrive) {
    storage::RedrivenFact fact;
    fact.key = subscription.key();
    fact.task = task.id;
    record_ranges(core, subscription, std::move(fact), chosen);
  } else {
    remove(core, subscription, storage::RemoveCause::kDeadDiscarded, chosen);
  }
  return result;
}

// Waiting messages from task.position on, without those that are leased.
Slice waiting_slice(Core& core, Task& task, Subscription& subscription, DryRun* dry,
                    Budget& budget) {
  Slice result;
  const Sequence end = task.plan.ends[subscription.stream().id().shard.value()];
  const auto scope = next_wanted(task.plan.selector, {task.position, end - 1});
  result.is_end = !scope;
  if (!scope) return result;
  const auto gap = subscription.gone().next_gap(*scope);
  if (!gap) {
    task.position = scope->last + 1;
    return result;
  }
  const bool reads = reads_log(task.plan);
  std::uint64_t span = reads ? looks_max(task, budget) : kRunPerSlice;
  if (task.plan.rate_per_second_max > 0 && dry == nullptr) span = std::min(span, acts_max(task));
  SequenceRange piece{gap->first, std::min(scope->last, gap->first + (span - 1))};
  if (subscription.has_entries_in(piece)) {
    piece.last = std::min(piece.last, piece.first + (kLettersPerSlice - 1));
    budget.take(piece.count() * kUnitsPerEntry);
  }
  Ranges chosen;
  for (const SequenceRange& range : subscription.idle_in(piece)) {
    if (!reads) {
      append_range(chosen, range);
      continue;
    }
    for (Sequence at = range.first; at <= range.last && !result.reads; ++at) {
      budget.take(1);
      result.reads = !can_look(core, task, subscription, at,
                               retry_text_ready(core, task.plan, subscription, at));
      if (result.reads) {
        piece.last = at - 1;
      } else if (matches(core, task.plan, subscription, at)) {
        append_range(chosen, {at, at});
      }
    }
    if (result.reads) break;
  }
  budget.take(1 + chosen.size());
  note_chosen(subscription, chosen, task, dry);
  if (dry == nullptr) remove(core, subscription, storage::RemoveCause::kPurged, chosen);
  task.position = piece.last + 1;
  return result;
}

// On to the next shard, or to the next subscription. False = that was all.
bool advance(const Queue& queue, Task& task) {
  task.position = Sequence(1);
  if (!task.plan.selector.shard) {
    const std::uint16_t shard = task.key.stream.shard.value();
    if (shard + 1U < queue.streams().size()) {
      task.key.stream.shard = base::ShardIndex(static_cast<std::uint16_t>(shard + 1));
      return true;
    }
    task.key.stream.shard = base::ShardIndex(0);
  }
  if (!task.plan.all_subscriptions) return false;
  std::vector<base::SubscriptionId> ids = queue.stored().ids;
  std::sort(ids.begin(), ids.end());
  const auto next = std::upper_bound(ids.begin(), ids.end(), task.key.subscription);
  if (next == ids.end()) return false;
  task.key.subscription = *next;
  return true;
}

}  // namespace

Slice slice(Core& core, base::Now now, Task& task, DryRun* dry, Budget& budget) {
  const Queue& queue = *core.state.queue(task.key.stream.queue);
  Subscription* subscription = core.state.subscription(task.key);
  Slice result;
  result.is_end = true;  // of a subscription that was removed meanwhile
  if (subscription != nullptr) {
    if (dry == nullptr && !task.plan.target.is_zero()) {
      result = transfer_slice(core, now, task, *subscription, budget);
    } else if (task.plan.dead_letters) {
      result = dead_slice(core, task, *subscription, dry, budget);
    } else {
      result = waiting_slice(core, task, *subscription, dry, budget);
    }
  }
  result.is_end = result.is_end && !advance(queue, task);
  return result;
}

}  // namespace sluice::broker
