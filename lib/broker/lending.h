#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "broker/core.h"
#include "broker/effect.h"
#include "broker/lease_book.h"
#include "broker/session_book.h"

// What deliveries of messages and of dead letters have in common: whose turn it is, and how what
// was chosen is leased and sent.
namespace sluice::broker {

// What one delivery is made of.
struct Draft {
  // Messages of the runs that are delivered for the first time.
  struct Fresh {
    base::WallTime accepted_at;
    std::uint64_t messages = 0;
  };

  Ranges ranges;
  std::vector<DeliveryRun> runs;
  std::vector<Fresh> fresh;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::shared_ptr<const std::byte[]> entries;  // as of Deliver

  bool large() const { return !runs.empty() && runs.front().slice.large(); }
};

// Takes the first attachment out of the ring. nullptr where it has no credit: it stands in line
// again when it gets some.
Attachment* take_turn(Core& core, std::deque<AttachmentHandle>& ring);

// REQUIRES: the draft's messages are the attachment's subscription's, and can be leased.
// Leases them for so long at the cost of the attachment's credit, and sends them once that is
// committed.
Lease& lend(Core& core, base::Now now, Attachment& attachment, Draft draft, base::Millis lease);

// A delivery is on its way to the attachment's session: when that has too much that has not left
// the process, its attachments get nothing more for now.
void count_unsent(Core& core, const Attachment& attachment, const Deliver& effect);
// Some of it has left.
void deliveries_left(Core& core, const DeliveriesLeft& command);

// The frame's worth of a delivery.
Deliver make_deliver(const Attachment& attachment, base::Epoch epoch, base::Millis lease,
                     Draft draft);

}  // namespace sluice::broker
