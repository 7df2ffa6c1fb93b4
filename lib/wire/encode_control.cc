#include <type_traits>

#include "base/check.h"
#include "wire/encode_body.h"

// Frames of the control port that need feature bit 6.
namespace sluice::wire {
namespace {

using base::ByteWriter;

void put_head(ByteWriter& writer, ChangeKind kind, std::string_view name) {
  writer.u8(static_cast<std::uint8_t>(kind));
  writer.text16(name);
}

void put_change(ByteWriter& writer, const QueueChange& change) {
  put_head(writer, ChangeKind::kQueue, change.name);
  writer.u64(change.revision);
  writer.u64(change.messages);
  writer.u64(change.bytes);
  writer.u64(change.retained);
  writer.u64(change.published);
  writer.u64(change.damaged);
  writer.u8(change.paused ? 1 : 0);
}

void put_change(ByteWriter& writer, const SubscriptionChange& change) {
  put_head(writer, ChangeKind::kSubscription, change.name);
  writer.u64(change.ready);
  writer.u64(change.in_flight);
  writer.u64(change.delayed);
  writer.u64(change.due_delayed);
  writer.u64(change.dead);
  writer.i64(change.oldest_ms);
  writer.u64(change.settled);
  writer.u64(change.redelivered);
}

void put_change(ByteWriter& writer, const ConsumerChange& change) {
  put_head(writer, ChangeKind::kConsumer, change.name);
  writer.u64(change.in_flight);
  writer.u8(change.cordoned ? 1 : 0);
}

void put_change(ByteWriter& writer, const GoneChange& change) {
  put_head(writer, change.kind, change.name);
}

}  // namespace

void encode_body(ByteWriter& writer, const Watch& body) { writer.u32(body.interval_ms); }

void encode_body(ByteWriter& writer, const Changes& body) {
  DCHECK(body.changes.size() <= kChangesMax);
  writer.u64(body.observation);
  writer.u8(body.last ? 1 : 0);
  writer.u64(body.revision);
  writer.u64(body.leader_epoch);
  writer.i64(body.now_ms);
  writer.u32(body.log_feature_level);
  writer.u64(body.disk_used_bytes);
  writer.u64(body.disk_free_bytes);
  writer.u8(body.disk_low ? 1 : 0);
  writer.u32(body.server_keys);
  writer.u64(body.sessions_to_move);
  writer.u16(static_cast<std::uint16_t>(body.changes.size()));
  for (const Change& change : body.changes) {
    std::visit([&writer](const auto& value) { put_change(writer, value); }, change);
  }
}

void encode_body(ByteWriter& writer, const RemoveQueue& body) {
  writer.u64(body.leader_epoch);
  writer.text16(body.queue);
  writer.u8(body.if_empty ? 1 : 0);
}

void encode_body(ByteWriter& writer, const QueueRemoved& body) {
  writer.u16(body.code);
  writer.text16(body.message.substr(0, kErrorTextBytesMax));
  writer.u64(body.messages);
  writer.u64(body.ready);
  writer.u64(body.in_flight);
  writer.u64(body.delayed);
  writer.u64(body.dead);
  writer.u64(body.retained);
}

}  // namespace sluice::wire
