#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/broker/world.h"

namespace sluice::sim {

struct Workload {
  std::string_view name;
  std::string_view what;
  std::vector<Fault> forced;
  // Draws its queues and processes.
  void (*set_up)(World& world, base::Prng& prng);
  std::uint64_t segment_bytes_min = 0;
  bool told = false;     // in any case
  bool guarded = false;  // in any case
};
const std::vector<Workload>& workloads();
const Workload* find_workload(std::string_view name);

}  // namespace sluice::sim
