#pragma once

#include "wire/field_reader.h"
#include "wire/frame.h"

// The decoders of the single frames, in the groups of docs/protocol.md. Private to the codec: the
// caller asks `reader` afterwards whether all went well.
namespace sluice::wire {

// Limits that only decoders need.
inline constexpr std::size_t kSubscriptionsMax = 1024;
inline constexpr std::size_t kDeliverRunsMax = 2048;
inline constexpr std::size_t kHeaderValueBytesMax = 16 * 1024;

void decode_body(FieldReader& reader, Hello& body);
void decode_body(FieldReader& reader, Welcome& body);
void decode_body(FieldReader& reader, Heartbeat& body);
void decode_body(FieldReader& reader, HeartbeatReply& body);
void decode_body(FieldReader& reader, Goodbye& body);
void decode_body(FieldReader& reader, GoodbyeReply& body);
void decode_body(FieldReader& reader, ErrorFrame& body);

void decode_body(FieldReader& reader, ShardMap& body);
void decode_body(FieldReader& reader, Resolve& body);
void decode_body(FieldReader& reader, Resolved& body);
void decode_body(FieldReader& reader, OpenPublisher& body);
void decode_body(FieldReader& reader, PublisherOpened& body);
void decode_body(FieldReader& reader, Publish& body);
void decode_body(FieldReader& reader, Published& body);
void decode_body(FieldReader& reader, PublishCredit& body);

void decode_body(FieldReader& reader, Attach& body);
void decode_body(FieldReader& reader, Attached& body);
void decode_body(FieldReader& reader, Credit& body);
void decode_body(FieldReader& reader, Deliver& body);
void decode_body(FieldReader& reader, Settle& body);
void decode_body(FieldReader& reader, Settled& body);
void decode_body(FieldReader& reader, Extend& body);
void decode_body(FieldReader& reader, Extended& body);
void decode_body(FieldReader& reader, Detach& body);
void decode_body(FieldReader& reader, Detached& body);
void decode_body(FieldReader& reader, AttachmentClosed& body);

void decode_body(FieldReader& reader, Peek& body);
void decode_body(FieldReader& reader, Peeked& body);
void decode_body(FieldReader& reader, Stat& body);
void decode_body(FieldReader& reader, Stated& body);
void decode_body(FieldReader& reader, Redrive& body);
void decode_body(FieldReader& reader, Purge& body);
void decode_body(FieldReader& reader, Task& body);
void decode_body(FieldReader& reader, CancelTask& body);
void decode_body(FieldReader& reader, DeleteQueue& body);
void decode_body(FieldReader& reader, QueueDeleted& body);
void decode_body(FieldReader& reader, StartTask& body);
void decode_body(FieldReader& reader, StartShardTask& body);
void decode_body(FieldReader& reader, TaskStatus& body);
void decode_body(FieldReader& reader, Seek& body);
void decode_body(FieldReader& reader, Seeked& body);
void decode_body(FieldReader& reader, DiscardDamaged& body);
void decode_body(FieldReader& reader, DamagedDiscarded& body);
void decode_body(FieldReader& reader, AttachWith& body);
void decode_body(FieldReader& reader, Chunk& body);
void decode_body(FieldReader& reader, DeliverChunk& body);
void decode_body(FieldReader& reader, ChunkCredit& body);
void decode_body(FieldReader& reader, Observe& body);
void decode_body(FieldReader& reader, Observation& body);
void decode_body(FieldReader& reader, Configure& body);
void decode_body(FieldReader& reader, Configured& body);
void decode_body(FieldReader& reader, Cordon& body);
void decode_body(FieldReader& reader, Cordoned& body);
void decode_body(FieldReader& reader, Watch& body);
void decode_body(FieldReader& reader, Changes& body);
void decode_body(FieldReader& reader, RemoveQueue& body);
void decode_body(FieldReader& reader, QueueRemoved& body);

}  // namespace sluice::wire
