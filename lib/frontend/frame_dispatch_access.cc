#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "access/frame_roles.h"
#include "base/buggify.h"
#include "base/log.h"
#include "frontend/frame_dispatch.h"
#include "frontend/session_tag.h"
#include "wire/frame_type.h"

// The part of FrameDispatch that knows who may do what, and tells who did.
namespace sluice::frontend {
namespace {

using access::Grant;
using access::RoleSet;
using broker::RefusalCode;

constexpr std::size_t kTagAt = 8;  // in a session's id

// Frames that name no queue: by handle, whose queue was looked at when the handle was given out (a
// session does not outlive a change of its grant), or of the control port.
template <typename T>
constexpr bool kNeedsNoQueue =
    std::is_same_v<T, wire::Publish> || std::is_same_v<T, wire::Chunk> ||
    std::is_same_v<T, wire::ChunkCredit> || std::is_same_v<T, wire::Credit> ||
    std::is_same_v<T, wire::Settle> || std::is_same_v<T, wire::Extend> ||
    std::is_same_v<T, wire::Detach> || std::is_same_v<T, wire::Observe> ||
    std::is_same_v<T, wire::Watch> || std::is_same_v<T, wire::Configure> ||
    std::is_same_v<T, wire::Cordon>;

}  // namespace

broker::Refusal FrameDispatch::deny(const Grant& grant, RoleSet needed, std::string_view queue) {
  const std::string role = access::to_string(needed, " or ");
  ++counters_.denied_by_role[access::to_string(needed)];
  std::string text = "key " + grant.id + ": needs the role " + role;
  if (!queue.empty()) text += " on queue \"" + std::string(queue) + "\"";
  base::log_warn("access_denied", {{"key", grant.id}, {"role", role}, {"queue", queue}});
  return {RefusalCode::kPermissionDenied, std::move(text)};
}

broker::Refusal FrameDispatch::admit(Peer peer, wire::Hello& hello, const Grant* grant) {
  if (grant == nullptr) {
    return {RefusalCode::kPermissionDenied, "key: not among the broker's authorized keys"};
  }
  const bool control = port_of(peer) == Port::kControl;
  if (control && !grant->roles.any_of(access::Role::kOperator)) {
    return deny(*grant, access::Role::kOperator, "");
  }
  // Half of a session's id is drawn, half is a hash of its key: so that also after a restart of the
  // broker nobody can resume with another key.
  const auto tag = session_tag(grant->public_key);
  if (hello.session_id.is_zero()) {
    hello.session_id = base::SessionId(hooks_.random_id());
    std::memcpy(hello.session_id.bytes.data() + kTagAt, tag.data(), tag.size());
  } else if (std::memcmp(hello.session_id.bytes.data() + kTagAt, tag.data(), tag.size()) != 0) {
    base::log_warn("session_of_another_key", {{"key", grant->id}});
    return {RefusalCode::kNoSession, "session id: belongs to another key; say hello without it"};
  }
  return {};
}

broker::Refusal FrameDispatch::check_access(const Request& request, const wire::Body& body) {
  if (options_.keys == nullptr) return {};
  const RoleSet needed = access::roles_for(wire::type_of(body));
  if (needed.empty() || PLANTED("role_not_checked")) return {};
  const Grant& grant = *request.session.grant;
  const auto check_id = [&](const base::QueueId& queue) -> broker::Refusal {
    const broker::QueueConfig* config = parts_.commands.config(queue);
    const std::string_view name = config == nullptr ? "" : std::string_view(config->name);
    if (!grant.roles.any_of(needed)) return deny(grant, needed, name);
    // A queue that is none is the broker's to refuse.
    const bool covers = grant.covers(name) || PLANTED("queue_of_key_not_checked");
    if (config != nullptr && !covers) return deny(grant, needed, name);
    return {};
  };
  // What is copied or moved into a queue changes that one too.
  const auto check_task = [&](const wire::StartTask& task) -> broker::Refusal {
    broker::Refusal refusal = check_id(task.queue);
    return refusal.refused() || task.target.is_zero() ? refusal : check_id(task.target);
  };
  return std::visit(
      [&](const auto& frame) -> broker::Refusal {
        using T = std::decay_t<decltype(frame)>;
        constexpr bool kNamesQueue = requires { std::string_view(frame.queue); };
        constexpr bool kHasQueue = requires { base::QueueId(frame.queue); };
        if constexpr (kNamesQueue) {
          if (!grant.roles.any_of(needed)) return deny(grant, needed, frame.queue);
          const bool good = frame.queue.empty() ? grant.covers_all() : grant.covers(frame.queue);
          if (!good) return deny(grant, needed, frame.queue.empty() ? "*" : frame.queue);
        } else if constexpr (std::is_same_v<T, wire::StartTask>) {
          return check_task(frame);
        } else if constexpr (std::is_same_v<T, wire::StartShardTask>) {
          return check_task(frame.task);
        } else if constexpr (kHasQueue) {
          return check_id(frame.queue);
        } else if constexpr (std::is_same_v<T, wire::AttachWith>) {
          return check_id(frame.attach.queue);
        } else if constexpr (std::is_same_v<T, wire::CancelTask>) {
          // A task that does not run is the broker's to refuse.
          return check_id(parts_.commands.find_task(frame.task).value_or(base::QueueId()));
        } else if constexpr (kNeedsNoQueue<T>) {
          if (!grant.roles.any_of(needed)) return deny(grant, needed, "");
        } else {
          // A frame that nobody has said anything about: for those who may do it everywhere.
          if (!grant.roles.any_of(needed) || !grant.covers_all()) return deny(grant, needed, "*");
        }
        return {};
      },
      body);
}

void FrameDispatch::receive_stranger(Peer peer) {
  ++counters_.frames_received;
  ++counters_.strangers;
  refuse(peer, {}, RefusalCode::kPermissionDenied, "key: nobody has checked it; nothing is let in");
}

void FrameDispatch::set_keys(base::Now now, std::shared_ptr<const access::KeyRing> keys) {
  options_.keys = std::move(keys);
  for (const broker::SessionHandle handle : parts_.sessions.handles()) {
    Session* session = parts_.sessions.find(handle);
    if (session == nullptr || session->closing) continue;
    const auto grant =
        session->grant == nullptr ? nullptr : options_.keys->find(session->grant->public_key);
    if (grant != nullptr && *grant == *session->grant) continue;
    if (PLANTED("session_outlives_its_rights")) continue;
    const std::string id = session->grant == nullptr ? "" : session->grant->id;
    base::log_info("session_ended_by_keys", {{"key", id}, {"client", session->client}});
    if (session->connected) {
      refuse(session->peer, header_of(*session, 0),
             grant == nullptr ? RefusalCode::kPermissionDenied : RefusalCode::kNoSession,
             "key " + id + (grant == nullptr ? ": no longer authorized" : ": its rights changed"));
    }
    const Port port = session->port;
    output(session->peer).forget(session->peer);
    forget_observer(handle);
    drop_transfers(now, handle, std::nullopt, false);
    parts_.sessions.remove(handle);
    if (port == Port::kClient) {
      parts_.commands.apply(now, broker::SessionGone{handle, broker::SessionEnd::kClosed});
    }
  }
}

void FrameDispatch::audit(const Request& request, std::string_view command,
                          const base::QueueId& queue, const base::TaskId* task,
                          std::string_view selector) {
  const broker::QueueConfig* config = parts_.commands.config(queue);
  const Grant* grant = request.session.grant.get();
  base::log_info("audit", {{"key", grant == nullptr ? "" : grant->id},
                           {"client", request.session.client},
                           {"command", command},
                           {"queue", config == nullptr ? "" : config->name},
                           {"selector", selector},
                           {"task", task == nullptr ? "" : task->to_hex()}});
}

void FrameDispatch::audit_end(const broker::TaskReply& reply) {
  if (!reply.ended) return;
  base::log_info("audit_end", {{"key", reply.ended->key},
                               {"command", reply.ended->command},
                               {"queue", reply.queue},
                               {"selector", reply.ended->selector},
                               {"task", reply.task.to_hex()},
                               {"refused", reply.refusal.message},
                               {"matched", reply.matched},
                               {"count", reply.done}});
}

}  // namespace sluice::frontend
