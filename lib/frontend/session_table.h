#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "access/key_ring.h"
#include "base/ids.h"
#include "base/time.h"
#include "broker/command.h"
#include "broker/refusal.h"
#include "wire/frame.h"

namespace sluice::frontend {

enum class Port : std::uint8_t { kClient = 0, kControl = 1 };

// A connection: the ROUTER's 5-byte routing id in the lower 40 bits, above it the port, and above
// that the number of the door (doors.h), since two routers may draw the same routing ids.
using Peer = base::StrongInt<std::uint64_t, struct PeerTag>;
inline constexpr std::size_t kRoutingIdBytes = 5;
Peer make_peer(Port port, const std::byte (&routing_id)[kRoutingIdBytes], std::uint8_t door = 0);
Port port_of(Peer peer);
std::uint8_t door_of(Peer peer);
void store_routing_id(Peer peer, std::byte (&routing_id)[kRoutingIdBytes]);

struct SessionOptions {
  base::Millis ttl{10'000};  // unheard for so long, a session is lost
  // At most 65,535: the number of slots is 16 bits of a handle.
  std::uint32_t sessions_max = 10'000;
};

// Sessions and the connections that they are on. A session outlives its connection by its time to
// live; a HELLO with its id takes it over, and the epoch, one higher each time, fences what the
// older connection still sends.
//
// Owned and called by the loop thread; time and randomness are arguments.
class SessionTable {
 public:
  // `draw_id` names new sessions; a session id is a secret among clients, so it must not be
  // guessable.
  SessionTable(SessionOptions options, std::uint32_t incarnation,
               std::function<base::SessionId()> draw_id);

  struct Session {
    broker::SessionHandle handle;
    std::uint64_t number = 0;  // in frames: incarnation and handle
    base::SessionId id;
    std::uint32_t epoch = 0;
    Port port = Port::kClient;
    Peer peer;
    bool connected = false;
    bool closing = false;  // said goodbye; forgotten when the answer is sent
    bool resumed = false;  // the last HELLO took over a session that was here
    base::MonoTime heard;
    std::uint64_t hello_request = 0;
    std::uint32_t welcomes_due = 0;  // HELLOs whose SessionOpened has not come yet
    std::uint64_t features = 0;      // that the client named in its last HELLO
    std::uint64_t unsent_bytes = 0;  // delivered, and not known to have left the process
    std::string client;
    std::shared_ptr<const access::Grant> grant;  // of the last HELLO; null = no keys in use
  };

  // Begins or resumes a session on `peer`; a session that was on this connection before loses it.
  // Refused with kUnsupportedVersion or kLimitReached.
  struct Hello {
    broker::Refusal refusal;
    Session* session = nullptr;  // set unless refused
  };
  Hello hello(base::MonoTime now, Peer peer, std::uint64_t request, const wire::Hello& hello);

  // The session that a frame from `peer` with this header belongs to, marked as heard; or
  // kNoSession, or kSessionFenced where the frame comes from an older connection or epoch.
  struct Lookup {
    broker::RefusalCode code = broker::RefusalCode::kNone;
    Session* session = nullptr;
  };
  Lookup heard(base::MonoTime now, Peer peer, const wire::FrameHeader& header);

  // nullptr when there is none. Pointers are valid until the next call that is not const.
  Session* find(broker::SessionHandle handle);
  const Session* find(broker::SessionHandle handle) const;
  // The session that is on this connection.
  Session* find(Peer peer);
  bool has_peer(Peer peer) const { return by_peer_.contains(peer); }

  // The connection is gone: the time to live begins.
  void disconnected(base::MonoTime now, broker::SessionHandle handle);
  void remove(broker::SessionHandle handle);
  std::vector<broker::SessionHandle> handles() const;
  // The last connections of the sessions that came through this door, also of those that are away.
  std::vector<Peer> peers_of(std::uint8_t door) const;

  // Sessions whose time to live is over at `now`; they are removed.
  std::vector<Session> expire(base::MonoTime now);
  // No session expires before this; nullopt when there are none. May be early, never late.
  std::optional<base::MonoTime> next_expiry() const { return next_expiry_; }

  std::uint32_t size() const { return count_; }
  const SessionOptions& options() const { return options_; }

 private:
  struct Slot {
    std::uint16_t generation = 0;
    bool used = false;
    Session session;
  };

  Slot* slot_of(broker::SessionHandle handle);
  Session* add(const wire::Hello& hello);
  void leave(Peer peer);
  base::MonoTime expiry(const Session& session) const;

  const SessionOptions options_;
  const std::uint32_t incarnation_;
  const std::function<base::SessionId()> draw_id_;
  std::vector<Slot> slots_;
  std::vector<std::uint16_t> free_;
  std::unordered_map<base::SessionId, broker::SessionHandle> by_id_;
  std::unordered_map<Peer, broker::SessionHandle> by_peer_;
  std::uint32_t count_ = 0;
  std::optional<base::MonoTime> next_expiry_;
};

}  // namespace sluice::frontend
