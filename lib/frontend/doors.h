#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/key_files.h"
#include "base/result.h"
#include "base/time.h"
#include "frontend/frame_output.h"
#include "frontend/session_table.h"
#include "frontend/zmq_context.h"
#include "frontend/zmq_router.h"

namespace sluice::frontend {

// When the socket of a key that is being left closes.
struct RotationOptions {
  base::Millis quiet{60'000};             // no session was on it for so long
  base::Millis deadline{24 * 3'600'000};  // at the latest, whoever is still there
};

// The sockets that sessions come through. Each port has one, and two while the broker's key is
// being changed: a socket speaks with one key, so the next key gets a socket of its own, and the
// older one closes when the sessions have moved. What is sent to a peer goes out where the peer
// came in.
//
// Owned and called by the loop thread; time is an argument.
class Doors final : public FrameOutput {
 public:
  // `context` must outlive the doors.
  Doors(ZmqContext& context, RotationOptions rules, base::Millis handshake_timeout);
  ~Doors() override;
  Doors(const Doors&) = delete;
  Doors& operator=(const Doors&) = delete;

  // The first one of a port; errors as of ZmqRouter::open().
  base::Status open(Port port, const std::string& endpoint, const std::string& curve_secret);

  // What the folder of keys says now: opens what `next` asks for, and without `next` closes the
  // socket whose key is not `secret`, where there are two. An error changes nothing more: the
  // address is taken, or another rotation is under way.
  base::Status follow(base::Now now, const std::string& secret,
                      const std::optional<access::NextKey>& next);
  // Closes what nobody needs any more. To be called about once a second.
  void tick(base::Now now, const SessionTable& sessions);
  // The numbers of sockets that were closed; each is told once.
  std::vector<std::uint8_t> take_closed();

  // All that are open, to be waited for and received from.
  std::size_t size() const { return doors_.size(); }
  ZmqRouter& router(std::size_t index) { return *doors_[index].router; }
  Port port(std::size_t index) const { return doors_[index].port; }
  // Of the newest of a port.
  const std::string& endpoint(Port port) const;
  // The TCP port that the connection came in at; 0 where it is none, or closed.
  std::uint16_t port_number(Peer peer);
  // As bound; keys that clients can come with.
  std::uint32_t keys() const;
  // Sessions that are on a socket that is being left, as of the last tick().
  std::uint32_t sessions_to_move() const;

  SendResult send(Peer peer, base::ByteView frame) override;
  SendResult send(Peer peer, std::size_t bytes, const Fill& fill) override;
  void send_or_drop(Peer peer, base::ByteView frame) override;
  void forget(Peer peer) override;
  std::size_t waiting_bytes(Peer peer) override;

  // As of the routers.
  std::vector<Peer> flush();
  bool has_waiting() const;
  std::uint64_t frames_sent() const;
  // All of them, for good.
  void close(int linger_ms);

 private:
  // Since when a socket is being left, and when a session was on it last.
  struct Leaving {
    base::MonoTime since;
    base::MonoTime busy_at;
    std::uint32_t sessions = 0;
  };
  struct Door {
    std::uint8_t number = 0;
    Port port = Port::kClient;
    std::string endpoint;  // as asked for
    std::string curve_secret;
    std::unique_ptr<ZmqRouter> router;
    std::optional<Leaving> leaving;
  };
  Door* find(Peer peer);
  base::Status follow(base::Now now, Port port, const std::string& secret,
                      const std::optional<access::NextKey>& next);
  void close(std::size_t index, std::string_view why);

  ZmqContext& context_;
  const RotationOptions rules_;
  const base::Millis handshake_timeout_;
  std::vector<Door> doors_;  // older ones first
  std::vector<std::uint8_t> closed_;
  std::uint8_t opened_ = 0;        // numbers are given out in turn
  std::uint64_t frames_sent_ = 0;  // by those that are closed
};

}  // namespace sluice::frontend
