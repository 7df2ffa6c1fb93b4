#include "operator/autoscale/scale_in.h"

#include <algorithm>
#include <tuple>

namespace sluice::autoscale {
namespace {

bool has(const std::vector<const Pod*>& pods, const Pod& pod) {
  return std::find(pods.begin(), pods.end(), &pod) != pods.end();
}

PodMark without_mark(const Pod& pod) { return {pod.name, pod.uid, own_cost(pod), std::nullopt}; }

}  // namespace

// One step's arguments, and what follows from them.
struct ScaleIn::Scene {
  const ScaleInWorld& world;
  std::uint32_t wanted;
  DrainPolicy policy;
  base::MonoTime now;
  std::vector<BrokerView> views;
  std::vector<const Pod*> live;  // not terminating
  bool all_known = true;
  bool all_ready = true;  // but for those that never started
  bool unmatched = false;

  Scene(const ScaleInWorld& from, std::uint32_t replicas, DrainPolicy drain, base::MonoTime time)
      : world(from), wanted(replicas), policy(drain), now(time), views(views_of(from, time)) {
    for (const Pod& pod : world.target.pods) {
      if (pod.terminating) continue;
      live.push_back(&pod);
      all_ready = all_ready && (pod.ready || !pod.started);
    }
    for (const BrokerView& view : views) all_known = all_known && view.known;
    unmatched = has_unmatched_consumers(world, now);
  }

  std::uint32_t replicas() const { return world.target.replicas; }
  std::size_t surplus() const { return live.size() > replicas() ? live.size() - replicas() : 0; }

  // Over all brokers.
  Holding holding_of(const Pod& pod) const {
    Holding sum;
    sum.cordoned = false;
    for (const BrokerView& view : views) {
      const auto found = view.by_pod.find(pod.name);
      if (found == view.by_pod.end()) continue;
      sum.in_flight += found->second.in_flight;
      sum.consumers += found->second.consumers;
      sum.cordoned = sum.cordoned || found->second.cordoned;
    }
    return sum;
  }
};

void ScaleIn::forget_gone(const TargetState& target) {
  std::set<std::string> uids;
  for (const Pod& pod : target.pods) uids.insert(pod.uid);
  for (auto it = names_.begin(); it != names_.end();) {
    if (uids.contains(it->first)) {
      ++it;
      continue;
    }
    cordons_.forget(it->second);
    it = names_.erase(it);
  }
  std::erase_if(since_, [&](const auto& entry) { return !uids.contains(entry.first); });
  std::erase_if(rest_until_, [&](const auto& entry) { return !uids.contains(entry.first); });
}

// Those that would go next, the first to go first; as far as they may.
std::vector<const Pod*> ScaleIn::choose(const Scene& scene, ScaleStep& step) const {
  std::vector<const Pod*> pods = scene.live;
  if (scene.world.target.by_ordinal) {
    std::sort(pods.begin(), pods.end(),
              [](const Pod* a, const Pod* b) { return ordinal_of(a->name) > ordinal_of(b->name); });
  } else {
    const auto rank = [&](const Pod* pod) {
      const Holding holding = scene.holding_of(*pod);
      const bool begun = since_.contains(pod->uid) || holding.cordoned;
      return std::tuple(pod->started, !pod->chosen.has_value(), !begun, pod->ready,
                        holding.in_flight, -pod->created.value(), pod->name);
    };
    std::sort(pods.begin(), pods.end(),
              [&](const Pod* a, const Pod* b) { return rank(a) < rank(b); });
  }
  const std::size_t target = std::min(scene.wanted, scene.replicas());
  const std::size_t needed = pods.size() > target ? pods.size() - target : 0;
  std::vector<const Pod*> leaving;
  for (const Pod* pod : pods) {
    if (leaving.size() == needed) break;
    const bool rests = rest_until_.contains(pod->uid);
    const bool may_be_other = scene.unmatched && scene.holding_of(*pod).consumers == 0;
    if (!rests && !may_be_other) {
      leaving.push_back(pod);
      continue;
    }
    if (rests) step.stuck.push_back(pod->name);
    if (scene.world.target.by_ordinal) break;
  }
  if (leaving.size() < needed) {
    step.drain_timed_out = !step.stuck.empty();
    step.limited_by = step.drain_timed_out ? LimitedBy::kDraining : LimitedBy::kUnmatchedConsumers;
  }
  return leaving;
}

bool ScaleIn::is_stuck(const Scene& scene, const Pod& pod) {
  if (elapsed(since_.at(pod.uid), scene.now) < scene.policy.timeout) return false;
  return !cordons_.is_drained(pod.name, scene.views, scene.now);
}

void ScaleIn::remove(const Scene& scene, const std::vector<const Pod*>& leaving,
                     const std::vector<const Pod*>& drained, ScaleStep& step) {
  step.replicas = static_cast<std::uint32_t>(scene.live.size() - drained.size());
  if (scene.world.target.by_ordinal) return;
  // Of an attempt that broke off: it would go in the place of one that is drained.
  for (const Pod* pod : leaving) {
    if (pod->chosen && !has(drained, *pod)) step.marks.push_back(without_mark(*pod));
  }
  const std::int32_t cost = cost_to_go(scene.world.target);
  for (const Pod* pod : drained) {
    if (pod->chosen && pod->deletion_cost && cost_in(*pod->deletion_cost) <= cost) continue;
    step.marks.push_back({pod->name, pod->uid, std::to_string(cost), own_cost(*pod).value_or("")});
  }
}

// `leaving` may go: waits until they hold nothing, and then lets them.
void ScaleIn::drain(const Scene& scene, std::vector<const Pod*>& leaving, ScaleStep& step) {
  for (const Pod* pod : leaving) since_.try_emplace(pod->uid, scene.now);
  std::vector<const Pod*> drained;
  std::vector<const Pod*> stuck;
  base::MonoTime oldest = scene.now;
  bool in_order = true;
  for (const Pod* pod : leaving) {
    oldest = std::min(oldest, since_.at(pod->uid));
    const bool late = is_stuck(scene, *pod);
    const bool goes = late ? scene.policy.on_timeout == api::DrainTimeoutAction::kProceed
                           : cordons_.is_drained(pod->name, scene.views, scene.now);
    if (late && !goes) stuck.push_back(pod);
    // Of a StatefulSet nobody goes before those with higher ordinals.
    in_order = in_order && goes;
    if (scene.world.target.by_ordinal ? in_order : goes) drained.push_back(pod);
  }
  for (const Pod* pod : stuck) {
    const base::Millis rest = std::max(scene.policy.timeout, kRestMin);
    rest_until_[pod->uid] = scene.now + rest;
    since_.erase(pod->uid);
    std::erase(leaving, pod);
    step.stuck.push_back(pod->name);
    step.drain_timed_out = true;
  }
  step.limited_by = LimitedBy::kDraining;
  const bool all = drained.size() == leaving.size();
  // Not ready pods go first, whatever they cost: only where nobody else is left does it not matter.
  const bool some = scene.all_ready && elapsed(oldest, scene.now) >= kGather;
  if (!drained.empty() && (all || some)) remove(scene, leaving, drained, step);
}

// Cordons of those that leave, and an end to the cordons and marks of all others.
void ScaleIn::settle(const Scene& scene, const std::vector<const Pod*>& leaving, ScaleStep& step) {
  for (const Pod& pod : scene.world.target.pods) {
    const bool leaves = has(leaving, pod);
    // One that was told to end, and goes on asking, gets nothing either.
    const bool ends = pod.terminating && (names_.contains(pod.uid) || pod.chosen);
    if (leaves || ends) {
      names_[pod.uid] = pod.name;
      step.leaving.push_back(pod.name);
      cordons_.keep(pod.name, scene.views, scene.now, step.cordons);
      continue;
    }
    if (pod.terminating) continue;
    since_.erase(pod.uid);
    cordons_.lift(pod.name, scene.views, scene.now, step.cordons);
    if (pod.chosen) step.marks.push_back(without_mark(pod));
  }
  step.next_check = cordons_.renewal_in(scene.now);
  const auto sooner = [&](base::Millis in) {
    step.next_check = std::min(step.next_check.value_or(in), in);
  };
  for (const auto& [uid, since] : since_) {
    const base::Millis waited = elapsed(since, scene.now);
    if (waited < kGather) sooner(kGather - waited);
    if (waited < scene.policy.timeout) sooner(scene.policy.timeout - waited);
  }
  for (const auto& [uid, until] : rest_until_) sooner(elapsed(scene.now, until));
}

ScaleStep ScaleIn::step(const ScaleInWorld& world, std::uint32_t wanted, const DrainPolicy& policy,
                        base::MonoTime now) {
  const Scene scene(world, wanted, policy, now);
  const TargetState& target = world.target;
  ScaleStep step;
  forget_gone(target);
  std::erase_if(rest_until_, [&](const auto& entry) { return entry.second <= now; });
  std::vector<const Pod*> leaving;
  if (wanted >= target.replicas) {
    rest_until_.clear();
    if (wanted > target.replicas) {
      step.replicas = wanted;
    } else if (scene.surplus() > 0) {
      leaving = choose(scene, step);  // already told to go
      step.limited_by = LimitedBy::kNothing;
    }
    settle(scene, leaving, step);
    return step;
  }
  if (scene.surplus() > 0) {
    leaving = choose(Scene(world, target.replicas, policy, now), step);
    step.limited_by = LimitedBy::kDraining;
  } else if (target.rolling_out) {
    step.limited_by = LimitedBy::kRollout;
  } else if (!scene.all_known) {
    step.limited_by = LimitedBy::kMetricsPartial;
  } else if (scene.live.size() <= wanted) {
    step.replicas = wanted;  // the others were never created
  } else if (wanted > 0 && !scene.all_ready) {
    step.limited_by = LimitedBy::kPodsNotReady;
  } else {
    leaving = choose(scene, step);
    // All of a target with pods that are not ready go, or none.
    if (!scene.all_ready && leaving.size() < scene.live.size()) leaving.clear();
    if (!leaving.empty()) drain(scene, leaving, step);
  }
  settle(scene, leaving, step);
  return step;
}

ScaleStep ScaleIn::release(const ScaleInWorld& world, base::MonoTime now) {
  const Scene scene(world, world.target.replicas, {}, now);
  ScaleStep step;
  forget_gone(world.target);
  rest_until_.clear();
  settle(scene, {}, step);
  step.leaving.clear();
  return step;
}

}  // namespace sluice::autoscale
