#include "frontend/connection_guard.h"

#include <utility>

namespace sluice::frontend {

std::string_view to_string(ConnectionGuard::Reason reason) {
  switch (reason) {
    case ConnectionGuard::Reason::kCrowded:
      return "crowded";
    case ConnectionGuard::Reason::kNoHello:
      return "no_hello";
    case ConnectionGuard::Reason::kFrameBeforeHello:
      return "frame_before_hello";
    case ConnectionGuard::Reason::kRoutingId:
      return "routing_id";
  }
  return "";
}

void ConnectionGuard::accepted(base::MonoTime now, std::uint8_t door, int fd, std::string address) {
  ended(fd);  // its end was not told
  Connection& connection = connections_[fd];
  connection.door = door;
  connection.since = now;
  connection.address = std::move(address);
  strangers_.emplace(now, fd);
  ++opened_;
  while (strangers_.size() > options_.strangers_max) {
    const int oldest = strangers_.begin()->second;
    cut(oldest, connections_[oldest], Reason::kCrowded);
  }
}

void ConnectionGuard::forget(int fd, const Connection& connection) {
  strangers_.erase({connection.since, fd});
  ++closed_;
}

void ConnectionGuard::ended(int fd) {
  const auto at = connections_.find(fd);
  if (at == connections_.end()) return;
  forget(fd, at->second);
  connections_.erase(at);
}

void ConnectionGuard::ended_all(std::uint8_t door) {
  for (auto at = connections_.begin(); at != connections_.end();) {
    if (at->second.door != door) {
      ++at;
      continue;
    }
    forget(at->first, at->second);
    at = connections_.erase(at);
  }
}

void ConnectionGuard::admitted(int fd, Peer peer) {
  const auto at = connections_.find(fd);
  if (at == connections_.end() || at->second.cut) return;
  at->second.has_session = true;
  at->second.peer = peer;
  strangers_.erase({at->second.since, fd});
}

bool ConnectionGuard::condemn(base::MonoTime due, int fd, Reason reason, std::string key) {
  const auto at = connections_.find(fd);
  if (at == connections_.end() || at->second.cut) return false;
  const auto& before = at->second.condemned_to;
  if (before && *before <= due) return false;
  at->second.condemned_to = due;
  sentences_.emplace(due, Sentence{fd, reason, std::move(key)});
  return true;
}

void ConnectionGuard::review(base::MonoTime now, const std::function<bool(Peer)>& has_session) {
  for (auto& [fd, connection] : connections_) {
    if (!connection.has_session || connection.cut || has_session(connection.peer)) continue;
    connection.has_session = false;
    connection.since = now;
    strangers_.emplace(now, fd);
  }
}

std::vector<ConnectionGuard::Cut> ConnectionGuard::take_cuts(base::MonoTime now) {
  while (!sentences_.empty() && sentences_.begin()->first <= now) {
    const base::MonoTime due = sentences_.begin()->first;
    Sentence sentence = std::move(sentences_.begin()->second);
    sentences_.erase(sentences_.begin());
    const auto at = connections_.find(sentence.fd);
    // The descriptor may be another connection's by now.
    if (at == connections_.end() || at->second.cut || at->second.condemned_to != due) continue;
    cut(sentence.fd, at->second, sentence.reason, std::move(sentence.key));
  }
  const base::Nanos patience = options_.hello_timeout;
  while (!strangers_.empty() && strangers_.begin()->first + patience <= now) {
    const int oldest = strangers_.begin()->second;
    cut(oldest, connections_[oldest], Reason::kNoHello);
  }
  return std::exchange(cuts_, {});
}

void ConnectionGuard::cut(int fd, Connection& connection, Reason reason, std::string key) {
  connection.cut = true;
  strangers_.erase({connection.since, fd});
  cuts_.push_back({fd, connection.address, reason, std::move(key)});
}

}  // namespace sluice::frontend
