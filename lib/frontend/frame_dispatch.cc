#include "frontend/frame_dispatch.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "frontend/command_decoder.h"
#include "frontend/effect_encoder.h"
#include "frontend/refusal_code.h"
#include "wire/frame_codec.h"
#include "wire/shard_map.h"

namespace sluice::frontend {
namespace {

using broker::RefusalCode;

// The only one there is while all shards live here and their number is fixed.
constexpr std::uint32_t kShardMapVersion = 1;
// Of a log that can hold messages in pieces.
constexpr std::uint32_t kChunksFeatureLevel = 2;

template <typename... T>
struct TypeList {};
using ControlOnly =
    TypeList<wire::Observe, wire::Configure, wire::Cordon, wire::RemoveQueue, wire::Watch>;
using BothPorts = TypeList<wire::Hello, wire::Heartbeat, wire::Goodbye>;

template <typename T, typename... U>
constexpr bool contains(TypeList<U...>) {
  return (std::is_same_v<T, U> || ...);
}

std::string selector_text(const broker::StartTask& command) {
  const broker::Selector& selector = command.selector;
  std::string text = "subscription=" + command.subscription;
  if (selector.shard) text += " shard=" + std::to_string(selector.shard->value());
  if (selector.reason) text += " reason=" + std::string(storage::to_string(*selector.reason));
  if (!selector.sequences.empty()) {
    text += " sequence=" + std::to_string(selector.sequences.front().first.value()) + "-" +
            std::to_string(selector.sequences.front().last.value());
    const std::size_t more = selector.sequences.size() - 1;
    if (more > 0) text += " and " + std::to_string(more) + " ranges more";
  }
  if (selector.header) {
    text += " header=" + selector.header->first + "=" + selector.header->second.substr(0, 256);
  }
  if (selector.before != base::WallTime()) {
    text += " before_ms=" + std::to_string(selector.before.value());
  }
  if (selector.not_before != base::WallTime()) {
    text += " not_before_ms=" + std::to_string(selector.not_before.value());
  }
  if (!selector.error.empty()) text += " error=" + selector.error.substr(0, 256);
  return text;
}

std::string command_text(const broker::StartTask& command) {
  std::string text;
  switch (command.kind) {
    case storage::TaskKind::kRedrive:
      text = "redrive";
      break;
    case storage::TaskKind::kPurge:
      text = command.dead_letters ? "purge dead letters" : "purge";
      break;
    case storage::TaskKind::kCopy:
      text = command.dead_letters ? "copy dead letters" : "copy";
      break;
    case storage::TaskKind::kMove:
      text = command.dead_letters ? "move dead letters" : "move";
      break;
  }
  return command.dry_run ? text + " dry run" : text;
}

std::string_view cut(std::string_view text) { return text.substr(0, wire::kErrorTextBytesMax); }

}  // namespace

FrameDispatch::FrameDispatch(Parts parts, DispatchHooks hooks, DispatchOptions options)
    : parts_(parts), hooks_(std::move(hooks)), options_(std::move(options)) {}

FrameOutput& FrameDispatch::output(Peer peer) {
  return port_of(peer) == Port::kClient ? parts_.client : parts_.control;
}

void FrameDispatch::receive(base::Now now, Peer peer, base::ByteView bytes, std::string_view user) {
  ++counters_.frames_received;
  const auto header = wire::decode_header(bytes);
  if (!header.has_value()) {
    count_refusal(RefusalCode::kMalformed);
    return;
  }
  const bool is_hello = header->type == wire::FrameType::kHello;
  SessionTable::Lookup lookup;
  if (!is_hello) {
    lookup = parts_.sessions.heard(now.mono, peer, *header);
    if (lookup.code == RefusalCode::kNoSession) {
      return refuse(peer, *header, lookup.code, "session: unknown or expired; say hello again");
    }
    if (lookup.code == RefusalCode::kSessionFenced) {
      return refuse(
          peer, *header, lookup.code,
          "session epoch: a newer connection has taken this session over; begin a new session");
    }
    const access::Grant* grant = lookup.session->grant.get();
    if (options_.keys != nullptr && (grant == nullptr || grant->public_key != user)) {
      return refuse(peer, *header, RefusalCode::kPermissionDenied,
                    "session: belongs to another key");
    }
  }
  auto frame = wire::decode_frame(bytes);
  if (!frame.has_value()) {
    return refuse(peer, *header, RefusalCode::kMalformed, frame.error().message());
  }
  if (is_hello) return hello(now, peer, *header, std::get<wire::Hello>(frame->body), user);
  dispatch({now, frame->header, peer, *lookup.session}, frame->body);
}

void FrameDispatch::receive_junk(Peer peer, std::string_view what) {
  ++counters_.frames_received;
  refuse(peer, {}, RefusalCode::kMalformed, what);
}

base::ByteView FrameDispatch::receive_nobody() {
  ++counters_.frames_received;
  return refusal(
      {}, RefusalCode::kMalformed,
      "routing id: the broker draws it; who chooses its own (ZMQ_ROUTING_ID) is cut off");
}

void FrameDispatch::hello(base::Now now, Peer peer, const wire::FrameHeader& header,
                          wire::Hello frame, std::string_view user) {
  const bool new_session = frame.session_id.is_zero();
  std::shared_ptr<const access::Grant> grant;
  if (options_.keys != nullptr) {
    grant = options_.keys->find(user);
    const broker::Refusal refusal = admit(peer, frame, grant.get());
    if (refusal.refused()) return refuse(peer, header, refusal.code, refusal.message);
  }
  // A connection has one session. Otherwise one that says HELLO again and again holds as many as
  // live for the time to live, and nobody else gets any.
  if (const Session* before = parts_.sessions.find(peer);
      before != nullptr && before->id != frame.session_id && !before->closing) {
    lose(now, before->handle);
  }
  const SessionTable::Hello result = parts_.sessions.hello(now.mono, peer, header.request, frame);
  if (result.refusal.refused()) {
    return refuse(peer, header, result.refusal.code, result.refusal.message);
  }
  Session& session = *result.session;
  session.grant = std::move(grant);
  session.features = frame.features;
  // What is watched belongs to a connection.
  watchers_.erase(session.handle);
  // The connection before is gone, and with it whatever of them was under way.
  drop_transfers(now, session.handle, std::nullopt, true);
  if (hooks_.admitted) hooks_.admitted(now, peer);
  base::log_debug("session_opened", {{"session", session.id.to_hex()},
                                     {"client", session.client},
                                     {"software", frame.software},
                                     {"epoch", session.epoch},
                                     {"resumed", session.resumed}});
  if (session.port == Port::kControl) {
    welcome(session, 0);
    return;
  }
  ++session.welcomes_due;
  broker::OpenSession command;
  command.session = session.handle;
  command.id = session.id;
  command.epoch = session.epoch;
  command.client = session.client;
  command.resumed = !new_session;
  parts_.commands.apply(now, command);
}

void FrameDispatch::welcome(Session& session, std::uint32_t leases_kept) {
  const base::Millis ttl = parts_.sessions.options().ttl;
  wire::Welcome frame;
  frame.session_id = session.id;
  frame.session = session.number;
  frame.session_epoch = session.epoch;
  frame.incarnation = options_.incarnation;
  frame.resumed = session.resumed || leases_kept > 0;
  frame.leases_kept = leases_kept;
  // Two may be lost before the session is.
  frame.heartbeat_ms = static_cast<std::uint32_t>(std::max<std::int64_t>(ttl.count() / 3, 1));
  frame.session_ttl_ms = static_cast<std::uint32_t>(ttl.count());
  frame.frame_bytes_max = static_cast<std::uint32_t>(wire::kFrameBytesMax);
  frame.features = wire::kFeatureChunks | wire::kFeatureSeek | wire::kFeatureAttachModes |
                   wire::kFeatureTasks | wire::kFeatureDiscardDamaged | wire::kFeatureControl |
                   wire::kFeatureReceiptWords | wire::kFeatureShardTasks;
  frame.software = options_.software;
  scratch_.clear();
  wire::encode_frame(header_of(session, session.hello_request), frame, scratch_);
  output(session.peer).send_or_drop(session.peer, scratch_);
}

void FrameDispatch::dispatch(const Request& request, const wire::Body& body) {
  std::visit(
      [&](const auto& frame) {
        using T = std::decay_t<decltype(frame)>;
        const bool control = request.session.port == Port::kControl;
        if (!contains<T>(BothPorts{}) && contains<T>(ControlOnly{}) != control) {
          return refuse(
              request.peer, request.header, RefusalCode::kPermissionDenied,
              control ? "type: not on the control port" : "type: on the control port only");
        }
        const broker::Refusal refusal = check_access(request, body);
        if (refusal.refused()) {
          return refuse(request.peer, request.header, refusal.code, refusal.message);
        }
        on(request, frame);
      },
      body);
}

template <typename T>
void FrameDispatch::on(const Request& request, const T& frame) {
  if constexpr (requires {
                  parts_.commands.apply(request.now, to_command(request.origin(), frame));
                }) {
    parts_.commands.apply(request.now, to_command(request.origin(), frame));
  } else {
    refuse(request.peer, request.header, RefusalCode::kMalformed,
           "type: only the broker sends this");
  }
}

void FrameDispatch::on(const Request& request, const wire::Heartbeat& frame) {
  reply(request, wire::HeartbeatReply{frame.sent_ns});
}

void FrameDispatch::on(const Request& request, const wire::Goodbye& /*frame*/) {
  Session& session = request.session;
  PreparedFrame answer;
  answer.session = session.handle;
  answer.ends_session = true;
  wire::encode_frame(header_of(session, request.header.request), wire::GoodbyeReply{},
                     answer.bytes);
  session.closing = true;
  forget_observer(session.handle);
  drop_transfers(request.now, session.handle, std::nullopt, false);
  if (session.port == Port::kClient) {
    parts_.commands.apply(request.now,
                          broker::SessionGone{session.handle, broker::SessionEnd::kClosed});
  }
  // Behind the answers to what came before it.
  parts_.gate.hold({}, std::move(answer));
}

void FrameDispatch::on(const Request& request, const wire::Resolve& frame) {
  wire::Resolved answer;
  const auto id = parts_.commands.find_queue(frame.queue);
  const broker::QueueConfig* config = id ? parts_.commands.config(*id) : nullptr;
  if (config == nullptr) {
    const std::string text = "queue: there is none named \"" + std::string(frame.queue) + "\"";
    answer.code = static_cast<std::uint16_t>(RefusalCode::kUnknownQueue);
    answer.message = text;
    return reply(request, answer);
  }
  answer.queue = *id;
  const bool chunks = (request.session.features & wire::kFeatureChunks) != 0 &&
                      parts_.commands.feature_level() >= kChunksFeatureLevel;
  const std::size_t largest =
      chunks ? base::kLargeBodyBytesMax : base::kBatchEntriesBytesMax - base::kEntryHeaderBytes;
  answer.message_bytes_max =
      std::min(config->limits.message_bytes_max, static_cast<std::uint32_t>(largest));
  std::vector<std::string> endpoints;
  answer.map = map_of(*config, request.peer, endpoints);
  answer.subscriptions.reserve(config->subscriptions.size());
  for (const broker::SubscriptionConfig& subscription : config->subscriptions) {
    answer.subscriptions.push_back(subscription.name);
  }
  reply(request, answer);
}

bool FrameDispatch::map_is_current(std::uint32_t version) const {
  return version == kShardMapVersion;
}

void FrameDispatch::send_map(const Request& request, const base::QueueId& queue) {
  const broker::QueueConfig* config = parts_.commands.config(queue);
  std::vector<std::string> endpoints;
  if (config != nullptr) reply(request, map_of(*config, request.peer, endpoints));
}

wire::ShardMap FrameDispatch::map_of(const broker::QueueConfig& config, Peer peer,
                                     std::vector<std::string>& endpoints) const {
  wire::ShardMap map = wire::even_shard_map(config.shards, kShardMapVersion);
  if (hooks_.shard_endpoints) endpoints = hooks_.shard_endpoints(peer);
  if (endpoints.size() == config.shards) {
    map.endpoints.assign(endpoints.begin(), endpoints.end());
  }
  return map;
}

void FrameDispatch::on(const Request& request, const wire::OpenPublisher& frame) {
  if (map_is_current(frame.map_version)) {
    return parts_.commands.apply(request.now, to_command(request.origin(), frame));
  }
  wire::PublisherOpened answer;
  answer.code = static_cast<std::uint16_t>(RefusalCode::kStaleShardMap);
  count_refusal(RefusalCode::kStaleShardMap);
  reply(request, answer);
  send_map(request, frame.queue);
}

void FrameDispatch::on(const Request& request, const wire::Publish& frame) {
  if (map_is_current(frame.map_version)) [[likely]] {
    return parts_.commands.apply(request.now, to_command(request.origin(), frame));
  }
  wire::Published answer;
  answer.code = static_cast<std::uint16_t>(RefusalCode::kStaleShardMap);
  answer.publisher = frame.publisher;
  answer.producer_sequence = frame.producer_sequence;
  count_refusal(RefusalCode::kStaleShardMap);
  reply(request, answer);
}

void FrameDispatch::on(const Request& request, const wire::Attach& frame) {
  attach(request, frame, to_command(request.origin(), frame));
}

void FrameDispatch::on(const Request& request, const wire::AttachWith& frame) {
  attach(request, frame.attach, to_command(request.origin(), frame));
}

void FrameDispatch::attach(const Request& request, const wire::Attach& frame,
                           broker::Attach command) {
  command.takes_chunks = (request.session.features & wire::kFeatureChunks) != 0;
  if (map_is_current(frame.map_version)) {
    return parts_.commands.apply(request.now, command);
  }
  wire::Attached answer;
  answer.code = static_cast<std::uint16_t>(RefusalCode::kStaleShardMap);
  count_refusal(RefusalCode::kStaleShardMap);
  reply(request, answer);
  send_map(request, frame.queue);
}

void FrameDispatch::on(const Request& request, const wire::Stat& frame) {
  const base::Result<std::string> json = hooks_.stat(request.now, frame.queue);
  wire::Stated answer;
  if (!json.has_value()) {
    answer.code = static_cast<std::uint16_t>(code_of(json.error().code()));
    answer.message = cut(json.error().message());
  } else if (json->size() > wire::kFrameBytesMax / 2) {
    answer.code = static_cast<std::uint16_t>(RefusalCode::kLimitReached);
    answer.message = "queue: the answer is too long for a frame; ask for one queue";
  } else {
    answer.json = *json;
  }
  reply(request, answer);
}

void FrameDispatch::on(const Request& request, const wire::Redrive& frame) {
  start_task(request, to_command(request.origin(), frame));
}

void FrameDispatch::on(const Request& request, const wire::Purge& frame) {
  start_task(request, to_command(request.origin(), frame));
}

void FrameDispatch::on(const Request& request, const wire::StartTask& frame) {
  start_task(request, to_command(request.origin(), frame));
}

void FrameDispatch::on(const Request& request, const wire::StartShardTask& frame) {
  start_task(request, to_command(request.origin(), frame));
}

void FrameDispatch::start_task(const Request& request, broker::StartTask command) {
  command.task = base::TaskId(hooks_.random_id());
  const access::Grant* grant = request.session.grant.get();
  command.note.key = grant == nullptr ? "" : grant->id;
  command.note.command = command_text(command);
  command.note.selector = selector_text(command);
  if (const broker::QueueConfig* target = parts_.commands.config(command.target)) {
    command.note.selector += " to=" + target->name;
  }
  audit(request, command.note.command, command.queue, &command.task, command.note.selector);
  parts_.commands.apply(request.now, command);
}

void FrameDispatch::on(const Request& request, const wire::CancelTask& frame) {
  const auto queue = parts_.commands.find_task(frame.task);
  audit(request, "cancel task", queue.value_or(base::QueueId()), &frame.task, "");
  parts_.commands.apply(request.now, to_command(request.origin(), frame));
}

void FrameDispatch::on(const Request& request, const wire::DeleteQueue& frame) {
  audit(request, "delete queue", frame.queue, nullptr, "");
  parts_.commands.apply(request.now, to_command(request.origin(), frame));
}

void FrameDispatch::on(const Request& request, const wire::Seek& frame) {
  audit(request, "seek", frame.queue, nullptr,
        "subscription=" + std::string(frame.subscription) +
            " shard=" + std::to_string(frame.shard) + " to=" + std::to_string(frame.to) + ":" +
            std::to_string(frame.value));
  parts_.commands.apply(request.now, to_command(request.origin(), frame));
}

void FrameDispatch::on(const Request& request, const wire::DiscardDamaged& frame) {
  if (!frame.dry_run) {
    audit(request, "discard damaged", frame.queue, nullptr,
          "subscription=" + std::string(frame.subscription));
  }
  parts_.commands.apply(request.now, to_command(request.origin(), frame));
}

void FrameDispatch::reply(const Request& request, const wire::Body& body) {
  send(request.now, request.session, request.header.request, body);
}

void FrameDispatch::send(base::Now now, Session& session, std::uint64_t request,
                         const wire::Body& body) {
  scratch_.clear();
  wire::encode_frame(header_of(session, request), body, scratch_);
  sent(now, session.handle, output(session.peer).send(session.peer, scratch_));
}

void FrameDispatch::refuse(Peer peer, const wire::FrameHeader& header, RefusalCode code,
                           std::string_view message) {
  output(peer).send_or_drop(peer, refusal(header, code, message));
}

base::ByteView FrameDispatch::refusal(const wire::FrameHeader& header, RefusalCode code,
                                      std::string_view message) {
  count_refusal(code);
  wire::FrameHeader answer;
  answer.session_epoch = header.session_epoch;
  answer.session = header.session;
  answer.request = header.request;
  scratch_.clear();
  wire::encode_frame(answer, wire::ErrorFrame{static_cast<std::uint16_t>(code), cut(message)},
                     scratch_);
  return scratch_;
}

void FrameDispatch::count_refusal(RefusalCode code) {
  ++counters_.refused_by_code[static_cast<std::uint16_t>(code)];
}

wire::FrameHeader FrameDispatch::header_of(const Session& session, std::uint64_t request) const {
  wire::FrameHeader header;
  header.session_epoch = session.epoch;
  header.session = session.number;
  header.request = request;
  return header;
}

}  // namespace sluice::frontend
