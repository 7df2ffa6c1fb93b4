#include "broker/seeking.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/buggify.h"
#include "base/cover.h"
#include "broker/hosting.h"
#include "broker/returning.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

// From it on the log may hold what a seek writes.
constexpr std::uint32_t kSeekLevel = 2;

base::Result<Sequence> position_of(Core& core, const Stream& stream, const Seek& command) {
  switch (command.to) {
    case Seek::To::kFirst:
      return Sequence(1);
    case Seek::To::kEnd:
      return stream.next();
    case Seek::To::kSequence:
      return std::clamp(Sequence(command.value), Sequence(1), stream.next());
    case Seek::To::kTime: {
      constexpr std::uint64_t kMax = std::uint64_t{1} << 53;
      const auto time = static_cast<std::int64_t>(std::min(command.value, kMax));
      return first_accepted_at(core, stream, base::WallTime(time));
    }
  }
  return base::invalid_argument("to: is unknown");
}

// What a seek may settle at once, so that the loop is not held up; counted as in Budget.
constexpr std::int64_t kSkippedPerStep = 2048;

// The front of `range` that costs about `entries_max`; at least one message.
SequenceRange affordable(const Subscription& subscription, SequenceRange range,
                         std::uint64_t entries_max) {
  while (range.count() > 1 && entries_in(subscription, range) > entries_max) {
    range.last = range.first + (range.count() / 2 - 1);
  }
  return range;
}

// What stands in [from, position) is done with, whoever holds it; as far as the budget goes, and
// `from` with it. Returns true when nothing is left.
bool skip(Core& core, Subscription& subscription, Sequence& from, Sequence position,
          Budget& budget) {
  if (position <= from) return true;
  storage::SettledFact fact;
  fact.key = subscription.key();
  Ranges skipped;
  auto gap = subscription.gone().next_gap({from, position - 1});
  while (gap && !budget.spent()) {
    const SequenceRange front = affordable(subscription, *gap, budget.left());
    budget.take(1 + entries_in(subscription, front));
    Ranges going{front};
    // What is damaged is discarded by its own command only.
    for (const SequenceRange& bad : subscription.quarantined_in(front)) cut_range(going, bad);
    for (const SequenceRange& part : going) append_range(skipped, part);
    from = front.last + 1;
    gap.reset();
    if (from < position) gap = subscription.gone().next_gap({from, position - 1});
  }
  record_ranges(core, subscription, std::move(fact), skipped);
  return !gap;
}

// What is settled behind `position` and still kept is ready again. False = the log cannot hold
// that.
bool bring_back(Core& core, Subscription& subscription, Sequence position) {
  const Stream& stream = subscription.stream();
  if (position >= stream.next()) return true;
  const Ranges back = stream.rewindable(subscription, {position, stream.next() - 1});
  if (!back.empty() && core.log.feature_level() < kSeekLevel) return false;
  storage::RewoundFact fact;
  fact.key = subscription.key();
  record_ranges(core, subscription, std::move(fact), back);
  return true;
}

void refuse_seek(Core& core, const Origin& origin, Refusal refusal) {
  SeekReply reply;
  reply.origin = origin;
  reply.refusal = std::move(refusal);
  core.effects.emit(Wait{}, std::move(reply));
}

// One step of it. Returns true when it is answered.
bool step(Core& core, Subscription& subscription, RunningSeek& seek, Budget& budget) {
  core.touch(subscription);
  if (!seek.has_begun && !bring_back(core, subscription, seek.position)) {
    refuse_seek(
        core, seek.origin,
        {RefusalCode::kUnimplemented,
         "the log is of feature level 1, which cannot bring settled messages back: start the "
         "broker once with --log-feature-level 2"});
    return true;
  }
  seek.has_begun = true;
  if (!skip(core, subscription, seek.from, seek.position, budget)) return false;
  SeekReply reply;
  reply.origin = seek.origin;
  reply.sequence = seek.position;
  core.effects.emit(Core::wait_for(subscription), std::move(reply));
  return true;
}

bool is_seeking(const Core& core, const storage::SubscriptionKey& key) {
  return std::any_of(core.seeks.begin(), core.seeks.end(),
                     [&](const RunningSeek& other) { return other.key == key; });
}

}  // namespace

base::Result<Sequence> first_accepted_at(const Core& core, const Stream& stream,
                                         base::WallTime time) {
  Sequence low(1);
  Sequence high = stream.next();
  while (low < high) {
    const Sequence middle = low + (high.value() - low.value()) / 2;
    ASSIGN_OR_RETURN(const auto batch, core.messages.locate(stream.id(), middle));
    if (!batch || time <= batch->accepted_at) {
      high = batch && batch->first < middle ? std::max(low, batch->first) : middle;
    } else {
      low = std::min(high, batch->last() + 1);
    }
  }
  return low;
}

void seek(Core& core, const Seek& command) {
  const auto refuse_it = [&](RefusalCode code, std::string message) {
    refuse_seek(core, command.origin, {code, std::move(message)});
  };
  Queue* queue = core.state.queue(command.queue);
  if (queue == nullptr) {
    return refuse_it(RefusalCode::kUnknownQueue, "no queue with id " + command.queue.to_hex());
  }
  Stream* stream = nullptr;
  if (Refusal refusal = find_stream(core, *queue, command.shard, stream); refusal.refused()) {
    return refuse_it(refusal.code, std::move(refusal.message));
  }
  const auto id = queue->find_subscription(command.subscription);
  if (!id) {
    return refuse_it(RefusalCode::kUnknownSubscription,
                     "queue " + queue->name() + " has no subscription " + command.subscription +
                         "; declared are: " + queue->subscription_names());
  }
  Subscription& subscription = *stream->find(*id);
  const base::Result<Sequence> position = position_of(core, *stream, command);
  if (!position) return refuse_it(RefusalCode::kInvalidArgument, position.error().message());
  RunningSeek running{command.origin, subscription.key(), *position, Sequence(1), false};
  if (!subscription.seeking) {
    Budget budget(BUGGIFY("short seek") ? 1 : kSkippedPerStep);
    if (step(core, subscription, running, budget)) return;
    COVER("seek in several steps");
    subscription.seeking = true;
  }
  core.seeks.push_back(running);
}

void go_on_seeking(Core& core, Budget& budget) {
  while (!core.seeks.empty() && !budget.spent()) {
    RunningSeek& running = core.seeks.front();
    const storage::SubscriptionKey key = running.key;
    Subscription* subscription = core.state.subscription(key);
    if (subscription == nullptr) {
      refuse_seek(core, running.origin,
                  {RefusalCode::kUnknownSubscription, "the subscription was removed meanwhile"});
    } else if (!step(core, *subscription, running, budget)) {
      return;
    }
    core.seeks.pop_front();
    if (subscription != nullptr) subscription->seeking = is_seeking(core, key);
  }
}

}  // namespace sluice::broker
