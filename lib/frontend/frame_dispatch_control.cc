#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "base/buggify.h"
#include "base/log.h"
#include "frontend/effect_encoder.h"
#include "frontend/frame_dispatch.h"
#include "frontend/refusal_code.h"
#include "wire/frame_codec.h"
#include "wire/manifest_revision.h"

// What FrameDispatch does on the control port: who looks, and who leads.
namespace sluice::frontend {
namespace {

using broker::RefusalCode;

constexpr base::Nanos kObserveIntervalMin{200'000'000};
// The operator takes an observation that is older than some of these for unknown.
constexpr base::Nanos kObserveRepeat{2'000'000'000};

}  // namespace

// --- Who looks.

void FrameDispatch::on(const Request& request, const wire::Observe& frame) {
  Observer observer;
  observer.request = request.header.request;
  observer.interval = std::max(base::Nanos(base::Millis(frame.interval_ms)), kObserveIntervalMin);
  if (frame.interval_ms == 0) {
    observers_.erase(request.session.handle);
    return observe(request.now, request.session, observer);
  }
  Observer& kept = observers_[request.session.handle] = observer;
  observe(request.now, request.session, kept);
}

void FrameDispatch::observe(base::Now now, Session& session, Observer& observer) {
  DispatchHooks::Observation observation = hooks_.observe(now);
  observer.due = now.mono + observer.interval;
  if (observation.json == observer.last && now.mono < observer.repeat) return;
  observer.repeat = now.mono + kObserveRepeat;
  observer.last = std::move(observation.json);
  wire::Observation frame;
  frame.revision = observation.revision;
  frame.json = observer.last;
  if (observer.last.size() > wire::kFrameBytesMax / 2) frame.json = {};
  send(now, session, observer.request, frame);
}

void FrameDispatch::on(const Request& request, const wire::Watch& frame) {
  const broker::SessionHandle handle = request.session.handle;
  watchers_.erase(handle);
  if (frame.interval_ms == 0) return;
  watchers_.emplace(handle,
                    Watcher(request.header.request, base::Nanos(base::Millis(frame.interval_ms))));
  tell_watchers(request.now);
}

void FrameDispatch::forget_observer(broker::SessionHandle session) {
  observers_.erase(session);
  watchers_.erase(session);
}

std::optional<base::MonoTime> FrameDispatch::next_observation() const {
  std::optional<base::MonoTime> next;
  const auto offer = [&](base::MonoTime due) {
    if (!next || due < *next) next = due;
  };
  for (const auto& [session, observer] : observers_) offer(observer.due);
  // Whoever waits for the disk is told when the loop is woken by it.
  if (watchers_.empty() || !parts_.commands.removals_durable()) return next;
  const std::uint64_t changes = parts_.commands.changes();
  for (const auto& [session, watcher] : watchers_) offer(watcher.due(changes));
  return next;
}

void FrameDispatch::tick_observers(base::Now now) {
  for (auto at = observers_.begin(); at != observers_.end();) {
    const auto next = std::next(at);  // sending may end the session, and with it the observer
    Session* session = parts_.sessions.find(at->first);
    if (session == nullptr) {
      observers_.erase(at);
    } else if (at->second.due <= now.mono) {
      observe(now, *session, at->second);
    }
    at = next;
  }
  tell_watchers(now);
}

void FrameDispatch::tell_watchers(base::Now now) {
  // A queue that is seen to be gone has to stay so: the operator lets its Queue go then. Nothing
  // else is shown meanwhile, so that what is seen is old and not half of the truth.
  if (watchers_.empty() || !parts_.commands.removals_durable()) return;
  const std::uint64_t changes = parts_.commands.changes();
  std::optional<ControlPicture> picture;  // one for all who look now
  for (auto at = watchers_.begin(); at != watchers_.end();) {
    const broker::SessionHandle handle = at->first;
    Watcher& watcher = at->second;
    ++at;  // sending may end the session, and with it the watcher
    if (now.mono < watcher.due(changes)) continue;
    if (!picture) picture = hooks_.picture(now);
    const std::uint64_t request = watcher.request();
    for (const wire::Changes& page : watcher.look(now, *picture, changes)) {
      Session* session = parts_.sessions.find(handle);
      if (session == nullptr || !session->connected) break;
      send(now, *session, request, page);
    }
  }
}

// --- Who leads.

void FrameDispatch::audit_control(const Request& request, std::string_view command,
                                  std::uint64_t epoch, std::string_view what,
                                  const broker::Refusal& refusal) {
  const access::Grant* grant = request.session.grant.get();
  base::log_info("audit", {{"key", grant == nullptr ? "" : grant->id},
                           {"client", request.session.client},
                           {"command", command},
                           {"leader_epoch", epoch},
                           {"what", what},
                           {"refused", refusal.message}});
}

broker::Refusal FrameDispatch::check_leader(const Request& request, std::string_view command,
                                            std::uint64_t epoch, std::string_view what) {
  broker::Refusal refusal = hooks_.show_epoch(epoch);
  audit_control(request, command, epoch, what, refusal);
  if (refusal.refused()) count_refusal(refusal.code);
  return refusal;
}

void FrameDispatch::on(const Request& request, const wire::Configure& frame) {
  wire::Configured answer;
  broker::Refusal refusal;
  if (!hooks_.configure) {
    refusal = {RefusalCode::kUnimplemented, "this broker is configured by its manifests only"};
  } else {
    const std::string what = "manifest=" + std::to_string(wire::manifest_revision(frame.manifest));
    refusal = check_leader(request, "configure", frame.leader_epoch, what);
  }
  if (!refusal.refused()) {
    const auto queue = hooks_.configure(request.now, frame.manifest);
    if (queue.has_value()) {
      answer.queue = *queue;
    } else {
      refusal = {code_of(queue.error().code()), queue.error().message()};
      audit_control(request, "configure", frame.leader_epoch, "", refusal);
    }
  }
  answer.code = static_cast<std::uint16_t>(refusal.code);
  answer.message = refusal.message;
  PreparedFrame prepared;
  prepared.session = request.session.handle;
  wire::encode_frame(header_of(request.session, request.header.request), answer, prepared.bytes);
  // A refusal says nothing that a later start must find.
  const bool waits = !refusal.refused() && !PLANTED("settings_not_synced");
  parts_.gate.hold({waits ? parts_.commands.sync_appended() : base::Lsn(), waits},
                   std::move(prepared));
}

void FrameDispatch::on(const Request& request, const wire::RemoveQueue& frame) {
  wire::QueueRemoved answer;
  const broker::Refusal refusal =
      check_leader(request, frame.if_empty ? "remove queue if empty" : "remove queue",
                   frame.leader_epoch, frame.queue);
  if (refusal.refused()) {
    answer.code = static_cast<std::uint16_t>(refusal.code);
    answer.message = refusal.message;
    return reply(request, answer);
  }
  const auto queue = parts_.commands.find_queue(frame.queue);
  if (!queue) {
    // Who asks again is told that it is done; of the answer before, it may not have heard. Not
    // before it is durable: a queue that comes back after a loss of power is not gone.
    PreparedFrame prepared;
    prepared.session = request.session.handle;
    wire::encode_frame(header_of(request.session, request.header.request), answer, prepared.bytes);
    return parts_.gate.hold({parts_.commands.sync_appended(), true}, std::move(prepared));
  }
  broker::DeleteQueue command;
  command.origin = request.origin();
  command.queue = *queue;
  command.if_empty = frame.if_empty;
  command.counted = true;
  parts_.commands.apply(request.now, command);
}

void FrameDispatch::on(const Request& request, const wire::Cordon& frame) {
  const std::string what =
      std::string(frame.consumer) + " lease_ms=" + std::to_string(frame.lease_ms);
  const broker::Refusal refusal = check_leader(request, "cordon", frame.leader_epoch, what);
  if (!refusal.refused()) {
    return parts_.commands.apply(request.now,
                                 broker::Cordon{request.origin(), std::string(frame.consumer),
                                                base::Millis(frame.lease_ms)});
  }
  wire::Cordoned answer;
  answer.code = static_cast<std::uint16_t>(refusal.code);
  answer.message = refusal.message;
  reply(request, answer);
}

}  // namespace sluice::frontend
