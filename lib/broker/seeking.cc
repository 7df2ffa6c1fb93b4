#include "broker/seeking.h"

#include <algorithm>
#include <string>
#include <utility>

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

// What stands before `position` is done with, whoever holds it.
void skip(Core& core, Subscription& subscription, Sequence position) {
  if (position <= Sequence(1)) return;
  storage::SettledFact fact;
  fact.key = subscription.key();
  Ranges skipped;
  subscription.gone().for_each_gap(Sequence(1), position - 1, [&](SequenceRange gap) {
    skipped.push_back(gap);
    return true;
  });
  // What is damaged is discarded by its own command only.
  for (const SequenceRange& bad : subscription.quarantined_in({Sequence(1), position - 1})) {
    cut_range(skipped, bad);
  }
  record_ranges(core, subscription, std::move(fact), skipped);
}

}  // namespace

base::Result<Sequence> first_accepted_at(Core& core, const Stream& stream, base::WallTime time) {
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
  SeekReply reply;
  reply.origin = command.origin;
  const auto refuse = [&](RefusalCode code, std::string message) {
    reply.refusal = {code, std::move(message)};
    core.effects.emit(Wait{}, std::move(reply));
  };
  Queue* queue = core.state.queue(command.queue);
  if (queue == nullptr) {
    return refuse(RefusalCode::kUnknownQueue, "no queue with id " + command.queue.to_hex());
  }
  Stream* stream = queue->stream(command.shard);
  if (stream == nullptr) {
    return refuse(RefusalCode::kUnknownShard, "queue " + queue->name() + " has no shard " +
                                                  std::to_string(command.shard.value()));
  }
  const auto id = queue->find_subscription(command.subscription);
  if (!id) {
    return refuse(RefusalCode::kUnknownSubscription,
                  "queue " + queue->name() + " has no subscription " + command.subscription +
                      "; declared are: " + queue->subscription_names());
  }
  Subscription& subscription = *stream->find(*id);
  const base::Result<Sequence> position = position_of(core, *stream, command);
  if (!position) return refuse(RefusalCode::kInvalidArgument, position.error().message());
  Ranges back;
  if (*position < stream->next()) {
    back = stream->rewindable(subscription, {*position, stream->next() - 1});
  }
  if (!back.empty() && core.log.feature_level() < kSeekLevel) {
    return refuse(RefusalCode::kUnimplemented,
                  "the log is of feature level 1, which cannot bring settled messages back: start "
                  "the broker once with --log-feature-level 2");
  }
  skip(core, subscription, *position);
  storage::RewoundFact fact;
  fact.key = subscription.key();
  record_ranges(core, subscription, std::move(fact), back);
  core.touch(subscription);
  reply.sequence = *position;
  core.effects.emit(Core::wait_for(subscription), std::move(reply));
}

}  // namespace sluice::broker
