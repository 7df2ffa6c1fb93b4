#include "broker/attaching.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/cover.h"
#include "broker/hosting.h"
#include "broker/returning.h"
#include "broker/settling.h"
#include "broker/subscribing.h"

namespace sluice::broker {

namespace {

constexpr std::string_view kDeadSuffix = "/dlq";
constexpr std::uint32_t kDeadLeaseLevel = 2;
// By whoever detaches; the ticks that follow give back what it holds beyond that.
constexpr std::uint64_t kGivenBackAtOnce = 4096;

// The session's leases, as a copy: most uses change them.
std::vector<base::Epoch> leases_of(const Core& core, const base::SessionId& id) {
  const auto* epochs = core.state.leases.of_session(id);
  if (epochs == nullptr) return {};
  return {epochs->begin(), epochs->end()};
}

void close_handles(Core& core, Session& session) {
  while (!session.attachments.empty()) {
    core.sessions.detach(*core.sessions.attachment(*session.attachments.begin()));
  }
  while (!session.publishers.empty()) {
    core.sessions.close_publisher(*core.sessions.publisher(*session.publishers.begin()));
  }
}

// Every lease of the session goes back; how, the end of the session says.
void end_leases(Core& core, const base::SessionId& id, SessionEnd end, const std::string& client) {
  for (const base::Epoch epoch : leases_of(core, id)) {
    Lease& lease = *core.state.leases.find(epoch);
    if (!lease.ending) core.end_lease(lease, end, client);
  }
}

void write_session(Core& core, const base::SessionId& id, storage::SessionEvent event,
                   std::uint32_t epoch, const std::string& client) {
  storage::SessionFact fact;
  fact.session = id;
  fact.event = event;
  fact.epoch = epoch;
  fact.client = client;
  core.record(fact, false);
}

// The leases that a session brought along from another connection, or from before a restart, live
// on for one lease from now; it claims them when it attaches again.
std::uint64_t keep_leases(Core& core, base::Now now, const base::SessionId& id) {
  std::uint64_t kept = 0;
  for (const base::Epoch epoch : leases_of(core, id)) {
    Lease& lease = *core.state.leases.find(epoch);
    if (lease.ending) continue;
    lease.attachment = AttachmentHandle();
    lease.delivered_at = now.mono;
    core.state.leases.set_deadline(lease, now.mono + base::Nanos(base::Millis(lease.lease_ms)));
    kept += lease.messages;
  }
  return kept;
}

// What a session that was resumed has never seen of the subscription. What another attachment of it
// has taken over, or got itself, is that one's.
void end_unseen_leases(Core& core, const Attachment& attachment, const Session& session,
                       base::Epoch last_epoch) {
  const std::string client = session.client;
  for (const base::Epoch epoch : leases_of(core, session.id)) {
    Lease& lease = *core.state.leases.find(epoch);
    const bool mine =
        lease.subscription == attachment.subscription && lease.dead == attachment.dead;
    const bool is_kept = mine && !lease.ending && lease.attachment == AttachmentHandle();
    if (!is_kept || epoch <= last_epoch) continue;
    core.end_lease(lease, SessionEnd::kClosed, client);
  }
}

void claim_leases(Core& core, Attachment& attachment, const base::SessionId& id) {
  for (const base::Epoch epoch : leases_of(core, id)) {
    Lease& lease = *core.state.leases.find(epoch);
    const bool mine = lease.subscription == attachment.subscription &&
                      lease.dead == attachment.dead && !lease.ending;
    if (!mine || lease.attachment != AttachmentHandle()) continue;
    lease.attachment = attachment.handle;
    attachment.outstanding += lease.messages;
  }
}

std::uint32_t suspects_of(const Core& core, const base::SessionId& id) {
  std::uint32_t suspects = 0;
  for (const base::Epoch epoch : leases_of(core, id)) {
    const Lease& lease = core.state.leases.leases().at(epoch);
    if (lease.suspect && !lease.ending) ++suspects;
  }
  return suspects;
}

}  // namespace

void open_session(Core& core, base::Now now, const OpenSession& command) {
  // A handle that was used before, or a session that comes on a new one: the old one is over.
  Session* before = core.sessions.find(command.id);
  Session* reused = core.sessions.find(command.session);
  if (reused != nullptr && reused != before) {
    session_gone(core, now, SessionGone{command.session, SessionEnd::kLost});
  }
  if (before != nullptr) {
    const std::string client = before->client;
    close_handles(core, *before);
    core.sessions.close(*before);
    if (!command.resumed) end_leases(core, command.id, SessionEnd::kLost, client);
  } else if (!command.resumed) {
    // From before a restart, and its owner does not know them any more.
    end_leases(core, command.id, SessionEnd::kLost, command.client);
  }
  const auto event =
      command.resumed ? storage::SessionEvent::kResumed : storage::SessionEvent::kOpened;
  write_session(core, command.id, event, command.epoch, command.client);
  Session& session = core.sessions.open(command);

  SessionOpened effect;
  effect.origin.session = command.session;
  if (command.resumed) {
    effect.leases_kept = static_cast<std::uint32_t>(keep_leases(core, now, command.id));
    if (effect.leases_kept > 0) COVER("session resumed with leases");
    session.suspects = suspects_of(core, command.id);
  }
  core.effects.emit(Wait{}, effect);
}

void session_gone(Core& core, base::Now now, const SessionGone& command) {
  Session* session = core.sessions.find(command.session);
  if (session == nullptr) return;
  finish_settling(core, now, command.session);
  close_handles(core, *session);
  const base::SessionId id = session->id;
  const std::string client = session->client;
  const std::uint32_t epoch = session->epoch;
  core.sessions.close(*session);
  end_leases(core, id, command.end, client);
  write_session(core, id, storage::SessionEvent::kClosed, epoch, client);
}

void attach(Core& core, base::Now, const Attach& command) {
  AttachReply reply;
  reply.origin = command.origin;
  const auto refuse = [&](RefusalCode code, std::string message) {
    reply.refusal = {code, std::move(message)};
    core.effects.emit(Wait{}, std::move(reply));
  };
  Session* session = core.sessions.find(command.origin.session);
  if (session == nullptr) return refuse(RefusalCode::kNoSession, "no session: say hello first");
  Queue* queue = core.state.queue(command.queue);
  if (queue == nullptr) {
    return refuse(RefusalCode::kUnknownQueue, "no queue with id " + command.queue.to_hex());
  }
  Stream* stream = nullptr;
  if (Refusal refusal = find_stream(core, *queue, command.shard, stream); refusal.refused()) {
    return refuse(refusal.code, std::move(refusal.message));
  }
  std::string name = command.subscription.empty() ? "default" : command.subscription;
  const bool dead = name.ends_with(kDeadSuffix);
  if (dead) name.resize(name.size() - kDeadSuffix.size());
  if (dead && core.log.feature_level() < kDeadLeaseLevel) {
    return refuse(RefusalCode::kUnimplemented,
                  "the log is of feature level 1, which cannot hold leases of dead letters: start "
                  "the broker once with --log-feature-level 2");
  }
  if (dead && command.at_most_once) {
    return refuse(RefusalCode::kInvalidArgument,
                  "dead letters are delivered at least once: settle them, or purge them");
  }
  if (!SessionBook::has_room(*session)) {
    return refuse(RefusalCode::kLimitReached,
                  "this session has " + std::to_string(SessionBook::kHandlesMax) +
                      " attachments and publishers: detach some, or open another session");
  }
  auto id = queue->find_subscription(name);
  Wait wait;
  if (!id && dead) {
    return refuse(RefusalCode::kUnknownSubscription,
                  "queue " + queue->name() + " has no subscription " + name +
                      "; there are: " + queue->subscription_names());
  }
  if (!id) {
    base::SubscriptionId created;
    Refusal refusal = create_subscription(core, *queue, name, created);
    if (refusal.refused()) return refuse(refusal.code, std::move(refusal.message));
    id = created;
    wait = Core::wait_for(*stream->find(*id));
  }
  Attachment& attachment = core.sessions.attach(*session, *stream->find(*id));
  note_use(core, *attachment.subscription);
  attachment.messages_limit = command.messages_limit;
  attachment.bytes_limit = command.bytes_limit;
  attachment.at_most_once = command.at_most_once;
  attachment.takes_chunks = command.takes_chunks;
  attachment.dead = dead;
  attachment.congested = session->congested;
  attachment.cordoned = core.cordons.covers(session->client);
  if (command.last_epoch) end_unseen_leases(core, attachment, *session, *command.last_epoch);
  claim_leases(core, attachment, session->id);
  Core::offer(attachment);
  core.touch(*attachment.subscription);

  reply.attachment = attachment.handle;
  reply.subscription = *id;
  reply.lease_ms = static_cast<std::uint32_t>(queue->settings(*id).delivery.lease.count());
  core.effects.emit(wait, std::move(reply));
}

void detach(Core& core, base::Now now, const Detach& command) {
  DetachReply reply;
  reply.origin = command.origin;
  Attachment* attachment = attachment_of(core, command.origin.session, command.attachment);
  if (attachment == nullptr) {
    reply.refusal = {RefusalCode::kUnknownHandle, "no such attachment: attach first"};
    core.effects.emit(Wait{}, std::move(reply));
    return;
  }
  finish_settling(core, now, command.origin.session, command.attachment);
  Subscription& subscription = *attachment->subscription;
  const Session& session = *core.sessions.find(attachment->session);
  Ranges held;
  std::uint64_t left = kGivenBackAtOnce;
  bool ends_later = false;
  for (const base::Epoch epoch : leases_of(core, session.id)) {
    Lease& lease = *core.state.leases.find(epoch);
    if (lease.attachment != command.attachment || lease.ending) continue;
    if (lease.messages > left) {
      left = 0;
      ends_later = true;
      core.end_lease(lease, SessionEnd::kClosed, session.client);
      core.endings.back().cause = storage::ReleaseCause::kConsumer;
      continue;
    }
    left -= lease.messages;
    const Ranges of_lease = held_by(lease);
    held.insert(held.end(), of_lease.begin(), of_lease.end());
  }
  normalise(held);
  core.sessions.detach(*attachment);
  give_back(core, now, subscription, held, storage::ReleaseCause::kConsumer);
  core.touch(subscription);
  if (ends_later) {
    core.endings.back().answer =
        std::make_shared<DetachAnswer>(DetachAnswer{std::move(reply), subscription.key()});
    return;
  }
  core.effects.emit(Core::wait_for(subscription), std::move(reply));
}

void give_credit(Core& core, const Credit& command) {
  Attachment* attachment = attachment_of(core, command.session, command.attachment);
  if (attachment == nullptr) return;  // closed meanwhile; no answer is expected
  attachment->messages_limit = command.messages_limit;
  attachment->bytes_limit = command.bytes_limit;
  Core::offer(*attachment);
  core.touch(*attachment->subscription);
}

void chunks_sent(Core& core, const ChunksSent& command) {
  Attachment* attachment = attachment_of(core, command.session, command.attachment);
  if (attachment == nullptr) return;
  attachment->sends_chunks = false;
  Core::offer(*attachment);
  core.touch(*attachment->subscription);
}

void close_attachments(Core& core, const Subscription& subscription, const Refusal& reason) {
  std::vector<AttachmentHandle> closing;
  for (const auto& [handle, attachment] : core.sessions.attachments()) {
    if (attachment->subscription == &subscription) closing.push_back(handle);
  }
  for (const AttachmentHandle handle : closing) {
    Attachment& attachment = *core.sessions.attachment(handle);
    AttachmentClosed effect;
    effect.session = attachment.session;
    effect.attachment = handle;
    effect.reason = reason;
    core.sessions.detach(attachment);
    core.effects.emit(Wait{}, std::move(effect));
  }
}

void close_publishers(Core& core, const Queue& queue) {
  while (!queue.publishers.empty()) {
    core.sessions.close_publisher(*core.sessions.publisher(*queue.publishers.begin()));
  }
}

Attachment* attachment_of(Core& core, SessionHandle session, AttachmentHandle handle) {
  Attachment* attachment = core.sessions.attachment(handle);
  if (attachment == nullptr || attachment->session != session) return nullptr;
  return attachment;
}

}  // namespace sluice::broker
