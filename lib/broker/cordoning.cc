#include "broker/cordoning.h"

#include <string>
#include <utility>

namespace sluice::broker {
namespace {

constexpr base::Millis kCordonMax{3'600'000};

// The pod's attachments leave the rings at their next turn, or stand in line again.
void set_attachments(Core& core, std::string_view pod, bool cordoned) {
  for (const auto& [handle, attachment] : core.sessions.attachments()) {
    if (attachment->cordoned == cordoned) continue;
    if (pod_of(core.sessions.find(attachment->session)->client) != pod) continue;
    attachment->cordoned = cordoned;
    Core::offer(*attachment);
    core.touch(*attachment->subscription);
  }
}

}  // namespace

std::uint64_t held_by_pod(const Core& core, std::string_view pod) {
  std::uint64_t messages = 0;
  for (const auto& [id, session] : core.state.sessions) {
    if (pod_of(session.client) != pod) continue;
    const auto* epochs = core.state.leases.of_session(id);
    if (epochs == nullptr) continue;
    for (const base::Epoch epoch : *epochs) {
      messages += core.state.leases.leases().at(epoch).messages;
    }
  }
  return messages;
}

void cordon(Core& core, base::Now now, const Cordon& command) {
  CordonReply reply;
  reply.origin = command.origin;
  const std::string pod(pod_of(command.consumer));
  if (pod.empty()) {
    reply.refusal = {RefusalCode::kInvalidArgument, "consumer: the name of a pod is needed"};
  } else if (command.lease.count() < 0 || command.lease > kCordonMax) {
    reply.refusal = {RefusalCode::kInvalidArgument, "lease: must be 0 to 1 h"};
  } else if (command.lease.count() == 0) {
    if (core.cordons.lift(pod)) set_attachments(core, pod, false);
  } else if (core.cordons.set(pod, now.mono + base::Nanos(command.lease))) {
    set_attachments(core, pod, true);
  } else {
    reply.refusal = {RefusalCode::kLimitReached,
                     "consumer: " + std::to_string(CordonBook::kCordonsMax) +
                         " are cordoned at once, and no more can be"};
  }
  if (!reply.refusal.refused()) reply.in_flight = held_by_pod(core, pod);
  core.effects.emit(Wait{}, std::move(reply));
}

void expire_cordons(Core& core, base::Now now) {
  if (core.cordons.empty()) return;
  for (const std::string& pod : core.cordons.expire(now.mono)) set_attachments(core, pod, false);
}

}  // namespace sluice::broker
