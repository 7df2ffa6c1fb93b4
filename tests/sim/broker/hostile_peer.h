#pragma once

#include <cstdint>
#include <optional>

#include "base/prng.h"
#include "tests/sim/broker/network.h"

namespace sluice::sim {

// A peer that keeps to nothing: bytes without sense, frames of others with other bodies, frames of
// a session of its own that it has no right to, and silence.
class HostilePeer final : private ClientEnd {
 public:
  HostilePeer(Network& network, std::uint64_t seed) : network_(network), prng_(seed, "hostile") {}
  ~HostilePeer() override { leave(); }

  // Sends a few.
  void act();
  void leave();

 private:
  void on_frame(Bytes frame) override;
  void on_lost() override { link_.reset(); }

  void send_hello();
  void send_noise();
  void send_altered();

  Network& network_;
  base::Prng prng_;
  std::optional<Network::LinkId> link_;
  std::uint64_t session_ = 0;
  std::uint32_t epoch_ = 0;
};

}  // namespace sluice::sim
