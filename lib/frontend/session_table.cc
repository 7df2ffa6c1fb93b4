#include "frontend/session_table.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace sluice::frontend {
namespace {

constexpr unsigned kRoutingIdBits = 8 * kRoutingIdBytes;
constexpr unsigned kDoorShift = kRoutingIdBits + 8;
constexpr std::uint64_t kByteMask = 0xFF;
constexpr unsigned kSlotBits = 16;
constexpr std::uint32_t kSlotMask = (1U << kSlotBits) - 1;
constexpr std::uint32_t kSlotsMax = kSlotMask;

}  // namespace

Peer make_peer(Port port, const std::byte (&routing_id)[kRoutingIdBytes], std::uint8_t door) {
  std::uint64_t value = 0;
  std::memcpy(&value, routing_id, kRoutingIdBytes);
  return Peer(value | (static_cast<std::uint64_t>(port) << kRoutingIdBits) |
              (std::uint64_t{door} << kDoorShift));
}

Port port_of(Peer peer) { return static_cast<Port>((peer.value() >> kRoutingIdBits) & kByteMask); }

std::uint8_t door_of(Peer peer) {
  return static_cast<std::uint8_t>((peer.value() >> kDoorShift) & kByteMask);
}

void store_routing_id(Peer peer, std::byte (&routing_id)[kRoutingIdBytes]) {
  const std::uint64_t value = peer.value();
  std::memcpy(routing_id, &value, kRoutingIdBytes);
}

SessionTable::SessionTable(SessionOptions options, std::uint32_t incarnation,
                           std::function<base::SessionId()> draw_id)
    : options_(options), incarnation_(incarnation), draw_id_(std::move(draw_id)) {
  CHECK(options_.sessions_max <= kSlotsMax);
}

SessionTable::Hello SessionTable::hello(base::MonoTime now, Peer peer, std::uint64_t request,
                                        const wire::Hello& hello) {
  if (hello.version_min > wire::kProtocolVersion || hello.version_max < wire::kProtocolVersionMin) {
    return {{broker::RefusalCode::kUnsupportedVersion,
             "version: this broker speaks " + std::to_string(wire::kProtocolVersionMin) + " to " +
                 std::to_string(wire::kProtocolVersion)},
            nullptr};
  }
  Session* session = nullptr;
  bool resumed = false;
  if (const auto known = by_id_.find(hello.session_id); known != by_id_.end()) {
    session = find(known->second);
    CHECK(session != nullptr);
    if (session->port != port_of(peer) || session->closing) {
      return {{broker::RefusalCode::kNoSession,
               "session id: in use on the other port, or closing; say hello without it"},
              nullptr};
    }
    if (session->connected && session->peer != peer) by_peer_.erase(session->peer);
    resumed = true;
  }
  if (session == nullptr && count_ >= options_.sessions_max) {
    return {{broker::RefusalCode::kLimitReached,
             "sessions: the broker has " + std::to_string(count_) + ", its limit"},
            nullptr};
  }
  const auto before = by_peer_.find(peer);
  if (before != by_peer_.end() && (session == nullptr || before->second != session->handle)) {
    disconnected(now, before->second);
  }
  if (session == nullptr) session = add(hello);
  session->port = port_of(peer);
  session->peer = peer;
  session->connected = true;
  session->resumed = resumed;
  session->heard = now;
  session->epoch = std::max(session->epoch, hello.session_epoch) + 1;
  session->hello_request = request;
  session->client = std::string(hello.client);
  by_peer_[peer] = session->handle;
  if (!next_expiry_ || expiry(*session) < *next_expiry_) next_expiry_ = expiry(*session);
  return {{}, session};
}

SessionTable::Session* SessionTable::add(const wire::Hello& hello) {
  std::uint16_t index = 0;
  if (free_.empty()) {
    index = static_cast<std::uint16_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.used = true;
  ++slot.generation;
  slot.session = Session{};
  Session& session = slot.session;
  session.handle =
      broker::SessionHandle((std::uint32_t{slot.generation} << kSlotBits) | std::uint32_t{index});
  session.number = (std::uint64_t{incarnation_} << 32U) | session.handle.value();
  session.id = hello.session_id.is_zero() ? draw_id_() : hello.session_id;
  by_id_[session.id] = session.handle;
  ++count_;
  return &session;
}

SessionTable::Lookup SessionTable::heard(base::MonoTime now, Peer peer,
                                         const wire::FrameHeader& header) {
  const auto handle = broker::SessionHandle(static_cast<std::uint32_t>(header.session));
  Session* session = find(handle);
  if (session == nullptr || session->number != header.session || session->closing ||
      session->port != port_of(peer)) {
    return {broker::RefusalCode::kNoSession, nullptr};
  }
  if (session->epoch != header.session_epoch || session->peer != peer) {
    return {broker::RefusalCode::kSessionFenced, nullptr};
  }
  session->heard = now;
  session->connected = true;
  return {broker::RefusalCode::kNone, session};
}

SessionTable::Slot* SessionTable::slot_of(broker::SessionHandle handle) {
  const std::uint32_t index = handle.value() & kSlotMask;
  if (index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  if (!slot.used || slot.session.handle != handle) return nullptr;
  return &slot;
}

SessionTable::Session* SessionTable::find(broker::SessionHandle handle) {
  Slot* slot = slot_of(handle);
  return slot == nullptr ? nullptr : &slot->session;
}

const SessionTable::Session* SessionTable::find(broker::SessionHandle handle) const {
  return const_cast<SessionTable*>(this)->find(handle);
}

SessionTable::Session* SessionTable::find(Peer peer) {
  const auto at = by_peer_.find(peer);
  return at == by_peer_.end() ? nullptr : find(at->second);
}

void SessionTable::disconnected(base::MonoTime now, broker::SessionHandle handle) {
  Session* session = find(handle);
  if (session == nullptr || !session->connected) return;
  session->connected = false;
  session->heard = now;
  const auto at = by_peer_.find(session->peer);
  if (at != by_peer_.end() && at->second == handle) by_peer_.erase(at);
}

void SessionTable::remove(broker::SessionHandle handle) {
  Slot* slot = slot_of(handle);
  if (slot == nullptr) return;
  const auto at = by_peer_.find(slot->session.peer);
  if (at != by_peer_.end() && at->second == handle) by_peer_.erase(at);
  by_id_.erase(slot->session.id);
  slot->used = false;
  slot->session = Session{};
  free_.push_back(static_cast<std::uint16_t>(handle.value() & kSlotMask));
  --count_;
}

std::vector<SessionTable::Session> SessionTable::expire(base::MonoTime now) {
  std::vector<Session> gone;
  if (!next_expiry_ || now < *next_expiry_) return gone;
  next_expiry_.reset();
  for (const Slot& slot : slots_) {
    if (!slot.used || slot.session.closing) continue;
    const base::MonoTime at = expiry(slot.session);
    if (at <= now) {
      gone.push_back(slot.session);
    } else if (!next_expiry_ || at < *next_expiry_) {
      next_expiry_ = at;
    }
  }
  for (const Session& session : gone) remove(session.handle);
  return gone;
}

std::vector<broker::SessionHandle> SessionTable::handles() const {
  std::vector<broker::SessionHandle> all;
  for (const Slot& slot : slots_) {
    if (slot.used) all.push_back(slot.session.handle);
  }
  return all;
}

std::vector<Peer> SessionTable::peers_of(std::uint8_t door) const {
  std::vector<Peer> peers;
  for (const Slot& slot : slots_) {
    if (slot.used && door_of(slot.session.peer) == door) peers.push_back(slot.session.peer);
  }
  return peers;
}

base::MonoTime SessionTable::expiry(const Session& session) const {
  return session.heard + base::Nanos(options_.ttl);
}

}  // namespace sluice::frontend
