#include "base/message.h"
#include "wire/decode_body.h"

namespace sluice::wire {
namespace {

// A refused RESOLVED has no map: no runs at all.
void decode_map(FieldReader& reader, ShardMap& map, bool may_be_absent) {
  map.version = reader.u32("map version");
  const std::size_t runs = reader.count("runs", reader.u16("runs"), kSlots, 4);
  map.runs.reserve(runs);
  std::uint32_t slots = 0;
  for (std::size_t i = 0; i < runs; ++i) {
    SlotRun run;
    run.slots = reader.u16("slots");
    run.shard = reader.u16("shard");
    if (run.slots == 0 || run.shard >= kShardsMax) reader.fail("slots", "are out of range");
    slots += run.slots;
    map.runs.push_back(run);
  }
  const bool absent = runs == 0 && may_be_absent;
  if (slots != kSlots && !absent) reader.fail("slots", "do not add up to 1024");
  const std::size_t endpoints = reader.count("endpoints", reader.u16("endpoints"), kShardsMax, 2);
  map.endpoints.reserve(endpoints);
  for (std::size_t i = 0; i < endpoints; ++i) {
    map.endpoints.push_back(reader.text("endpoint", kNameBytesMax));
  }
}

// What fits a PUBLISH does not travel in pieces.
// The texts below name them.
static_assert(base::kBatchEntriesBytesMax == 261'120 && base::kLargeEntryBytesMax == 16'793'608 &&
              kChunkBytesMax == 261'120);

std::uint64_t decode_message_bytes(FieldReader& reader) {
  const std::uint64_t bytes = reader.u64("message bytes");
  const bool good = bytes > base::kBatchEntriesBytesMax && bytes <= base::kLargeEntryBytesMax;
  if (!good) {
    reader.fail("message bytes", "must be 261121 to 16793608: smaller messages go in a PUBLISH");
  }
  return bytes;
}

void check_piece(FieldReader& reader, std::uint64_t message_bytes, std::uint64_t offset,
                 std::size_t piece_bytes) {
  if (piece_bytes > kChunkBytesMax) {
    reader.fail("piece", "is too long: cut the message into pieces of at most 261120 bytes");
  }
  if (offset >= message_bytes || piece_bytes > message_bytes - offset) {
    reader.fail("offset", "is behind the message's end: a piece ends where message bytes says");
  }
}

}  // namespace

void decode_body(FieldReader& reader, Hello& body) {
  body.version_min = reader.u16("version min");
  body.version_max = reader.u16("version max");
  body.session_id = reader.id<base::SessionId>("session id");
  body.session_epoch = reader.u32("session epoch");
  body.features = reader.u64("features");
  body.client = reader.text("client", kNameBytesMax);
  body.software = reader.text("software", kNameBytesMax);
}

void decode_body(FieldReader& reader, Welcome& body) {
  body.version = reader.u16("version");
  body.session_id = reader.id<base::SessionId>("session id");
  body.session = reader.u64("session");
  body.session_epoch = reader.u32("session epoch");
  body.incarnation = reader.u32("incarnation");
  body.resumed = reader.boolean("resumed");
  body.leases_kept = reader.u32("leases kept");
  body.heartbeat_ms = reader.u32("heartbeat ms");
  body.session_ttl_ms = reader.u32("session ttl ms");
  body.frame_bytes_max = reader.u32("frame bytes max");
  body.features = reader.u64("features");
  body.software = reader.text("software", kNameBytesMax);
}

void decode_body(FieldReader& reader, Heartbeat& body) { body.sent_ns = reader.u64("sent ns"); }

void decode_body(FieldReader& reader, HeartbeatReply& body) {
  body.sent_ns = reader.u64("sent ns");
}

void decode_body(FieldReader& /*reader*/, Goodbye& /*body*/) {}

void decode_body(FieldReader& /*reader*/, GoodbyeReply& /*body*/) {}

void decode_body(FieldReader& reader, ErrorFrame& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
}

void decode_body(FieldReader& reader, ShardMap& body) { decode_map(reader, body, false); }

void decode_body(FieldReader& reader, Resolve& body) {
  body.queue = reader.text("queue", kNameBytesMax);
}

void decode_body(FieldReader& reader, Resolved& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.queue = reader.id<base::QueueId>("queue");
  body.message_bytes_max = reader.u32("message bytes max");
  decode_map(reader, body.map, body.code != 0);
  const std::size_t count =
      reader.count("subscriptions", reader.u16("subscriptions"), kSubscriptionsMax, 2);
  body.subscriptions.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    body.subscriptions.push_back(reader.text("subscription", kNameBytesMax));
  }
}

void decode_body(FieldReader& reader, OpenPublisher& body) {
  body.queue = reader.id<base::QueueId>("queue");
  body.shard = reader.u16("shard");
  body.map_version = reader.u32("map version");
  body.producer = reader.id<base::ProducerId>("producer");
  body.producer_epoch = reader.u32("producer epoch");
}

void decode_body(FieldReader& reader, PublisherOpened& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.publisher = reader.u32("publisher");
  body.producer_epoch = reader.u32("producer epoch");
  body.last_sequence = reader.u64("last sequence");
  body.messages_limit = reader.u64("messages limit");
  body.bytes_limit = reader.u64("bytes limit");
  body.message_bytes_max = reader.u32("message bytes max");
}

void decode_body(FieldReader& reader, Publish& body) {
  body.publisher = reader.u32("publisher");
  body.map_version = reader.u32("map version");
  body.producer_sequence = reader.u64("producer sequence");
  body.count = reader.u32_between("count", 1, base::kBatchMessagesMax);
  body.entries = reader.rest();
  if (body.entries.size() > base::kBatchEntriesBytesMax) reader.fail("entries", "are too long");
  if (body.entries.empty()) reader.fail("entries", "are missing");
}

void decode_body(FieldReader& reader, Chunk& body) {
  body.publisher = reader.u32("publisher");
  body.map_version = reader.u32("map version");
  body.producer_sequence = reader.u64("producer sequence");
  body.message_bytes = decode_message_bytes(reader);
  body.offset = reader.u64("offset");
  body.piece = reader.rest();
  if (body.piece.empty()) reader.fail("piece", "is missing");
  check_piece(reader, body.message_bytes, body.offset, body.piece.size());
}

void decode_body(FieldReader& reader, DeliverChunk& body) {
  body.attachment = reader.u32("attachment");
  body.lease_ms = reader.u32("lease ms");
  body.epoch = reader.u64("epoch");
  body.sequence = reader.u64("sequence");
  if (body.sequence == 0) reader.fail("sequence", "is 0");
  body.attempts = reader.u16("attempts");
  body.stalls = reader.u16("stalls");
  body.accepted_at_ms = reader.i64("accepted at");
  body.message_bytes = decode_message_bytes(reader);
  body.offset = reader.u64("offset");
  body.piece = reader.rest();
  check_piece(reader, body.message_bytes, body.offset, body.piece.size());
}

void decode_body(FieldReader& reader, ChunkCredit& body) {
  body.attachment = reader.u32("attachment");
  body.epoch = reader.u64("epoch");
  body.sequence = reader.u64("sequence");
  if (body.sequence == 0) reader.fail("sequence", "is 0");
  body.limit = reader.u64("limit");
}

void decode_body(FieldReader& reader, Published& body) {
  body.code = reader.u16("code");
  body.message = reader.text("message", kErrorTextBytesMax);
  body.publisher = reader.u32("publisher");
  body.producer_sequence = reader.u64("producer sequence");
  body.expected_sequence = reader.u64("expected sequence");
  body.first = reader.u64("first");
  body.count = reader.u32("count");
  body.duplicate = reader.boolean("duplicate");
  body.messages_limit = reader.u64("messages limit");
  body.bytes_limit = reader.u64("bytes limit");
}

void decode_body(FieldReader& reader, PublishCredit& body) {
  body.publisher = reader.u32("publisher");
  body.messages_limit = reader.u64("messages limit");
  body.bytes_limit = reader.u64("bytes limit");
}

}  // namespace sluice::wire
