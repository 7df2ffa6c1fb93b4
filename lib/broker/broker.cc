#include "broker/broker.h"

#include <utility>

#include "base/buggify.h"
#include "base/check.h"
#include "broker/attaching.h"
#include "broker/configuring.h"
#include "broker/cordoning.h"
#include "broker/core.h"
#include "broker/damage.h"
#include "broker/delivery.h"
#include "broker/lending.h"
#include "broker/observing.h"
#include "broker/peeking.h"
#include "broker/publish_credit.h"
#include "broker/publishing.h"
#include "broker/reporting.h"
#include "broker/seeking.h"
#include "broker/settling.h"
#include "broker/snapshot_codec.h"
#include "broker/task_runner.h"
#include "broker/ticking.h"

namespace sluice::broker {

namespace {

constexpr std::int64_t kMessagesPerTick = 4096;

}  // namespace

class Broker::Impl {
 public:
  Impl(BrokerOptions options, storage::Log& log, storage::MessageStore& messages,
       storage::SideIndex& index, EffectSink& effects)
      : core(options, log, messages, index, effects) {}

  // The end of every command: timers and deliveries of what it touched.
  void settle_down(base::Now now) {
    while (Subscription* subscription = core.take_touched()) {
      subscription->touched = true;  // so that its own deliveries do not call for another round
      if (deliver(core, now, *subscription)) {
        core.unfinished.emplace(subscription->number(), subscription);
      } else {
        core.unfinished.erase(subscription->number());
      }
      subscription->touched = false;
      core.schedule(*subscription);
      return_credit(core, subscription->stream().queue());
    }
  }

  // What every command does around its own work: backoffs know of a step of the wall clock before
  // anything asks for them.
  template <typename Work>
  void run(base::Now now, Work&& work) {
    core.state.backoff_clock.look(now);
    work();
    settle_down(now);
  }

  Core core;
  bool started = false;
};

Broker::Broker(BrokerOptions options, storage::Log& log, storage::MessageStore& messages,
               storage::SideIndex& index, EffectSink& effects)
    : impl_(std::make_unique<Impl>(options, log, messages, index, effects)) {}

Broker::~Broker() = default;

base::Status Broker::restore(base::ByteView snapshot) {
  CHECK(!impl_->started && impl_->core.state.queues.empty());
  return decode_state(snapshot, impl_->core.state);
}

base::Status Broker::replay(const storage::RecordView& view) {
  CHECK(!impl_->started);
  return apply_record(impl_->core.state, view);
}

storage::Appended Broker::start(base::Now now, bool unclean, const base::Id128& log_id_if_new,
                                std::string_view software, std::uint32_t incarnations_skipped) {
  CHECK(!impl_->started);
  impl_->started = true;
  storage::Appended at;
  impl_->run(now, [&] {
    Core& core = impl_->core;
    at = core.start(now, unclean, log_id_if_new, software, incarnations_skipped);
    look_again(core, now);
    at.end = core.log.positions().appended;
    if (incarnations_skipped == 0) return;
    forget_sessions(core, now);
    at.end = core.log.positions().appended;
  });
  return at;
}

void Broker::apply(base::Now now, const OpenSession& command) {
  impl_->run(now, [&] { open_session(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const SessionGone& command) {
  impl_->run(now, [&] { session_gone(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const OpenPublisher& command) {
  impl_->run(now, [&] { open_publisher(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const Publish& command) {
  impl_->run(now, [&] { publish(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const PublishChunk& command) {
  impl_->run(now, [&] { publish_chunk(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const ChunksSent& command) {
  impl_->run(now, [&] { chunks_sent(impl_->core, command); });
}

void Broker::apply(base::Now now, const DeliveriesLeft& command) {
  impl_->run(now, [&] { deliveries_left(impl_->core, command); });
}

void Broker::apply(base::Now now, const Attach& command) {
  impl_->run(now, [&] { attach(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const Detach& command) {
  impl_->run(now, [&] { detach(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const Credit& command) {
  impl_->run(now, [&] { give_credit(impl_->core, command); });
}

void Broker::apply(base::Now now, const Settle& command) {
  impl_->run(now, [&] { settle(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const Extend& command) {
  impl_->run(now, [&] { extend(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const DeleteQueue& command) {
  impl_->run(now, [&] { delete_queue(impl_->core, command); });
}

void Broker::apply(base::Now now, const Cordon& command) {
  impl_->run(now, [&] { cordon(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const DiscardDamaged& command) {
  impl_->run(now, [&] { discard_damaged(impl_->core, now, command); });
}

void Broker::apply(base::Now now, const Seek& command) {
  impl_->run(now, [&] { seek(impl_->core, command); });
}

void Broker::apply(base::Now now, const StartTask& command) {
  impl_->run(now, [&] { start_task(impl_->core, command); });
}

void Broker::apply(base::Now now, const CancelTask& command) {
  impl_->run(now, [&] { cancel_task(impl_->core, command); });
}

void Broker::apply(base::Now now, const Peek& command) {
  impl_->run(now, [&] { peek(impl_->core, now, command); });
}

base::Result<base::QueueId> Broker::configure(base::Now now, const Configure& command) {
  base::Result<base::QueueId> result = base::QueueId();
  impl_->run(now, [&] { result = broker::configure(impl_->core, command); });
  return result;
}

base::Status Broker::check_configure(const Configure& command, std::size_t new_ones) const {
  return broker::check_configure(impl_->core, command, new_ones);
}

void Broker::set_disk_low(bool low) { impl_->core.disk_low = low; }

void Broker::look_for_damage(base::Now now, const storage::StreamId& stream,
                             base::SequenceRange range, base::Lsn begin, base::Lsn end) {
  impl_->run(now, [&] {
    Stream* found = impl_->core.state.stream(stream);
    if (found != nullptr) broker::look_for_damage(impl_->core, now, *found, range, begin, end);
  });
}

void Broker::messages_read(base::Now now) {
  impl_->run(now, [&] {
    for (const auto& [number, subscription] : std::exchange(impl_->core.reading, {})) {
      impl_->core.touch(*subscription);
    }
  });
}

std::optional<base::MonoTime> Broker::tick(base::Now now) {
  Core& core = impl_->core;
  impl_->run(now, [&] {
    Budget budget(BUGGIFY("short tick") ? 1 : kMessagesPerTick);
    pass_time(core, now, budget);
    run_tasks(core, now, budget);
    for (const auto& [number, subscription] : core.unfinished) core.touch(*subscription);
  });
  std::optional<base::MonoTime> next = next_time(core, now);
  const std::optional<base::MonoTime> task = next_slice(core, now);
  if (task && (!next || *task < *next)) next = task;
  return next;
}

std::optional<base::QueueId> Broker::find_queue(std::string_view name) const {
  const Queue* queue = impl_->core.state.queue(name);
  if (queue == nullptr) return std::nullopt;
  return queue->id();
}

const QueueConfig* Broker::config(const base::QueueId& queue) const {
  const Queue* found = impl_->core.state.queue(queue);
  return found == nullptr ? nullptr : &found->config();
}

std::optional<base::SubscriptionId> Broker::find_subscription(const base::QueueId& queue,
                                                              std::string_view name) const {
  const Queue* found = impl_->core.state.queue(queue);
  if (found == nullptr) return std::nullopt;
  return found->find_subscription(name);
}

base::Lsn Broker::removed_end() const { return impl_->core.removed_end; }

std::optional<base::QueueId> Broker::find_task(const base::TaskId& task) const {
  const Core& core = impl_->core;
  if (const auto at = core.state.tasks.find(task); at != core.state.tasks.end()) {
    return at->second.key.stream.queue;
  }
  if (const auto at = core.dry_runs.find(task); at != core.dry_runs.end()) {
    return at->second.task.key.stream.queue;
  }
  return std::nullopt;
}

BrokerStats Broker::stats(base::Now now) const { return report(impl_->core, now); }

std::vector<QueuePicture> Broker::observe(base::Now now) const {
  return broker::observe(impl_->core, now);
}

std::vector<std::byte> Broker::snapshot(SnapshotForm form) const {
  return encode_state(impl_->core.state, form);
}

bool Broker::any_live(const storage::StreamId& stream, base::SequenceRange range) const {
  const Stream* found = impl_->core.state.stream(stream);
  return found != nullptr && found->any_live(range);
}

std::optional<base::SequenceRange> Broker::next_live(const storage::StreamId& stream,
                                                     base::SequenceRange within) const {
  const Stream* found = impl_->core.state.stream(stream);
  if (found == nullptr) return std::nullopt;
  return found->next_live(within);
}

std::pair<std::uint64_t, std::uint64_t> Broker::live_sizes(const storage::StreamId& stream,
                                                           base::SequenceRange run) const {
  const Stream* found = impl_->core.state.stream(stream);
  if (found == nullptr) return {0, 0};
  return found->sizes_of(run);
}

std::uint64_t Broker::revivals() const { return impl_->core.state.revivals; }

bool Broker::any_text(base::Lsn begin, base::Lsn end) const {
  for (const auto& [id, queue] : impl_->core.state.queues) {
    for (const auto& stream : queue->streams()) {
      for (const auto& subscription : stream->subscriptions()) {
        if (subscription->dead().has_text_in(begin, end)) return true;
        if (std::as_const(*subscription).retries().has_text_in(begin, end)) return true;
      }
    }
  }
  return false;
}

}  // namespace sluice::broker
