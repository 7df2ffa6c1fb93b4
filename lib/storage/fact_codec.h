#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/fact.h"
#include "storage/log_format.h"
#include "storage/record_type.h"

// Facts <-> the payload bytes of docs/log-format.md, "Record types". Pure. encode() appends to
// `out`; texts that are over their limit are cut at it. decode_*() refuses with Corruption what
// encode() cannot have written: missing or surplus bytes, unknown enumerators, counts that the
// bytes cannot hold (checked before anything is allocated).
namespace sluice::storage {

void encode(const IncarnationFact& fact, std::vector<std::byte>& out);
void encode(const FeatureLevelFact& fact, std::vector<std::byte>& out);
void encode(const QueueConfiguredFact& fact, std::vector<std::byte>& out);
void encode(const QueueDeletedFact& fact, std::vector<std::byte>& out);
void encode(const SubscriptionExpiredFact& fact, std::vector<std::byte>& out);
void encode(const LeasedFact& fact, std::vector<std::byte>& out);
void encode(const SettledFact& fact, std::vector<std::byte>& out);
void encode(const ReleasedFact& fact, std::vector<std::byte>& out);
void encode(const FailedFact& fact, std::vector<std::byte>& out);
void encode(const StalledFact& fact, std::vector<std::byte>& out);
void encode(const DeadFact& fact, std::vector<std::byte>& out);
void encode(const RedrivenFact& fact, std::vector<std::byte>& out);
void encode(const RewoundFact& fact, std::vector<std::byte>& out);
void encode(const DroppedFact& fact, std::vector<std::byte>& out);
void encode(const RemovedFact& fact, std::vector<std::byte>& out);
void encode(const SessionFact& fact, std::vector<std::byte>& out);
void encode(const TaskFact& fact, std::vector<std::byte>& out);
void encode(const TransferFact& fact, std::vector<std::byte>& out);
void encode(const ProducerFact& fact, std::vector<std::byte>& out);
void encode(const DamagedFact& fact, std::vector<std::byte>& out);
void encode(const SegmentsDroppedFact& fact, std::vector<std::byte>& out);
void encode(const ExtentSwapFact& fact, std::vector<std::byte>& out);

// Head of a kMessages record. The entries are the record's tail.
void encode(const MessagesFact& fact, std::span<std::byte, kMessagesHeadBytes> out);
// The same for one with kMessagesLarge. The first piece is the record's tail.
void encode_large(const MessagesFact& fact, std::span<std::byte, kLargeHeadBytes> out);
// Head of a kMessageChunk record. The piece is the record's tail.
void encode(const MessageChunkFact& fact, std::span<std::byte, kChunkHeadBytes> out);

base::Result<IncarnationFact> decode_incarnation(base::ByteView payload);
base::Result<FeatureLevelFact> decode_feature_level(base::ByteView payload);
base::Result<QueueConfiguredFact> decode_queue_configured(base::ByteView payload);
base::Result<QueueDeletedFact> decode_queue_deleted(base::ByteView payload);
base::Result<SubscriptionExpiredFact> decode_subscription_expired(base::ByteView payload);
base::Result<LeasedFact> decode_leased(base::ByteView payload);
base::Result<SettledFact> decode_settled(base::ByteView payload);
base::Result<ReleasedFact> decode_released(base::ByteView payload);
base::Result<FailedFact> decode_failed(base::ByteView payload);
base::Result<StalledFact> decode_stalled(base::ByteView payload);
base::Result<DeadFact> decode_dead(base::ByteView payload);
base::Result<RedrivenFact> decode_redriven(base::ByteView payload);
base::Result<RewoundFact> decode_rewound(base::ByteView payload);
base::Result<DroppedFact> decode_dropped(base::ByteView payload);
base::Result<RemovedFact> decode_removed(base::ByteView payload);
base::Result<SessionFact> decode_session(base::ByteView payload);
base::Result<TaskFact> decode_task(base::ByteView payload);
base::Result<TransferFact> decode_transfer(base::ByteView payload);
base::Result<ProducerFact> decode_producer(base::ByteView payload);
base::Result<DamagedFact> decode_damaged(base::ByteView payload);
base::Result<SegmentsDroppedFact> decode_segments_dropped(base::ByteView payload);
base::Result<ExtentSwapFact> decode_extent_swap(base::ByteView payload);

// `entries` is what follows the head and points into `payload`. Only the head is checked.
struct DecodedMessages {
  MessagesFact fact;
  base::ByteView entries;
};
base::Result<DecodedMessages> decode_messages(base::ByteView payload);

struct DecodedChunk {
  MessageChunkFact fact;
  base::ByteView piece;
};
base::Result<DecodedChunk> decode_message_chunk(base::ByteView payload);

// The record type that carries a fact.
constexpr RecordType record_type(const IncarnationFact&) { return RecordType::kIncarnation; }
constexpr RecordType record_type(const FeatureLevelFact&) { return RecordType::kFeatureLevel; }
constexpr RecordType record_type(const QueueConfiguredFact&) {
  return RecordType::kQueueConfigured;
}
constexpr RecordType record_type(const QueueDeletedFact&) { return RecordType::kQueueDeleted; }
constexpr RecordType record_type(const SubscriptionExpiredFact&) {
  return RecordType::kSubscriptionExpired;
}
constexpr RecordType record_type(const LeasedFact&) { return RecordType::kLeased; }
constexpr RecordType record_type(const SettledFact&) { return RecordType::kSettled; }
constexpr RecordType record_type(const ReleasedFact&) { return RecordType::kReleased; }
constexpr RecordType record_type(const FailedFact&) { return RecordType::kFailed; }
constexpr RecordType record_type(const StalledFact&) { return RecordType::kStalled; }
constexpr RecordType record_type(const DeadFact&) { return RecordType::kDead; }
constexpr RecordType record_type(const RedrivenFact&) { return RecordType::kRedriven; }
constexpr RecordType record_type(const RewoundFact&) { return RecordType::kRewound; }
constexpr RecordType record_type(const DroppedFact&) { return RecordType::kDropped; }
constexpr RecordType record_type(const RemovedFact&) { return RecordType::kRemoved; }
constexpr RecordType record_type(const SessionFact&) { return RecordType::kSession; }
constexpr RecordType record_type(const TaskFact&) { return RecordType::kTask; }
constexpr RecordType record_type(const TransferFact&) { return RecordType::kTransfer; }
constexpr RecordType record_type(const ProducerFact&) { return RecordType::kProducer; }
constexpr RecordType record_type(const DamagedFact&) { return RecordType::kDamaged; }
constexpr RecordType record_type(const SegmentsDroppedFact&) {
  return RecordType::kSegmentsDropped;
}
constexpr RecordType record_type(const ExtentSwapFact&) { return RecordType::kExtentSwap; }

// "Messages"; "type 77" for one without a name.
std::string to_string(RecordType type);
// True for the types that this version can decode.
bool is_known(RecordType type);
// Types from here on are skipped by readers that do not know them; below, they refuse the log.
inline constexpr std::uint8_t kSkippableTypesBegin = 128;

}  // namespace sluice::storage
