#include "client/api/admin_core.h"

#include <string>

#include "client/api/convert.h"

namespace sluice {
namespace {

base::Result<client::Selector> to_internal(const Selector& selector) {
  client::Selector out;
  if (!selector.reason.empty()) {
    out.reason = client::dead_reason_from(selector.reason);
    if (!out.reason) return base::invalid_argument("no such reason: '" + selector.reason + "'");
  }
  if (selector.shard) out.shard = base::ShardIndex(*selector.shard);
  for (const auto& [first, last] : selector.sequences) {
    out.sequences.push_back({base::Sequence(first), base::Sequence(last)});
  }
  out.header = selector.header;
  if (selector.before) out.before = api::to_wall(*selector.before);
  if (selector.not_before) out.not_before = api::to_wall(*selector.not_before);
  out.error = selector.error;
  return out;
}

PeekedMessage to_public(const client::PeekedMessage& message) {
  PeekedMessage out;
  out.sequence = message.sequence.value();
  out.accepted_at = api::to_time(message.accepted_at);
  out.attempts = message.attempts;
  out.stalls = message.stalls;
  out.message = api::to_public(message.message);
  out.body_bytes = message.body_bytes;
  out.dead = message.dead;
  if (!message.dead) return out;
  out.reason = client::to_string(message.reason);
  out.died_at = api::to_time(message.died_at);
  out.error = message.error;
  out.consumer = message.consumer;
  return out;
}

Result<TaskStatus> to_public(const base::Result<client::TaskStatus>& status) {
  if (!status.has_value()) return api::to_public(status.error());
  TaskStatus out;
  out.id = status->task.to_hex();
  out.state = static_cast<TaskStatus::State>(status->state);
  out.matched = status->matched;
  out.done = status->done;
  out.waits_for = status->waits_for;
  return out;
}

// What all kinds of tasks are told.
template <typename Options>
base::Result<client::TaskOptions> task_from(client::Admin& admin, client::TaskKind kind,
                                            const Options& options) {
  client::TaskOptions task;
  task.kind = kind;
  ASSIGN_OR_RETURN(task.selector, to_internal(options.selector));
  ASSIGN_OR_RETURN(const client::QueueInfo queue, admin.resolve(options.queue));
  task.queue = queue.id;
  task.subscription = options.subscription;
  task.dry_run = options.dry_run;
  task.rate_per_second_max = options.rate_per_second_max;
  return task;
}

// A copy or a move.
base::Result<client::TaskStatus> carry(client::Admin& admin, client::TaskKind kind,
                                       const CarryOptions& options, base::Millis wait) {
  ASSIGN_OR_RETURN(client::TaskOptions task, task_from(admin, kind, options));
  ASSIGN_OR_RETURN(const client::QueueInfo target, admin.resolve(options.target));
  task.target = target.id;
  task.dead_letters = options.dead_letters;
  return admin.start_task(task, wait);
}

}  // namespace

Admin::Admin(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Admin::~Admin() = default;
Admin::Admin(Admin&&) noexcept = default;
Admin& Admin::operator=(Admin&&) noexcept = default;

Result<std::string> Admin::stat(const std::string& queue) {
  base::Result<std::string> json =
      core_->with([&](client::Admin& admin) { return admin.stat(queue); });
  if (!json.has_value()) return api::to_public(json.error());
  return std::move(*json);
}

Result<PeekPage> Admin::peek(const PeekOptions& options) {
  const base::Result<client::PeekPage> page =
      core_->with([&](client::Admin& admin) -> base::Result<client::PeekPage> {
        client::PeekOptions peek;
        ASSIGN_OR_RETURN(const client::QueueInfo queue, admin.resolve(options.queue));
        peek.queue = queue.id;
        peek.subscription = options.subscription;
        peek.dead_letters = options.dead_letters;
        peek.shard = base::ShardIndex(options.shard);
        peek.from = base::Sequence(options.from);
        peek.messages_max = options.messages_max;
        return admin.peek(peek);
      });
  if (!page.has_value()) return api::to_public(page.error());
  PeekPage out;
  for (const client::PeekedMessage& message : page->messages) {
    out.messages.push_back(to_public(message));
  }
  out.next = page->next.value();
  return out;
}

Result<TaskStatus> Admin::redrive(const RedriveOptions& options, std::chrono::milliseconds wait) {
  return to_public(core_->with([&](client::Admin& admin) -> base::Result<client::TaskStatus> {
    ASSIGN_OR_RETURN(const client::TaskOptions redrive,
                     task_from(admin, client::TaskKind::kRedrive, options));
    return admin.start_task(redrive, wait);
  }));
}

Result<TaskStatus> Admin::purge(const PurgeOptions& options, std::chrono::milliseconds wait) {
  return to_public(core_->with([&](client::Admin& admin) -> base::Result<client::TaskStatus> {
    ASSIGN_OR_RETURN(client::TaskOptions purge,
                     task_from(admin, client::TaskKind::kPurge, options));
    purge.dead_letters = options.dead_letters;
    return admin.start_task(purge, wait);
  }));
}

Result<TaskStatus> Admin::copy(const CarryOptions& options, std::chrono::milliseconds wait) {
  return to_public(core_->with(
      [&](client::Admin& admin) { return carry(admin, client::TaskKind::kCopy, options, wait); }));
}

Result<TaskStatus> Admin::move(const CarryOptions& options, std::chrono::milliseconds wait) {
  return to_public(core_->with(
      [&](client::Admin& admin) { return carry(admin, client::TaskKind::kMove, options, wait); }));
}

Result<std::vector<std::uint64_t>> Admin::seek(const SeekOptions& options) {
  using Places = std::vector<std::uint64_t>;
  base::Result<Places> places = core_->with([&](client::Admin& admin) -> base::Result<Places> {
    ASSIGN_OR_RETURN(const client::QueueInfo queue, admin.resolve(options.queue));
    const auto to = static_cast<client::Admin::SeekTo>(options.to);
    const auto value = options.to == SeekOptions::To::kTime
                           ? static_cast<std::uint64_t>(api::to_wall(options.time).value())
                           : options.sequence;
    Places out;
    const std::uint16_t first = options.shard.value_or(0);
    const int end = options.shard ? first + 1 : queue.shards;
    for (int shard = first; shard < end; ++shard) {
      const base::ShardIndex index(static_cast<std::uint16_t>(shard));
      ASSIGN_OR_RETURN(const base::Sequence at,
                       admin.seek(queue.id, options.subscription, index, to, value));
      out.push_back(at.value());
    }
    return out;
  });
  if (!places.has_value()) return api::to_public(places.error());
  return std::move(*places);
}

Result<TaskStatus> Admin::cancel_task(const std::string& id) {
  return to_public(core_->with([&](client::Admin& admin) -> base::Result<client::TaskStatus> {
    ASSIGN_OR_RETURN(const base::Id128 task, base::Id128::from_hex(id));
    return admin.cancel_task(base::TaskId(task));
  }));
}

}  // namespace sluice
