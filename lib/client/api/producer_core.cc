#include "client/api/producer_core.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/fnv1a.h"
#include "base/message.h"
#include "client/api/convert.h"
#include "client/refusal.h"
#include "wire/frame_codec.h"

namespace sluice {
namespace {

// 128 bits of a name, the same for ever: FNV-1a twice, from two starts, each mixed at the end.
base::ProducerId producer_id(std::string_view name) {
  base::ProducerId id;
  std::uint64_t start = base::kFnv1aStart;
  for (std::size_t half = 0; half < 2; ++half) {
    std::uint64_t hash = base::fnv1a(name, start);
    hash = (hash ^ (hash >> 31)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 29;
    std::memcpy(id.bytes.data() + half * sizeof hash, &hash, sizeof hash);
    start = 0x84222325cbf29ce4;
  }
  if (id.is_zero()) id.bytes[0] = 1;
  return id;
}

}  // namespace

std::size_t Producer::Core::Batch::bytes() const {
  return frame == nullptr ? 0 : frame->size() - wire::kPublishPrefixBytes;
}

void Producer::Core::Tally::add(std::uint64_t messages, bool stored,
                                const std::optional<Error>& error) {
  if (messages == 0) return;
  const std::lock_guard lock(mutex_);
  (stored ? receipt_.stored : receipt_.refused) += messages;
  if (error && !receipt_.error) receipt_.error = error;
  left_ -= messages;
  if (left_ == 0) promise_.set_value(std::move(receipt_));
}

// --- Opening.

Producer::Core::Core(std::shared_ptr<Client::Core> client, ProducerOptions options)
    : client_(std::move(client)), options_(std::move(options)) {
  options_.batch_bytes =
      std::clamp(options_.batch_bytes, base::kEntryHeaderBytes, base::kBatchEntriesBytesMax);
}

base::Result<std::shared_ptr<Producer::Core>> Producer::Core::open(
    std::shared_ptr<Client::Core> client, ProducerOptions options) {
  auto core = std::make_shared<Core>(std::move(client), std::move(options));
  api::IoLoop& loop = core->client_->loop();
  base::Status opened = loop.run([&]() -> base::Status {
    RETURN_IF_ERROR(core->open_publisher());
    loop.attend(core);
    return {};
  });
  RETURN_IF_ERROR(std::move(opened));
  return core;
}

base::Status Producer::Core::open_publisher() {
  client::PublisherOptions options;
  options.queue = options_.queue;
  if (!options_.name.empty()) {
    options.producer = producer_id(options_.name);
    options.end_on_refusal = true;
  }
  options.on_outcome = [this](const client::BatchOutcome& outcome) { on_outcome(outcome); };
  ASSIGN_OR_RETURN(publisher_,
                   client::Publisher::open(client_->loop().connection(), std::move(options)));
  slots_ = publisher_->slots();
  message_bytes_max_ = publisher_->message_bytes_max();
  const bool chunks = (client_->loop().connection().features() & wire::kFeatureChunks) != 0;
  entry_bytes_max_ = chunks ? base::kLargeEntryBytesMax : base::kBatchEntriesBytesMax;
  open_.resize(slots_.shards());
  home_ = slots_.shard_of(wire::slot_of(options_.name));
  for (std::uint16_t shard = 0; shard < slots_.shards(); ++shard) {
    last_sequences_.push_back(publisher_->last_sequence(base::ShardIndex(shard)));
  }
  return {};
}

// --- Adding.

std::optional<std::uint16_t> Producer::Core::shard_of(const Message& message) const {
  for (const std::string* text : {&message.group(), &message.key(), &message.dedup_id()}) {
    if (!text->empty()) return slots_.shard_of(wire::slot_of(*text));
  }
  if (!options_.name.empty()) return home_;
  return std::nullopt;
}

base::Status Producer::Core::add(const Message& message, bool may_wait, Waiter waiter) {
  thread_local std::vector<std::byte> entry;
  entry.clear();
  if (message.body().size() > message_bytes_max_) {
    return base::invalid_argument("MessageTooLarge: the body has " +
                                  std::to_string(message.body().size()) +
                                  " bytes, the queue takes " + std::to_string(message_bytes_max_));
  }
  RETURN_IF_ERROR(base::append_entry(api::to_internal(message), entry));
  std::unique_lock lock(mutex_);
  return add_entry(lock, shard_of(message), entry, {}, may_wait, std::move(waiter));
}

base::Status Producer::Core::add(std::string_view body, const std::shared_ptr<Tally>& tally) {
  if (body.size() > message_bytes_max_) {
    return base::invalid_argument("MessageTooLarge: the body has " + std::to_string(body.size()) +
                                  " bytes, the queue takes " + std::to_string(message_bytes_max_));
  }
  std::optional<std::uint16_t> shard;
  if (!options_.name.empty()) shard = home_;
  std::unique_lock lock(mutex_);
  return add_entry(lock, shard, {}, body, true, {0, 1, nullptr, tally});
}

// The entry is `attributed`, or without one that of a bare `body`.
base::Status Producer::Core::add_entry(std::unique_lock<std::mutex>& lock,
                                       std::optional<std::uint16_t> shard,
                                       base::ByteView attributed, std::string_view body,
                                       bool may_wait, Waiter waiter) {
  const std::size_t bytes =
      attributed.empty() ? base::kEntryHeaderBytes + body.size() : attributed.size();
  if (bytes > entry_bytes_max_) {
    return base::invalid_argument("MessageTooLarge: a message with its attributes has at most " +
                                  std::to_string(entry_bytes_max_) + " bytes");
  }
  RETURN_IF_ERROR(wait_for_room(lock, bytes, may_wait));
  std::uint16_t index = shard.value_or(round_robin_);
  // The shard that is next in turn may be full as well: messages with keys go there, too.
  while (open_[index].frame != nullptr && (open_[index].bytes() + bytes > options_.batch_bytes ||
                                           open_[index].count == base::kBatchMessagesMax)) {
    seal(index);
    client_->loop().wake();
    index = shard.value_or(round_robin_);
  }
  Batch& batch = open_[index];
  if (batch.frame == nullptr) {
    batch.frame = std::make_shared<client::OutboundBuffer>(wire::kPublishPrefixBytes +
                                                           std::max(bytes, options_.batch_bytes));
    batch.frame->resize(wire::kPublishPrefixBytes);
    batch.shard = index;
    batch.tag = ++last_tag_;
    unfinished_.insert(batch.tag);
    client_->loop().wake();  // its linger begins
  }
  const std::size_t at = batch.frame->size();
  batch.frame->resize(at + bytes);
  std::byte* const to = batch.frame->data() + at;
  if (attributed.empty()) {
    base::store(to, std::uint64_t{bytes} | std::uint64_t{base::kPriorityUnset} << 48);
    std::memcpy(to + base::kEntryHeaderBytes, body.data(), body.size());
  } else {
    std::memcpy(to, attributed.data(), bytes);
  }
  if (waiter.tally != nullptr && !batch.waiters.empty() &&
      batch.waiters.back().tally == waiter.tally &&
      batch.waiters.back().at + batch.waiters.back().count == batch.count) {
    ++batch.waiters.back().count;
  } else if (waiter.tally != nullptr || waiter.callback) {
    waiter.at = batch.count;
    batch.waiters.push_back(std::move(waiter));
  }
  ++batch.count;
  ++stats_.messages_pending;
  stats_.bytes_pending += bytes;
  return {};
}

base::Status Producer::Core::wait_for_room(std::unique_lock<std::mutex>& lock, std::size_t bytes,
                                           bool may_wait) {
  const auto ready = [&] {
    return ended_ || stats_.bytes_pending == 0 ||
           stats_.bytes_pending + bytes <= options_.buffer_bytes;
  };
  if (!ready()) {
    const bool waits =
        may_wait && options_.when_full == WhenFull::kBlock && !client_->loop().on_thread();
    if (!waits || !room_.wait_for(lock, options_.send_timeout, ready)) {
      return base::resource_exhausted(
          "the producer's buffer is full: " + std::to_string(stats_.bytes_pending) +
          " bytes have no answer yet");
    }
  }
  if (ended_) return base::Error(static_cast<base::ErrorCode>(ended_->code()), ended_->message());
  return {};
}

void Producer::Core::seal(std::uint16_t shard) {
  if (open_[shard].frame == nullptr) return;
  sealed_.push_back(std::exchange(open_[shard], {}));
  if (shard == round_robin_) {
    round_robin_ = static_cast<std::uint16_t>((round_robin_ + 1) % open_.size());
  }
}

void Producer::Core::seal_all() {
  for (std::size_t shard = 0; shard < open_.size(); ++shard) {
    seal(static_cast<std::uint16_t>(shard));
  }
}

// --- Ending.

base::Status Producer::Core::flush(base::Millis timeout) {
  std::unique_lock lock(mutex_);
  seal_all();
  const std::uint64_t last = last_tag_;
  client_->loop().wake();
  const auto done = [&] { return unfinished_.empty() || *unfinished_.begin() > last; };
  if (done()) return {};
  if (client_->loop().on_thread()) {
    return base::failed_precondition("a call that waits cannot be made from a callback");
  }
  if (progress_.wait_for(lock, timeout, done)) return {};
  return base::Error(base::ErrorCode::kDeadlineExceeded,
                     std::to_string(stats_.messages_pending) + " messages have no answer yet");
}

base::Status Producer::Core::close(base::Millis timeout) {
  base::Status status = flush(timeout);
  shut();
  return status;
}

void Producer::Core::shut() {
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) ended_ = Error(ErrorCode::kFailedPrecondition, "the producer is closed");
  }
  const auto leave = [self = shared_from_this()]() -> base::Status {
    self->end(Error(ErrorCode::kUnavailable,
                    "the producer was closed before the answer; it is unknown whether the message "
                    "is stored"));
    self->publisher_.reset();
    self->client_->loop().leave(self.get());
    return {};
  };
  api::IoLoop& loop = client_->loop();
  if (loop.on_thread()) {
    loop.post([leave] { (void)leave(); });
  } else {
    (void)loop.run(leave);
  }
}

ProducerStats Producer::Core::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

// --- The loop's thread.

std::optional<base::MonoTime> Producer::Core::turn(base::MonoTime now) {
  if (publisher_ == nullptr) return std::nullopt;
  std::deque<Batch> sealed;
  std::optional<base::MonoTime> wake;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t shard = 0; shard < open_.size(); ++shard) {
      Batch& batch = open_[shard];
      if (batch.frame == nullptr) continue;
      if (batch.opened_at.value() == 0) batch.opened_at = now;
      const base::MonoTime due = batch.opened_at + options_.linger;
      if (due <= now) {
        seal(static_cast<std::uint16_t>(shard));
      } else {
        wake = wake ? std::min(*wake, due) : due;
      }
    }
    sealed.swap(sealed_);
  }
  for (Batch& batch : sealed) {
    const std::uint64_t tag = batch.tag;
    const base::ShardIndex shard(batch.shard);
    batch.bytes_left = batch.bytes();
    const auto placed = in_flight_.emplace(tag, std::move(batch)).first;
    publisher_->publish_frame(shard, std::move(placed->second.frame), placed->second.count, tag);
  }
  const base::Status failure = publisher_->failure();
  if (!failure.has_value()) end(api::to_public(failure.error()));
  return wake;
}

void Producer::Core::on_outcome(const client::BatchOutcome& outcome) {
  const auto found = in_flight_.find(outcome.tag);
  CHECK(found != in_flight_.end());
  std::optional<Error> error;
  if (!outcome.stored()) error = api::to_public(client::to_error(outcome.code, outcome.message));
  finish(found->second, outcome.count, &outcome, error);
  if (found->second.done < found->second.count) return;  // it was cut: its rest will follow
  in_flight_.erase(found);
}

void Producer::Core::finish(Batch& batch, std::uint32_t count, const client::BatchOutcome* outcome,
                            const std::optional<Error>& error) {
  const std::uint32_t begin = batch.done;
  batch.done += count;
  {
    const std::lock_guard lock(mutex_);
    (error ? stats_.messages_refused : stats_.messages_stored) += count;
    stats_.messages_pending -= count;
    const std::uint64_t bytes = outcome == nullptr ? batch.bytes_left : outcome->bytes;
    stats_.bytes_pending -= bytes;
    batch.bytes_left -= bytes;
    if (batch.done == batch.count) unfinished_.erase(batch.tag);
  }
  room_.notify_all();
  while (batch.next_waiter < batch.waiters.size()) {
    Waiter& waiter = batch.waiters[batch.next_waiter];
    if (waiter.at >= batch.done) break;
    if (waiter.callback) {
      if (error) {
        waiter.callback(*error);
      } else {
        Receipt receipt;
        receipt.shard = outcome->shard.value();
        receipt.duplicate = outcome->duplicate;
        if (outcome->first.value() != 0) {
          receipt.sequence = outcome->first.value() + (waiter.at - begin);
        }
        waiter.callback(receipt);
      }
    }
    const std::uint32_t told = std::min(waiter.at + waiter.count, batch.done) - waiter.at;
    if (waiter.tally != nullptr) waiter.tally->add(told, !error, error);
    waiter.at += told;
    waiter.count -= told;
    if (waiter.count > 0) break;
    ++batch.next_waiter;
  }
  progress_.notify_all();
}

void Producer::Core::on_dead(const base::Error& error) { end(api::to_public(error)); }

void Producer::Core::end(const Error& error) {
  std::deque<Batch> rest;
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) ended_ = error;
    seal_all();
    rest.swap(sealed_);
    for (Batch& batch : rest) batch.bytes_left = batch.bytes();
  }
  for (auto& [tag, batch] : in_flight_) rest.push_back(std::move(batch));
  in_flight_.clear();
  for (Batch& batch : rest) finish(batch, batch.count - batch.done, nullptr, error);
}

}  // namespace sluice
