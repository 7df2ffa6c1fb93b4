#include "operator/autoscale/answers.h"

#include <algorithm>
#include <cmath>

namespace sluice::autoscale {
namespace {

std::uint32_t rounded_up(double replicas) {
  if (!(replicas < kAnswerMax)) return kAnswerMax;
  // 3.0000000001 is 3 replicas, and an error of the division.
  return static_cast<std::uint32_t>(std::max(std::ceil(replicas - 1e-9), 1.0));
}

std::uint32_t for_backlog(std::uint64_t work, std::uint32_t per_replica) {
  const std::uint64_t replicas = work / per_replica + (work % per_replica == 0 ? 0 : 1);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(replicas, kAnswerMax));
}

std::uint32_t for_age(base::Millis age, base::Millis target, const Observation& observation,
                      const History& history, base::MonoTime now) {
  const std::uint32_t there = observation.replicas.wanted;
  // Without a consumer every message grows old, and it says nothing about how many are needed.
  if (there == 0) return 1;
  const double ratio = static_cast<double>(age.count()) / static_cast<double>(target.count());
  if (ratio > 1) {
    const bool settling = observation.replicas.ready < observation.replicas.wanted ||
                          (history.grown_at() && elapsed(*history.grown_at(), now) < kAgeStep);
    return settling ? there : std::max(there, rounded_up(std::min(ratio, 2.0) * there));
  }
  const std::optional<double> busy = history.throughput().busy_replicas();
  if (ratio >= 0.5 || !busy) return there;
  return std::min(there, rounded_up(*busy));
}

std::uint32_t for_drain(std::uint64_t work, base::Millis within, double rate) {
  const double each = rate * static_cast<double>(within.count()) / 1'000;
  return rounded_up(static_cast<double>(work) / each);
}

}  // namespace

Answers answers_of(const Policy& policy, const Observation& observation, const History& history,
                   base::MonoTime now) {
  Answers answers;
  const api::ScaleTarget& target = policy.target;
  const Backlog& backlog = observation.backlog;
  const std::uint64_t work = backlog.work();
  answers.rate_per_replica = history.throughput().per_replica();
  if (work == 0) {
    if (target.backlog_per_replica) answers.backlog_per_replica = 0;
    if (target.oldest_message_age) answers.oldest_message_age = 0;
    if (target.drain_within) answers.drain_within = 0;
    return answers;
  }
  const auto consider = [&](std::optional<std::uint32_t>& answer, std::uint32_t replicas,
                            Reason reason) {
    answer = replicas;
    if (replicas <= answers.largest) return;
    answers.largest = replicas;
    answers.reason = reason;
  };
  if (target.backlog_per_replica) {
    consider(answers.backlog_per_replica, for_backlog(work, *target.backlog_per_replica),
             Reason::kBacklogPerReplica);
  }
  if (target.oldest_message_age) {
    const base::Millis age = backlog.oldest_age.value_or(base::Millis(0));
    consider(answers.oldest_message_age,
             for_age(age, *target.oldest_message_age, observation, history, now),
             Reason::kOldestMessageAge);
  }
  if (target.drain_within) {
    const bool known = answers.rate_per_replica.has_value();
    consider(answers.drain_within,
             known ? for_drain(work, *target.drain_within, *answers.rate_per_replica)
                   : std::max(observation.replicas.wanted, 1U),
             known ? Reason::kDrainWithin : Reason::kRateUnknown);
  }
  if (answers.largest == 0) consider(answers.backlog_per_replica, 1, Reason::kBacklogPerReplica);
  if (observation.replicas.wanted == 0 && answers.largest == 1) {
    answers.reason = Reason::kFirstMessage;
  }
  return answers;
}

}  // namespace sluice::autoscale
