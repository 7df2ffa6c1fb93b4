#include "operator/autoscale/numbers.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/duration.h"

namespace sluice::autoscale {
namespace {

// "2.25": at most three digits that mean something.
std::string rate_text(double rate) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", rate);
  return text.data();
}

std::string known_text(const Backlog& backlog) {
  if (backlog.coverage == Coverage::kNone) return "nothing is known";
  std::string text = backlog.coverage == Coverage::kSome ? "of the shards that tell: " : "";
  text +=
      "ready " + std::to_string(backlog.ready) + ", in flight " + std::to_string(backlog.in_flight);
  if (backlog.due_delayed > 0) text += ", due " + std::to_string(backlog.due_delayed);
  if (backlog.oldest_age) text += ", oldest " + rounded_text(*backlog.oldest_age);
  return text;
}

}  // namespace

std::string rounded_text(base::Millis duration) {
  const base::Millis second{1'000};
  if (duration >= 10 * second) duration -= duration % second;
  return base::format_duration(std::clamp(duration, base::Millis(0), base::kDurationMax));
}

std::vector<TargetAnswer> target_answers(const Policy& policy, const Backlog& backlog,
                                         const Decision& decision) {
  const api::ScaleTarget& target = policy.target;
  const Answers& answers = decision.answers;
  const std::string work =
      std::to_string(backlog.work()) + (backlog.work() == 1 ? " message" : " messages");
  std::vector<TargetAnswer> out;
  if (target.backlog_per_replica && answers.backlog_per_replica) {
    const std::string each = std::to_string(*target.backlog_per_replica);
    out.push_back(
        {"backlogPerReplica", each, *answers.backlog_per_replica, work + ", " + each + " each"});
  }
  if (target.oldest_message_age && answers.oldest_message_age) {
    const std::string age = rounded_text(backlog.oldest_age.value_or(base::Millis(0)));
    out.push_back({"oldestMessageAge", base::format_duration(*target.oldest_message_age),
                   *answers.oldest_message_age,
                   backlog.work() == 0 ? "no message waits" : "the oldest is " + age + " old"});
  }
  if (target.drain_within && answers.drain_within) {
    out.push_back(
        {"drainWithin", base::format_duration(*target.drain_within), *answers.drain_within,
         answers.rate_per_replica
             ? work + ", " + rate_text(*answers.rate_per_replica) + " a second done by each replica"
             : "how much a replica gets done is not known yet"});
  }
  return out;
}

std::string numbers_of(const Policy& policy, const Backlog& backlog, const Decision& decision) {
  std::string text = known_text(backlog);
  if (backlog.coverage != Coverage::kNone) {
    for (const TargetAnswer& one : target_answers(policy, backlog, decision)) {
      text += "; " + std::string(one.target) + " " + one.setting + " asks for " +
              std::to_string(one.asks_for);
      if (one.target == "drainWithin" && decision.answers.rate_per_replica) {
        text += " at " + rate_text(*decision.answers.rate_per_replica) + "/s each";
      }
    }
  }
  return text + "; " + std::to_string(policy.min_replicas) + " to " +
         std::to_string(policy.max_replicas) + " allowed";
}

}  // namespace sluice::autoscale
