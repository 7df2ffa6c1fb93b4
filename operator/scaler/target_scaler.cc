#include "operator/scaler/target_scaler.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/check.h"

namespace sluice::op {
namespace {

using autoscale::Reason;

constexpr base::Millis kAtOnce{50};

autoscale::Backlog backlog_of(const ScaledMember& member, base::MonoTime now) {
  return autoscale::backlog_of(member.queue->name, member.subscription.name, member.shards, now);
}

}  // namespace

std::string shard_name(const std::string& broker, std::size_t shard) {
  return broker + "#" + std::to_string(shard);
}

TargetScaler::TargetScaler(TargetRef target, const ScalerSeams& seams, Rivals& rivals,
                           TypeBook& types)
    : target_(std::move(target)),
      seams_(seams),
      rivals_(rivals),
      types_(types),
      ref_{types_.type_of(target_), target_.name_space, target_.name} {}

base::Millis TargetScaler::run(const std::vector<ScaledMember>& members, const Answer& answer) {
  CHECK(!members.empty());
  now_ = seams_.clock.now();
  if (const auto held = look(members)) return hold(members, *held, answer);
  autoscale::GroupDecision group = decide(members);
  if (group.decision.reason == Reason::kBoundsConflict) {
    return hold(members, {Reason::kBoundsConflict, ""}, answer);
  }
  if (group.decision.replicas != view_->replicas.wanted) {
    // Somebody may have changed it since.
    if (base::Status status = read_target(kBusyRefresh); !status.has_value()) {
      return failed(status.error());
    }
    group = decide(members);
  }
  autoscale::ScaleStep step;
  const bool differs = group.decision.replicas != view_->replicas.wanted;
  if ((differs || touched_) && (!retry_at_ || *retry_at_ <= now_.mono)) {
    auto done = act(members, group, answer);
    if (not_scalable_until_) return hold(members, not_scalable(), answer);
    if (!done.has_value()) {
      const base::Millis again = failed(done.error());
      tell(members, group, {}, &done.error());
      return again;
    }
    step = std::move(*done);
    failures_ = 0;
    retry_at_.reset();
  }
  if (!retry_at_) tell(members, group, step, nullptr);
  base::Millis next = refresh_period();
  for (const auto& sooner : {group.decision.next_check, step.next_check}) {
    if (sooner) next = std::min(next, *sooner);
  }
  if (retry_at_) next = std::min(next, autoscale::elapsed(now_.mono, *retry_at_));
  return std::max(next, kAtOnce);
}

// What keeps us from scaling the target at all. The API server is not asked again for every
// observation.
std::optional<TargetScaler::Held> TargetScaler::look(const std::vector<ScaledMember>& members) {
  for (const ScaledMember& member : members) {
    if (member.queue->reconcile_paused) {
      return Held{Reason::kReconcilePaused, "of Queue " + member.queue->name};
    }
  }
  if (unread_ && now_.mono < look_at_) return unread_;
  unread_ = look_at_target();
  if (unread_) look_at_ = now_.mono + kHeldRetry;
  return unread_;
}

std::optional<TargetScaler::Held> TargetScaler::look_at_target() {
  if (base::Status status = read_target(refresh_period()); !status.has_value()) {
    const bool missing = status.error().code() == base::ErrorCode::kNotFound;
    return Held{missing ? Reason::kTargetNotFound : Reason::kTargetUnreadable,
                missing ? target_.to_string() : status.error().message()};
  }
  if (not_scalable_until_ && *not_scalable_until_ > now_.mono) return not_scalable();
  not_scalable_until_.reset();
  const auto rival = rivals_.of(target_, now_.mono);
  if (!rival) return Held{Reason::kTargetUnreadable, rival.error().message()};
  if (*rival) return Held{Reason::kConflict, **rival};
  return std::nullopt;
}

TargetScaler::Held TargetScaler::not_scalable() const {
  return {Reason::kTargetNotScalable, target_.to_string()};
}

base::Millis TargetScaler::refresh_period() const {
  if (!view_) return base::Millis(0);
  const autoscale::Replicas& replicas = view_->replicas;
  if (touched_) return kPodsRefresh;
  if (replicas.ready >= replicas.wanted) return replicas.wanted == 0 ? kIdleRefresh : kRefresh;
  const bool starting = grown_at_ && autoscale::elapsed(*grown_at_, now_.mono) < kStartingFor;
  return starting ? kBusyRefresh : 10 * kBusyRefresh;
}

base::Status TargetScaler::read_target(base::Millis not_older_than) {
  if (view_ && autoscale::elapsed(view_read_at_, now_.mono) < not_older_than) return {};
  auto object = seams_.api.get(ref_);
  if (!object) {
    view_.reset();
    return object.error();
  }
  TargetView view = target_view_of(*object);
  if (view_ && view_->uid != view.uid) scale_in_ = {};
  view_ = std::move(view);
  view_read_at_ = now_.mono;
  return {};
}

base::Status TargetScaler::read_pods() {
  if (pods_read_at_ && autoscale::elapsed(*pods_read_at_, now_.mono) < kPodsRefresh) return {};
  pods_.clear();
  if (!view_->selector.empty()) {
    auto list = seams_.api.list(kube::kPods, target_.name_space, {view_->selector, ""});
    if (!list) return list.error();
    pods_ = pods_of(*list, target_, *view_);
  }
  pods_read_at_ = now_.mono;
  return {};
}

autoscale::GroupDecision TargetScaler::decide(const std::vector<ScaledMember>& members) {
  std::vector<autoscale::Member> group;
  group.reserve(members.size());
  for (const ScaledMember& member : members) {
    group.push_back({{member.queue->name, member.subscription.name},
                     member.subscription.policy,
                     backlog_of(member, now_.mono)});
  }
  return group_.decide(group, view_->replicas, now_.mono);
}

autoscale::ScaleInWorld TargetScaler::world_of(const std::vector<ScaledMember>& members) const {
  autoscale::ScaleInWorld world;
  world.target = {view_->replicas.wanted, view_->rolling_out, view_->by_ordinal, pods_};
  std::set<std::string> seen;
  for (const ScaledMember& member : members) {
    world.members.push_back({member.queue->name, member.subscription.name});
    for (const autoscale::Shard& shard : member.shards) {
      if (seen.insert(shard.broker).second) world.brokers.push_back(shard);
    }
  }
  return world;
}

base::Result<autoscale::ScaleStep> TargetScaler::act(const std::vector<ScaledMember>& members,
                                                     const autoscale::GroupDecision& group,
                                                     const Answer& answer) {
  const std::uint32_t before = view_->replicas.wanted;
  const bool grows = group.decision.replicas > before;
  // Nobody waits for a list of pods to get more of them.
  if (!grows || touched_) {
    const base::Status listed = read_pods();
    if (!listed.has_value() && !grows) return listed.error();
  }
  // The API server may have taken its time: cordons that held when this run began may be over.
  now_ = seams_.clock.now();
  autoscale::DrainPolicy policy{base::Millis(0), api::DrainTimeoutAction::kProceed};
  for (const ScaledMember& member : members) {
    const api::ScaleIn& scale_in = member.subscription.policy.scale_in;
    policy.timeout = std::max(policy.timeout, scale_in.drain_timeout);
    if (scale_in.on_drain_timeout == api::DrainTimeoutAction::kHold) {
      policy.on_timeout = api::DrainTimeoutAction::kHold;
    }
  }
  autoscale::ScaleStep step =
      scale_in_.step(world_of(members), group.decision.replicas, policy, now_.mono);
  touched_ = !step.leaving.empty() || !step.cordons.empty() || !step.marks.empty() ||
             step.replicas.value_or(before) < before || step.next_check.has_value();
  RETURN_IF_ERROR(carry_out(step, answer));
  if (view_->replicas.wanted != before) tell_scaled(members, group, before);
  return step;
}

base::Status TargetScaler::carry_out(const autoscale::ScaleStep& step, const Answer& answer) {
  const bool grows = step.replicas && *step.replicas > view_->replicas.wanted;
  if (grows) RETURN_IF_ERROR(write_replicas(*step.replicas));
  for (const autoscale::CordonCall& call : step.cordons) {
    const std::size_t at = call.broker.rfind('#');
    CHECK(at != std::string::npos);
    std::size_t shard = 0;
    std::from_chars(call.broker.data() + at + 1, call.broker.data() + call.broker.size(), shard);
    seams_.cordon(
        call.broker.substr(0, at), shard, call.pod, call.lease,
        [call, answer](base::Result<std::uint64_t> result) { answer(call, std::move(result)); });
  }
  for (const autoscale::PodMark& mark : step.marks) RETURN_IF_ERROR(write_mark(mark));
  if (step.replicas && !grows) {
    if (autoscale::elapsed(now_.mono, seams_.clock.mono_now()) > kDecisionHolds) {
      return base::Error(base::ErrorCode::kConflict, "the pods' marks took too long to be written");
    }
    RETURN_IF_ERROR(write_replicas(*step.replicas));
  }
  return {};
}

base::Status TargetScaler::write_mark(const autoscale::PodMark& mark) {
  const auto value = [](const std::optional<std::string>& text) {
    return text ? kube::Json(*text) : kube::Json();
  };
  const kube::Json patch = {{"metadata",
                             {{"uid", mark.uid},
                              {"annotations",
                               {{std::string(autoscale::kDeletionCost), value(mark.cost)},
                                {std::string(autoscale::kChosen), value(mark.chosen)}}}}}};
  pods_read_at_.reset();
  const auto patched = seams_.api.merge_patch({&kube::kPods, target_.name_space, mark.pod}, patch);
  if (patched) return {};
  return patched.error().with_prefix("Pod " + mark.pod);
}

base::Status TargetScaler::write_replicas(std::uint32_t replicas) {
  const kube::Json patch = {{"metadata", {{"resourceVersion", view_->resource_version}}},
                            {"spec", {{"replicas", replicas}}}};
  const bool grows = replicas > view_->replicas.wanted;
  auto scale = seams_.api.merge_patch(ref_, patch, "scale");
  if (!scale) {
    view_read_at_ = {};  // it is not as we thought
    // The target itself was read a moment ago.
    if (scale.error().code() == base::ErrorCode::kNotFound) {
      not_scalable_until_ = now_.mono + kIdleRefresh;
    }
    return scale.error();
  }
  view_->replicas.wanted = replicas;
  view_->resource_version = kube::resource_version_of(*scale);
  if (grows) grown_at_ = now_.mono;
  last_scale_ = now_.wall;
  pods_read_at_.reset();
  return {};
}

// Lifts what is cordoned and takes marks back, once.
void TargetScaler::let_go(const std::vector<ScaledMember>& members, const Answer& answer) {
  if (!touched_ || !view_) return;
  if (!read_pods().has_value()) return;
  const autoscale::ScaleStep step = scale_in_.release(world_of(members), now_.mono);
  touched_ = !step.cordons.empty() || !step.marks.empty();
  if (!carry_out(step, answer).has_value()) touched_ = true;
}

void TargetScaler::answered(const autoscale::CordonCall& call,
                            const base::Result<std::uint64_t>& answer) {
  const base::MonoTime now = seams_.clock.mono_now();
  if (answer) {
    scale_in_.answered(call, *answer, now);
  } else {
    scale_in_.refused(call, now);
  }
}

// The next try of a call to the API server that failed.
base::Millis TargetScaler::failed(const base::Error& error) {
  base::Millis wait = kAtOnce;
  // Somebody changed it meanwhile: it is read again at once, a few times.
  if (error.code() != base::ErrorCode::kConflict || failures_ >= 5) {
    wait = std::min(kRetryMax, base::Millis(1'000) * (1 << std::min(failures_, 5U)));
  }
  ++failures_;
  retry_at_ = now_.mono + wait;
  return wait;
}

}  // namespace sluice::op
