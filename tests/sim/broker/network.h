#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/prng.h"
#include "frontend/session_table.h"
#include "tests/sim/broker/scheduler.h"

namespace sluice::sim {

using Bytes = std::shared_ptr<const std::vector<std::byte>>;
Bytes copy_bytes(base::ByteView bytes);

// A client's end of a connection.
class ClientEnd {
 public:
  virtual ~ClientEnd() = default;
  virtual void on_frame(Bytes frame) = 0;
  virtual void on_lost() = 0;
};

// The broker's end of all connections.
class BrokerEnd {
 public:
  virtual ~BrokerEnd() = default;
  virtual void on_frame(frontend::Peer peer, Bytes frame) = 0;
};

struct NetworkPace {
  std::int64_t delay_min_ns = 20'000;
  std::int64_t delay_max_ns = 500'000;
  std::size_t frames_max = 1'000;  // that wait in one direction: the high-water mark
  // A client's PUBLISH comes twice: at once, or again when its answer said that it is stored.
  double repeat_publish = 0;
};

// Connections as ZeroMQ has them: within one, frames arrive in order and once; they are lost with
// the connection only. Directions can be clogged.
class Network {
 public:
  using LinkId = std::uint32_t;
  enum class Way : std::uint8_t { kToBroker = 0, kToClient = 1 };

  Network(Scheduler& scheduler, const NetworkPace& pace, std::uint64_t seed)
      : scheduler_(scheduler), pace_(pace), prng_(seed, "network") {}

  // The broker is there; nullptr: it is gone, and so is what was on its way to it. Of what it has
  // sent, clients still get a part.
  void set_broker(BrokerEnd* broker);

  // Where nobody listens the connection is lost a little later. `end` must call close() before it
  // dies.
  // With a key, which a guarded broker knows or not.
  LinkId connect(ClientEnd& end, const std::string& key,
                 frontend::Port port = frontend::Port::kClient);
  void close(LinkId link);
  // False: not taken.
  bool send_to_broker(LinkId link, base::ByteView frame);
  enum class Sent : std::uint8_t { kSent, kNoPeer, kOverflow };
  Sent send_to_client(frontend::Peer peer, Bytes frame);

  // --- Faults.
  // Cuts a connection: what is on its way is lost.
  void cut(LinkId link);
  void clog(LinkId link, Way way, base::MonoTime until);
  void heal();
  std::vector<LinkId> links() const;
  // Of all connections that there ever were.
  const std::map<frontend::Peer, std::string>& keys() const { return keys_; }
  // The last frames that came to the broker.
  const std::deque<Bytes>& recent() const { return recent_; }

 private:
  // A client sends again what was not answered, and within a connection nothing comes twice. So no
  // copy may be taken after the client heard that its batch was refused: the number is another
  // batch's then (docs/protocol.md, "Idempotent publishing").
  enum class Copy : std::uint8_t {
    kNone,
    kAtOnce,    // comes with a copy behind it
    kOfStored,  // is one, and comes when the first one's answer has left: it is stored
  };
  struct Frame {
    Bytes bytes;
    base::MonoTime due;
    Copy copy = Copy::kNone;
  };
  struct Direction {
    std::deque<Frame> frames;
    base::MonoTime last_due;
    base::MonoTime clogged_until;
    bool pumping = false;
  };
  struct Link {
    ClientEnd* end = nullptr;
    frontend::Peer peer;
    bool broker_gone = false;  // the client gets what was sent, then the loss
    std::array<Direction, 2> ways;
    std::set<std::uint64_t> stored;  // requests of PUBLISH that were answered so
  };

  base::Nanos draw_delay();
  void push(LinkId link, Way way, Bytes frame, Copy copy = Copy::kNone);
  void note_answer(Link& link, base::ByteView frame) const;
  void schedule_pump(LinkId link, Way way);
  void pump(LinkId link, Way way);
  void lose(LinkId link);

  Scheduler& scheduler_;
  const NetworkPace& pace_;
  base::Prng prng_;
  BrokerEnd* broker_ = nullptr;
  std::map<LinkId, Link> links_;
  std::map<frontend::Peer, std::string> keys_;
  LinkId last_link_ = 0;
  std::deque<Bytes> recent_;
};

}  // namespace sluice::sim
