#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/broker/broker_process.h"
#include "tests/sim/broker/network.h"
#include "tests/sim/broker/sim_workers.h"

namespace sluice::sim {

// What can go wrong, by the names of --faults.
enum class Fault : std::uint8_t {
  kCrash,        // the process dies, in the midst of a disk operation or between two effects
  kPower,        // the same, and what was not synced is lost, kept or garbled as drawn
  kDiskError,    // a write, sync, rename ... fails: the process must die
  kDiskFull,     // no space for a while
  kDiskSlow,     // nothing is done for a while
  kBitFlip,      // in a sealed segment, below the newest snapshot
  kRot,          // in a record above it that was proven durable
  kCut,          // a connection breaks with all that is under way
  kClog,         // a direction of a connection stands still
  kClientKill,   // a client's process dies, and another one takes its place
  kClientPause,  // a client's process stands still, longer than its leases too
  kBrokerPause,  // the broker's
  kHostile,      // a peer sends what it likes
  kWallStep,     // the wall clock steps either way
  kRepeat,       // a PUBLISH comes twice
  kRestart,      // an orderly stop, and a start with other options
  kConfigure,    // a queue is changed
};
std::string_view to_string(Fault fault);
std::optional<Fault> fault_from(std::string_view name);
const std::vector<Fault>& all_faults();

// All that a seed has drawn.
struct SimOptions {
  std::uint64_t seed = 0;
  std::string workload;
  std::string bug;
  std::map<Fault, double> faults_per_minute;
  BrokerSettings broker;  // without queues
  NetworkPace network;
  DiskPace disk;
  std::int64_t safety_ms = 30'000;
  std::int64_t liveness_ms = 3'600'000;
  std::uint64_t clients_scale = 1;
  bool watched = false;  // on the control port
  bool told = false;     // of its queues there, and not by each start; REQUIRES: watched
  bool guarded = false;  // it has keys, and who comes has a role

  bool has(Fault fault) const { return faults_per_minute.contains(fault); }
};

// Swarm: which faults there are at all, how often, and every size, from the seed. `allowed` bounds
// the faults; `forced` happen in any case, if allowed.
SimOptions draw_options(std::uint64_t seed, std::string workload, const std::set<Fault>& allowed,
                        const std::vector<Fault>& forced);
// Log and broker options of one start.
void draw_knobs(base::Prng& prng, BrokerSettings& settings);
// For people, one option each.
std::vector<std::string> describe(const SimOptions& options);

}  // namespace sluice::sim
