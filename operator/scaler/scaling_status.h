#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "operator/autoscale/reason.h"

namespace sluice::op {

// What the autoscaler says of one subscription. A value.
struct ScalingStatus {
  std::string name_space;
  std::string queue;
  std::string subscription;
  std::string broker;  // its key

  autoscale::Reason reason = autoscale::Reason::kMetricsUnknown;
  autoscale::LimitedBy limited_by = autoscale::LimitedBy::kNothing;
  std::string message;  // the decision with its numbers
  // Absent where the target could not be read.
  std::optional<std::uint32_t> current;
  std::optional<std::uint32_t> desired;
  std::uint32_t min = 0;  // allowed by all that name the target
  std::uint32_t max = 0;
  std::optional<base::WallTime> last_scale;  // by this process
  // When the broker that was silent for longest told something; absent = one never did.
  std::optional<base::MonoTime> told_at;
};

}  // namespace sluice::op
