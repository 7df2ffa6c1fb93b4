#include "broker/settling.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "base/buggify.h"
#include "base/cover.h"
#include "broker/attaching.h"
#include "broker/dead_delivery.h"
#include "broker/returning.h"

namespace sluice::broker {

namespace {

using base::SequenceRange;

constexpr std::size_t kErrorBytesMax = 4096;

// Receipts against the leases that they claim to come from.
struct Claims {
  Ranges held;                 // proven, ascending
  std::uint64_t messages = 0;  // in `held`
  std::uint64_t acked = 0;     // acknowledged before: asking again is no mistake
  std::uint64_t stale = 0;
};

bool is_possible(const Receipt& receipt) {
  const SequenceRange range = receipt.range;
  return range.first != base::Sequence() && range.first <= range.last &&
         range.last.value() < std::numeric_limits<std::uint64_t>::max() / 2 &&
         range.count() <= kLeaseMessagesMax;
}

// A planted bug: whoever holds the messages now.
const Lease* any_lease(const Core& core, const Attachment& attachment, const Receipt& receipt) {
  for (const auto& [epoch, lease] : core.state.leases.leases()) {
    const bool here =
        lease.subscription == attachment.subscription && lease.dead == attachment.dead;
    if (!here || lease.ending) continue;
    if (holds_any(lease, receipt.range)) return &lease;
  }
  return nullptr;
}

// The lease of a receipt, if it belongs to the attachment's session and subscription.
Lease* lease_of(Core& core, const Attachment& attachment, const base::SessionId& session,
                const Receipt& receipt) {
  Lease* lease = core.state.leases.find(receipt.epoch);
  if (lease == nullptr || lease->ending) return nullptr;
  const bool mine = lease->subscription == attachment.subscription &&
                    lease->dead == attachment.dead && lease->session == session;
  return mine ? lease : nullptr;
}

std::uint64_t acked_in(const Subscription& subscription, SequenceRange range) {
  return subscription.gone().count_in(range) - subscription.dead().count_in(range);
}

// Of receipts that name one lease: appends all that they claim if the lease holds all of it, which
// is quick and nearly always so. False: it does not, and nothing is appended.
bool append_if_all_held(const Lease& lease, std::span<const Receipt> receipts, Ranges& held) {
  const std::size_t before = held.size();
  base::Sequence behind;
  for (const Receipt& receipt : receipts) {
    if (receipt.range.first <= behind) break;
    held.push_back(receipt.range);
    behind = receipt.range.last;
  }
  const std::span<const SequenceRange> claimed = std::span(held).subspan(before);
  const bool good = claimed.size() == receipts.size() &&
                    lease.subscription->holdings().surely_holds(lease.epoch, claimed);
  if (!good) held.resize(before);
  return good;
}

Claims check(Core& core, base::Now now, const Attachment& attachment, const Settle& command) {
  Claims claims;
  Subscription& subscription = *attachment.subscription;
  const base::SessionId session = core.sessions.find(attachment.session)->id;
  SubscriptionTotals& totals = subscription.stream().queue().totals(subscription.id());
  const bool is_ack = command.kind == SettleKind::kAck;
  std::uint64_t seen = 0;
  claims.held.reserve(command.receipts.size());
  for (auto receipt = command.receipts.begin(); receipt != command.receipts.end();) {
    const auto end = std::find_if(receipt, command.receipts.end(), [&](const Receipt& next) {
      return next.epoch != receipt->epoch;
    });
    const Lease* lease = lease_of(core, attachment, session, *receipt);
    if (PLANTED("stale_receipt_accepted") && is_ack && lease == nullptr) {
      lease = any_lease(core, attachment, *receipt);
    }
    std::uint64_t proven_of_lease = 0;
    if (lease != nullptr && append_if_all_held(*lease, {receipt, end}, claims.held)) {
      for (; receipt != end; ++receipt) proven_of_lease += receipt->range.count();
    }
    for (; receipt != end; ++receipt) {
      const std::uint64_t proven =
          lease == nullptr ? 0 : append_held(*lease, receipt->range, claims.held);
      proven_of_lease += proven;
      const std::uint64_t rest = receipt->range.count() - proven;
      if (rest == 0) continue;
      const std::uint64_t acked = is_ack ? acked_in(subscription, receipt->range) : 0;
      claims.acked += acked;
      claims.stale += rest - std::min(rest, acked);
    }
    seen += proven_of_lease;
    if (is_ack && proven_of_lease > 0) {
      const std::int64_t took_ns = std::max<std::int64_t>(0, now.mono - lease->delivered_at);
      totals.processing_seconds.add(static_cast<double>(took_ns) / 1e9, proven_of_lease);
    }
  }
  normalise(claims.held);
  claims.messages = count_messages(claims.held);
  // Named twice in one command: the second one comes too late, which an ack does not mind.
  (is_ack ? claims.acked : claims.stale) += seen - claims.messages;
  return claims;
}

// Of dead letters: they have no dead letters of their own, and no limit of attempts.
void carry_out_dead(Core& core, base::Now now, Subscription& subscription, const Claims& claims,
                    const Settle& command) {
  if (command.kind == SettleKind::kAck) return discard_dead(core, subscription, claims.held);
  const DeliveryConfig& settings =
      subscription.stream().queue().settings(subscription.id()).delivery;
  base::Millis rest{0};
  if (command.kind != SettleKind::kRelease) {
    rest = command.delay.value_or(backoff_delay(settings.backoff, 1, core.prng));
  }
  return_dead(core, now, subscription, claims.held, storage::ReleaseCause::kConsumer, rest);
}

void carry_out(Core& core, base::Now now, const Attachment& attachment, const Claims& claims,
               const Settle& command) {
  Subscription& subscription = *attachment.subscription;
  if (attachment.dead) return carry_out_dead(core, now, subscription, claims, command);
  const auto consumer = [&] { return core.sessions.find(attachment.session)->client; };
  SubscriptionTotals& totals = subscription.stream().queue().totals(subscription.id());
  switch (command.kind) {
    case SettleKind::kAck: {
      storage::SettledFact fact;
      fact.key = subscription.key();
      totals.acked += claims.messages;
      if (PLANTED("ack_not_recorded") && claims.messages % 7 == 0) return;
      record_ranges(core, subscription, std::move(fact), claims.held);
      return;
    }
    case SettleKind::kRelease:
      return give_back(core, now, subscription, claims.held, storage::ReleaseCause::kConsumer);
    case SettleKind::kFail:
      return fail(core, now, subscription, claims.held,
                  {command.error.substr(0, kErrorBytesMax), consumer(), command.delay});
    case SettleKind::kReject:
      totals.rejected += claims.messages;
      return kill(
          core, now, subscription, claims.held,
          {storage::DeadReason::kRejected, command.error.substr(0, kErrorBytesMax), consumer()});
  }
}

// What is wrong with the command itself.
template <typename Command>
Refusal check_command(Core& core, const Command& command, const Attachment* attachment) {
  if (core.sessions.find(command.origin.session) == nullptr) {
    return {RefusalCode::kNoSession, "no session: say hello first"};
  }
  if (attachment == nullptr) {
    return {RefusalCode::kUnknownHandle, "no such attachment: attach first"};
  }
  if (!std::all_of(command.receipts.begin(), command.receipts.end(), is_possible)) {
    return {RefusalCode::kInvalidArgument, "a receipt with an impossible range of sequences"};
  }
  return {};
}

constexpr const char* kStaleText =
    "the lease is over, or another session's; the message was or will be delivered again";

// The leases that an Extend is about; each once.
std::set<base::Epoch> leases_to_extend(Core& core, const Attachment& attachment,
                                       const Extend& command, std::uint64_t& stale) {
  std::set<base::Epoch> epochs;
  const base::SessionId session = core.sessions.find(attachment.session)->id;
  if (command.all) {
    const auto* mine = core.state.leases.of_session(session);
    if (mine == nullptr) return epochs;
    for (const base::Epoch epoch : *mine) {
      const Lease& lease = *core.state.leases.find(epoch);
      if (lease.attachment == attachment.handle && !lease.ending) epochs.insert(epoch);
    }
    return epochs;
  }
  for (const Receipt& receipt : command.receipts) {
    const Lease* lease = lease_of(core, attachment, session, receipt);
    if (lease != nullptr && holds_any(*lease, receipt.range)) {
      epochs.insert(receipt.epoch);
    } else {
      stale += receipt.range.count();
    }
  }
  return epochs;
}

}  // namespace

namespace {

bool costs_each(SettleKind kind) {
  return kind == SettleKind::kFail || kind == SettleKind::kReject;
}

// Takes the first receipts, with at most `messages_max` messages, out of `rest`.
Settle take_part(Settle& rest, std::uint64_t messages_max) {
  Settle part;
  part.origin = rest.origin;
  part.attachment = rest.attachment;
  part.kind = rest.kind;
  part.delay = rest.delay;
  part.error = rest.error;
  std::size_t whole = 0;
  while (whole < rest.receipts.size() && messages_max > 0) {
    Receipt& receipt = rest.receipts[whole];
    if (receipt.range.count() > messages_max) {
      part.receipts.push_back(
          {receipt.epoch, {receipt.range.first, receipt.range.first + (messages_max - 1)}});
      receipt.range.first = receipt.range.first + messages_max;
      break;
    }
    messages_max -= receipt.range.count();
    part.receipts.push_back(receipt);
    ++whole;
  }
  rest.receipts.erase(rest.receipts.begin(),
                      rest.receipts.begin() + static_cast<std::ptrdiff_t>(whole));
  return part;
}

void settle_now(Core& core, base::Now now, const Attachment& attachment, const Settle& command,
                SettleReply& reply) {
  Subscription& subscription = *attachment.subscription;
  const Claims claims = check(core, now, attachment, command);
  subscription.stream().queue().totals(subscription.id()).stale_receipts += claims.stale;
  if (claims.messages > 0) carry_out(core, now, attachment, claims, command);
  core.touch(subscription);
  reply.settled += claims.messages + claims.acked;
  reply.stale += claims.stale;
}

void answer(Core& core, Wait wait, bool wants_reply, SettleReply reply) {
  if (!wants_reply) return;
  const bool is_stale = reply.settled == 0 && reply.stale > 0;
  if (is_stale) {
    COVER("stale receipt refused");
    reply.refusal = {RefusalCode::kStaleReceipt, kStaleText};
  }
  core.effects.emit(is_stale ? Wait{} : wait, std::move(reply));
}

// The receipts of `rest`, which are ascending, that are of this lease.
std::pair<std::vector<Receipt>::const_iterator, std::vector<Receipt>::const_iterator> receipts_of(
    const Settle& rest, base::Epoch epoch) {
  const auto first =
      std::lower_bound(rest.receipts.begin(), rest.receipts.end(), epoch,
                       [](const Receipt& receipt, base::Epoch e) { return receipt.epoch < e; });
  auto last = first;
  while (last != rest.receipts.end() && last->epoch == epoch) ++last;
  return {first, last};
}

// Takes away what is in a settle that waits for its turn.
void cut_waiting(const Core& core, base::Epoch epoch, Ranges& ranges) {
  for (const RunningSettle& waiting : core.settles) {
    const auto [first, last] = receipts_of(waiting.rest, epoch);
    Ranges taken;
    std::transform(first, last, std::back_inserter(taken),
                   [](const Receipt& receipt) { return receipt.range; });
    cut_ranges(ranges, taken);
  }
}

// Leaves of the receipts what their leases hold and no waiting settle has, each message once. The
// rest is stale, whenever its turn comes. So what a session may have waiting is bounded by what it
// was lent, whatever it claims.
void clip(Core& core, const Attachment& attachment, Settle& command, SettleReply& reply) {
  Subscription& subscription = *attachment.subscription;
  const base::SessionId session = core.sessions.find(attachment.session)->id;
  std::map<base::Epoch, Ranges> wanted;
  std::uint64_t claimed = 0;
  for (const Receipt& receipt : command.receipts) {
    claimed += receipt.range.count();
    if (lease_of(core, attachment, session, receipt) == nullptr) continue;
    wanted[receipt.epoch].push_back(receipt.range);
  }
  command.receipts.clear();
  std::uint64_t kept = 0;
  for (auto& [epoch, ranges] : wanted) {
    normalise(ranges);
    const Lease& lease = *core.state.leases.find(epoch);
    Ranges held;
    for (const SequenceRange& range : ranges) append_held(lease, range, held);
    cut_waiting(core, epoch, held);
    kept += count_messages(held);
    for (const SequenceRange& range : held) command.receipts.push_back({epoch, range});
  }
  reply.stale += claimed - kept;
  subscription.stream().queue().totals(subscription.id()).stale_receipts += claimed - kept;
}

// True when that was all.
bool step(Core& core, base::Now now, RunningSettle& running) {
  const Attachment* attachment =
      attachment_of(core, running.rest.origin.session, running.rest.attachment);
  const Settle part = take_part(running.rest, attachment == nullptr     ? ~std::uint64_t{0}
                                              : BUGGIFY("short settle") ? 1
                                                                        : kSettledPerStep);
  if (attachment == nullptr) {
    // Closed by the broker, and its leases with it.
    for (const Receipt& receipt : part.receipts) running.reply.stale += receipt.range.count();
  } else {
    settle_now(core, now, *attachment, part, running.reply);
    running.wait = Core::wait_for(*attachment->subscription);
  }
  if (!running.rest.receipts.empty()) {
    COVER("settle in several steps");
    return false;
  }
  answer(core, running.wait, running.rest.wants_reply, std::move(running.reply));
  return true;
}

}  // namespace

void settle(Core& core, base::Now now, const Settle& command) {
  SettleReply reply;
  reply.origin = command.origin;
  reply.attachment = command.attachment;
  const Attachment* attachment = attachment_of(core, command.origin.session, command.attachment);
  reply.refusal = check_command(core, command, attachment);
  if (reply.refusal.refused()) {
    if (command.wants_reply) core.effects.emit(Wait{}, std::move(reply));
    return;
  }
  if (costs_each(command.kind)) {
    RunningSettle running{command, std::move(reply), {}};
    clip(core, *attachment, running.rest, running.reply);
    if (!step(core, now, running)) core.settles.push_back(std::move(running));
    return;
  }
  settle_now(core, now, *attachment, command, reply);
  answer(core, Core::wait_for(*attachment->subscription), command.wants_reply, std::move(reply));
}

void go_on_settling(Core& core, base::Now now, Budget& budget) {
  while (!core.settles.empty() && !budget.spent()) {
    budget.take(kSettledPerStep);
    if (step(core, now, core.settles.front())) core.settles.pop_front();
  }
}

bool go_on_settling(Core& core, base::Now now, base::Epoch epoch, Budget& budget) {
  const auto names_it = [&](const RunningSettle& running) {
    const auto [first, last] = receipts_of(running.rest, epoch);
    return first != last;
  };
  const auto found = std::find_if(core.settles.begin(), core.settles.end(), names_it);
  if (found == core.settles.end()) return false;
  budget.take(kSettledPerStep);
  if (step(core, now, *found)) core.settles.erase(found);
  return true;
}

void finish_settling(Core& core, base::Now now, SessionHandle session,
                     std::optional<AttachmentHandle> attachment) {
  for (auto at = core.settles.begin(); at != core.settles.end();) {
    const bool mine =
        at->rest.origin.session == session && (!attachment || at->rest.attachment == *attachment);
    if (!mine) {
      ++at;
      continue;
    }
    while (!step(core, now, *at)) {
    }
    at = core.settles.erase(at);
  }
}

void extend(Core& core, base::Now now, const Extend& command) {
  ExtendReply reply;
  reply.origin = command.origin;
  reply.attachment = command.attachment;
  const Attachment* attachment = attachment_of(core, command.origin.session, command.attachment);
  reply.refusal = check_command(core, command, attachment);
  if (reply.refusal.refused()) {
    core.effects.emit(Wait{}, std::move(reply));
    return;
  }
  Subscription& subscription = *attachment->subscription;
  Queue& queue = subscription.stream().queue();
  const DeliveryConfig& settings = queue.settings(subscription.id()).delivery;
  // A longer one than a century would leave the clock.
  constexpr base::Millis kDurationMax{std::int64_t{100} * 365 * 24 * 3600 * 1000};
  base::Millis duration = command.duration.count() > 0 ? command.duration : settings.lease;
  duration = std::min(duration, kDurationMax);
  for (const base::Epoch epoch : leases_to_extend(core, *attachment, command, reply.stale)) {
    Lease& lease = *core.state.leases.find(epoch);
    base::MonoTime deadline = now.mono + base::Nanos(duration);
    if (settings.max_lease.count() > 0) {
      deadline = std::min(deadline, lease.delivered_at + base::Nanos(settings.max_lease));
    }
    core.state.leases.set_deadline(lease, deadline);
    reply.extended += lease.messages;
  }
  queue.totals(subscription.id()).stale_receipts += reply.stale;
  if (reply.extended == 0 && reply.stale > 0) {
    reply.refusal = {RefusalCode::kStaleReceipt, kStaleText};
  }
  core.effects.emit(Wait{}, std::move(reply));
}

}  // namespace sluice::broker
