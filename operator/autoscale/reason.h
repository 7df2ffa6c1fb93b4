#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

// Why a target has the replicas it has: two closed lists, which docs/autoscaling.md explains and
// users meet in the status of a Queue, in Events and in `sluice explain`.
namespace sluice::autoscale {

// What asked for the number.
enum class Reason : std::uint8_t {
  kIdle,               // nothing waits, nothing is in flight
  kFirstMessage,       // from zero, because there is work
  kBacklogPerReplica,  // the target of that name asks for most
  kOldestMessageAge,
  kDrainWithin,
  kRateUnknown,  // drainWithin asks for most, and nobody has been measured at work yet
  // From here on the number is held, whatever waits.
  kMetricsUnknown,     // no shard says what it holds
  kQueuePaused,        // spec.paused: nothing is delivered, so nobody is needed for it
  kReconcilePaused,    // the annotation sluice.dev/pause-reconcile
  kBoundsConflict,     // Queues that share the target leave no number of replicas that all allow
  kConflict,           // an HPA or a ScaledObject scales the same target
  kTargetNotFound,     // nothing of that name and kind
  kTargetNotScalable,  // it has no scale subresource
  kTargetUnreadable,   // the API server refuses to tell or to change it, or does not answer
  kDrainTimedOut,      // a pod kept its messages longer than drainTimeout
};

// What keeps the replicas from being what was asked for; kNothing where nothing does.
enum class LimitedBy : std::uint8_t {
  kNothing,
  kMinReplicas,
  kMaxReplicas,
  kStabilization,       // fewer were not enough for long enough yet
  kIdleBeforeZero,      // nothing was there, but not for long enough yet
  kMaxPercent,          // one step at a time
  kMetricsPartial,      // some shard says nothing: no scale-in
  kDraining,            // pods that are to go finish what they hold
  kRollout,             // the target replaces its pods
  kPodsNotReady,        // a pod that has started is not ready: it would go before those chosen
  kUnmatchedConsumers,  // consumers that name no pod of the target may be in those that would go
};

inline constexpr std::array kReasons = {Reason::kIdle,
                                        Reason::kFirstMessage,
                                        Reason::kBacklogPerReplica,
                                        Reason::kOldestMessageAge,
                                        Reason::kDrainWithin,
                                        Reason::kRateUnknown,
                                        Reason::kMetricsUnknown,
                                        Reason::kQueuePaused,
                                        Reason::kReconcilePaused,
                                        Reason::kBoundsConflict,
                                        Reason::kConflict,
                                        Reason::kTargetNotFound,
                                        Reason::kTargetNotScalable,
                                        Reason::kTargetUnreadable,
                                        Reason::kDrainTimedOut};
inline constexpr std::array kLimits = {
    LimitedBy::kNothing,        LimitedBy::kMinReplicas,       LimitedBy::kMaxReplicas,
    LimitedBy::kStabilization,  LimitedBy::kIdleBeforeZero,    LimitedBy::kMaxPercent,
    LimitedBy::kMetricsPartial, LimitedBy::kDraining,          LimitedBy::kRollout,
    LimitedBy::kPodsNotReady,   LimitedBy::kUnmatchedConsumers};

// As in the status: "BacklogPerReplica"; kNothing is empty.
std::string_view to_string(Reason reason);
std::string_view to_string(LimitedBy limit);
// What a reader should know, as a sentence without its full stop.
std::string_view sentence_of(Reason reason);
std::string_view sentence_of(LimitedBy limit);

// What has this name in the status; absent for another text.
std::optional<Reason> find_reason(std::string_view name);
std::optional<LimitedBy> find_limit(std::string_view name);

// Whether the number is held for this reason, whatever waits.
bool is_held(Reason reason);
// Whether the operator leaves the target alone for this reason: the number is held, and not even
// minReplicas is kept up.
bool is_hands_off(Reason reason);

}  // namespace sluice::autoscale
