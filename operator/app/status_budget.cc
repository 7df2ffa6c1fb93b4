#include "operator/app/status_budget.h"

#include <algorithm>
#include <chrono>

namespace sluice::op {

bool StatusBudget::take(bool urgent, base::MonoTime now) {
  if (at_) {
    const double seconds = std::chrono::duration<double>(base::Nanos(now - *at_)).count();
    tokens_ = std::min(kPerSecond, tokens_ + seconds * kPerSecond);
  }
  at_ = now;
  if (!urgent && tokens_ < 1) return false;
  // A storm of conditions does not keep numbers waiting for longer than a second.
  tokens_ = std::max(tokens_ - 1, -kPerSecond);
  return true;
}

}  // namespace sluice::op
