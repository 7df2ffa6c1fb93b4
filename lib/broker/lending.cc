#include "broker/lending.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::broker {

Attachment* take_turn(Core& core, std::deque<AttachmentHandle>& ring) {
  Attachment& attachment = *core.sessions.attachment(ring.front());
  ring.pop_front();
  attachment.in_ring = false;
  return attachment.has_credit() ? &attachment : nullptr;
}

Lease& lend(Core& core, base::Now now, Attachment& attachment, Draft draft, base::Millis lease) {
  Subscription& subscription = *attachment.subscription;
  storage::LeasedFact fact;
  fact.key = subscription.key();
  fact.session = core.sessions.find(attachment.session)->id;
  fact.epoch = core.next_epoch(now);
  fact.lease_ms = static_cast<std::uint32_t>(lease.count());
  fact.ranges = std::move(draft.ranges);
  const base::Lsn end = core.record(subscription, fact);

  Lease* lent = core.state.leases.find(fact.epoch);
  CHECK(lent != nullptr && lent->messages == draft.messages);
  lent->attachment = attachment.handle;
  lent->leaves_after = Core::wait_for(subscription.stream().queue(), end);
  lent->delivered_at = now.mono;
  core.state.leases.set_deadline(*lent, now.mono + base::Nanos(lease));
  attachment.messages += draft.messages;
  attachment.bytes += draft.bytes;
  attachment.outstanding += draft.messages;
  Deliver effect = make_deliver(attachment, fact.epoch, lease, std::move(draft));
  count_unsent(core, attachment, effect);
  core.effects.emit(lent->leaves_after, std::move(effect));
  return *lent;
}

void count_unsent(Core& core, const Attachment& attachment, const Deliver& effect) {
  const std::uint64_t max = core.options.unsent_bytes_max;
  Session& session = *core.sessions.find(attachment.session);
  session.unsent_bytes += effect.unsent_bytes();
  if (max == 0 || session.congested || session.unsent_bytes < max) return;
  session.congested = true;
  for (const AttachmentHandle handle : session.attachments) {
    core.sessions.attachment(handle)->congested = true;
  }
}

// Half of it must have left, so that this is not done for each frame.
void deliveries_left(Core& core, const DeliveriesLeft& command) {
  Session* session = core.sessions.find(command.session);
  if (session == nullptr) return;
  session->unsent_bytes -= std::min(session->unsent_bytes, command.bytes);
  if (!session->congested || session->unsent_bytes > core.options.unsent_bytes_max / 2) return;
  session->congested = false;
  for (const AttachmentHandle handle : session->attachments) {
    Attachment& attachment = *core.sessions.attachment(handle);
    attachment.congested = false;
    Core::offer(attachment);
    core.touch(*attachment.subscription);
  }
}

Deliver make_deliver(const Attachment& attachment, base::Epoch epoch, base::Millis lease,
                     Draft draft) {
  Deliver effect;
  effect.session = attachment.session;
  effect.attachment = attachment.handle;
  effect.epoch = epoch;
  effect.lease_ms = static_cast<std::uint32_t>(lease.count());
  effect.runs = std::move(draft.runs);
  effect.entries_bytes = draft.bytes;
  effect.entries = std::move(draft.entries);
  return effect;
}

}  // namespace sluice::broker
