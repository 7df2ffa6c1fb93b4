#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "frontend/effect_encoder.h"
#include "frontend/frame_dispatch.h"
#include "wire/frame_codec.h"

// The half of FrameDispatch that goes outwards: effects, and sessions that end.
namespace sluice::frontend {
namespace {

// The broker is told of so much at a time; that is little of what may be unsent.
constexpr std::uint64_t kToldBytes = 1U << 20;
constexpr base::Nanos kLookMin = std::chrono::milliseconds(1);
constexpr base::Nanos kLookMax = std::chrono::milliseconds(16);

// The messages as they were stored, but for those that were rewritten on the way.
base::Status copy_entries(const broker::Deliver& effect, storage::MessageStore& messages,
                          base::MutableByteView out) {
  if (effect.entries != nullptr) {
    std::memcpy(out.data(), effect.entries.get(), out.size());
    return {};
  }
  std::vector<storage::EntrySlice> stored;
  stored.reserve(effect.runs.size());
  for (const broker::DeliveryRun& run : effect.runs) {
    if (run.rewritten.empty()) stored.push_back(run.slice);
  }
  if (stored.size() == effect.runs.size()) return messages.copy(stored, out);
  std::size_t at = 0;
  for (const broker::DeliveryRun& run : effect.runs) {
    base::ByteView entries(run.rewritten);
    if (entries.empty()) {
      ASSIGN_OR_RETURN(entries, messages.read(run.slice));
    }
    std::memcpy(out.data() + at, entries.data(), entries.size());
    at += entries.size();
  }
  return {};
}

}  // namespace

void FrameDispatch::pass(base::Now now, Effect&& effect) {
  std::visit([&](auto& value) { pass_one(now, value); }, effect);
}

template <typename T>
void FrameDispatch::pass_one(base::Now now, T& effect) {
  broker::SessionHandle handle;
  std::uint64_t request = 0;
  if constexpr (requires { effect.origin; }) {
    handle = effect.origin.session;
    request = effect.origin.request.value();
  } else {
    handle = effect.session;
  }
  // Nobody asked for the answer.
  if (std::is_same_v<T, broker::ExtendReply> && request == 0) return;
  if constexpr (requires { effect.refusal; }) {
    if (effect.refusal.refused()) count_refusal(effect.refusal.code);
  }
  Session* session = parts_.sessions.find(handle);
  // What is left of the connection before the last HELLO answers nobody.
  if (session == nullptr || !session->connected || session->welcomes_due > 0) return;
  send(now, *session, request, to_frame(effect));
}

void FrameDispatch::pass_one(base::Now now, broker::TaskReply& effect) {
  audit_end(effect);
  if (effect.refusal.refused()) count_refusal(effect.refusal.code);
  Session* session = parts_.sessions.find(effect.origin.session);
  if (session == nullptr || !session->connected || session->welcomes_due > 0) return;
  const std::uint64_t request = effect.origin.request.value();
  if (effect.detailed) {
    send(now, *session, request, to_status_frame(effect));
  } else {
    send(now, *session, request, to_frame(effect));
  }
}

void FrameDispatch::pass_one(base::Now now, broker::DeleteReply& effect) {
  if (effect.refusal.refused()) count_refusal(effect.refusal.code);
  Session* session = parts_.sessions.find(effect.origin.session);
  if (session == nullptr || !session->connected || session->welcomes_due > 0) return;
  const std::uint64_t request = effect.origin.request.value();
  if (effect.counted) {
    send(now, *session, request, to_counted_frame(effect));
  } else {
    send(now, *session, request, to_frame(effect));
  }
}

void FrameDispatch::pass_one(base::Now /*now*/, broker::SessionOpened& effect) {
  Session* session = parts_.sessions.find(effect.origin.session);
  if (session == nullptr || session->welcomes_due == 0) return;
  // To the broker a resumed session is a new one.
  session->unsent_bytes = 0;
  // Two HELLOs in a row: only the last one's numbers are good.
  if (--session->welcomes_due == 0) welcome(*session, effect.leases_kept);
}

void FrameDispatch::pass_one(base::Now now, broker::Deliver& effect) {
  Session* session = parts_.sessions.find(effect.session);
  if (session == nullptr || session->welcomes_due > 0) return;
  count_unsent(now, *session, effect);
  if (!session->connected) return give_back(now, effect);
  if (effect.runs.front().slice.large()) return begin_transfer(std::move(effect));
  const std::size_t prefix = wire::deliver_prefix_bytes(effect.runs.size());
  const auto fill = [&](base::MutableByteView out) -> base::Status {
    encode_prefix(header_of(*session, 0), effect, out.first(prefix));
    return copy_entries(effect, parts_.messages, out.subspan(prefix));
  };
  const SendResult result =
      output(session->peer)
          .send(session->peer, prefix + effect.entries_bytes, FrameOutput::Fill(std::ref(fill)));
  if (result == SendResult::kFailed) {
    // The broker looks at the records again when it delivers again, and finds what is damaged.
    base::log_error("delivery_unreadable", {{"session", session->id.to_hex()}});
    parts_.commands.apply(now, to_release(effect));
    return;
  }
  // Before its session, and so its attachment, is dropped.
  if (result == SendResult::kOverflow) give_back(now, effect);
  sent(now, effect.session, result);
  if (result == SendResult::kNoPeer) give_back(now, effect);
}

void FrameDispatch::count_unsent(base::Now now, Session& session, const broker::Deliver& effect) {
  session.unsent_bytes += effect.unsent_bytes();
  if (session.unsent_bytes < kToldBytes || !unsent_.insert(session.handle).second) return;
  unsent_look_ = now.mono;
  unsent_again_ = kLookMin;
}

// ZeroMQ does not tell when frames have left, so somebody has to look: often while they do, and
// not so often at who does not read.
void FrameDispatch::tell_what_left(base::Now now) {
  if (unsent_.empty() || now.mono < unsent_look_) return;
  bool has_left = false;
  for (auto at = unsent_.begin(); at != unsent_.end();) {
    Session* session = parts_.sessions.find(*at);
    if (session == nullptr) {
      at = unsent_.erase(at);
      continue;
    }
    const std::uint64_t waiting =
        session->connected ? output(session->peer).waiting_bytes(session->peer) : 0;
    const std::uint64_t left = session->unsent_bytes - std::min(session->unsent_bytes, waiting);
    if (left >= kToldBytes) {
      has_left = true;
      session->unsent_bytes -= left;
      parts_.commands.deliveries_left(now, {session->handle, left});
    }
    at = session->unsent_bytes < kToldBytes ? unsent_.erase(at) : std::next(at);
  }
  unsent_again_ = has_left ? kLookMin : std::min(2 * unsent_again_, kLookMax);
  unsent_look_ = now.mono + unsent_again_;
}

// Nobody received it, so it counts as nothing and others may have it. No more comes to an
// attachment whose connection is gone: a new connection attaches anew.
void FrameDispatch::give_back(base::Now now, const broker::Deliver& effect) {
  parts_.commands.apply(now, broker::Credit{effect.session, effect.attachment, 0, 0});
  parts_.commands.apply(now, to_release(effect));
}

void FrameDispatch::pass_one(base::Now now, PreparedFrame& effect) {
  const broker::SessionHandle handle = effect.session;
  Session* session = parts_.sessions.find(handle);
  if (session == nullptr) return;
  const SendResult result = output(session->peer).send(session->peer, effect.bytes);
  if (effect.ends_session) {
    parts_.sessions.remove(handle);
    return;
  }
  sent(now, handle, result);
}

void FrameDispatch::sent(base::Now now, broker::SessionHandle session, SendResult result) {
  if (result == SendResult::kNoPeer) disconnect(now, session);
  if (result == SendResult::kOverflow) {
    const Session* dropped = parts_.sessions.find(session);
    const access::Grant* grant = dropped == nullptr ? nullptr : dropped->grant.get();
    base::log_warn("session_dropped", {{"reason", "does not read what it asked for"},
                                       {"client", dropped == nullptr ? "" : dropped->client},
                                       {"key", grant == nullptr ? "" : grant->id}});
    lose(now, session);
  }
}

void FrameDispatch::disconnected(base::Now now, Peer peer) {
  const Session* session = parts_.sessions.find(peer);
  if (session != nullptr) disconnect(now, session->handle);
}

void FrameDispatch::disconnect(base::Now now, broker::SessionHandle session) {
  parts_.sessions.disconnected(now.mono, session);
  watchers_.erase(session);
  drop_transfers(now, session, std::nullopt, true);
}

void FrameDispatch::lose(base::Now now, broker::SessionHandle handle) {
  const Session* session = parts_.sessions.find(handle);
  if (session == nullptr) return;
  const Port port = session->port;
  output(session->peer).forget(session->peer);
  forget_observer(handle);
  drop_transfers(now, handle, std::nullopt, false);
  parts_.sessions.remove(handle);
  if (port == Port::kClient) {
    parts_.commands.apply(now, broker::SessionGone{handle, broker::SessionEnd::kLost});
  }
}

void FrameDispatch::tick(base::Now now) {
  for (const SessionTable::Session& session : parts_.sessions.expire(now.mono)) {
    base::log_info("session_lost", {{"session", session.id.to_hex()}, {"client", session.client}});
    output(session.peer).forget(session.peer);
    forget_observer(session.handle);
    drop_transfers(now, session.handle, std::nullopt, false);
    if (session.port == Port::kClient) {
      parts_.commands.apply(now, broker::SessionGone{session.handle, broker::SessionEnd::kLost});
    }
  }
  tick_observers(now);
}

std::optional<base::MonoTime> FrameDispatch::next_tick() const {
  const std::optional<base::MonoTime> expiry = parts_.sessions.next_expiry();
  const std::optional<base::MonoTime> observation = next_observation();
  std::optional<base::MonoTime> next = expiry ? expiry : observation;
  if (expiry && observation) next = std::min(*expiry, *observation);
  if (unsent_.empty()) return next;
  return next ? std::min(*next, unsent_look_) : unsent_look_;
}

}  // namespace sluice::frontend
