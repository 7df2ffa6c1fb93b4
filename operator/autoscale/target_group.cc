#include "operator/autoscale/target_group.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::autoscale {
namespace {

// Of two members that need as many replicas, the one whose reason tells more.
bool outranks(const Decision& a, const Decision& b) {
  if (a.replicas != b.replicas) return a.replicas > b.replicas;
  if (a.answers.largest != b.answers.largest) return a.answers.largest > b.answers.largest;
  return a.metrics_available < b.metrics_available;
}

}  // namespace

GroupDecision TargetGroup::decide(std::span<const Member> members, const Replicas& replicas,
                                  base::MonoTime now) {
  CHECK(!members.empty());
  GroupDecision group;
  group.min_replicas = members.front().policy.min_replicas;
  group.max_replicas = members.front().policy.max_replicas;
  for (const Member& member : members) {
    group.min_replicas = std::max(group.min_replicas, member.policy.min_replicas);
    group.max_replicas = std::min(group.max_replicas, member.policy.max_replicas);
  }
  if (group.min_replicas > group.max_replicas) {
    histories_.clear();
    group.decision.replicas = replicas.wanted;
    group.decision.reason = Reason::kBoundsConflict;
    return group;
  }
  std::map<MemberId, History> kept;
  bool metrics_available = true;
  std::optional<base::Millis> next_check;
  for (const Member& member : members) {
    History& history = kept[member.id] = std::move(histories_[member.id]);
    Policy policy = member.policy;
    policy.min_replicas = group.min_replicas;
    policy.max_replicas = group.max_replicas;
    const Observation observation{member.backlog, replicas};
    history.note(policy, observation, now);
    group.members.push_back(autoscale::decide(policy, observation, history, now));
    const Decision& decision = group.members.back();
    metrics_available = metrics_available && decision.metrics_available;
    if (decision.next_check) {
      next_check = std::min(next_check.value_or(*decision.next_check), *decision.next_check);
    }
    if (outranks(decision, group.members[group.leader])) group.leader = group.members.size() - 1;
  }
  histories_ = std::move(kept);
  group.decision = group.members[group.leader];
  group.decision.metrics_available = metrics_available;
  group.decision.next_check = next_check;
  return group;
}

}  // namespace sluice::autoscale
