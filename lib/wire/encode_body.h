#pragma once

#include "base/bytes.h"
#include "wire/frame.h"

// The encoders of the single frames, in the groups of docs/protocol.md. Private to the codec.
namespace sluice::wire {

void encode_body(base::ByteWriter& writer, const Hello& body);
void encode_body(base::ByteWriter& writer, const Welcome& body);
void encode_body(base::ByteWriter& writer, const Heartbeat& body);
void encode_body(base::ByteWriter& writer, const HeartbeatReply& body);
void encode_body(base::ByteWriter& writer, const Goodbye& body);
void encode_body(base::ByteWriter& writer, const GoodbyeReply& body);
void encode_body(base::ByteWriter& writer, const ErrorFrame& body);
void encode_body(base::ByteWriter& writer, const ShardMap& body);
void encode_body(base::ByteWriter& writer, const Resolve& body);
void encode_body(base::ByteWriter& writer, const Resolved& body);
void encode_body(base::ByteWriter& writer, const OpenPublisher& body);
void encode_body(base::ByteWriter& writer, const PublisherOpened& body);
void encode_body(base::ByteWriter& writer, const Publish& body);
void encode_body(base::ByteWriter& writer, const Published& body);
void encode_body(base::ByteWriter& writer, const PublishCredit& body);
void encode_body(base::ByteWriter& writer, const Attach& body);
void encode_body(base::ByteWriter& writer, const Attached& body);
void encode_body(base::ByteWriter& writer, const Credit& body);
void encode_body(base::ByteWriter& writer, const Deliver& body);
void encode_body(base::ByteWriter& writer, const Settle& body);
void encode_body(base::ByteWriter& writer, const Settled& body);
void encode_body(base::ByteWriter& writer, const Extend& body);
void encode_body(base::ByteWriter& writer, const Extended& body);
void encode_body(base::ByteWriter& writer, const Detach& body);
void encode_body(base::ByteWriter& writer, const Detached& body);
void encode_body(base::ByteWriter& writer, const AttachmentClosed& body);
void encode_body(base::ByteWriter& writer, const Peek& body);
void encode_body(base::ByteWriter& writer, const Peeked& body);
void encode_body(base::ByteWriter& writer, const Stat& body);
void encode_body(base::ByteWriter& writer, const Stated& body);
void encode_body(base::ByteWriter& writer, const Redrive& body);
void encode_body(base::ByteWriter& writer, const Purge& body);
void encode_body(base::ByteWriter& writer, const Task& body);
void encode_body(base::ByteWriter& writer, const CancelTask& body);
void encode_body(base::ByteWriter& writer, const DeleteQueue& body);
void encode_body(base::ByteWriter& writer, const QueueDeleted& body);
void encode_body(base::ByteWriter& writer, const StartTask& body);
void encode_body(base::ByteWriter& writer, const StartShardTask& body);
void encode_body(base::ByteWriter& writer, const TaskStatus& body);
void encode_body(base::ByteWriter& writer, const Seek& body);
void encode_body(base::ByteWriter& writer, const Seeked& body);
void encode_body(base::ByteWriter& writer, const DiscardDamaged& body);
void encode_body(base::ByteWriter& writer, const DamagedDiscarded& body);
void encode_body(base::ByteWriter& writer, const AttachWith& body);
void encode_body(base::ByteWriter& writer, const Chunk& body);
void encode_body(base::ByteWriter& writer, const DeliverChunk& body);
void encode_body(base::ByteWriter& writer, const ChunkCredit& body);
void encode_body(base::ByteWriter& writer, const Observe& body);
void encode_body(base::ByteWriter& writer, const Observation& body);
void encode_body(base::ByteWriter& writer, const Configure& body);
void encode_body(base::ByteWriter& writer, const Configured& body);
void encode_body(base::ByteWriter& writer, const Cordon& body);
void encode_body(base::ByteWriter& writer, const Cordoned& body);
void encode_body(base::ByteWriter& writer, const Watch& body);
void encode_body(base::ByteWriter& writer, const Changes& body);
void encode_body(base::ByteWriter& writer, const RemoveQueue& body);
void encode_body(base::ByteWriter& writer, const QueueRemoved& body);

}  // namespace sluice::wire
