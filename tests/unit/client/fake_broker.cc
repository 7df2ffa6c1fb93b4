#include "tests/unit/client/fake_broker.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/message.h"
#include "wire/frame_codec.h"
#include "wire/shard_map.h"

namespace sluice::client {
namespace {

constexpr std::uint32_t kIncarnation = 9;

}  // namespace

void FakeBroker::on_frame(std::uint64_t connection, base::ByteView bytes) {
  if (silent) return;
  const base::Result<wire::Frame> frame = wire::decode_frame(bytes);
  CHECK(frame.has_value());  // the client under test sends good frames only
  const wire::FrameHeader& header = frame->header;
  if (const auto* hello = std::get_if<wire::Hello>(&frame->body)) {
    connection_ = connection;
    return on(header, *hello);
  }
  const auto session = sessions_.find(current_);
  if (session == sessions_.end() || session->second.number != header.session) {
    return answer(header, wire::ErrorFrame{3, "no such session"});
  }
  if (session->second.epoch != header.session_epoch || connection != connection_) {
    return answer(header, wire::ErrorFrame{4, "fenced"});
  }
  on_other(header, frame->body);
}

void FakeBroker::on(const wire::FrameHeader& header, const wire::Hello& hello) {
  ++hellos;
  last_client = hello.client;
  if (!hello_refusals.empty()) {
    const wire::Code code = hello_refusals.front();
    hello_refusals.pop_front();
    return answer(header, wire::ErrorFrame{static_cast<std::uint16_t>(code), "not now"});
  }
  const bool resumed = !hello.session_id.is_zero() && sessions_.contains(hello.session_id);
  current_ = hello.session_id;
  if (current_.is_zero()) current_.bytes[0] = static_cast<std::uint8_t>(last_session_ + 1);
  Session& session = sessions_[current_];
  if (!resumed) session.number = ++last_session_;
  session.epoch = std::max(session.epoch, hello.session_epoch) + 1;
  publishers_.clear();
  attachments_.clear();
  gatherings_.clear();
  wire::Welcome welcome;
  welcome.session_id = current_;
  welcome.session = session.number;
  welcome.session_epoch = session.epoch;
  welcome.incarnation = kIncarnation;
  welcome.resumed = resumed;
  welcome.heartbeat_ms = heartbeat_ms;
  welcome.session_ttl_ms = 10'000;
  welcome.frame_bytes_max = wire::kFrameBytesMax;
  welcome.features = features;
  welcome.software = "fake/1";
  answer(header, welcome);
}

void FakeBroker::on_other(const wire::FrameHeader& header, const wire::Body& body) {
  if (const auto* resolve = std::get_if<wire::Resolve>(&body)) return on(header, *resolve);
  if (const auto* open = std::get_if<wire::OpenPublisher>(&body)) return on(header, *open);
  if (const auto* publish = std::get_if<wire::Publish>(&body)) return on(header, *publish);
  if (const auto* chunk = std::get_if<wire::Chunk>(&body)) return on(header, *chunk);
  if (const auto* more = std::get_if<wire::ChunkCredit>(&body)) {
    chunk_credits.push_back(*more);
    return send_pieces(more->limit);
  }
  if (const auto* attach = std::get_if<wire::Attach>(&body)) return on(header, *attach);
  if (const auto* settle = std::get_if<wire::Settle>(&body)) return on(header, *settle);
  if (const auto* extend = std::get_if<wire::Extend>(&body)) return on(header, *extend);
  if (const auto* heartbeat = std::get_if<wire::Heartbeat>(&body)) {
    ++heartbeats;
    return answer(header, wire::HeartbeatReply{heartbeat->sent_ns});
  }
  if (const auto* credit = std::get_if<wire::Credit>(&body)) {
    credits.push_back(*credit);
    return;
  }
  if (std::holds_alternative<wire::Detach>(body)) {
    ++detaches;
    return;
  }
  if (std::holds_alternative<wire::Goodbye>(body)) {
    ++goodbyes;
    answer(header, wire::GoodbyeReply{});
    sessions_.erase(current_);
    if (std::exchange(cut_on_goodbye, false)) cut();
    return;
  }
  if (std::holds_alternative<wire::Peek>(body)) return answer(header, peeked);
  if (std::holds_alternative<wire::DeleteQueue>(body)) {
    if (std::exchange(cut_on_delete, false)) return cut();
    return answer(header, wire::QueueDeleted{});
  }
  answer(header, wire::ErrorFrame{23, "the fake cannot do that"});
}

void FakeBroker::on(const wire::FrameHeader& header, const wire::Resolve& resolve) {
  wire::Resolved resolved;
  ++resolves;
  if (resolve.queue != "orders" || queue_is_gone) {
    resolved.code = static_cast<std::uint16_t>(wire::Code::kUnknownQueue);
    resolved.message = "no such queue";
    return answer(header, resolved);
  }
  resolved.queue.bytes[0] = 7;
  resolved.message_bytes_max = message_bytes_max;
  resolved.map = wire::even_shard_map(shards, map_version);
  resolved.subscriptions = {"default"};
  answer(header, resolved);
}

void FakeBroker::on(const wire::FrameHeader& header, const wire::OpenPublisher& open) {
  wire::PublisherOpened opened;
  forget_producers();
  if (open.map_version != map_version) {
    opened.code = static_cast<std::uint16_t>(wire::Code::kStaleShardMap);
    answer(header, opened);
    return answer(header, wire::even_shard_map(shards, map_version));
  }
  if (open.producer_epoch != 0 && !producer_epochs_.contains(open.producer)) {
    opened.code = static_cast<std::uint16_t>(wire::Code::kUnknownProducer);
    return answer(header, opened);
  }
  std::uint32_t& epoch = producer_epochs_[open.producer];
  if (open.producer_epoch == 0) ++epoch;
  if (open.producer_epoch != 0 && open.producer_epoch != epoch) {
    opened.code = static_cast<std::uint16_t>(wire::Code::kProducerFenced);
    return answer(header, opened);
  }
  opened.publisher = ++last_handle_;
  opened.producer_epoch = epoch;
  opened.last_sequence = last_sequences_[{open.producer, open.shard}];
  opened.messages_limit = window_messages;
  opened.bytes_limit = window_bytes;
  opened.message_bytes_max = message_bytes_max;
  publishers_[opened.publisher] = {open.shard, open.producer, 0, 0};
  answer(header, opened);
}

void FakeBroker::on(const wire::FrameHeader& header, const wire::Publish& publish) {
  ++publishes;
  forget_producers();
  PublishStep step;
  if (!publish_script.empty()) {
    step = publish_script.front();
    publish_script.pop_front();
  }
  if (step.act == PublishAct::kCut) return cut();
  wire::Published published;
  published.publisher = publish.publisher;
  published.producer_sequence = publish.producer_sequence;
  const auto found = publishers_.find(publish.publisher);
  if (found == publishers_.end()) {
    published.code = static_cast<std::uint16_t>(wire::Code::kUnknownHandle);
    return answer(header, published);
  }
  Publisher& publisher = found->second;
  const bool stale = publish.map_version != map_version;
  if (stale || !producer_epochs_.contains(publisher.producer)) {
    published.code = static_cast<std::uint16_t>(stale ? wire::Code::kStaleShardMap
                                                      : wire::Code::kUnknownProducer);
    grant(publisher, published);
    return answer(header, published);
  }
  std::uint64_t& last = last_sequences_[{publisher.producer, publisher.shard}];
  const base::Result<base::BatchSummary> summary =
      publish.entries.size() > base::kBatchEntriesBytesMax
          ? base::summarize_large(publish.entries, publish.entries.size())
          : base::summarize_batch(publish.entries);
  CHECK(summary.has_value() && summary->count == publish.count);
  if (step.act == PublishAct::kRefuse) {
    published.code = static_cast<std::uint16_t>(step.code);
    published.message = "refused by the script";
    grant(publisher, published);
    return answer(header, published);
  }
  if (publish.producer_sequence > last + 1) {
    published.code = static_cast<std::uint16_t>(wire::Code::kProducerGap);
    published.expected_sequence = last + 1;
    grant(publisher, published);
    return answer(header, published);
  }
  std::vector<std::string>& bodies = stored[publisher.shard];
  published.duplicate = publish.producer_sequence <= last;
  published.count = publish.count;
  if (!published.duplicate) {
    published.first = bodies.size() + 1;
    base::ByteView entries = publish.entries;
    while (!entries.empty()) {
      bodies.emplace_back(base::as_text(base::take_entry(entries).body));
      stored_in_order.push_back(bodies.back());
    }
    last += publish.count;
    publisher.taken_messages += publish.count;
    publisher.taken_bytes += publish.entries.size();
  }
  grant(publisher, published);
  if (step.act == PublishAct::kStoreAndCut) return cut();
  answer(header, published);
}

void FakeBroker::on(const wire::FrameHeader& header, const wire::Chunk& chunk) {
  ++chunks;
  if (cut_at_chunk > 0 && --cut_at_chunk == 0) return cut();
  std::vector<std::byte>& entry = gatherings_[chunk.publisher];
  if (chunk.offset == 0) entry.clear();
  CHECK(entry.size() == chunk.offset);
  entry.insert(entry.end(), chunk.piece.begin(), chunk.piece.end());
  if (!chunk.is_last()) return;
  const std::vector<std::byte> whole = std::move(entry);
  gatherings_.erase(chunk.publisher);
  on(header, wire::Publish{chunk.publisher, chunk.map_version, chunk.producer_sequence, 1, whole});
}

void FakeBroker::deliver_large(const std::string& body, std::uint16_t shard) {
  for (const auto& [handle, attached_shard] : attachments_) {
    if (attached_shard != shard) continue;
    large_.clear();
    base::append_entry(base::as_bytes(body), large_);
    next_piece_ = {};
    next_piece_.attachment = handle;
    next_piece_.lease_ms = 30'000;
    next_piece_.epoch = std::uint64_t{kIncarnation} << 32 | ++last_batch_;
    next_piece_.sequence = ++next_delivery_[shard];
    next_piece_.attempts = 2;
    next_piece_.accepted_at_ms = 1'000;
    next_piece_.message_bytes = large_.size();
    return send_pieces(wire::kChunkWindowBytes);
  }
}

void FakeBroker::send_pieces(std::uint64_t limit) {
  constexpr std::size_t kPiece = 258'048;
  while (next_piece_.offset < std::min<std::uint64_t>(limit, large_.size())) {
    const std::size_t bytes = std::min(kPiece, large_.size() - next_piece_.offset);
    next_piece_.piece = base::ByteView(large_).subspan(next_piece_.offset, bytes);
    say(next_piece_, 0);
    next_piece_.offset += bytes;
  }
}

void FakeBroker::forget_producers() {
  if (!std::exchange(forgets_producers, false)) return;
  producer_epochs_.clear();
  last_sequences_.clear();
}

void FakeBroker::grant(const Publisher& publisher, wire::Published& published) const {
  published.messages_limit = publisher.taken_messages + window_messages;
  published.bytes_limit = publisher.taken_bytes + window_bytes;
}

void FakeBroker::on(const wire::FrameHeader& header, const wire::Attach& attach) {
  wire::Attached attached;
  last_epochs.push_back(attach.last_epoch);
  if (attach.map_version != map_version) {
    attached.code = static_cast<std::uint16_t>(wire::Code::kStaleShardMap);
    answer(header, attached);
    return answer(header, wire::even_shard_map(shards, map_version));
  }
  if (!attach_refusals.empty()) {
    attached.code = static_cast<std::uint16_t>(attach_refusals.front());
    attached.message = "refused by the script";
    attach_refusals.pop_front();
    return answer(header, attached);
  }
  attached.attachment = ++last_handle_;
  attached.lease_ms = 30'000;
  attachments_[attached.attachment] = attach.shard;
  credits.push_back({attached.attachment, attach.messages_limit, attach.bytes_limit});
  answer(header, attached);
}

void FakeBroker::on(const wire::FrameHeader& header, const wire::Settle& settle) {
  Settlement settlement;
  settlement.kind = settle.kind;
  if (settle.has_delay) settlement.delay_ms = settle.delay_ms;
  settlement.error = settle.error;
  settlement.receipts = settle.receipts;
  settlements.push_back(settlement);
  if (std::exchange(cut_on_settle, false)) return cut();
  if (!answers_settles || header.request == 0) return;
  wire::Settled settled;
  settled.attachment = settle.attachment;
  for (const wire::WireReceipt& receipt : settle.receipts) {
    wire::for_each_range(receipt,
                         [&](base::SequenceRange range) { settled.settled += range.count(); });
  }
  settled.stale = std::min(stale_settles, settled.settled);
  settled.settled -= settled.stale;
  answer(header, settled);
}

void FakeBroker::on(const wire::FrameHeader& header, const wire::Extend& extend) {
  extends.push_back(extend);
  wire::Extended extended;
  extended.attachment = extend.attachment;
  extended.stale = stale_extends;
  answer(header, extended);
}

void FakeBroker::deliver(std::vector<std::string> bodies, std::uint16_t shard) {
  for (const auto& [handle, attached_shard] : attachments_) {
    if (attached_shard != shard) continue;
    std::vector<std::byte> entries;
    for (const std::string& body : bodies) base::append_entry(base::as_bytes(body), entries);
    wire::Deliver deliver;
    deliver.attachment = handle;
    deliver.lease_ms = 30'000;
    deliver.epoch = std::uint64_t{kIncarnation} << 32 | ++last_batch_;
    std::uint64_t& next = next_delivery_[shard];
    deliver.runs = {{next + 1, static_cast<std::uint32_t>(bodies.size()), 0, 0, 1'000,
                     static_cast<std::uint32_t>(entries.size())}};
    deliver.entries = entries;
    next += bodies.size();
    return say(deliver, 0);
  }
}

void FakeBroker::close_attachments(wire::Code code) {
  for (const auto& [handle, shard] : attachments_) {
    say(wire::AttachmentClosed{handle, static_cast<std::uint16_t>(code), "closed by the script"},
        0);
  }
  attachments_.clear();
}

void FakeBroker::give_credit(std::uint64_t messages, std::uint64_t bytes) {
  for (const auto& [handle, publisher] : publishers_) {
    say(wire::PublishCredit{handle, messages, bytes}, 0);
  }
}

void FakeBroker::say(const wire::Body& body, std::uint64_t request) {
  wire::FrameHeader header;
  const Session& session = sessions_[current_];
  header.session = session.number;
  header.session_epoch = session.epoch;
  header.request = request;
  Sent sent;
  sent.connection = connection_;
  wire::encode_frame(header, body, sent.frame);
  sent_.push_back(std::move(sent));
}

void FakeBroker::answer(const wire::FrameHeader& header, wire::Body body) {
  if (header.request == 0 && !std::holds_alternative<wire::HeartbeatReply>(body) &&
      !std::holds_alternative<wire::ErrorFrame>(body)) {
    return;
  }
  say(body, header.request);
}

void FakeBroker::cut() {
  cut_ = true;
  sent_.clear();
}

std::vector<FakeBroker::Sent> FakeBroker::take_sent() { return std::exchange(sent_, {}); }

}  // namespace sluice::client
