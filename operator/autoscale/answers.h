#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "operator/autoscale/history.h"
#include "operator/autoscale/observation.h"
#include "operator/autoscale/reason.h"

namespace sluice::autoscale {

// How many replicas each target of a policy asks for, before any bound or window.
struct Answers {
  std::optional<std::uint32_t> backlog_per_replica;
  std::optional<std::uint32_t> oldest_message_age;
  std::optional<std::uint32_t> drain_within;
  std::optional<double> rate_per_replica;  // messages a second, where it is known

  std::uint32_t largest = 0;
  Reason reason = Reason::kIdle;  // which of them that is
};

// More replicas than any policy may ask for; larger answers are cut to it.
inline constexpr std::uint32_t kAnswerMax = 1'000'000;
// oldestMessageAge lets new replicas show what they do before it asks for more.
inline constexpr base::Millis kAgeStep{15'000};

// * backlogPerReplica: the work (ready, in flight, due) over the target, rounded up.
// * oldestMessageAge: above the target as many times the ready replicas as the age is above it, at
//   most twice as many in one step, one step at a time, kAgeStep apart. Between half of it and the
//   target what there is. Below half of it as many as had work lately.
// * drainWithin: the work over what one replica gets done in that time. While that is not known: as
//   many as there are.
// Work asks for at least one replica, no work for none. With partial knowledge these are lower
// bounds.
Answers answers_of(const Policy& policy, const Observation& observation, const History& history,
                   base::MonoTime now);

}  // namespace sluice::autoscale
