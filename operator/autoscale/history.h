#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "operator/api/queue.h"
#include "operator/autoscale/observation.h"
#include "operator/autoscale/recommendations.h"
#include "operator/autoscale/throughput.h"

namespace sluice::autoscale {

// `consumers` of a Queue or a subscription, with its defaults.
using Policy = api::Consumers;

// What decide() has to know of the past of one subscription. A new one knows nothing, and nothing
// is scaled in before it does: so a leader that was just elected waits for a whole window. Plain
// value; no thread of its own.
class History {
 public:
  // To be called with every observation, before decide() with the same arguments.
  // REQUIRES: `now` is no earlier than in the call before.
  void note(const Policy& policy, const Observation& observation, base::MonoTime now);

  const Throughput& throughput() const { return throughput_; }
  const Recommendations& recommendations() const { return recommendations_; }
  // Since when there is surely nothing to do; absent = there is, or nobody knows.
  std::optional<base::MonoTime> idle_since() const { return idle_since_; }
  // When there was last a replica more at work than before.
  std::optional<base::MonoTime> grown_at() const { return grown_at_; }

 private:
  Throughput throughput_;
  Recommendations recommendations_;
  std::optional<base::MonoTime> idle_since_;
  std::optional<base::MonoTime> grown_at_;
  std::optional<std::uint32_t> ready_before_;
};

}  // namespace sluice::autoscale
