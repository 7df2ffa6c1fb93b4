#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "broker/picture.h"

namespace sluice::frontend {

// What who watches a broker is told of it: what CHANGES carries.
struct ControlPicture {
  std::uint64_t revision = 0;
  std::uint64_t leader_epoch = 0;
  std::uint32_t log_feature_level = 0;
  std::uint64_t disk_used_bytes = 0;
  std::uint64_t disk_free_bytes = 0;
  bool disk_low = false;
  std::uint32_t server_keys = 0;
  std::uint64_t sessions_to_move = 0;
  std::shared_ptr<const std::vector<broker::QueuePicture>> queues;  // by name
  base::Nanos cost{0};                                              // how long it took to make
};

}  // namespace sluice::frontend
