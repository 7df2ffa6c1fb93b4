#include "broker/overflowing.h"

#include <algorithm>
#include <optional>

#include "broker/returning.h"

namespace sluice::broker {

namespace {

using base::SequenceRange;

// Dead letters beyond those that the batch itself calls for; an entry each, so this bounds a step.
constexpr std::uint64_t kExtraDead = 1024;

// When the message was accepted; as early as can be where that cannot be read.
base::WallTime accepted_at(Core& core, Stream& stream, base::Sequence sequence) {
  std::optional<storage::BatchLocation>& near = stream.near_oldest;
  if (!near || sequence < near->first || near->last() < sequence) {
    auto found = core.messages.locate(stream.id(), sequence);
    if (!found || !found->has_value() || sequence < (*found)->first) return {};
    near = **found;
  }
  return near->accepted_at;
}

struct Oldest {
  Stream* stream = nullptr;
  SequenceRange run;
};

// The oldest messages that may go, of all shards.
Oldest oldest_of(Core& core, const Queue& queue) {
  Oldest oldest;
  base::WallTime since;
  for (const auto& stream : queue.streams()) {
    const auto run = stream->next_idle(base::Sequence(1));
    if (!run) continue;
    const bool only = queue.streams().size() == 1;
    const base::WallTime at = only ? base::WallTime() : accepted_at(core, *stream, run->first);
    if (oldest.stream != nullptr && since <= at) continue;
    oldest = {stream.get(), *run};
    since = at;
  }
  return oldest;
}

std::uint64_t missing(std::uint64_t used, std::uint64_t more, std::uint64_t limit) {
  return used + more > limit ? used + more - limit : 0;
}

// How many messages from `run` on are about what is missing; at least 1.
std::uint64_t messages_to_go(const Queue& queue, const Oldest& oldest, Space more) {
  const LimitsConfig& limits = queue.config().limits;
  const std::uint64_t bytes = missing(queue.bytes(), more.bytes, limits.bytes_max);
  std::uint64_t count = missing(queue.messages(), more.messages, limits.messages_max);
  const std::uint64_t each = oldest.stream->ledger().size_of(oldest.run.first);
  if (bytes > 0 && each > 0) count = std::max(count, (bytes + each - 1) / each);
  // Bodies of mixed sizes, or empty ones: the run as a whole is what counts.
  if (bytes > 0 && each == 0) count = std::max(count, oldest.run.count());
  return std::max<std::uint64_t>(count, 1);
}

// What somebody has leased, or the disk has lost, in any subscription: it stays, and counts.
Space staying(const Queue& queue) {
  Space space;
  for (const auto& stream : queue.streams()) {
    Ranges stays;
    for (const auto& subscription : stream->subscriptions()) {
      Ranges mine;
      for (const storage::SequenceSet* set :
           {&subscription->held(), &subscription->quarantined()}) {
        set->for_each_range(base::Sequence(1), stream->next(), [&](SequenceRange run) {
          mine.push_back(run);
          return true;
        });
      }
      normalise(mine);
      mine = subscription->without_dead(std::move(mine));
      stays.insert(stays.end(), mine.begin(), mine.end());
    }
    normalise(stays);
    space.messages += count_messages(stays);
    space.bytes += stream->ledger().bytes_while(stays);
  }
  return space;
}

bool any_stays(const Queue& queue) {
  for (const auto& stream : queue.streams()) {
    for (const auto& subscription : stream->subscriptions()) {
      if (subscription->in_flight() > 0 || !subscription->quarantined().empty()) return true;
    }
  }
  return false;
}

// True when `more` fits once everything has gone that may: nothing is to go in vain.
bool can_fit(Core& core, const Queue& queue, Space more) {
  if (!any_stays(queue)) return true;
  const LimitsConfig& limits = queue.config().limits;
  // As a rule the oldest run that may go is enough; else all that stays is counted.
  if (const Oldest oldest = oldest_of(core, queue); oldest.stream != nullptr) {
    const std::uint64_t bytes = missing(queue.bytes(), more.bytes, limits.bytes_max);
    const bool enough =
        missing(queue.messages(), more.messages, limits.messages_max) <= oldest.run.count() &&
        (bytes == 0 || bytes <= oldest.stream->ledger().messages_with(oldest.run, bytes).second);
    if (enough) return true;
  }
  const Space room = room_at_most(queue);
  return more.messages <= room.messages && more.bytes <= room.bytes;
}

bool dead_letters_have_room(const Queue& queue) {
  return std::none_of(queue.stored().ids.begin(), queue.stored().ids.end(),
                      [&](base::SubscriptionId id) { return dead_letters_full(queue, id); });
}

void evict(Core& core, base::Now now, Stream& stream, SequenceRange run, bool drops) {
  for (const auto& subscription : stream.subscriptions()) {
    const Ranges idle = subscription->idle_in(run);
    if (idle.empty()) continue;
    if (drops) {
      remove(core, *subscription, storage::RemoveCause::kOverflow, idle);
    } else {
      kill(core, now, *subscription, idle, {storage::DeadReason::kOverflow, "", ""});
    }
  }
}

}  // namespace

bool fits(const Queue& queue, Space more) {
  const LimitsConfig& limits = queue.config().limits;
  return queue.messages() + more.messages <= limits.messages_max &&
         queue.bytes() + more.bytes <= limits.bytes_max;
}

Space room_at_most(const Queue& queue) {
  const LimitsConfig& limits = queue.config().limits;
  const Space stays = any_stays(queue) ? staying(queue) : Space{};
  return {limits.messages_max - std::min(stays.messages, limits.messages_max),
          limits.bytes_max - std::min(stays.bytes, limits.bytes_max)};
}

bool make_room(Core& core, base::Now now, Queue& queue, Space more, std::uint64_t stored) {
  const LimitsConfig& limits = queue.config().limits;
  const bool drops = limits.overflow == Overflow::kDropOldest;
  const Space before{queue.messages(), queue.bytes()};
  if (!fits(queue, more) && !can_fit(core, queue, more)) return false;
  std::uint64_t left = more.messages + stored + kExtraDead;
  while (!fits(queue, more)) {
    if (!drops && !dead_letters_have_room(queue)) return false;
    const bool grows = before.messages < queue.messages() + more.messages ||
                       before.bytes < queue.bytes() + more.bytes;
    if (!drops && left == 0 && !grows) return true;
    const Oldest oldest = oldest_of(core, queue);
    if (oldest.stream == nullptr) return false;
    std::uint64_t count = std::min(messages_to_go(queue, oldest, more), oldest.run.count());
    if (!drops) count = std::min(count, std::max<std::uint64_t>(left, 1));
    left -= std::min(left, count);
    evict(core, now, *oldest.stream, {oldest.run.first, oldest.run.first + (count - 1)}, drops);
  }
  return true;
}

}  // namespace sluice::broker
