#include "operator/autoscale/reason.h"

#include "base/check.h"

namespace sluice::autoscale {
namespace {

struct Words {
  std::string_view name;
  std::string_view sentence;
};

Words words_of(Reason reason) {
  switch (reason) {
    case Reason::kIdle:
      return {"Idle", "nothing waits and nothing is in flight"};
    case Reason::kFirstMessage:
      return {"FirstMessage", "there is work and no consumer"};
    case Reason::kBacklogPerReplica:
      return {"BacklogPerReplica", "the backlog for each replica asks for most"};
    case Reason::kOldestMessageAge:
      return {"OldestMessageAge", "the age of the oldest message asks for most"};
    case Reason::kDrainWithin:
      return {"DrainWithin", "the time in which the backlog is to be done asks for most"};
    case Reason::kRateUnknown:
      return {"RateUnknown",
              "how much a replica gets done is not measured yet, so those that work stay"};
    case Reason::kMetricsUnknown:
      return {"MetricsUnknown", "no broker says what the queue holds, so the number is held"};
    case Reason::kQueuePaused:
      return {"QueuePaused", "the queue is paused and delivers nothing, so the number is held"};
    case Reason::kReconcilePaused:
      return {"ReconcilePaused", "the annotation sluice.dev/pause-reconcile holds the number"};
    case Reason::kBoundsConflict:
      return {
          "BoundsConflict",
          "the Queues that name this target leave no number of replicas that all of them allow"};
    case Reason::kConflict:
      return {"Conflict", "something else scales the same target"};
    case Reason::kTargetNotFound:
      return {"TargetNotFound", "the target does not exist"};
    case Reason::kTargetNotScalable:
      return {"TargetNotScalable", "the target has no scale subresource"};
    case Reason::kTargetUnreadable:
      return {"TargetUnreadable",
              "the API server does not let the operator see or change the target"};
    case Reason::kDrainTimedOut:
      return {"DrainTimedOut",
              "a pod that was to go kept its messages longer than drainTimeout, and stays"};
  }
  CHECK(false);
}

Words words_of(LimitedBy limit) {
  switch (limit) {
    case LimitedBy::kNothing:
      return {"", ""};
    case LimitedBy::kMinReplicas:
      return {"MinReplicas", "minReplicas allows no fewer"};
    case LimitedBy::kMaxReplicas:
      return {"MaxReplicas", "maxReplicas allows no more"};
    case LimitedBy::kStabilization:
      return {"Stabilization", "fewer were not enough for the whole of scaleIn.stabilization yet"};
    case LimitedBy::kIdleBeforeZero:
      return {"IdleBeforeZero", "it was not idle for the whole of scaleIn.idleBeforeZero yet"};
    case LimitedBy::kMaxPercent:
      return {"MaxPercent", "scaleIn.maxPercent lets no more go in one step"};
    case LimitedBy::kMetricsPartial:
      return {"MetricsPartial", "not every shard says what it holds, so nobody goes"};
    case LimitedBy::kDraining:
      return {"Draining", "pods that are to go finish what they hold"};
    case LimitedBy::kRollout:
      return {"Rollout", "the target is replacing its pods, so nobody else goes"};
    case LimitedBy::kPodsNotReady:
      return {"PodsNotReady", "a pod that has started is not ready, so nobody goes"};
    case LimitedBy::kUnmatchedConsumers:
      return {"UnmatchedConsumers",
              "consumers that name no pod may be in pods that would go, so these stay"};
  }
  CHECK(false);
}

}  // namespace

std::string_view to_string(Reason reason) { return words_of(reason).name; }
std::string_view to_string(LimitedBy limit) { return words_of(limit).name; }
std::string_view sentence_of(Reason reason) { return words_of(reason).sentence; }
std::string_view sentence_of(LimitedBy limit) { return words_of(limit).sentence; }

std::optional<Reason> find_reason(std::string_view name) {
  for (const Reason reason : kReasons) {
    if (to_string(reason) == name) return reason;
  }
  return std::nullopt;
}

std::optional<LimitedBy> find_limit(std::string_view name) {
  for (const LimitedBy limit : kLimits) {
    if (to_string(limit) == name) return limit;
  }
  return std::nullopt;
}

bool is_held(Reason reason) { return reason >= Reason::kMetricsUnknown; }

bool is_hands_off(Reason reason) {
  switch (reason) {
    case Reason::kReconcilePaused:
    case Reason::kBoundsConflict:
    case Reason::kConflict:
    case Reason::kTargetNotFound:
    case Reason::kTargetNotScalable:
    case Reason::kTargetUnreadable:
      return true;
    default:
      return false;
  }
}

}  // namespace sluice::autoscale
