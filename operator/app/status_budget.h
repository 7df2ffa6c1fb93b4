#pragma once

#include <optional>

#include "base/time.h"

namespace sluice::op {

// So many writes of status a second for the whole operator: numbers wait, conditions do not, but
// count. Pure.
class StatusBudget {
 public:
  static constexpr double kPerSecond = 50;

  // Whether this write may begin now.
  bool take(bool urgent, base::MonoTime now);

 private:
  double tokens_ = kPerSecond;
  std::optional<base::MonoTime> at_;
};

}  // namespace sluice::op
