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
  round_robin_ = publisher_->first_shard();
  home_ = slots_.shard_of(wire::slot_of(options_.name));
  for (std::uint16_t shard = 0; shard < slots_.shards(); ++shard) {
    last_sequences_.push_back(publisher_->last_sequence(base::ShardIndex(shard)));
  }
  taken_sequences_ = last_sequences_;
  return {};
}

// --- Adding.

std::uint16_t Producer::Core::shards() const {
  const std::lock_guard lock(mutex_);
  return slots_.shards();
}

std::optional<std::uint16_t> Producer::Core::shard_of(const Message& message) const {
  const std::lock_guard lock(mutex_);
  return shard_by_map(message);
}

std::uint64_t Producer::Core::next_sequence(std::uint16_t shard) const {
  const std::lock_guard lock(mutex_);
  return shard < taken_sequences_.size() ? taken_sequences_[shard] + 1 : 1;
}

// REQUIRES: the lock is held.
std::optional<std::uint16_t> Producer::Core::shard_by_map(const Message& message) const {
  for (const std::string* text : {&message.group(), &message.key(), &message.dedup_id()}) {
    if (!text->empty()) return slots_.shard_of(wire::slot_of(*text));
  }
  if (!options_.name.empty()) return home_;
  return std::nullopt;
}

base::Status Producer::Core::check_body(std::size_t bytes) const {
  if (bytes <= message_bytes_max_) return {};
  return base::invalid_argument("MessageTooLarge: the body has " + std::to_string(bytes) +
                                " bytes, the queue takes " + std::to_string(message_bytes_max_));
}

base::Status Producer::Core::add(const Message& message, AddOptions options, Waiter waiter) {
  RETURN_IF_ERROR(check_body(message.body().size()));
  const bool bare = message.key().empty() && message.group().empty() &&
                    message.dedup_id().empty() && message.headers().empty() &&
                    !message.priority() && !message.deliver_at() && !message.expires_at();
  thread_local std::vector<std::byte> entry;
  entry.clear();
  if (!bare) RETURN_IF_ERROR(base::append_entry(api::to_internal(message), entry));
  std::unique_lock lock(mutex_);
  return add_entry(lock, {shard_by_map(message), entry, message.body(), options},
                   std::move(waiter));
}

base::Status Producer::Core::add(std::string_view body, const std::shared_ptr<Tally>& tally) {
  RETURN_IF_ERROR(check_body(body.size()));
  std::optional<std::uint16_t> shard;
  if (!options_.name.empty()) shard = home_;
  std::unique_lock lock(mutex_);
  return add_entry(lock, {shard, {}, body, {}}, {0, 1, nullptr, tally});
}

base::Result<Producer::Core::Turn> Producer::Core::check_number(const Entry& entry) const {
  const std::uint64_t number = entry.options.number;
  if (number == 0) return Turn::kNow;
  if (options_.name.empty()) {
    return base::failed_precondition("only a producer with a name has numbers of its own");
  }
  const std::uint64_t last = taken_sequences_[*entry.shard];
  if (number == last + 1) return Turn::kNow;
  if (number <= last_sequences_[*entry.shard]) return Turn::kStoredBefore;
  if (number <= last) {
    return base::Error(base::ErrorCode::kAlreadyExists,
                       "message " + std::to_string(number) + " was sent by this producer before");
  }
  return base::invalid_argument("ProducerGap: message " + std::to_string(number) +
                                " does not follow " + std::to_string(last) + " in shard " +
                                std::to_string(*entry.shard));
}

base::Status Producer::Core::add_entry(std::unique_lock<std::mutex>& lock, const Entry& entry,
                                       Waiter waiter) {
  const std::string_view body = entry.body;
  const base::ByteView attributed = entry.attributed;
  const std::size_t bytes =
      attributed.empty() ? base::kEntryHeaderBytes + body.size() : attributed.size();
  if (bytes > entry_bytes_max_) {
    return base::invalid_argument("MessageTooLarge: a message with its attributes has at most " +
                                  std::to_string(entry_bytes_max_) + " bytes");
  }
  RETURN_IF_ERROR(wait_for_room(lock, bytes, entry.options.may_wait));
  ASSIGN_OR_RETURN(const Turn turn, check_number(entry));
  if (turn == Turn::kStoredBefore) {
    lock.unlock();
    if (waiter.callback) waiter.callback(Receipt{*entry.shard, 0, true});
    return {};
  }
  const std::optional<std::uint16_t>& shard = entry.shard;
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
    batch.map_version = slots_.version();
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
  if (index < taken_sequences_.size()) ++taken_sequences_[index];
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
    round_robin_ = static_cast<std::uint16_t>((round_robin_ + 1) % slots_.shards());
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
  const std::string left = stats_.messages_pending > 0 ? std::to_string(stats_.messages_pending) +
                                                             " messages have no answer"
                                                       : "callbacks have not ended";
  return base::Error(base::ErrorCode::kDeadlineExceeded, left + " yet");
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
  follow_map();
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
    batch.bytes_left = batch.bytes();
    Batch& placed = in_flight_.emplace(tag, std::move(batch)).first->second;
    publisher_->publish_frame({base::ShardIndex(placed.shard), placed.map_version,
                               std::move(placed.frame), placed.count, tag});
  }
  const base::Status failure = publisher_->failure();
  if (!failure.has_value()) end(api::to_public(failure.error()));
  return wake;
}

// What was made by the old map is sealed before anything is made by the new one, so that the
// publisher has the messages of a key in their order.
void Producer::Core::follow_map() {
  const wire::SlotTable& now = publisher_->slots();
  const std::lock_guard lock(mutex_);
  if (now.version() == slots_.version()) return;
  seal_all();
  slots_ = now;
  round_robin_ = static_cast<std::uint16_t>(round_robin_ % slots_.shards());
  if (open_.size() < slots_.shards()) open_.resize(slots_.shards());
}

void Producer::Core::on_outcome(const client::BatchOutcome& outcome) {
  const auto found = in_flight_.find(outcome.tag);
  CHECK(found != in_flight_.end());
  Batch& batch = found->second;
  std::optional<Error> error;
  if (!outcome.stored()) error = api::to_public(client::to_error(outcome.code, outcome.message));
  const bool in_turn = outcome.places.empty() && outcome.place == batch.done && batch.told.empty();
  if (!in_turn && batch.told.empty()) {
    batch.told.resize(batch.count);
    std::fill_n(batch.told.begin(), batch.done, true);
  }
  account(batch, outcome.count, outcome.bytes, !error);
  const auto receipt = [&outcome](std::uint32_t index) {
    const std::uint64_t first = outcome.first.value();
    return Receipt{outcome.shard.value(), first == 0 ? 0 : first + index, outcome.duplicate};
  };
  if (in_turn) {
    tell(batch, outcome.place, outcome.count, {error, receipt(0)});
  } else {
    for (std::uint32_t i = 0; i < outcome.count; ++i) {
      const std::uint32_t at = outcome.places.empty() ? outcome.place + i : outcome.places[i];
      batch.told[at] = true;
      tell(batch, at, 1, {error, receipt(i)});
    }
  }
  if (batch.done < batch.count) return;  // it was cut: its rest will follow
  finish(batch);
  in_flight_.erase(found);
}

void Producer::Core::account(Batch& batch, std::uint32_t count, std::uint64_t bytes, bool stored) {
  batch.done += count;
  {
    const std::lock_guard lock(mutex_);
    (stored ? stats_.messages_stored : stats_.messages_refused) += count;
    stats_.messages_pending -= count;
    stats_.bytes_pending -= bytes;
    batch.bytes_left -= bytes;
  }
  room_.notify_all();
}

// After the callbacks: who waits in flush() relies on what they did.
void Producer::Core::finish(const Batch& batch) {
  {
    const std::lock_guard lock(mutex_);
    unfinished_.erase(batch.tag);
  }
  progress_.notify_all();
}

void Producer::Core::tell(Batch& batch, std::uint32_t at, std::uint32_t count,
                          const Outcome& outcome) {
  const auto ends_after = [](std::uint32_t place, const Waiter& waiter) {
    return place < waiter.at + waiter.count;
  };
  auto waiter = std::upper_bound(batch.waiters.begin(), batch.waiters.end(), at, ends_after);
  for (; waiter != batch.waiters.end() && waiter->at < at + count; ++waiter) {
    const std::uint32_t begin = std::max(waiter->at, at);
    const std::uint32_t end = std::min(waiter->at + waiter->count, at + count);
    if (waiter->tally != nullptr) waiter->tally->add(end - begin, !outcome.error, outcome.error);
    if (!waiter->callback) continue;
    if (outcome.error) {
      waiter->callback(*outcome.error);
    } else {
      Receipt receipt = outcome.first;
      if (receipt.sequence != 0) receipt.sequence += begin - at;
      waiter->callback(receipt);
    }
    waiter->callback = nullptr;  // what it holds may be large
  }
}

void Producer::Core::finish_rest(Batch& batch, const std::optional<Error>& error) {
  const std::uint32_t begin = batch.done;
  account(batch, batch.count - batch.done, batch.bytes_left, !error);
  if (batch.told.empty()) {
    tell(batch, begin, batch.count - begin, {error, {}});
  } else {
    for (std::uint32_t at = 0; at < batch.count; ++at) {
      if (!batch.told[at]) tell(batch, at, 1, {error, {}});
    }
  }
  finish(batch);
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
  for (Batch& batch : rest) finish_rest(batch, error);
}

}  // namespace sluice
