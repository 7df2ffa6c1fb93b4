#include "client/publisher_impl.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "client/refusal.h"
#include "client/route_batch.h"
#include "wire/frame_codec.h"

namespace sluice::client {
namespace {

constexpr std::size_t kSpareBuffersMax = 128;

}  // namespace

Publisher::Impl::Impl(Connection& connection, PublisherOptions options, ResolvedQueue queue,
                      FastPath& fast)
    : connection_(connection), options_(std::move(options)), queue_(std::move(queue)), fast_(fast) {
  options_.batch_bytes =
      std::clamp(options_.batch_bytes, base::kEntryHeaderBytes, base::kBatchEntriesBytesMax);
  fast_.entry_bytes_max = base::kEntryHeaderBytes + queue_.message_bytes_max;
  routes_.follow(connection_, options_.queue, queue_, *this);
  while (lanes_.size() < queue_.slots.shards()) add_lane();
  connection_.add_user(this);
}

void Publisher::Impl::add_lane() {
  Lane& lane = lanes_.emplace_back();
  lane.shard = static_cast<std::uint16_t>(lanes_.size() - 1);
  lane.route = routes_.of_shard[lane.shard];
  lane.producer = options_.producer;
  if (options_.end_on_refusal) lane.state.end_on_refusal();
}

Publisher::Impl::~Impl() { connection_.remove_user(this); }

base::Status Publisher::Impl::open(bool needs_all) {
  base::Status failed;
  const auto settled = [&] {
    failed = failure();
    const auto open = [this](const Lane& lane) {
      return is_retired(lane) || lane.state.phase() == PublishLane::Phase::kOpen;
    };
    return !failed.has_value() ||
           (remap_ == Remap::kNone && std::all_of(lanes_.begin(), lanes_.end(), open));
  };
  base::Status status = connection_.poll_until(settled, connection_.options().request_timeout);
  if (status.has_value()) return failed;
  // One that is away opens when it is back. Whoever counts on from an earlier run needs the number
  // of every shard first.
  const bool some = std::any_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
    return lane.state.phase() == PublishLane::Phase::kOpen;
  });
  const bool late = status.error().code() == base::ErrorCode::kDeadlineExceeded;
  if (needs_all || !some || !late || remap_ != Remap::kNone) return status;
  if (!lanes_[round_robin_].route->ready()) round_robin_ = next_lane();
  return {};
}

// --- The open batches.

void Publisher::Impl::take_fast() {
  if (!fast_lent_) return;
  fast_lent_ = false;
  OpenBatch& open = lanes_[round_robin_].open;
  open.buffer->resize(static_cast<std::size_t>(fast_.at - open.buffer->data()));
  open.count = fast_.count;
  fast_.at = fast_.end = nullptr;
}

void Publisher::Impl::give_fast() {
  const OpenBatch& open = lanes_[round_robin_].open;
  if (open.buffer == nullptr) return;
  const std::size_t end = wire::kPublishPrefixBytes + options_.batch_bytes;
  if (end < open.buffer->size()) return;  // one message above the batch size: it is full
  fast_lent_ = true;
  fast_.at = open.buffer->data() + open.buffer->size();
  fast_.end = open.buffer->data() + end;
  fast_.count = open.count;
}

std::uint64_t Publisher::Impl::open_bytes(const Lane& lane) const {
  return lane.open.buffer == nullptr ? 0 : lane.open.buffer->size() - wire::kPublishPrefixBytes;
}

base::Status Publisher::Impl::reserve(Lane& lane, std::size_t entry_bytes) {
  const std::uint64_t filled = open_bytes(lane);
  if (lane.open.buffer != nullptr && filled + entry_bytes > options_.batch_bytes) {
    // Before anything is taken, so that a caller without room can try the same message again.
    RETURN_IF_ERROR(wait_for_room(filled));
    seal(lane);
    pump(lane, connection_.now());
    RETURN_IF_ERROR(connection_.keep_alive());
    RETURN_IF_ERROR(failure());
  }
  if (lane.open.buffer == nullptr) {
    lane.open.buffer = take_buffer(std::max(entry_bytes, options_.batch_bytes));
    lane.open.count = 0;
    lane.open.tag = ++last_tag_;
    lane.open.opened_at = connection_.now();
  }
  return {};
}

// The lane may be another one after reserve(), where batches go round robin or the shard map
// changed; so it is an index.
base::Result<std::size_t> Publisher::Impl::add_entry(std::optional<std::uint16_t> slot,
                                                     base::ByteView entry) {
  std::size_t index = 0;
  if (slot) {
    std::uint32_t version = 0;
    do {
      version = queue_.slots.version();
      index = queue_.slots.shard_of(*slot);
      RETURN_IF_ERROR(reserve(lanes_[index], entry.size()));
    } while (version != queue_.slots.version());
  } else {
    const std::size_t before = round_robin_;
    RETURN_IF_ERROR(reserve(lanes_[before], entry.size()));
    index = round_robin_;
    if (index != before) {
      // The batch was sealed, and the next one belongs to the next shard.
      OpenBatch& fresh = lanes_[before].open;
      if (fresh.count == 0) return_buffer(std::exchange(fresh, {}).buffer);
      RETURN_IF_ERROR(reserve(lanes_[index], entry.size()));
    }
  }
  OpenBatch& open = lanes_[index].open;
  const std::size_t at = open.buffer->size();
  open.buffer->resize(at + entry.size());
  std::memcpy(open.buffer->data() + at, entry.data(), entry.size());
  ++open.count;
  return index;
}

void Publisher::Impl::seal(Lane& lane) {
  OpenBatch open = std::exchange(lane.open, {});
  if (open.buffer == nullptr || open.count == 0) return;
  PendingBatch batch;
  batch.frame = std::move(open.buffer);
  batch.count = open.count;
  batch.tag = open.tag;
  sealed_bytes_ += batch.bytes();
  sealed_messages_ += batch.count;
  lane.state.add(std::move(batch));
  if (lane.shard == round_robin_) round_robin_ = next_lane();
  collect(lane);  // a failed lane finishes it at once
}

// What may go anywhere does not wait for a broker that is away while another one is there.
std::size_t Publisher::Impl::next_lane() const {
  for (std::size_t step = 1; step <= shards(); ++step) {
    const std::size_t index = (round_robin_ + step) % shards();
    if (lanes_[index].route->ready()) return index;
  }
  return (round_robin_ + 1) % shards();
}

void Publisher::Impl::seal_all() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) seal(lanes_[i]);
}

base::Status Publisher::Impl::wait_for_room(std::uint64_t bytes) {
  const auto room = [&] {
    return sealed_bytes_ == 0 || sealed_bytes_ + bytes <= options_.in_flight_bytes_max;
  };
  if (room()) return {};
  return connection_.poll_until(room, options_.send_timeout);
}

// --- What applications call.

base::Status Publisher::Impl::check_entry(std::size_t bytes) const {
  if (bytes <= base::kBatchEntriesBytesMax ||
      (connection_.features() & wire::kFeatureChunks) != 0) {
    return {};
  }
  return base::invalid_argument("the message has " + std::to_string(bytes) +
                                " bytes with its attributes, the broker takes " +
                                std::to_string(base::kBatchEntriesBytesMax));
}

base::Result<std::size_t> Publisher::Impl::add_message(const base::Message& message) {
  RETURN_IF_ERROR(failure());
  if (message.body.size() > queue_.message_bytes_max) {
    return base::invalid_argument("body is " + std::to_string(message.body.size()) +
                                  " bytes, the queue takes " +
                                  std::to_string(queue_.message_bytes_max));
  }
  scratch_.clear();
  RETURN_IF_ERROR(base::append_entry(message, scratch_));
  RETURN_IF_ERROR(check_entry(scratch_.size()));
  const std::string_view key = wire::slot_key(message);
  std::optional<std::uint16_t> slot;
  if (!key.empty()) slot = wire::slot_of(key);
  return add_entry(slot, scratch_);
}

base::Status Publisher::Impl::publish(const base::Message& message) {
  take_fast();
  const base::Result<std::size_t> lane = add_message(message);
  if (lane.has_value()) on_round(connection_.now());  // lingering batches leave
  give_fast();
  if (!lane.has_value()) return lane.error();
  return {};
}

base::Status Publisher::Impl::append(base::ByteView body) {
  take_fast();
  const auto add = [&]() -> base::Status {
    RETURN_IF_ERROR(failure());
    if (body.size() > queue_.message_bytes_max) {
      return base::invalid_argument("body is " + std::to_string(body.size()) +
                                    " bytes, the queue takes " +
                                    std::to_string(queue_.message_bytes_max));
    }
    scratch_.clear();
    base::append_entry(body, scratch_);
    RETURN_IF_ERROR(check_entry(scratch_.size()));
    RETURN_IF_ERROR(add_entry(std::nullopt, scratch_));
    return {};
  };
  base::Status status = add();
  give_fast();
  return status;
}

void Publisher::Impl::publish_frame(MadeBatch made) {
  CHECK(made.count > 0);
  PendingBatch batch;
  batch.frame = std::move(made.frame);
  batch.count = made.count;
  batch.tag = made.tag;
  sealed_bytes_ += batch.bytes();
  sealed_messages_ += batch.count;
  const auto add = [this](base::ShardIndex shard, PendingBatch part) {
    Lane& lane = lanes_[shard.value()];
    lane.state.add(std::move(part));
    collect(lane);  // a failed lane finishes it at once
  };
  if (made.map_version == queue_.slots.version()) {
    CHECK(made.shard.value() < lanes_.size());
    return add(made.shard, std::move(batch));
  }
  for (RoutedBatch& part : route_batch(std::move(batch), queue_.slots, made.shard)) {
    add(part.shard, std::move(part.batch));
  }
}

base::Status Publisher::Impl::send() {
  take_fast();
  seal_all();
  pump(connection_.now());
  return failure();
}

base::Status Publisher::Impl::flush(base::Millis timeout) {
  RETURN_IF_ERROR(send());
  return connection_.poll_until([this] { return sealed_messages_ == 0; }, timeout);
}

base::Status Publisher::Impl::poll(base::Millis timeout) {
  take_fast();
  base::Status status = connection_.poll(timeout);
  give_fast();
  RETURN_IF_ERROR(std::move(status));
  return failure();
}

base::Result<Publisher::Stored> Publisher::Impl::publish_sync(const base::Message& message,
                                                              base::Millis timeout) {
  // What is open leaves first, so that the message's batch is its own.
  RETURN_IF_ERROR(send());
  ASSIGN_OR_RETURN(const std::size_t lane, add_message(message));
  Watch watch;
  watch.tag = lanes_[lane].open.tag;
  watch_ = &watch;
  base::Status status = send();
  if (status.has_value()) {
    status = connection_.poll_until([&watch] { return watch.outcome.has_value(); }, timeout);
  }
  watch_ = nullptr;
  if (!watch.outcome) {
    RETURN_IF_ERROR(std::move(status));
    return base::unavailable("the batch has no outcome");
  }
  const BatchOutcome& outcome = *watch.outcome;
  if (!outcome.stored()) return to_error(outcome.code, outcome.message);
  return Stored{outcome.shard, outcome.first, outcome.duplicate};
}

std::uint64_t Publisher::Impl::outstanding_messages() {
  std::uint64_t count = sealed_messages_;
  for (const Lane& lane : lanes_) count += lane.open.count;
  // The fast path knows better than the batch that it was lent.
  if (fast_lent_) count += fast_.count - lanes_[round_robin_].open.count;
  return count;
}

std::uint64_t Publisher::Impl::last_sequence(base::ShardIndex shard) const {
  return shard.value() < lanes_.size() ? lanes_[shard.value()].state.last_sequence() : 0;
}

base::Status Publisher::Impl::failure() const {
  if (failure_) return *failure_;
  for (const Lane& lane : lanes_) {
    if (lane.state.phase() == PublishLane::Phase::kFailed && !is_retired(lane)) {
      return to_error(lane.state.failure(), lane.state.failure_message());
    }
  }
  return {};
}

// --- The connection.

bool Publisher::Impl::on_route_frame(ShardRoute& route, wire::Frame& frame,
                                     InboundFrame& /*inbound*/) {
  const base::MonoTime now = connection_.now();
  const std::uint64_t request = frame.header.request;
  if (auto* opened = std::get_if<wire::PublisherOpened>(&frame.body)) {
    for (Lane& lane : lanes_) {
      if (lane.route != &route || !lane.state.awaits_opening(request)) continue;
      lane.state.on_opened(now, *opened);
      if (opened->code == 0) epoch_of(lane) = opened->producer_epoch;
      collect(lane);
      return true;
    }
    return false;
  }
  if (const auto* error = std::get_if<wire::ErrorFrame>(&frame.body)) {
    for (Lane& lane : lanes_) {
      if (lane.route != &route) continue;
      if (lane.state.awaits_opening(request)) {
        wire::PublisherOpened refused;
        refused.code = error->code;
        refused.message = error->message;
        lane.state.on_opened(now, refused);
        collect(lane);
        return true;
      }
      wire::Published refused;
      refused.code = error->code;
      refused.message = error->message;
      if (!lane.state.on_published(now, request, refused)) continue;
      collect(lane);
      return true;
    }
    return false;
  }
  const auto* published = std::get_if<wire::Published>(&frame.body);
  const auto* credit = std::get_if<wire::PublishCredit>(&frame.body);
  if (published == nullptr && credit == nullptr) return false;
  const std::uint32_t handle = published != nullptr ? published->publisher : credit->publisher;
  for (Lane& lane : lanes_) {
    const bool open = lane.state.phase() == PublishLane::Phase::kOpen;
    if (!open || lane.route != &route || lane.state.publisher() != handle) continue;
    if (credit != nullptr) {
      lane.state.on_credit(credit->messages_limit, credit->bytes_limit);
    } else {
      lane.state.on_published(now, request, *published);
      collect(lane);
    }
    return true;
  }
  return false;
}

std::optional<base::MonoTime> Publisher::Impl::on_round(base::MonoTime now) {
  const bool was_lent = fast_lent_;
  take_fast();
  std::optional<base::MonoTime> wake;
  // What is due already waits for an answer or a session, and not for a time.
  const auto consider = [&wake, now](const std::optional<base::MonoTime>& at) {
    if (at && now < *at) wake = wake ? std::min(*wake, *at) : *at;
  };
  for (Lane& lane : lanes_) {
    if (lane.open.buffer == nullptr || lane.open.count == 0) continue;
    const base::MonoTime due = lane.open.opened_at + options_.linger;
    const bool room =
        sealed_bytes_ == 0 || sealed_bytes_ + open_bytes(lane) <= options_.in_flight_bytes_max;
    if (!room) continue;
    consider(due);
    if (now >= due) seal(lane);
  }
  remap(now);
  pump(now);
  for (const Lane& lane : lanes_) consider(lane.state.retry_at());
  consider(map_retry_at_);
  if (was_lent) give_fast();
  return wake;
}

void Publisher::Impl::pump(base::MonoTime now) {
  open_lanes();
  for (Lane& lane : lanes_) pump(lane, now);
}

void Publisher::Impl::pump(Lane& lane, base::MonoTime now) {
  while (PendingBatch* batch = lane.state.next(now)) {
    if (!send_batch(lane, *batch)) break;
  }
  collect(lane);  // what it has refused by itself
}

bool Publisher::Impl::send_batch(Lane& lane, PendingBatch& batch) {
  const std::uint64_t request = lane.route->connection().next_request();
  const bool sent =
      batch.large() ? send_pieces(lane, batch, request) : send_frame(lane, batch, request);
  if (!sent) return false;
  ++(batch.sends > 0 ? stats_.batches_resent : stats_.batches_sent);
  lane.state.on_sent(request);
  return true;
}

// Where the socket takes only some of them, all are sent again: a first piece begins anew.
bool Publisher::Impl::send_pieces(Lane& lane, const PendingBatch& batch, std::uint64_t request) {
  const base::ByteView entry = batch.frame->view().subspan(wire::kPublishPrefixBytes);
  wire::Chunk chunk;
  chunk.publisher = lane.state.publisher();
  chunk.map_version = queue_.slots.version();
  chunk.producer_sequence = batch.producer_sequence;
  chunk.message_bytes = entry.size();
  while (chunk.offset < entry.size()) {
    chunk.piece =
        entry.subspan(chunk.offset, std::min(wire::kChunkBytesMax, entry.size() - chunk.offset));
    if (!lane.route->connection().send(chunk, request)) return false;
    chunk.offset += chunk.piece.size();
  }
  return true;
}

bool Publisher::Impl::send_frame(Lane& lane, PendingBatch& batch, std::uint64_t request) {
  if (batch.frame->in_transport()) {
    // The old socket may still read it, and its prefix is about to change.
    auto copy = std::make_shared<OutboundBuffer>(batch.frame->capacity());
    copy->resize(batch.frame->size());
    std::memcpy(copy->data(), batch.frame->data(), batch.frame->size());
    batch.frame = std::move(copy);
  }
  wire::Publish publish;
  publish.publisher = lane.state.publisher();
  publish.map_version = queue_.slots.version();
  publish.producer_sequence = batch.producer_sequence;
  publish.count = batch.count;
  wire::encode_publish_prefix(lane.route->connection().header(request), publish,
                              batch.frame->writable().first(wire::kPublishPrefixBytes));
  return lane.route->connection().send(batch.frame);
}

// --- Outcomes.

void Publisher::Impl::collect(Lane& lane) {
  for (FinishedBatch& finished : lane.state.take_finished()) report(lane, std::move(finished));
}

void Publisher::Impl::report(Lane& lane, FinishedBatch finished) {
  sealed_bytes_ -= finished.batch.bytes();
  sealed_messages_ -= finished.batch.count;
  const bool stored = finished.code == wire::Code::kNone;
  (stored ? stats_.messages_stored : stats_.messages_refused) += finished.batch.count;
  BatchOutcome outcome;
  outcome.shard = base::ShardIndex(lane.shard);
  outcome.tag = finished.batch.tag;
  outcome.place = finished.batch.place;
  outcome.places = std::move(finished.batch.places);
  outcome.producer_sequence = finished.batch.producer_sequence;
  outcome.count = finished.batch.count;
  outcome.bytes = finished.batch.bytes();
  outcome.first = finished.first;
  outcome.duplicate = finished.duplicate;
  outcome.code = finished.code;
  outcome.message = std::move(finished.message);
  if (watch_ != nullptr && watch_->tag == finished.batch.tag) watch_->outcome = outcome;
  if (options_.on_outcome) options_.on_outcome(outcome);
  return_buffer(std::move(finished.batch.frame));
}

std::shared_ptr<OutboundBuffer> Publisher::Impl::take_buffer(std::size_t entries_bytes) {
  const std::size_t bytes = wire::kPublishPrefixBytes + entries_bytes;
  std::shared_ptr<OutboundBuffer> buffer;
  if (!spare_.empty() && spare_.back()->capacity() >= bytes && !spare_.back()->in_transport()) {
    buffer = std::move(spare_.back());
    spare_.pop_back();
  } else {
    buffer = std::make_shared<OutboundBuffer>(bytes);
  }
  buffer->resize(wire::kPublishPrefixBytes);
  return buffer;
}

void Publisher::Impl::return_buffer(std::shared_ptr<OutboundBuffer> buffer) {
  if (buffer == nullptr || spare_.size() >= kSpareBuffersMax) return;
  if (buffer->capacity() > wire::kPublishPrefixBytes + base::kBatchEntriesBytesMax) return;
  spare_.push_back(std::move(buffer));
}

}  // namespace sluice::client
