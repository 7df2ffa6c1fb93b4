#include "tests/sim/operator/patience.h"

#include <algorithm>
#include <chrono>

#include "base/wall_text.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"

namespace sluice::sim {
namespace {

// Who hears all shards for so long without a break has made a plan by that. A call to an API server
// that is not answered holds up the one that is being made for 30 s.
constexpr base::Nanos kNoticed = std::chrono::seconds(40);

}  // namespace

void Patience::listen(const OperatorProcess& process) {
  for (const QueueSlot& slot : slots_) {
    const kube::Json* queue = store_.find(kube::kQueues, slot.name_space, slot.name);
    if (queue == nullptr || !reconcile::is_being_removed(*queue)) continue;
    // Nobody acts on it.
    if (!reconcile::annotation(*queue, reconcile::kPauseAnnotation).empty()) continue;
    bool all = true;
    for (std::size_t shard = 0; shard < slot.shards && all; ++shard) {
      all = process.hears(slot.name_space, reconcile::pod_name(slot.broker, shard), kNoticed);
    }
    if (all) begins_anew(*queue, loop_.now());
  }
}

void Patience::begins_anew(const kube::Json& queue, base::MonoTime at) {
  base::MonoTime& since = since_[kube::uid_of(queue)];
  since = std::max(since, at);
}

base::Nanos Patience::longest(const kube::Json& queue) const {
  const auto deleted =
      base::parse_wall(kube::text_in(kube::value_in(queue, {"metadata"}), "deletionTimestamp"));
  base::Nanos longest = base::Nanos::max();
  if (deleted.has_value()) longest = base::Millis(store_.now().value() - deleted->value());
  const auto since = since_.find(kube::uid_of(queue));
  if (since == since_.end()) return longest;
  return std::min(longest, base::Nanos(loop_.now() - since->second));
}

}  // namespace sluice::sim
