#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "operator/reconcile/fields.h"
#include "tests/sim/operator/checks.h"

// What must never be done to those who consume.
namespace sluice::sim {
namespace {

using kube::Json;

// 6 s, and a call that is sent again for 10 s.
constexpr base::Nanos kHeardLately = std::chrono::seconds(17);
// Who else scales is asked every 30 s; a call may be on its way for as long, and stand still.
constexpr base::Nanos kRivalUnseen = std::chrono::seconds(130);
constexpr base::Nanos kMeddledLately = std::chrono::seconds(180);
// A call that was under way for longer than a cordon is renewed may meet pods at work again.
constexpr base::Nanos kCordonKept = std::chrono::seconds(15);

}  // namespace

// Two who scale one target undo each other's work.
void Checks::check_rival(const ApiCall& call) {
  const auto rival = rival_since_.find(call.name);
  if (rival == rival_since_.end() || call.sent_at < rival->second + kRivalUnseen) return;
  fail(call.to_string() + ", which another autoscaler scales");
}

// What a call would make of its target; none where it is refused, or does not make it smaller.
std::optional<std::size_t> Checks::smaller_to(const ApiCall& call) const {
  const Json* target = store_.find(*call.type, call.name_space, call.name);
  if (target == nullptr) return std::nullopt;
  const std::string version = kube::resource_version_of(call.body);
  if (!version.empty() && version != kube::resource_version_of(*target)) return std::nullopt;
  const auto before = (*target)["spec"].value("replicas", std::size_t{0});
  const auto after = kube::value_in(call.body, {"spec"}).value("replicas", std::size_t{0});
  return after < before ? std::optional(after) : std::nullopt;
}

// One target is made smaller only when all its brokers are heard, and by pods that hold nothing.
void Checks::check_scale(const ApiCall& call, const OperatorProcess* process) {
  const auto replicas = kube::value_in(call.body, {"spec"}).value("replicas", std::uint32_t{0});
  std::uint32_t max = 0;
  for (const QueueSlot& slot : slots_) {
    if (slot.target == call.name) max = std::max(max, slot.max_replicas);
  }
  if (replicas > max) {
    return fail(call.to_string() + ": " + std::to_string(replicas) + " replicas, and " +
                std::to_string(max) + " are allowed");
  }
  if (call.sent_at + kCordonKept >= loop_.now()) check_scale_in(call, process);
}

// Both when the call is sent and when it is carried out.
void Checks::check_scale_in(const ApiCall& call, const OperatorProcess* process) {
  const std::optional<std::size_t> replicas = smaller_to(call);
  if (!replicas) return;
  if (process != nullptr) check_heard(call, *process);
  check_victims(call, *replicas);
}

void Checks::check_heard(const ApiCall& call, const OperatorProcess& process) {
  for (const QueueSlot& slot : slots_) {
    const Json* queue = store_.find(kube::kQueues, slot.name_space, slot.name);
    if (slot.target != call.name || queue == nullptr || reconcile::is_being_removed(*queue)) {
      continue;
    }
    for (std::size_t shard = 0; shard < slot.shards; ++shard) {
      const std::string name = path_of(slot.name_space, slot.broker) + "#" + std::to_string(shard);
      const auto heard = process.heard.find(name);
      if (heard == process.heard.end() || heard->second + kHeardLately < call.sent_at) {
        return fail(call.to_string() + " scales in, and shard " + name + " was not heard");
      }
    }
  }
}

// A broker that begins anew knows of no cordon, and nobody can take back a call that is under way:
// those who go may have got something of it since the call was sent, and had nothing then.
void Checks::check_victims(const ApiCall& call, std::size_t wanted) {
  const auto meddled = target_meddled_at_.find(call.name);
  if (meddled != target_meddled_at_.end() && loop_.now() < meddled->second + kMeddledLately) return;
  const std::size_t live = consumers_.pods_of(call.name_space, call.name).size();
  if (live <= wanted) return;
  std::set<std::string> begun;
  for (const auto& [pod, at] : pods_made_) {
    if (at > call.sent_at) begun.insert(pod);
  }
  for (const ConsumerPod& pod : consumers_.victims(call.name_space, call.name, live - wanted)) {
    const std::uint64_t holds = consumers_.in_flight(call.name_space, pod.name, begun);
    if (holds > 0) {
      return fail(call.to_string() + " to " + std::to_string(wanted) + " takes pod " + pod.name +
                  ", which works on " + std::to_string(holds) + " messages");
    }
  }
}

}  // namespace sluice::sim
