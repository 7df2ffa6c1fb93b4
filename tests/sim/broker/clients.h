#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tests/sim/broker/client_process.h"
#include "tests/sim/broker/world.h"

// What the processes of the workloads do, with the client library.
namespace sluice::sim {

struct ProducerPlan {
  std::string queue;
  std::uint64_t messages = 200;  // over all its lives
  std::uint64_t batch_max = 10;
  std::uint64_t body_bytes_max = 500;
  std::uint64_t pause_ms_max = 100;
  double delayed = 0;  // part with a deliver-at
  std::uint64_t delay_ms_max = 5'000;
  std::size_t batch_bytes = 8 * 1024;
};
// Publishes until it has nothing left.
ClientProcess::Body producer(World& world, ProducerPlan plan);

struct ConsumerPlan {
  std::string queue;
  std::string subscription;
  std::uint32_t messages_max = 100;
  std::uint64_t hold_ms_max = 50;
  // What becomes of a message; the rest is acked.
  double fail = 0;
  double reject = 0;
  double release = 0;
  double forget = 0;
  double extend = 0;  // chance a round
  bool at_most_once = false;
  bool confirm = true;
  std::uint64_t pause_ms_first = 0;  // before it comes for the first time
  // Before it is acked: the message goes on here, with a new tag. Empty: nowhere.
  std::string forward_to;
  std::function<void(World&, std::uint64_t tag, std::uint64_t new_tag)> on_forward;
};
// Takes messages until it is asked to stop.
ClientProcess::Body consumer(World& world, ConsumerPlan plan);

struct AdminPlan {
  std::string queue;
  std::string subscription;
  std::uint64_t pause_ms_max = 3'000;
  bool redrives = true;
  bool seeks = false;
  std::string transfer_to;  // messages and dead letters go to this queue; empty: they do not
};
// Looks into the queue and gives dead letters back.
ClientProcess::Body admin(World& world, AdminPlan plan);

}  // namespace sluice::sim
