#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "storage/record_type.h"

// The decoded heads of log records: plain values, no behaviour. Encoding is in fact_codec.h.
// Vectors and strings own their bytes unless a field says that it borrows.
namespace sluice::storage {

// One ordered message sequence.
struct StreamId {
  base::QueueId queue;
  base::ShardIndex shard;
  friend auto operator<=>(const StreamId&, const StreamId&) = default;
};

// A subscription's state over one stream.
struct SubscriptionKey {
  StreamId stream;
  base::SubscriptionId subscription;
  friend auto operator<=>(const SubscriptionKey&, const SubscriptionKey&) = default;
};

struct IncarnationFact {
  std::uint32_t incarnation = 0;  // 1 for the first start of a folder
  bool unclean = false;           // the one before did not stop in order
  base::WallTime at;
  // Added to the next sequence of every stream after an unclean stop, so that no sequence which
  // somebody may have seen is reused for other bytes.
  std::uint32_t sequence_jump = 0;
  base::Id128 log_id;
  std::string software;  // version that wrote this
};

struct FeatureLevelFact {
  std::uint32_t level = 0;
};

struct QueueConfiguredFact {
  base::QueueId queue;
  std::string name;
  std::uint64_t revision = 0;     // rises by one with every change
  std::vector<std::byte> config;  // TLV written by broker/config_codec.h
};

struct QueueDeletedFact {
  base::QueueId queue;
};

// A subscription that a consumer had created, and that nobody used for long, is gone. What it still
// had was removed before.
struct SubscriptionExpiredFact {
  base::QueueId queue;
  base::SubscriptionId subscription;
  base::WallTime at;
};

// Head of a kMessages record; the entries follow in the same record.
struct MessagesFact {
  StreamId stream;
  base::Sequence first;
  std::uint32_t count = 0;
  base::WallTime accepted_at;
  base::Lsn previous;         // the stream's previous kMessages record, 0 = none
  base::ProducerId producer;  // zero = none
  std::uint32_t producer_epoch = 0;
  std::uint64_t producer_sequence = 0;  // of the first message
  std::uint32_t body_bytes = 0;         // sum of bodies in the batch
  std::uint8_t flags = 0;               // kMessagesHaveTiming | ...
  // With kMessagesLarge only: the first of the kMessageChunk records before this one, and the size
  // of the whole entry.
  base::Lsn chunks;
  std::uint64_t entry_bytes = 0;
};
inline constexpr std::uint8_t kMessagesHaveAttributes = 1;
inline constexpr std::uint8_t kMessagesHaveTiming = 2;
// The batch that the transfer record before it tells of. Feature level 2.
inline constexpr std::uint8_t kMessagesTransferred = 128;
// One message above base::kBatchEntriesBytesMax: its first piece is here, the others are in
// kMessageChunk records. Feature level 2.
inline constexpr std::uint8_t kMessagesLarge = 4;

// Head of a kMessageChunk record; the piece follows in the same record.
struct MessageChunkFact {
  StreamId stream;
  base::Sequence sequence;
  std::uint64_t entry_bytes = 0;  // of the whole entry
  std::uint64_t offset = 0;       // of the piece in it
};

struct LeasedFact {
  SubscriptionKey key;
  base::SessionId session;
  base::Epoch epoch;  // names the delivery batch; unique in the log
  std::uint32_t lease_ms = 0;
  std::vector<base::SequenceRange> ranges;
};

struct SettledFact {
  SubscriptionKey key;
  std::vector<base::SequenceRange> ranges;
};

enum class ReleaseCause : std::uint8_t { kConsumer = 1, kSessionClosed = 2, kRestart = 3 };
struct ReleasedFact {
  SubscriptionKey key;
  ReleaseCause cause = ReleaseCause::kConsumer;
  std::vector<base::SequenceRange> ranges;
};

// One message's new counters and when it may be delivered again.
struct RetryEntry {
  base::Sequence sequence;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  base::WallTime due;
};
struct FailedFact {
  SubscriptionKey key;
  std::string error;     // <= 4 KiB
  std::string consumer;  // name given in the hello
  base::WallTime at;
  std::vector<RetryEntry> entries;
};
struct StalledFact {
  SubscriptionKey key;
  std::string consumer;
  base::WallTime at;
  std::vector<RetryEntry> entries;
};

enum class DeadReason : std::uint8_t {
  kRejected = 1,
  kAttemptsExceeded = 2,
  kStallsExceeded = 3,
  kExpired = 4,
  kOverflow = 5,
};
std::string_view to_string(DeadReason reason);

struct DeadEntry {
  base::Sequence sequence;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  base::WallTime first_failed;  // 0 = this is the first
};
struct DeadFact {
  SubscriptionKey key;
  DeadReason reason = DeadReason::kRejected;
  std::string error;
  std::string consumer;
  base::WallTime at;
  std::vector<DeadEntry> entries;
  // A deliver-at that the subscription still waits for stays with the dead letter; level 2.
  bool keeps_deliver_at = false;
};

struct RedrivenFact {
  SubscriptionKey key;
  base::TaskId task;
  std::vector<base::SequenceRange> ranges;
};

// Settled messages are ready again, with fresh counters; dead letters among them stay dead.
struct RewoundFact {
  SubscriptionKey key;
  std::vector<base::SequenceRange> ranges;
};

enum class RemoveCause : std::uint8_t {
  kExpired = 1,
  kPurged = 2,
  kOverflow = 3,
  kRetention = 4,
  kSequenceJump = 5,
  kDeadExpired = 6,    // a dead letter's own retention or limit
  kDeadDiscarded = 7,  // by command
  kMoved = 8,          // to another queue; counted as this, never written in a removed record
};
std::string_view to_string(RemoveCause cause);
struct RemovedFact {
  SubscriptionKey key;
  RemoveCause cause = RemoveCause::kExpired;
  std::vector<base::SequenceRange> ranges;
};

// Messages that a queue's `retention` keeps no longer: gone from every subscription that had not
// settled them. Dead letters among them stay.
enum class DropCause : std::uint8_t { kTime = 1, kSize = 2 };
struct DroppedFact {
  StreamId stream;
  DropCause cause = DropCause::kTime;
  std::vector<base::SequenceRange> ranges;
};

enum class SessionEvent : std::uint8_t { kOpened = 1, kResumed = 2, kClosed = 3 };
struct SessionFact {
  base::SessionId session;
  SessionEvent event = SessionEvent::kOpened;
  std::uint32_t epoch = 0;
  std::string client;  // pod or host name
};

// What cannot be read any more.
enum class DamageEvent : std::uint8_t { kFound = 1, kDiscarded = 2, kReadable = 3 };
std::string_view to_string(DamageEvent event);
struct DamagedFact {
  SubscriptionKey key;
  DamageEvent event = DamageEvent::kFound;
  base::Lsn begin;  // where the bytes lay, as far as that is known; 0 and 0 = nowhere
  base::Lsn end;
  base::WallTime at;
  std::vector<base::SequenceRange> ranges;
};

enum class TaskKind : std::uint8_t { kRedrive = 1, kPurge = 2, kCopy = 3, kMove = 4 };
enum class TaskState : std::uint8_t { kRunning = 1, kCompleted = 2, kCancelled = 3, kFailed = 4 };
struct TaskFact {
  base::TaskId task;
  TaskKind kind = TaskKind::kRedrive;
  TaskState state = TaskState::kRunning;
  SubscriptionKey key;
  std::uint64_t matched = 0;
  std::uint64_t done = 0;
  base::Sequence position;          // the next sequence to look at
  std::vector<std::byte> selector;  // TLV written by the broker
};

// What the messages record right behind it does beside adding messages: a task has copied or moved
// them from `from`. Without that record it means nothing, so both are one step.
struct TransferFact {
  base::TaskId task;
  TaskKind kind = TaskKind::kCopy;  // or kMove: `ranges` are gone from `from`
  bool dead_letters = false;        // `ranges` are dead letters
  SubscriptionKey from;
  StreamId to;
  base::Sequence first;       // of the batch, in `to`
  std::uint32_t count = 0;    // of the batch
  std::uint64_t matched = 0;  // the task's, afterwards
  std::uint64_t done = 0;
  base::Sequence position;
  std::vector<base::SequenceRange> ranges;
};

struct ProducerFact {
  base::ProducerId producer;
  std::uint32_t epoch = 0;
};

// Segments whose files may go; storage's own, nothing above sees it.
struct SegmentsDroppedFact {
  std::vector<std::uint64_t> segments;  // rising
};

// Messages that were moved out of segments and older extents into a new one, which takes their
// place; storage's own.
struct ExtentSwapFact {
  struct Group {
    base::Sequence first;
    std::uint64_t offset = 0;  // in the extent, of the group's last record
    bool operator==(const Group&) const = default;
  };
  struct Stream {
    StreamId stream;
    std::vector<Group> groups;                // rising
    std::vector<base::SequenceRange> ranges;  // rising; nothing else of the stream lies in them
    bool operator==(const Stream&) const = default;
  };
  std::uint64_t extent = 0;
  base::Id128 uuid;
  std::uint64_t bytes = 0;  // of the file
  std::uint32_t header_crc = 0;
  std::vector<std::uint64_t> replaced;  // numbers of segments and extents, rising
  std::vector<Stream> streams;          // rising
};

}  // namespace sluice::storage

template <>
struct std::hash<sluice::storage::StreamId> {
  std::size_t operator()(const sluice::storage::StreamId& id) const noexcept {
    return std::hash<sluice::base::Id128>{}(id.queue) ^ (std::size_t{id.shard.value()} << 48);
  }
};
