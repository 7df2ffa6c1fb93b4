#include "wire/decode_body.h"

// Frames of the control port that need feature bit 6.
namespace sluice::wire {
namespace {

constexpr std::size_t kChangeBytesMin = 3;  // a kind and an empty name

QueueChange read_queue(FieldReader& reader, std::string_view name) {
  QueueChange change;
  change.name = name;
  change.revision = reader.u64("queue revision");
  change.messages = reader.u64("messages");
  change.bytes = reader.u64("bytes");
  change.retained = reader.u64("retained");
  change.published = reader.u64("published");
  change.damaged = reader.u64("damaged");
  change.paused = reader.boolean("paused");
  return change;
}

SubscriptionChange read_subscription(FieldReader& reader, std::string_view name) {
  SubscriptionChange change;
  change.name = name;
  change.ready = reader.u64("ready");
  change.in_flight = reader.u64("in flight");
  change.delayed = reader.u64("delayed");
  change.due_delayed = reader.u64("due delayed");
  change.dead = reader.u64("dead");
  change.oldest_ms = reader.i64("oldest");
  change.settled = reader.u64("settled");
  change.redelivered = reader.u64("redelivered");
  return change;
}

ConsumerChange read_consumer(FieldReader& reader, std::string_view name) {
  ConsumerChange change;
  change.name = name;
  change.in_flight = reader.u64("in flight");
  change.cordoned = reader.boolean("cordoned");
  return change;
}

Change read_change(FieldReader& reader) {
  const auto kind = static_cast<ChangeKind>(reader.u8("kind"));
  const std::string_view name = reader.text("name", kNameBytesMax);
  switch (kind) {
    case ChangeKind::kQueue:
      return read_queue(reader, name);
    case ChangeKind::kSubscription:
      return read_subscription(reader, name);
    case ChangeKind::kConsumer:
      return read_consumer(reader, name);
    case ChangeKind::kQueueGone:
    case ChangeKind::kSubscriptionGone:
    case ChangeKind::kConsumerGone:
      return GoneChange{kind, name};
  }
  reader.fail("kind", "is out of range");
  return GoneChange{};
}

}  // namespace

void decode_body(FieldReader& reader, Watch& body) { body.interval_ms = reader.u32("interval ms"); }

void decode_body(FieldReader& reader, Changes& body) {
  body.observation = reader.u64("observation");
  body.last = reader.boolean("last");
  body.revision = reader.u64("revision");
  body.leader_epoch = reader.u64("leader epoch");
  body.now_ms = reader.i64("now");
  body.log_feature_level = reader.u32("log feature level");
  body.disk_used_bytes = reader.u64("disk used");
  body.disk_free_bytes = reader.u64("disk free");
  body.disk_low = reader.boolean("disk low");
  body.server_keys = reader.u32("server keys");
  body.sessions_to_move = reader.u64("sessions to move");
  const std::size_t count =
      reader.count("changes", reader.u16("changes"), kChangesMax, kChangeBytesMin);
  body.changes.reserve(count);
  for (std::size_t i = 0; i < count; ++i) body.changes.push_back(read_change(reader));
}

void decode_body(FieldReader& reader, RemoveQueue& body) {
  body.leader_epoch = reader.u64("leader epoch");
  body.queue = reader.text("queue", kNameBytesMax);
  body.if_empty = reader.boolean("if empty");
}

void decode_body(FieldReader& reader, QueueRemoved& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.messages = reader.u64("messages");
  body.ready = reader.u64("ready");
  body.in_flight = reader.u64("in flight");
  body.delayed = reader.u64("delayed");
  body.dead = reader.u64("dead");
  body.retained = reader.u64("retained");
}

}  // namespace sluice::wire
