#include <algorithm>
#include <utility>

#include "base/log.h"
#include "operator/autoscale/numbers.h"
#include "operator/scaler/target_scaler.h"

// What TargetScaler tells about what it did: statuses, Events, log.
namespace sluice::op {
namespace {

using autoscale::LimitedBy;
using autoscale::Reason;

bool says_the_same(const ScalingStatus& a, const ScalingStatus& b) {
  return a.reason == b.reason && a.limited_by == b.limited_by && a.current == b.current &&
         a.desired == b.desired && a.last_scale == b.last_scale;
}

}  // namespace

ScalingStatus TargetScaler::status_of(const ScaledMember& member) const {
  ScalingStatus status;
  status.name_space = target_.name_space;
  status.queue = member.queue->name;
  status.subscription = member.subscription.name;
  status.broker = member.queue->broker;
  status.min = member.subscription.policy.min_replicas;
  status.max = member.subscription.policy.max_replicas;
  status.last_scale = last_scale_;
  for (const autoscale::Shard& shard : member.shards) {
    if (!shard.told) {
      status.told_at.reset();
      break;
    }
    status.told_at =
        std::min(status.told_at.value_or(shard.told->received_at), shard.told->received_at);
  }
  if (view_) status.current = status.desired = view_->replicas.wanted;
  return status;
}

base::Millis TargetScaler::hold(const std::vector<ScaledMember>& members, const Held& held,
                                const Answer& answer) {
  let_go(members, answer);
  std::string message(autoscale::sentence_of(held.reason));
  if (!held.detail.empty()) message += ": " + held.detail;
  std::vector<ScalingStatus> statuses;
  for (const ScaledMember& member : members) {
    ScalingStatus& status = statuses.emplace_back(status_of(member));
    status.reason = held.reason;
    status.message = message;
  }
  // People asked for that one.
  if (held.reason != Reason::kReconcilePaused) warn_once(members, held.reason, message);
  publish(members, std::move(statuses));
  return touched_ ? kPodsRefresh : kHeldRetry;
}

std::string TargetScaler::numbers_of(const ScaledMember& member,
                                     const autoscale::GroupDecision& group,
                                     const autoscale::Decision& decision) const {
  autoscale::Policy policy = member.subscription.policy;
  policy.min_replicas = group.min_replicas;
  policy.max_replicas = group.max_replicas;
  return autoscale::numbers_of(
      policy,
      autoscale::backlog_of(member.queue->name, member.subscription.name, member.shards, now_.mono),
      decision);
}

void TargetScaler::tell(const std::vector<ScaledMember>& members,
                        const autoscale::GroupDecision& group, const autoscale::ScaleStep& step,
                        const base::Error* error) {
  // What passes by itself is no news: the target changed meanwhile, a pod has just gone, the lease
  // is about to be lost.
  if (error != nullptr &&
      (error->code() == base::ErrorCode::kConflict || error->code() == base::ErrorCode::kNotFound ||
       error->code() == base::ErrorCode::kFailedPrecondition)) {
    return;
  }
  Reason reason = group.decision.reason;
  std::string more;
  if (step.drain_timed_out) {
    reason = Reason::kDrainTimedOut;
    for (const std::string& pod : step.stuck) more += (more.empty() ? "" : ", ") + pod;
  } else if (error != nullptr) {
    reason = Reason::kTargetUnreadable;
    more = error->message();
  }
  if (!more.empty()) more = std::string(autoscale::sentence_of(reason)) + ": " + more;
  std::vector<ScalingStatus> statuses;
  for (std::size_t i = 0; i < members.size(); ++i) {
    ScalingStatus& status = statuses.emplace_back(status_of(members[i]));
    status.min = group.min_replicas;
    status.max = group.max_replicas;
    status.reason = reason;
    status.limited_by =
        step.limited_by == LimitedBy::kNothing ? group.decision.limited_by : step.limited_by;
    status.desired =
        step.drain_timed_out && view_ ? view_->replicas.wanted : group.decision.replicas;
    status.message = numbers_of(members[i], group, group.members[i]);
    if (i != group.leader) {
      const ScaledMember& leader = members[group.leader];
      status.message +=
          "; " + leader.queue->name + "/" + leader.subscription.name + " asks for most";
    }
    if (!more.empty()) status.message += "; " + more;
  }
  if (!more.empty()) {
    warn_once(members, reason, more);
  } else if (step.limited_by != LimitedBy::kDraining) {
    warned_.reset();
  }
  publish(members, std::move(statuses));
}

void TargetScaler::tell_scaled(const std::vector<ScaledMember>& members,
                               const autoscale::GroupDecision& group, std::uint32_t before) {
  const ScaledMember& leader = members[group.leader];
  const std::uint32_t after = view_->replicas.wanted;
  const bool grows = after > before;
  const std::string reason(autoscale::to_string(group.decision.reason));
  const std::string numbers = numbers_of(leader, group, group.decision);
  const std::string change = std::to_string(before) + " to " + std::to_string(after);
  tell_people(leader, kube::EventType::kNormal, grows ? "ScaledOut" : "ScaledIn",
              grows ? "ScaleOut" : "ScaleIn",
              target_.to_string() + " from " + change + ", " + reason + ": " + numbers);
  base::log_info("scaled", {{"namespace", target_.name_space},
                            {"target", target_.to_string()},
                            {"from", before},
                            {"to", after},
                            {"queue", leader.queue->name},
                            {"subscription", leader.subscription.name},
                            {"reason", reason},
                            {"numbers", numbers}});
  if (!seams_.scaled) return;
  std::optional<base::MonoTime> told_at;
  for (const autoscale::Shard& shard : leader.shards) {
    if (shard.told) told_at = std::max(told_at.value_or(base::MonoTime()), shard.told->received_at);
  }
  ScalingStatus status = status_of(leader);
  status.reason = group.decision.reason;
  const base::MonoTime now = seams_.clock.mono_now();
  seams_.scaled(status, told_at ? base::Nanos(now - *told_at) : base::Nanos(0));
}

void TargetScaler::tell_people(const ScaledMember& member, kube::EventType type,
                               const std::string& reason, const std::string& action,
                               const std::string& note) {
  if (seams_.record) seams_.record({member.queue->regarding, type, reason, action, note});
}

void TargetScaler::warn_once(const std::vector<ScaledMember>& members, Reason reason,
                             const std::string& note) {
  if (warned_ == reason) return;
  warned_ = reason;
  std::string last;
  for (const ScaledMember& member : members) {
    // Of a Queue with several subscriptions once.
    if (member.queue->name == last) continue;
    last = member.queue->name;
    tell_people(member, kube::EventType::kWarning, std::string(autoscale::to_string(reason)),
                "Scale", target_.to_string() + ": " + note);
  }
  base::log_warn("scaling_held", {{"namespace", target_.name_space},
                                  {"target", target_.to_string()},
                                  {"reason", autoscale::to_string(reason)},
                                  {"note", note}});
}

void TargetScaler::publish(const std::vector<ScaledMember>& members,
                           std::vector<ScalingStatus> statuses) {
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const bool same = i < statuses_.size() && statuses_.size() == statuses.size() &&
                      statuses_[i].queue == statuses[i].queue &&
                      statuses_[i].subscription == statuses[i].subscription &&
                      says_the_same(statuses_[i], statuses[i]);
    if (!same) changed.push_back(members[i].queue->broker);
  }
  const std::lock_guard lock(statuses_mutex_);
  statuses_ = std::move(statuses);
  changed_.insert(changed_.end(), changed.begin(), changed.end());
}

std::vector<ScalingStatus> TargetScaler::statuses() const {
  const std::lock_guard lock(statuses_mutex_);
  return statuses_;
}

std::vector<std::string> TargetScaler::take_changed() {
  const std::lock_guard lock(statuses_mutex_);
  return std::exchange(changed_, {});
}

}  // namespace sluice::op
