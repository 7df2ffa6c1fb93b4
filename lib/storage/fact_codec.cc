#include "storage/fact_codec.h"

#include "base/check.h"
#include "storage/fact_fields.h"

// Facts about the log, queues, messages, sessions and producers. Settle state is in
// fact_codec_settle.cc.
namespace sluice::storage {

using base::ByteReader;
using base::ByteView;
using base::ByteWriter;
using base::Result;

void encode(const IncarnationFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  writer.u32(fact.incarnation);
  writer.u8(fact.unclean ? 1 : 0);
  put_time(writer, fact.at);
  writer.u32(fact.sequence_jump);
  put_id(writer, fact.log_id);
  put_text(writer, fact.software, kTextBytesMax);
}

Result<IncarnationFact> decode_incarnation(ByteView payload) {
  ByteReader in(payload);
  IncarnationFact fact;
  fact.incarnation = in.u32();
  const std::uint8_t unclean = in.u8();
  if (unclean > 1) in.fail();
  fact.unclean = unclean == 1;
  fact.at = get_time(in);
  fact.sequence_jump = in.u32();
  fact.log_id = get_id<base::Id128>(in);
  fact.software = get_text(in, kTextBytesMax);
  return finish(in, std::move(fact), "Incarnation");
}

void encode(const FeatureLevelFact& fact, std::vector<std::byte>& out) {
  ByteWriter(out).u32(fact.level);
}

Result<FeatureLevelFact> decode_feature_level(ByteView payload) {
  ByteReader in(payload);
  FeatureLevelFact fact;
  fact.level = in.u32();
  return finish(in, fact, "FeatureLevel");
}

void encode(const QueueConfiguredFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_id(writer, fact.queue);
  put_text(writer, fact.name, kTextBytesMax);
  writer.u64(fact.revision);
  writer.bytes32(fact.config);
}

Result<QueueConfiguredFact> decode_queue_configured(ByteView payload) {
  ByteReader in(payload);
  QueueConfiguredFact fact;
  fact.queue = get_id<base::QueueId>(in);
  fact.name = get_text(in, kTextBytesMax);
  fact.revision = in.u64();
  const ByteView config = in.bytes32();
  fact.config.assign(config.begin(), config.end());
  return finish(in, std::move(fact), "QueueConfigured");
}

void encode(const QueueDeletedFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_id(writer, fact.queue);
}

Result<QueueDeletedFact> decode_queue_deleted(ByteView payload) {
  ByteReader in(payload);
  QueueDeletedFact fact;
  fact.queue = get_id<base::QueueId>(in);
  return finish(in, fact, "QueueDeleted");
}

void encode(const MessagesFact& fact, std::span<std::byte, kMessagesHeadBytes> out) {
  std::byte* const at = out.data();
  std::memcpy(at, fact.stream.queue.bytes.data(), 16);
  base::store(at + 16, fact.stream.shard.value());
  base::store(at + 18, fact.flags);
  base::store(at + 19, std::uint8_t{0});
  base::store(at + 20, fact.count);
  base::store(at + 24, fact.first.value());
  base::store(at + 32, fact.accepted_at.value());
  base::store(at + 40, fact.previous.value());
  std::memcpy(at + 48, fact.producer.bytes.data(), 16);
  base::store(at + 64, fact.producer_sequence);
  base::store(at + 72, fact.producer_epoch);
  base::store(at + 76, fact.body_bytes);
}

void encode_large(const MessagesFact& fact, std::span<std::byte, kLargeHeadBytes> out) {
  CHECK((fact.flags & kMessagesLarge) != 0);
  encode(fact, out.first<kMessagesHeadBytes>());
  base::store(out.data() + 80, fact.chunks.value());
  base::store(out.data() + 88, fact.entry_bytes);
}

Result<DecodedMessages> decode_messages(ByteView payload) {
  ByteReader in(payload);
  DecodedMessages decoded;
  MessagesFact& fact = decoded.fact;
  fact.stream = get_stream(in);
  fact.flags = in.u8();
  if (in.u8() != 0) in.fail();
  fact.count = in.u32();
  fact.first = base::Sequence(in.u64());
  fact.accepted_at = get_time(in);
  fact.previous = base::Lsn(in.u64());
  fact.producer = get_id<base::ProducerId>(in);
  fact.producer_sequence = in.u64();
  fact.producer_epoch = in.u32();
  fact.body_bytes = in.u32();
  const bool counts = fact.count > 0 && fact.count <= base::kBatchMessagesMax &&
                      fact.first.value() > 0 &&
                      fact.first.value() + fact.count > fact.first.value();
  if (in.ok() && !counts) in.fail();
  if ((fact.flags & kMessagesLarge) != 0) {
    fact.chunks = base::Lsn(in.u64());
    fact.entry_bytes = in.u64();
    const bool large = fact.count == 1 && fact.chunks != base::Lsn() &&
                       fact.entry_bytes > base::kBatchEntriesBytesMax &&
                       fact.entry_bytes <= base::kLargeEntryBytesMax;
    if (!large) in.fail();
  }
  decoded.entries = in.rest();
  return finish(in, decoded, "Messages");
}

void encode(const MessageChunkFact& fact, std::span<std::byte, kChunkHeadBytes> out) {
  std::byte* const at = out.data();
  std::memcpy(at, fact.stream.queue.bytes.data(), 16);
  base::store(at + 16, fact.stream.shard.value());
  base::store(at + 18, fact.sequence.value());
  base::store(at + 26, fact.entry_bytes);
  base::store(at + 34, fact.offset);
}

Result<DecodedChunk> decode_message_chunk(ByteView payload) {
  ByteReader in(payload);
  DecodedChunk decoded;
  MessageChunkFact& fact = decoded.fact;
  fact.stream = get_stream(in);
  fact.sequence = base::Sequence(in.u64());
  fact.entry_bytes = in.u64();
  fact.offset = in.u64();
  const bool good = fact.sequence.value() > 0 && fact.offset > 0 &&
                    fact.offset < fact.entry_bytes && fact.entry_bytes <= base::kLargeEntryBytesMax;
  if (in.ok() && !good) in.fail();
  decoded.piece = in.rest();
  return finish(in, decoded, "MessageChunk");
}

void encode(const SessionFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_id(writer, fact.session);
  writer.u8(static_cast<std::uint8_t>(fact.event));
  writer.u32(fact.epoch);
  put_text(writer, fact.client, kTextBytesMax);
}

Result<SessionFact> decode_session(ByteView payload) {
  ByteReader in(payload);
  SessionFact fact;
  fact.session = get_id<base::SessionId>(in);
  fact.event = get_enum(in, SessionEvent::kClosed);
  fact.epoch = in.u32();
  fact.client = get_text(in, kTextBytesMax);
  return finish(in, std::move(fact), "Session");
}

void encode(const ProducerFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_id(writer, fact.producer);
  writer.u32(fact.epoch);
}

Result<ProducerFact> decode_producer(ByteView payload) {
  ByteReader in(payload);
  ProducerFact fact;
  fact.producer = get_id<base::ProducerId>(in);
  fact.epoch = in.u32();
  return finish(in, fact, "Producer");
}

void encode(const SegmentsDroppedFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  writer.u32(static_cast<std::uint32_t>(fact.segments.size()));
  for (const std::uint64_t segment : fact.segments) writer.u64(segment);
}

Result<SegmentsDroppedFact> decode_segments_dropped(ByteView payload) {
  ByteReader in(payload);
  SegmentsDroppedFact fact;
  const std::size_t count = get_count(in, 8);
  fact.segments.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t segment = in.u64();
    if (!fact.segments.empty() && segment <= fact.segments.back()) in.fail();
    fact.segments.push_back(segment);
  }
  return finish(in, std::move(fact), "SegmentsDropped");
}

}  // namespace sluice::storage
