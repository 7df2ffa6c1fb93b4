#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/time.h"
#include "frontend/session_table.h"

namespace sluice::frontend {

// Of a peer without a session; HELLO is far smaller.
inline constexpr std::size_t kFrameBytesBeforeHello = 16 * 1024;

struct GuardOptions {
  // Connections without a session at a time: in their handshake, or silent behind it. One more,
  // and the oldest of them is cut off.
  std::uint32_t strangers_max = 1'000;
  // A connection that has no session by then is cut off.
  base::Millis hello_timeout{10'000};
};

// Knows the TCP connections of the routers, and which of them have a session; names those to cut
// off, so that whoever only connects takes neither descriptors nor memory without end. Sessions
// have a limit of their own (SessionOptions::sessions_max).
//
// A value without I/O; owned and called by the loop thread.
class ConnectionGuard {
 public:
  enum class Reason : std::uint8_t { kCrowded, kNoHello, kFrameBeforeHello, kRoutingId };
  // `address` is what accepted() was given: whoever cuts makes sure that the descriptor is still
  // this connection.
  struct Cut {
    int fd = -1;
    std::string address;
    Reason reason = Reason::kCrowded;
    std::string key;  // the id of whose it is, where that is known
  };

  explicit ConnectionGuard(GuardOptions options) : options_(options) {}

  void accepted(base::MonoTime now, std::uint8_t door, int fd, std::string address);
  void ended(int fd);
  // All of a socket that was closed.
  void ended_all(std::uint8_t door);
  // `peer` has begun or resumed a session on this connection.
  void admitted(int fd, Peer peer);
  // It has broken a rule and is to be cut off at `due`. False = that was said before, for
  // then or earlier, or it is nobody's.
  bool condemn(base::MonoTime due, int fd, Reason reason, std::string key);

  // Connections whose peer has no session any more are strangers again. About once a second.
  void review(base::MonoTime now, const std::function<bool(Peer)>& has_session);
  // Whom to cut off now; each is named once.
  std::vector<Cut> take_cuts(base::MonoTime now);

  std::size_t connections() const { return connections_.size(); }
  std::size_t strangers() const { return strangers_.size(); }
  std::uint64_t opened() const { return opened_; }
  std::uint64_t closed() const { return closed_; }

 private:
  struct Connection {
    std::uint8_t door = 0;
    bool has_session = false;
    std::optional<base::MonoTime> condemned_to;  // when it is to be cut off
    bool cut = false;
    base::MonoTime since;  // without a session
    Peer peer;
    std::string address;
  };
  struct Sentence {
    int fd = -1;
    Reason reason = Reason::kCrowded;
    std::string key;
  };
  void cut(int fd, Connection& connection, Reason reason, std::string key = {});
  void forget(int fd, const Connection& connection);

  const GuardOptions options_;
  std::unordered_map<int, Connection> connections_;
  std::set<std::pair<base::MonoTime, int>> strangers_;  // oldest first
  std::multimap<base::MonoTime, Sentence> sentences_;   // by when they are due
  std::vector<Cut> cuts_;
  std::uint64_t opened_ = 0;
  std::uint64_t closed_ = 0;
};

// For metrics and logs.
std::string_view to_string(ConnectionGuard::Reason reason);

}  // namespace sluice::frontend
