#include "wire/encode_body.h"

#include "base/check.h"

namespace sluice::wire {
namespace {

using base::ByteWriter;

void put_refusal(ByteWriter& writer, std::uint16_t code, std::string_view message) {
  // Texts of the broker's own making may be longer than a frame should carry.
  writer.u16(code);
  writer.text16(message.substr(0, kErrorTextBytesMax));
}

void put_receipts(ByteWriter& writer, const std::vector<WireReceipt>& receipts) {
  DCHECK(receipts.size() <= kReceiptsMax);
  writer.u32(static_cast<std::uint32_t>(receipts.size()));
  std::byte* at = writer.grow(receipts.size() * 3 * sizeof(std::uint64_t));
  for (const WireReceipt& receipt : receipts) {
    const bool is_word = receipt.bits != 0;
    for (const std::uint64_t field : {receipt.epoch, receipt.first | (is_word ? kWordFlag : 0),
                                      is_word ? receipt.bits : receipt.last}) {
      base::store(at, field);
      at += sizeof field;
    }
  }
}

void put_selector(ByteWriter& writer, const WireSelector& selector) {
  writer.u8(selector.reason);
  writer.u64(selector.first);
  writer.u64(selector.last);
  writer.text16(selector.header_name);
  writer.text16(selector.header_value);
  writer.i64(selector.dead_before_ms);
}

void put_bool(ByteWriter& writer, bool value) { writer.u8(value ? 1 : 0); }

}  // namespace

void encode_body(ByteWriter& writer, const Hello& body) {
  writer.u16(body.version_min);
  writer.u16(body.version_max);
  writer.array(body.session_id.bytes);
  writer.u32(body.session_epoch);
  writer.u64(body.features);
  writer.text16(body.client);
  writer.text16(body.software);
}

void encode_body(ByteWriter& writer, const Welcome& body) {
  writer.u16(body.version);
  writer.array(body.session_id.bytes);
  writer.u64(body.session);
  writer.u32(body.session_epoch);
  writer.u32(body.incarnation);
  put_bool(writer, body.resumed);
  writer.u32(body.leases_kept);
  writer.u32(body.heartbeat_ms);
  writer.u32(body.session_ttl_ms);
  writer.u32(body.frame_bytes_max);
  writer.u64(body.features);
  writer.text16(body.software);
}

void encode_body(ByteWriter& writer, const Heartbeat& body) { writer.u64(body.sent_ns); }

void encode_body(ByteWriter& writer, const HeartbeatReply& body) { writer.u64(body.sent_ns); }

void encode_body(ByteWriter& /*writer*/, const Goodbye& /*body*/) {}

void encode_body(ByteWriter& /*writer*/, const GoodbyeReply& /*body*/) {}

void encode_body(ByteWriter& writer, const ErrorFrame& body) {
  put_refusal(writer, body.code, body.message);
}

void encode_body(ByteWriter& writer, const ShardMap& body) {
  writer.u32(body.version);
  writer.u16(static_cast<std::uint16_t>(body.runs.size()));
  for (const SlotRun& run : body.runs) {
    writer.u16(run.slots);
    writer.u16(run.shard);
  }
  writer.u16(static_cast<std::uint16_t>(body.endpoints.size()));
  for (const std::string_view endpoint : body.endpoints) writer.text16(endpoint);
}

void encode_body(ByteWriter& writer, const Resolve& body) { writer.text16(body.queue); }

void encode_body(ByteWriter& writer, const Resolved& body) {
  put_refusal(writer, body.code, body.message);
  writer.array(body.queue.bytes);
  writer.u32(body.message_bytes_max);
  encode_body(writer, body.map);
  writer.u16(static_cast<std::uint16_t>(body.subscriptions.size()));
  for (const std::string_view name : body.subscriptions) writer.text16(name);
}

void encode_body(ByteWriter& writer, const OpenPublisher& body) {
  writer.array(body.queue.bytes);
  writer.u16(body.shard);
  writer.u32(body.map_version);
  writer.array(body.producer.bytes);
  writer.u32(body.producer_epoch);
}

void encode_body(ByteWriter& writer, const PublisherOpened& body) {
  put_refusal(writer, body.code, body.message);
  writer.u32(body.publisher);
  writer.u32(body.producer_epoch);
  writer.u64(body.last_sequence);
  writer.u64(body.messages_limit);
  writer.u64(body.bytes_limit);
  writer.u32(body.message_bytes_max);
}

void encode_body(ByteWriter& writer, const Publish& body) {
  writer.u32(body.publisher);
  writer.u32(body.map_version);
  writer.u64(body.producer_sequence);
  writer.u32(body.count);
  writer.bytes(body.entries);
}

void encode_body(ByteWriter& writer, const Chunk& body) {
  writer.u32(body.publisher);
  writer.u32(body.map_version);
  writer.u64(body.producer_sequence);
  writer.u64(body.message_bytes);
  writer.u64(body.offset);
  writer.bytes(body.piece);
}

void encode_body(ByteWriter& writer, const DeliverChunk& body) {
  writer.u32(body.attachment);
  writer.u32(body.lease_ms);
  writer.u64(body.epoch);
  writer.u64(body.sequence);
  writer.u16(body.attempts);
  writer.u16(body.stalls);
  writer.i64(body.accepted_at_ms);
  writer.u64(body.message_bytes);
  writer.u64(body.offset);
  writer.bytes(body.piece);
}

void encode_body(ByteWriter& writer, const ChunkCredit& body) {
  writer.u32(body.attachment);
  writer.u64(body.epoch);
  writer.u64(body.sequence);
  writer.u64(body.limit);
}

void encode_body(ByteWriter& writer, const Published& body) {
  put_refusal(writer, body.code, body.message);
  writer.u32(body.publisher);
  writer.u64(body.producer_sequence);
  writer.u64(body.expected_sequence);
  writer.u64(body.first);
  writer.u32(body.count);
  put_bool(writer, body.duplicate);
  writer.u64(body.messages_limit);
  writer.u64(body.bytes_limit);
}

void encode_body(ByteWriter& writer, const PublishCredit& body) {
  writer.u32(body.publisher);
  writer.u64(body.messages_limit);
  writer.u64(body.bytes_limit);
}

void encode_body(ByteWriter& writer, const Attach& body) {
  writer.array(body.queue.bytes);
  writer.u16(body.shard);
  writer.u32(body.map_version);
  writer.text16(body.subscription);
  writer.u64(body.messages_limit);
  writer.u64(body.bytes_limit);
  writer.u64(body.last_epoch);
}

void encode_body(ByteWriter& writer, const AttachWith& body) {
  encode_body(writer, body.attach);
  writer.u8(body.mode);
}

void encode_body(ByteWriter& writer, const Attached& body) {
  put_refusal(writer, body.code, body.message);
  writer.u32(body.attachment);
  writer.u32(body.lease_ms);
}

void encode_body(ByteWriter& writer, const Credit& body) {
  writer.u32(body.attachment);
  writer.u64(body.messages_limit);
  writer.u64(body.bytes_limit);
}

void encode_body(ByteWriter& writer, const Deliver& body) {
  writer.u32(body.attachment);
  writer.u32(body.lease_ms);
  writer.u64(body.epoch);
  writer.u32(static_cast<std::uint32_t>(body.runs.size()));
  for (const DeliverRun& run : body.runs) {
    writer.u64(run.first);
    writer.u32(run.count);
    writer.u16(run.attempts);
    writer.u16(run.stalls);
    writer.i64(run.accepted_at_ms);
    writer.u32(run.entries_bytes);
  }
  writer.bytes(body.entries);
}

void encode_body(ByteWriter& writer, const Settle& body) {
  writer.u32(body.attachment);
  writer.u8(body.kind);
  put_bool(writer, body.has_delay);
  writer.u32(body.has_delay ? body.delay_ms : 0);
  writer.text16(body.error.substr(0, kErrorTextBytesMax));
  put_receipts(writer, body.receipts);
}

void encode_body(ByteWriter& writer, const Settled& body) {
  put_refusal(writer, body.code, body.message);
  writer.u32(body.attachment);
  writer.u64(body.settled);
  writer.u64(body.stale);
}

void encode_body(ByteWriter& writer, const Extend& body) {
  writer.u32(body.attachment);
  put_bool(writer, body.all);
  writer.u32(body.duration_ms);
  put_receipts(writer, body.receipts);
}

void encode_body(ByteWriter& writer, const Extended& body) {
  put_refusal(writer, body.code, body.message);
  writer.u32(body.attachment);
  writer.u64(body.extended);
  writer.u64(body.stale);
}

void encode_body(ByteWriter& writer, const Detach& body) { writer.u32(body.attachment); }

void encode_body(ByteWriter& writer, const Detached& body) {
  put_refusal(writer, body.code, body.message);
}

void encode_body(ByteWriter& writer, const AttachmentClosed& body) {
  writer.u32(body.attachment);
  put_refusal(writer, body.code, body.message);
}

void encode_body(ByteWriter& writer, const Peek& body) {
  writer.array(body.queue.bytes);
  writer.text16(body.subscription);
  put_bool(writer, body.dead_letters);
  writer.u16(body.shard);
  writer.u64(body.from);
  writer.u32(body.messages_max);
}

void encode_body(ByteWriter& writer, const Peeked& body) {
  put_refusal(writer, body.code, body.message);
  writer.u64(body.next);
  writer.u16(static_cast<std::uint16_t>(body.messages.size()));
  for (const PeekedMessage& message : body.messages) {
    writer.u64(message.sequence);
    writer.i64(message.accepted_at_ms);
    writer.u16(message.attempts);
    writer.u16(message.stalls);
    put_bool(writer, message.dead);
    writer.u8(message.dead ? message.reason : 0);
    writer.i64(message.first_failed_ms);
    writer.i64(message.died_at_ms);
    writer.text16(message.error.substr(0, kErrorTextBytesMax));
    writer.text16(message.consumer);
    writer.bytes32(message.entry);
  }
}

void encode_body(ByteWriter& writer, const Stat& body) { writer.text16(body.queue); }

void encode_body(ByteWriter& writer, const Stated& body) {
  put_refusal(writer, body.code, body.message);
  writer.bytes32(base::as_bytes(body.json));
}

void encode_body(ByteWriter& writer, const Redrive& body) {
  writer.array(body.queue.bytes);
  writer.text16(body.subscription);
  put_bool(writer, body.dry_run);
  writer.u32(body.rate_per_second_max);
  put_selector(writer, body.selector);
}

void encode_body(ByteWriter& writer, const Purge& body) {
  writer.array(body.queue.bytes);
  writer.text16(body.subscription);
  put_bool(writer, body.dead_letters);
  put_selector(writer, body.selector);
}

void encode_body(ByteWriter& writer, const Task& body) {
  put_refusal(writer, body.code, body.message);
  writer.array(body.task.bytes);
  writer.u8(body.state);
  writer.u64(body.matched);
  writer.u64(body.done);
}

void encode_body(ByteWriter& writer, const CancelTask& body) { writer.array(body.task.bytes); }

void encode_body(ByteWriter& writer, const StartTask& body) {
  writer.array(body.queue.bytes);
  writer.u8(body.kind);
  writer.text16(body.subscription);
  put_bool(writer, body.dead_letters);
  put_bool(writer, body.dry_run);
  writer.u32(body.rate_per_second_max);
  writer.u16(body.samples_max);
  writer.array(body.target.bytes);
  writer.u8(body.reason);
  writer.i64(body.before_ms);
  writer.i64(body.not_before_ms);
  writer.text16(body.header_name);
  writer.text16(body.header_value);
  writer.text16(body.error);
  writer.u16(static_cast<std::uint16_t>(body.ranges.size()));
  for (const WireRange& range : body.ranges) {
    writer.u64(range.first);
    writer.u64(range.last);
  }
}

void encode_body(ByteWriter& writer, const StartShardTask& body) {
  writer.u16(body.shard);
  encode_body(writer, body.task);
}

void encode_body(ByteWriter& writer, const TaskStatus& body) {
  put_refusal(writer, body.code, body.message);
  writer.array(body.task.bytes);
  writer.u8(body.kind);
  writer.u8(body.state);
  writer.u64(body.matched);
  writer.u64(body.done);
  writer.text16(body.waits_for.substr(0, kErrorTextBytesMax));
  writer.u16(static_cast<std::uint16_t>(body.samples.size()));
  for (const TaskSample& sample : body.samples) {
    writer.u16(sample.shard);
    writer.u64(sample.sequence);
  }
}

void encode_body(ByteWriter& writer, const DeleteQueue& body) { writer.array(body.queue.bytes); }

void encode_body(ByteWriter& writer, const QueueDeleted& body) {
  put_refusal(writer, body.code, body.message);
}

void encode_body(ByteWriter& writer, const Seek& body) {
  writer.array(body.queue.bytes);
  writer.text16(body.subscription);
  writer.u16(body.shard);
  writer.u8(body.to);
  writer.u64(body.value);
}

void encode_body(ByteWriter& writer, const Seeked& body) {
  put_refusal(writer, body.code, body.message);
  writer.u64(body.sequence);
}

void encode_body(ByteWriter& writer, const DiscardDamaged& body) {
  writer.array(body.queue.bytes);
  writer.text16(body.subscription);
  writer.u8(body.dry_run ? 1 : 0);
}

void encode_body(ByteWriter& writer, const DamagedDiscarded& body) {
  put_refusal(writer, body.code, body.message);
  writer.u64(body.messages);
}

void encode_body(ByteWriter& writer, const Observe& body) { writer.u32(body.interval_ms); }

void encode_body(ByteWriter& writer, const Observation& body) {
  writer.u64(body.revision);
  writer.bytes32(base::as_bytes(body.json));
}

void encode_body(ByteWriter& writer, const Configure& body) {
  writer.u64(body.leader_epoch);
  writer.bytes32(base::as_bytes(body.manifest));
}

void encode_body(ByteWriter& writer, const Configured& body) {
  put_refusal(writer, body.code, body.message);
  writer.array(body.queue.bytes);
}

void encode_body(ByteWriter& writer, const Cordon& body) {
  writer.u64(body.leader_epoch);
  writer.u32(body.lease_ms);
  writer.text16(body.consumer);
}

void encode_body(ByteWriter& writer, const Cordoned& body) {
  put_refusal(writer, body.code, body.message);
  writer.u64(body.in_flight);
}

}  // namespace sluice::wire
