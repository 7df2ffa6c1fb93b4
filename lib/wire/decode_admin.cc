#include "base/message.h"
#include "wire/decode_body.h"

namespace sluice::wire {
namespace {

constexpr std::uint8_t kDeadReasonMax = 5;
constexpr std::uint8_t kTaskStateMax = 4;
constexpr std::uint8_t kTaskKindMax = 4;
// A peeked message without texts and entry.
constexpr std::size_t kPeekedBytesMin = 46;

void decode_selector(FieldReader& reader, WireSelector& selector) {
  selector.reason = reader.u8_upto("selector reason", kDeadReasonMax);
  selector.first = reader.u64("selector first");
  selector.last = reader.u64("selector last");
  if (selector.last < selector.first) reader.fail("selector last", "is before first");
  selector.header_name = reader.text("selector header name", base::kHeaderNameBytesMax);
  selector.header_value = reader.text("selector header value", kHeaderValueBytesMax);
  selector.dead_before_ms = reader.i64("selector dead before");
}

}  // namespace

void decode_body(FieldReader& reader, Peek& body) {
  body.queue = reader.id<base::QueueId>("queue");
  body.subscription = reader.text("subscription", kNameBytesMax);
  body.dead_letters = reader.boolean("dead letters");
  body.shard = reader.u16("shard");
  body.from = reader.u64("from");
  body.messages_max = reader.u32_between("messages max", 1, kPeekMessagesMax);
}

void decode_body(FieldReader& reader, Peeked& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.next = reader.u64("next");
  const std::size_t count =
      reader.count("messages", reader.u16("messages"), kPeekMessagesMax, kPeekedBytesMin);
  body.messages.resize(count);
  for (PeekedMessage& message : body.messages) {
    message.sequence = reader.u64("sequence");
    message.accepted_at_ms = reader.i64("accepted at");
    message.attempts = reader.u16("attempts");
    message.stalls = reader.u16("stalls");
    message.dead = reader.boolean("dead");
    message.reason = reader.u8_upto("reason", kDeadReasonMax);
    if (message.dead != (message.reason != 0)) reader.fail("reason", "does not go with dead");
    message.first_failed_ms = reader.i64("first failed");
    message.died_at_ms = reader.i64("died at");
    message.error = reader.text("error", kErrorTextBytesMax);
    message.consumer = reader.text("consumer", kNameBytesMax);
    message.entry = reader.bytes32("entry");
  }
}

void decode_body(FieldReader& reader, Stat& body) {
  body.queue = reader.text("queue", kNameBytesMax);
}

void decode_body(FieldReader& reader, Stated& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.json = base::as_text(reader.bytes32("json"));
}

void decode_body(FieldReader& reader, Redrive& body) {
  body.queue = reader.id<base::QueueId>("queue");
  body.subscription = reader.text("subscription", kNameBytesMax);
  body.dry_run = reader.boolean("dry run");
  body.rate_per_second_max = reader.u32("rate per second max");
  decode_selector(reader, body.selector);
}

void decode_body(FieldReader& reader, Purge& body) {
  body.queue = reader.id<base::QueueId>("queue");
  body.subscription = reader.text("subscription", kNameBytesMax);
  body.dead_letters = reader.boolean("dead letters");
  decode_selector(reader, body.selector);
}

void decode_body(FieldReader& reader, Task& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.task = reader.id<base::TaskId>("task");
  body.state = reader.u8_upto("state", kTaskStateMax);
  body.matched = reader.u64("matched");
  body.done = reader.u64("done");
}

void decode_body(FieldReader& reader, CancelTask& body) {
  body.task = reader.id<base::TaskId>("task");
}

void decode_body(FieldReader& reader, StartTask& body) {
  body.queue = reader.id<base::QueueId>("queue");
  body.kind = reader.u8_upto("kind", kTaskKindMax);
  if (body.kind == 0) reader.fail("kind", "is unknown");
  body.subscription = reader.text("subscription", kNameBytesMax);
  body.dead_letters = reader.boolean("dead letters");
  body.dry_run = reader.boolean("dry run");
  body.rate_per_second_max = reader.u32("rate per second max");
  body.samples_max = reader.u16("samples max");
  body.target = reader.id<base::QueueId>("target");
  body.reason = reader.u8_upto("reason", kDeadReasonMax);
  body.before_ms = reader.i64("before");
  body.not_before_ms = reader.i64("not before");
  body.header_name = reader.text("header name", base::kHeaderNameBytesMax);
  body.header_value = reader.text("header value", kHeaderValueBytesMax);
  body.error = reader.text("error", kSelectorErrorBytesMax);
  body.ranges.resize(reader.count("ranges", reader.u16("ranges"), kTaskRangesMax, 16));
  for (WireRange& range : body.ranges) {
    range.first = reader.u64("first");
    range.last = reader.u64("last");
    if (range.last < range.first) reader.fail("last", "is before first");
  }
}

void decode_body(FieldReader& reader, StartShardTask& body) {
  body.shard = reader.u16("shard");
  decode_body(reader, body.task);
}

void decode_body(FieldReader& reader, TaskStatus& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.task = reader.id<base::TaskId>("task");
  body.kind = reader.u8_upto("kind", kTaskKindMax);
  body.state = reader.u8_upto("state", kTaskStateMax);
  body.matched = reader.u64("matched");
  body.done = reader.u64("done");
  body.waits_for = reader.text("waits for", kErrorTextBytesMax);
  body.samples.resize(reader.count("samples", reader.u16("samples"), kTaskSamplesMax, 10));
  for (TaskSample& sample : body.samples) {
    sample.shard = reader.u16("shard");
    sample.sequence = reader.u64("sequence");
  }
}

void decode_body(FieldReader& reader, Seek& body) {
  constexpr std::uint8_t kLast = 4;
  body.queue = reader.id<base::QueueId>("queue");
  body.subscription = reader.text("subscription", kNameBytesMax);
  body.shard = reader.u16("shard");
  body.to = reader.u8("to");
  body.value = reader.u64("value");
  if (body.to == 0 || body.to > kLast) reader.fail("to", "is unknown");
}

void decode_body(FieldReader& reader, Seeked& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.sequence = reader.u64("sequence");
}

void decode_body(FieldReader& reader, DiscardDamaged& body) {
  body.queue = reader.id<base::QueueId>("queue");
  body.subscription = reader.text("subscription", kNameBytesMax);
  body.dry_run = reader.boolean("dry run");
}

void decode_body(FieldReader& reader, DamagedDiscarded& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.messages = reader.u64("messages");
}

void decode_body(FieldReader& reader, DeleteQueue& body) {
  body.queue = reader.id<base::QueueId>("queue");
}

void decode_body(FieldReader& reader, QueueDeleted& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
}

void decode_body(FieldReader& reader, Observe& body) { body.interval_ms = reader.u32("interval"); }

void decode_body(FieldReader& reader, Observation& body) {
  body.revision = reader.u64("revision");
  body.json = base::as_text(reader.bytes32("json"));
}

void decode_body(FieldReader& reader, Configure& body) {
  body.leader_epoch = reader.u64("leader epoch");
  body.manifest = base::as_text(reader.bytes32("manifest"));
}

void decode_body(FieldReader& reader, Configured& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.queue = reader.id<base::QueueId>("queue");
}

void decode_body(FieldReader& reader, Cordon& body) {
  body.leader_epoch = reader.u64("leader epoch");
  body.lease_ms = reader.u32("lease ms");
  body.consumer = reader.text("consumer", kNameBytesMax);
}

void decode_body(FieldReader& reader, Cordoned& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.in_flight = reader.u64("in flight");
}

}  // namespace sluice::wire
