#pragma once

#include <cstdint>

#include "broker/core.h"

// Room for new messages in a full queue, at the cost of its oldest (limits.overflow: DropOldest and
// DeadLetterOldest).
namespace sluice::broker {

// What a batch needs.
struct Space {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  // of bodies
};

// True while the queue is within its limits with `more` in it.
bool fits(const Queue& queue, Space more);

// What there is room for once everything has gone that may: messages that are leased or damaged
// stay.
Space room_at_most(const Queue& queue);

// Removes the oldest messages of all shards from every subscription, or makes them dead letters,
// until `more` fits. Leased messages stay. Returns false when what is left is leased, or the dead
// letters have no room: then the batch has to be refused. Where a limit was lowered under what is
// there, one call dead-letters not much more than the batch brings; the rest goes with later ones.
// `stored` = so many of the batch are in the queue already, and may go too.
bool make_room(Core& core, base::Now now, Queue& queue, Space more, std::uint64_t stored = 0);

}  // namespace sluice::broker
