#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "frontend/connection_guard.h"
#include "frontend/doors.h"
#include "frontend/log_quota.h"
#include "frontend/session_table.h"
#include "frontend/zmq_wait.h"

namespace sluice::frontend {

// Takes what ZeroMQ tells about connections, counts the handshakes that failed, and cuts off whom
// the guard names. Owned and called by the loop thread.
class ConnectionWatch {
 public:
  // Both must outlive the watch.
  ConnectionWatch(Doors& doors, const SessionTable& sessions, GuardOptions options)
      : doors_(doors), sessions_(sessions), guard_(options) {}

  // Adds what has to be waited for.
  void add_to(std::vector<ZmqWaited>& waited);
  // Takes what there is. To be called in every turn of the loop in which something was ready.
  void look(base::Now now);
  // The same, and finds connections without a session. About once a second.
  void tick(base::Now now);

  // The peer of the frame that `router` received last has a session now.
  void admit(base::Now now, ZmqRouter& router, Peer peer);
  // Whether a frame of this size is too large for a peer that has no session; it is cut off.
  bool refuses(base::Now now, ZmqRouter& router, Peer peer, std::size_t frame_bytes);
  // Whom the frame that `router` received last came from has chosen its own routing id, and is cut
  // off soon. True = it has not been told why: until then there is time to. `key` is the id of its
  // key, for the log.
  bool refuses_chosen_id(base::Now now, ZmqRouter& router, std::string_view key);
  void closed(std::uint8_t door) { guard_.ended_all(door); }

  const ConnectionGuard& guard() const { return guard_; }
  // By reason, as in docs/metrics.md.
  const std::map<std::string, std::uint64_t, std::less<>>& failures() const { return failures_; }

 private:
  void take(base::Now now, ZmqRouter& router);
  void cut(base::Now now);
  void count(base::Now now, std::string_view reason, const std::string& address,
             std::string_view key);

  Doors& doors_;
  const SessionTable& sessions_;
  ConnectionGuard guard_;
  std::map<std::string, std::uint64_t, std::less<>> failures_;
  LogQuota quota_;
};

}  // namespace sluice::frontend
