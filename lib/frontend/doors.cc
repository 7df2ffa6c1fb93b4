#include "frontend/doors.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace sluice::frontend {
namespace {

// Whoever was answered last may still read it.
constexpr int kLeavingLingerMs = 500;

std::string_view port_name(Port port) { return port == Port::kClient ? "client" : "control"; }

}  // namespace

Doors::Doors(ZmqContext& context, RotationOptions rules, base::Millis handshake_timeout)
    : context_(context), rules_(rules), handshake_timeout_(handshake_timeout) {}
Doors::~Doors() = default;

base::Status Doors::open(Port port, const std::string& endpoint, const std::string& curve_secret) {
  Door door;
  door.number = opened_;
  door.port = port;
  door.endpoint = endpoint;
  door.curve_secret = curve_secret;
  ASSIGN_OR_RETURN(door.router,
                   ZmqRouter::open(context_, {.port = port,
                                              .door = door.number,
                                              .endpoint = endpoint,
                                              .curve_secret = curve_secret,
                                              .handshake_timeout = handshake_timeout_}));
  ++opened_;
  doors_.push_back(std::move(door));
  return {};
}

base::Status Doors::follow(base::Now now, const std::string& secret,
                           const std::optional<access::NextKey>& next) {
  RETURN_IF_ERROR(follow(now, Port::kClient, secret, next));
  return follow(now, Port::kControl, secret, next);
}

base::Status Doors::follow(base::Now now, Port port, const std::string& secret,
                           const std::optional<access::NextKey>& next) {
  std::vector<std::size_t> here;
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    if (doors_[i].port == port) here.push_back(i);
  }
  const auto has_key = [&](std::size_t index, const std::string& key) {
    return doors_[index].curve_secret == key;
  };
  const std::string endpoint = !next ? "" : (port == Port::kClient ? next->listen : next->control);
  if (endpoint.empty()) {
    if (here.size() < 2) return {};
    // The folder has one key again: the rotation is over, or given up.
    if (has_key(here[1], secret)) {
      close(here[0], "the next key is the key now");
    } else if (has_key(here[0], secret)) {
      doors_[here[0]].leaving.reset();
      close(here[1], "the next key is gone");
    }
    return {};
  }
  const bool open_already = std::any_of(here.begin(), here.end(), [&](std::size_t index) {
    return has_key(index, next->secret) && doors_[index].endpoint == endpoint;
  });
  if (open_already) return {};
  if (here.size() > 1) {
    return base::failed_precondition(
        "next.key: a rotation to another key or address is under way; finish it first");
  }
  RETURN_IF_ERROR(open(port, endpoint, next->secret));
  doors_[here.front()].leaving = Leaving{now.mono, now.mono};
  base::log_info("rotation_begun", {{"port", port_name(port)},
                                    {"leaves", doors_[here.front()].router->endpoint()},
                                    {"endpoint", doors_.back().router->endpoint()}});
  return {};
}

void Doors::tick(base::Now now, const SessionTable& sessions) {
  for (std::size_t i = 0; i < doors_.size();) {
    Door& door = doors_[i];
    if (door.leaving) {
      Leaving& leaving = *door.leaving;
      leaving.sessions = static_cast<std::uint32_t>(sessions.peers_of(door.number).size());
      if (leaving.sessions > 0) leaving.busy_at = now.mono;
      const bool quiet = now.mono >= leaving.busy_at + base::Nanos(rules_.quiet);
      if (quiet || now.mono >= leaving.since + base::Nanos(rules_.deadline)) {
        close(i, quiet ? "its sessions have moved" : "the deadline is over");
        continue;
      }
    }
    ++i;
  }
}

void Doors::close(std::size_t index, std::string_view why) {
  Door& door = doors_[index];
  base::log_info("rotation_done", {{"port", port_name(door.port)},
                                   {"closed", door.router->endpoint()},
                                   {"why", why},
                                   {"sessions_left", door.leaving ? door.leaving->sessions : 0U}});
  frames_sent_ += door.router->frames_sent();
  door.router->close(kLeavingLingerMs);
  closed_.push_back(door.number);
  doors_.erase(doors_.begin() + static_cast<std::ptrdiff_t>(index));
}

std::vector<std::uint8_t> Doors::take_closed() { return std::exchange(closed_, {}); }

const std::string& Doors::endpoint(Port port) const {
  const auto newest = std::find_if(doors_.rbegin(), doors_.rend(),
                                   [&](const Door& door) { return door.port == port; });
  CHECK(newest != doors_.rend());
  return newest->router->endpoint();
}

std::uint16_t Doors::port_number(Peer peer) {
  const Door* door = find(peer);
  if (door == nullptr) return 0;
  const std::string& endpoint = door->router->endpoint();
  std::uint16_t number = 0;
  const char* const end = endpoint.data() + endpoint.size();
  std::from_chars(endpoint.data() + endpoint.rfind(':') + 1, end, number);
  return number;
}

std::uint32_t Doors::keys() const {
  return static_cast<std::uint32_t>(std::count_if(
      doors_.begin(), doors_.end(),
      [](const Door& door) { return door.port == Port::kClient && !door.curve_secret.empty(); }));
}

std::uint32_t Doors::sessions_to_move() const {
  std::uint32_t sessions = 0;
  for (const Door& door : doors_) sessions += door.leaving ? door.leaving->sessions : 0;
  return sessions;
}

Doors::Door* Doors::find(Peer peer) {
  const std::uint8_t number = door_of(peer);
  const auto at = std::find_if(doors_.begin(), doors_.end(),
                               [&](const Door& door) { return door.number == number; });
  return at == doors_.end() ? nullptr : &*at;
}

SendResult Doors::send(Peer peer, base::ByteView frame) {
  Door* door = find(peer);
  return door == nullptr ? SendResult::kNoPeer : door->router->send(peer, frame);
}

SendResult Doors::send(Peer peer, std::size_t bytes, const Fill& fill) {
  Door* door = find(peer);
  return door == nullptr ? SendResult::kNoPeer : door->router->send(peer, bytes, fill);
}

void Doors::send_or_drop(Peer peer, base::ByteView frame) {
  if (Door* door = find(peer)) door->router->send_or_drop(peer, frame);
}

std::size_t Doors::waiting_bytes(Peer peer) {
  Door* door = find(peer);
  return door == nullptr ? 0 : door->router->waiting_bytes(peer);
}

void Doors::forget(Peer peer) {
  if (Door* door = find(peer)) door->router->forget(peer);
}

std::vector<Peer> Doors::flush() {
  std::vector<Peer> gone;
  for (Door& door : doors_) {
    if (!door.router->has_waiting()) continue;
    const std::vector<Peer> peers = door.router->flush();
    gone.insert(gone.end(), peers.begin(), peers.end());
  }
  return gone;
}

bool Doors::has_waiting() const {
  return std::any_of(doors_.begin(), doors_.end(),
                     [](const Door& door) { return door.router->has_waiting(); });
}

std::uint64_t Doors::frames_sent() const {
  std::uint64_t frames = frames_sent_;
  for (const Door& door : doors_) frames += door.router->frames_sent();
  return frames;
}

void Doors::close(int linger_ms) {
  for (Door& door : doors_) door.router->close(linger_ms);
}

}  // namespace sluice::frontend
