#include "client/admin.h"

#include <array>
#include <utility>

#include "client/refusal.h"
#include "client/resolve.h"

namespace sluice::client {
namespace {

constexpr std::size_t kManifestBytesMax = 256 * 1024;
constexpr std::array<std::string_view, 6> kDeadReasons = {
    "", "Rejected", "AttemptsExceeded", "StallsExceeded", "Expired", "Overflow"};
constexpr std::array<std::string_view, 5> kTaskStates = {"", "Running", "Completed", "Cancelled",
                                                         "Failed"};

// The answer's body as a T, with its refusal mapped.
template <typename T>
base::Result<const T*> expect(const Connection::Answer& answer) {
  const auto* body = std::get_if<T>(&answer.frame.body);
  if (body == nullptr) return base::unavailable("the broker answered with another frame");
  if constexpr (requires { body->code; }) RETURN_IF_ERROR(to_status(body->code, body->message));
  return body;
}

// Texts that a frame cannot carry are the caller's mistake.
base::Status check_name(std::string_view what, std::string_view name) {
  if (name.size() <= wire::kNameBytesMax) return {};
  return base::invalid_argument(std::string(what) + " has at most 253 characters");
}

base::Status check_selector(const Selector& selector) {
  if (selector.header && (selector.header->first.size() > base::kHeaderNameBytesMax ||
                          selector.header->second.size() > base::kAttributesBytesMax)) {
    return base::invalid_argument("selector: the header is too long");
  }
  if (selector.error.size() > wire::kSelectorErrorBytesMax) {
    return base::invalid_argument("selector: the error text has at most 1024 bytes");
  }
  if (selector.sequences.size() > wire::kTaskRangesMax) {
    return base::invalid_argument("selector: at most 1024 ranges of sequences");
  }
  base::Sequence before;
  for (const base::SequenceRange& range : selector.sequences) {
    if (range.first <= before || range.last < range.first) {
      return base::invalid_argument("selector: ranges of sequences must rise and not overlap");
    }
    before = range.last;
  }
  return {};
}

base::Error too_old() {
  return base::Error(base::ErrorCode::kUnimplemented, "the broker is too old for this task");
}

// For a broker without feature bit 3. Views point into `options`.
base::Result<wire::Body> to_old_frame(const TaskOptions& options) {
  const Selector& selector = options.selector;
  const bool is_purge = options.kind == TaskKind::kPurge;
  const bool is_old = (options.kind == TaskKind::kRedrive || is_purge) &&
                      selector.sequences.size() <= 1 && selector.not_before == base::WallTime() &&
                      selector.error.empty() &&
                      !(is_purge && (options.dry_run || options.rate_per_second_max > 0));
  if (!is_old) return too_old();
  wire::WireSelector wire;
  if (selector.reason) wire.reason = static_cast<std::uint8_t>(*selector.reason);
  if (!selector.sequences.empty()) {
    wire.first = selector.sequences.front().first.value();
    wire.last = selector.sequences.front().last.value();
  }
  if (selector.header) {
    wire.header_name = selector.header->first;
    wire.header_value = selector.header->second;
  }
  wire.dead_before_ms = selector.before.value();
  if (is_purge) {
    return wire::Body(wire::Purge{options.queue, options.subscription, options.dead_letters, wire});
  }
  return wire::Body(wire::Redrive{options.queue, options.subscription, options.dry_run,
                                  options.rate_per_second_max, wire});
}

// Views point into `options`.
wire::StartTask to_frame(const TaskOptions& options) {
  const Selector& selector = options.selector;
  wire::StartTask wire;
  wire.queue = options.queue;
  wire.kind = static_cast<std::uint8_t>(options.kind);
  wire.subscription = options.subscription;
  wire.dead_letters = options.dead_letters;
  wire.dry_run = options.dry_run;
  wire.rate_per_second_max = options.rate_per_second_max;
  wire.samples_max = options.samples_max;
  wire.target = options.target;
  if (selector.reason) wire.reason = static_cast<std::uint8_t>(*selector.reason);
  wire.before_ms = selector.before.value();
  wire.not_before_ms = selector.not_before.value();
  if (selector.header) {
    wire.header_name = selector.header->first;
    wire.header_value = selector.header->second;
  }
  wire.error = selector.error;
  for (const base::SequenceRange& range : selector.sequences) {
    wire.ranges.push_back({range.first.value(), range.last.value()});
  }
  return wire;
}

// What TASK or TASK_STATUS say; nothing of another frame or of a refusal.
std::optional<TaskStatus> status_in(const wire::Frame& frame) {
  if (const auto* task = std::get_if<wire::Task>(&frame.body); task && task->code == 0) {
    return TaskStatus{
        task->task, static_cast<TaskState>(task->state), task->matched, task->done, "", {}};
  }
  const auto* task = std::get_if<wire::TaskStatus>(&frame.body);
  if (task == nullptr || task->code != 0) return std::nullopt;
  TaskStatus status{task->task, static_cast<TaskState>(task->state), task->matched,
                    task->done, std::string(task->waits_for),        {}};
  for (const wire::TaskSample& sample : task->samples) {
    status.samples.push_back({base::ShardIndex(sample.shard), base::Sequence(sample.sequence)});
  }
  return status;
}

base::Result<PeekedMessage> to_peeked(const wire::PeekedMessage& wire) {
  PeekedMessage message;
  // Of a dead letter whose message the broker cannot read.
  message.readable = !(wire.dead && wire.entry.empty());
  if (message.readable) {
    ASSIGN_OR_RETURN(const base::BatchSummary summary, base::summarize_batch(wire.entry));
    if (summary.count != 1) return base::unavailable("PEEKED: an entry is not one message");
    base::ByteView entry = wire.entry;
    const base::MessageView view = base::take_entry(entry);
    message.message = base::to_message(view);
    message.body_bytes = base::whole_body_bytes(view.attributes).value_or(view.body.size());
  }
  message.sequence = base::Sequence(wire.sequence);
  message.accepted_at = base::WallTime(wire.accepted_at_ms);
  message.attempts = wire.attempts;
  message.stalls = wire.stalls;
  message.dead = wire.dead;
  if (wire.dead) message.reason = static_cast<DeadReason>(wire.reason);
  message.first_failed = base::WallTime(wire.first_failed_ms);
  message.died_at = base::WallTime(wire.died_at_ms);
  message.error = wire.error;
  message.consumer = wire.consumer;
  return message;
}

}  // namespace

std::string_view to_string(DeadReason reason) {
  const auto number = static_cast<std::size_t>(reason);
  return number < kDeadReasons.size() ? kDeadReasons[number] : "";
}

std::optional<DeadReason> dead_reason_from(std::string_view name) {
  for (std::size_t number = 1; number < kDeadReasons.size(); ++number) {
    if (kDeadReasons[number] == name) return static_cast<DeadReason>(number);
  }
  return std::nullopt;
}

std::string_view to_string(TaskState state) {
  const auto number = static_cast<std::size_t>(state);
  return number < kTaskStates.size() ? kTaskStates[number] : "";
}

base::Result<QueueInfo> Admin::resolve(std::string_view queue) {
  ASSIGN_OR_RETURN(ResolvedQueue resolved, resolve_queue(connection_, queue));
  return QueueInfo{resolved.id,
                   resolved.slots.shards(),
                   resolved.slots.version(),
                   resolved.message_bytes_max,
                   std::move(resolved.subscriptions),
                   std::move(resolved.endpoints)};
}

base::Result<std::string> Admin::stat(std::string_view queue) {
  RETURN_IF_ERROR(check_name("a queue's name", queue));
  ASSIGN_OR_RETURN(const Connection::Answer answer,
                   connection_.request(wire::Stat{queue}, {.repeat = true}));
  ASSIGN_OR_RETURN(const wire::Stated* stated, expect<wire::Stated>(answer));
  return std::string(stated->json);
}

base::Result<PeekPage> Admin::peek(const PeekOptions& options) {
  RETURN_IF_ERROR(check_name("a subscription's name", options.subscription));
  if (options.messages_max < 1 || options.messages_max > wire::kPeekMessagesMax) {
    return base::invalid_argument("one peek shows 1 to 1000 messages");
  }
  const wire::Peek peek{options.queue,         options.subscription, options.dead_letters,
                        options.shard.value(), options.from.value(), options.messages_max};
  ASSIGN_OR_RETURN(const Connection::Answer answer, connection_.request(peek, {.repeat = true}));
  ASSIGN_OR_RETURN(const wire::Peeked* peeked, expect<wire::Peeked>(answer));
  PeekPage page;
  page.next = base::Sequence(peeked->next);
  for (const wire::PeekedMessage& wire : peeked->messages) {
    ASSIGN_OR_RETURN(PeekedMessage message, to_peeked(wire));
    page.messages.push_back(std::move(message));
  }
  return page;
}

base::Result<TaskStatus> Admin::start_task(
    const TaskOptions& options, base::Millis wait,
    const std::function<void(const TaskStatus&)>& on_progress) {
  RETURN_IF_ERROR(check_name("a subscription's name", options.subscription));
  RETURN_IF_ERROR(check_selector(options.selector));
  if (const auto shard = options.selector.shard) {
    if ((connection_.features() & wire::kFeatureShardTasks) == 0) return too_old();
    return run_task(wire::StartShardTask{shard->value(), to_frame(options)}, wait, on_progress);
  }
  if ((connection_.features() & wire::kFeatureTasks) == 0) {
    ASSIGN_OR_RETURN(const wire::Body body, to_old_frame(options));
    return run_task(body, wait, on_progress);
  }
  return run_task(to_frame(options), wait, on_progress);
}

base::Result<TaskStatus> Admin::cancel_task(const base::TaskId& task) {
  return run_task(wire::CancelTask{task}, base::Millis(0), {});
}

base::Result<TaskStatus> Admin::run_task(
    const wire::Body& body, base::Millis wait,
    const std::function<void(const TaskStatus&)>& on_progress) {
  Connection::RequestOptions options;
  if (wait > base::Millis(0)) {
    options.more = [&](const wire::Frame& frame) {
      const auto status = status_in(frame);
      if (!status || status->state != TaskState::kRunning) return false;
      if (on_progress) on_progress(*status);
      return true;
    };
    options.more_timeout = wait;
  }
  ASSIGN_OR_RETURN(const Connection::Answer answer, connection_.request(body, options));
  auto status = status_in(answer.frame);
  if (status) return *std::move(status);
  if (std::holds_alternative<wire::TaskStatus>(answer.frame.body)) {
    RETURN_IF_ERROR(expect<wire::TaskStatus>(answer));
  }
  RETURN_IF_ERROR(expect<wire::Task>(answer));
  return base::unavailable("the broker answered with another frame");
}

base::Status Admin::delete_queue(const base::QueueId& queue) {
  ASSIGN_OR_RETURN(const Connection::Answer answer,
                   connection_.request(wire::DeleteQueue{queue}, {}));
  RETURN_IF_ERROR(expect<wire::QueueDeleted>(answer));
  return {};
}

base::Result<std::uint64_t> Admin::discard_damaged(const base::QueueId& queue,
                                                   std::string_view subscription, bool dry_run) {
  RETURN_IF_ERROR(check_name("a subscription", subscription));
  if ((connection_.features() & wire::kFeatureDiscardDamaged) == 0) {
    return base::Error(base::ErrorCode::kUnimplemented, "the broker is too old for this");
  }
  ASSIGN_OR_RETURN(const Connection::Answer answer,
                   connection_.request(wire::DiscardDamaged{queue, subscription, dry_run}, {}));
  ASSIGN_OR_RETURN(const wire::DamagedDiscarded* done, expect<wire::DamagedDiscarded>(answer));
  return done->messages;
}

base::Result<base::Sequence> Admin::seek(const base::QueueId& queue, std::string_view subscription,
                                         base::ShardIndex shard, SeekTo to, std::uint64_t value) {
  RETURN_IF_ERROR(check_name("a subscription", subscription));
  if ((connection_.features() & wire::kFeatureSeek) == 0) {
    return base::Error(base::ErrorCode::kUnimplemented, "the broker is too old to seek");
  }
  const wire::Seek frame{queue, subscription, shard.value(), static_cast<std::uint8_t>(to), value};
  ASSIGN_OR_RETURN(const Connection::Answer answer, connection_.request(frame, {}));
  ASSIGN_OR_RETURN(const wire::Seeked* seeked, expect<wire::Seeked>(answer));
  return base::Sequence(seeked->sequence);
}

base::Result<Control::Observed> Control::observe() {
  ASSIGN_OR_RETURN(const Connection::Answer answer,
                   connection_.request(wire::Observe{0}, {.repeat = true}));
  ASSIGN_OR_RETURN(const wire::Observation* observation, expect<wire::Observation>(answer));
  return Observed{observation->revision, std::string(observation->json)};
}

base::Result<base::QueueId> Control::configure(std::uint64_t leader_epoch,
                                               std::string_view manifest) {
  if (manifest.size() > kManifestBytesMax) {
    return base::invalid_argument("a manifest has at most 262144 bytes");
  }
  ASSIGN_OR_RETURN(const Connection::Answer answer,
                   connection_.request(wire::Configure{leader_epoch, manifest}, {.repeat = true}));
  ASSIGN_OR_RETURN(const wire::Configured* configured, expect<wire::Configured>(answer));
  return configured->queue;
}

base::Result<std::uint64_t> Control::cordon(std::uint64_t leader_epoch, std::string_view consumer,
                                            base::Millis lease) {
  RETURN_IF_ERROR(check_name("a consumer's name", consumer));
  const wire::Cordon cordon{leader_epoch, static_cast<std::uint32_t>(lease.count()), consumer};
  ASSIGN_OR_RETURN(const Connection::Answer answer, connection_.request(cordon, {.repeat = true}));
  ASSIGN_OR_RETURN(const wire::Cordoned* cordoned, expect<wire::Cordoned>(answer));
  return cordoned->in_flight;
}

}  // namespace sluice::client
