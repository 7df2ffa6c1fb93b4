#include "operator/autoscale/decide.h"

#include <algorithm>

namespace sluice::autoscale {
namespace {

// Everything that makes fewer replicas than now wait.
class ScaleInRules {
 public:
  ScaleInRules(const Policy& policy, const Observation& observation, const History& history,
               base::MonoTime now)
      : policy_(policy), observation_(observation), history_(history), now_(now) {}

  // `wanted` is within the policy's bounds, and fewer than now.
  void apply(std::uint32_t wanted, Decision& decision) const {
    const std::uint32_t current = observation_.replicas.wanted;
    decision.replicas = current;
    if (observation_.backlog.coverage != Coverage::kAll) {
      decision.limited_by = LimitedBy::kMetricsPartial;
      return;
    }
    std::uint32_t replicas = wanted;
    const auto at_least = [&](std::uint32_t floor, LimitedBy why) {
      if (replicas >= floor) return;
      replicas = floor;
      decision.limited_by = why;
    };
    stabilize(at_least, decision);
    if (replicas == 0) wait_for_idleness(at_least, decision);
    const std::uint64_t share = std::uint64_t{current} * policy_.scale_in.max_percent / 100;
    const auto step = static_cast<std::uint32_t>(std::max<std::uint64_t>(share, 1));
    at_least(current - std::min(step, current), LimitedBy::kMaxPercent);
    decision.replicas = replicas;
  }

 private:
  template <typename AtLeast>
  void stabilize(const AtLeast& at_least, Decision& decision) const {
    const base::Millis window = policy_.scale_in.stabilization;
    const std::uint32_t current = observation_.replicas.wanted;
    const std::uint32_t most =
        history_.recommendations().max_within(window, now_).value_or(current);
    at_least(std::clamp(most, std::min(policy_.min_replicas, current),
                        std::min(policy_.max_replicas, current)),
             LimitedBy::kStabilization);
    decision.next_check = history_.recommendations().changes_in(window, now_);
  }

  template <typename AtLeast>
  void wait_for_idleness(const AtLeast& at_least, Decision& decision) const {
    const base::Millis needed = policy_.scale_in.idle_before_zero;
    const base::Millis idle =
        history_.idle_since() ? elapsed(*history_.idle_since(), now_) : base::Millis(0);
    if (history_.idle_since() && idle >= needed) return;
    at_least(1, LimitedBy::kIdleBeforeZero);
    decision.next_check = std::min(decision.next_check.value_or(needed - idle), needed - idle);
  }

  const Policy& policy_;
  const Observation& observation_;
  const History& history_;
  base::MonoTime now_;
};

// What happens while the number is held: only minReplicas is kept up.
void hold(const Policy& policy, std::uint32_t current, Reason reason, Decision& decision) {
  decision.reason = reason;
  decision.replicas = std::max(current, policy.min_replicas);
  if (decision.replicas > current) decision.limited_by = LimitedBy::kMinReplicas;
}

}  // namespace

Decision decide(const Policy& policy, const Observation& observation, const History& history,
                base::MonoTime now) {
  const std::uint32_t current = observation.replicas.wanted;
  Decision decision;
  decision.metrics_available = observation.backlog.coverage == Coverage::kAll;
  decision.answers = answers_of(policy, observation, history, now);
  decision.reason = decision.answers.reason;
  if (observation.backlog.coverage == Coverage::kNone) {
    hold(policy, current, Reason::kMetricsUnknown, decision);
    return decision;
  }
  if (observation.backlog.paused) {
    hold(policy, current, Reason::kQueuePaused, decision);
    return decision;
  }
  const std::uint32_t asked = decision.answers.largest;
  const std::uint32_t wanted = std::clamp(asked, policy.min_replicas, policy.max_replicas);
  if (wanted > asked) decision.limited_by = LimitedBy::kMinReplicas;
  if (wanted < asked) decision.limited_by = LimitedBy::kMaxReplicas;
  decision.replicas = wanted;
  if (wanted < current) ScaleInRules(policy, observation, history, now).apply(wanted, decision);
  // Replicas that are being waited for, or an age that goes on growing.
  if (decision.answers.oldest_message_age && observation.backlog.work() > 0) {
    decision.next_check = std::min(decision.next_check.value_or(kAgeStep), kAgeStep);
  }
  return decision;
}

}  // namespace sluice::autoscale
