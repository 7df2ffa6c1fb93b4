#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "bench/load/load.h"

namespace sluice::bench {

struct PeerOptions {
  Load load{.messages = 100'000, .size_bytes = 128, .window = 1000};
  // Of a server on loopback that has just been started and holds nothing.
  std::uint16_t port = 0;
  bool as_json = false;
};

// The producing or the consuming half of a driver: connected when constructed, so that only the
// load itself is timed. It runs in a thread of its own and ends the program when anything fails.
class Worker {
 public:
  Worker() = default;
  virtual ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The producer returns when its last message is acknowledged, the consumer when the server has
  // taken its last settlement.
  virtual void run() = 0;
};

struct Peer {
  using MakeWorker = std::function<std::unique_ptr<Worker>(const PeerOptions&)>;

  std::string system;
  std::string setting;
  // Made first: it also makes the queue.
  MakeWorker make_consumer;
  MakeWorker make_producer;
};

// The main() of every driver.
int run_peer(int argc, char** argv, const Peer& peer);

}  // namespace sluice::bench
