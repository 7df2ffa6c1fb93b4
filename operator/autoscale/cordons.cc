#include "operator/autoscale/cordons.h"

#include <algorithm>

namespace sluice::autoscale {

void Cordons::keep(const std::string& pod, std::span<const BrokerView> views, base::MonoTime now,
                   std::vector<CordonCall>& calls) {
  for (const BrokerView& view : views) {
    if (!view.known) continue;
    const Key key{pod, view.broker};
    lifted_.erase(key);
    Cordon& cordon = cordons_[key];
    if (cordon.incarnation != view.incarnation) cordon = {};
    if (cordon.send_at > now) continue;
    cordon.incarnation = view.incarnation;
    cordon.send_at = now + kCordonUnanswered;
    calls.push_back({view.broker, pod, kCordonLease, now});
  }
}

void Cordons::lift(const std::string& pod, std::span<const BrokerView> views, base::MonoTime now,
                   std::vector<CordonCall>& calls) {
  for (const BrokerView& view : views) {
    if (!view.known) continue;
    const Key key{pod, view.broker};
    const auto holding = view.by_pod.find(pod);
    const bool seen = holding != view.by_pod.end() && holding->second.cordoned;
    const bool asked = cordons_.erase(key) > 0;
    if (!seen && !asked) {
      lifted_.erase(key);
      continue;
    }
    Lift& lift = lifted_[key];
    if (!asked && lift.again_at > now) continue;
    lift.again_at = now + kCordonUnanswered;
    calls.push_back({view.broker, pod, base::Millis(0), now});
  }
}

void Cordons::forget(const std::string& pod) {
  std::erase_if(cordons_, [&](const auto& entry) { return entry.first.first == pod; });
  std::erase_if(lifted_, [&](const auto& entry) { return entry.first.first == pod; });
}

void Cordons::answered(const CordonCall& call, std::uint64_t in_flight, base::MonoTime now) {
  const auto found = cordons_.find({call.pod, call.broker});
  if (call.lease == base::Millis(0) || found == cordons_.end()) return;
  Cordon& cordon = found->second;
  if (!cordon.answered_at || cordon.holds_until < call.sent_at) cordon.first_answer = now;
  cordon.answered_at = now;
  cordon.holds_until = call.sent_at + call.lease;
  cordon.send_at = call.sent_at + kCordonRenewal;
  cordon.in_flight = in_flight;
}

void Cordons::refused(const CordonCall& call, base::MonoTime now) {
  const auto found = cordons_.find({call.pod, call.broker});
  if (call.lease == base::Millis(0) || found == cordons_.end()) return;
  found->second.send_at = now + kCordonRetry;
}

bool Cordons::is_drained(const std::string& pod, std::span<const BrokerView> views,
                         base::MonoTime now) const {
  return std::all_of(views.begin(), views.end(), [&](const BrokerView& view) {
    const auto found = cordons_.find({pod, view.broker});
    if (!view.known || found == cordons_.end()) return false;
    const Cordon& cordon = found->second;
    if (!cordon.answered_at || cordon.holds_until <= now + kCordonMargin ||
        cordon.incarnation != view.incarnation) {
      return false;
    }
    if (cordon.in_flight == 0) return true;
    const auto holding = view.by_pod.find(pod);
    if (view.told_at <= cordon.first_answer) return false;
    return holding == view.by_pod.end() ||
           (holding->second.cordoned && holding->second.in_flight == 0);
  });
}

std::optional<base::Millis> Cordons::renewal_in(base::MonoTime now) const {
  std::optional<base::Millis> soonest;
  for (const auto& [key, cordon] : cordons_) {
    // A call that is overdue waits for its broker to be known again.
    const base::Millis in = std::max(elapsed(now, cordon.send_at), kCordonRetry);
    soonest = std::min(soonest.value_or(in), in);
  }
  return soonest;
}

}  // namespace sluice::autoscale
