#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "wire/chunk_frames.h"
#include "wire/control_frames.h"
#include "wire/receipt.h"

// The protocol's frames as plain values; docs/protocol.md holds the byte tables, frame_codec.h the
// encoding. One ZeroMQ frame a command, behind the routing id; all integers little-endian.
// string_view and ByteView fields of decoded frames point into the received bytes.
namespace sluice::wire {

inline constexpr std::uint8_t kProtocolVersion = 1;
inline constexpr std::uint8_t kProtocolVersionMin = 1;
inline constexpr std::size_t kHeaderBytes = 24;
// ZMQ_MAXMSGSIZE of every socket: one full batch and its headers.
inline constexpr std::size_t kFrameBytesMax = 320 * 1024;
inline constexpr std::size_t kNameBytesMax = 253;
inline constexpr std::size_t kErrorTextBytesMax = 4096;
inline constexpr std::uint16_t kSlots = 1024;
inline constexpr std::uint16_t kShardsMax = 64;
inline constexpr std::uint32_t kPeekMessagesMax = 1000;  // in one PEEKED
inline constexpr std::uint16_t kTaskRangesMax = 1024;    // in one START_TASK
inline constexpr std::uint16_t kTaskSamplesMax = 100;    // in one TASK_STATUS
inline constexpr std::size_t kSelectorErrorBytesMax = 1024;

// Even numbers answer the odd one before them where a pair exists. Numbers are never reused.
enum class FrameType : std::uint8_t {
  // Sessions, on both ports.
  kHello = 1,
  kWelcome = 2,
  kHeartbeat = 3,
  kHeartbeatReply = 4,
  kGoodbye = 5,
  kGoodbyeReply = 6,
  kError = 8,
  // Producing.
  kResolve = 9,
  kResolved = 10,
  kOpenPublisher = 11,
  kPublisherOpened = 12,
  kPublish = 13,
  kPublished = 14,
  kPublishCredit = 16,
  // Consuming.
  kAttach = 17,
  kAttached = 18,
  kCredit = 19,
  kDeliver = 20,
  kSettle = 21,
  kSettled = 22,
  kExtend = 23,
  kExtended = 24,
  kDetach = 25,
  kDetached = 26,
  kAttachmentClosed = 28,
  kShardMap = 30,
  // Inspecting and administering, on the client port.
  kPeek = 41,
  kPeeked = 42,
  kStat = 43,
  kStated = 44,
  kRedrive = 45,
  kPurge = 47,
  kTask = 48,
  kCancelTask = 49,
  kDeleteQueue = 51,
  kQueueDeleted = 52,
  // Control port only.
  kObserve = 61,
  kObservation = 62,
  kConfigure = 63,
  kConfigured = 64,
  kCordon = 65,
  kCordoned = 66,
  // With a feature bit.
  kStartTask = 53,
  kTaskStatus = 54,
  kStartShardTask = 55,
  kChunk = 71,
  kDeliverChunk = 72,
  kSeek = 77,
  kSeeked = 78,
  kDiscardDamaged = 89,
  kDamagedDiscarded = 90,
  kAttachWith = 79,
  kChunkCredit = 81,
  kRemoveQueue = 67,
  kQueueRemoved = 68,
  kWatch = 69,
  kChanges = 70,
  // Named in docs/protocol.md for later versions: 73 request, 75 reply.
};

// What a side can beyond version 1 (docs/protocol.md, "Features").
inline constexpr std::uint64_t kFeatureChunks = 1U << 0;
inline constexpr std::uint64_t kFeatureSeek = 1U << 1;
inline constexpr std::uint64_t kFeatureAttachModes = 1U << 2;
inline constexpr std::uint64_t kFeatureTasks = 1U << 3;
inline constexpr std::uint64_t kFeatureDiscardDamaged = 1U << 5;
inline constexpr std::uint64_t kFeatureControl = 1U << 6;  // on the control port
inline constexpr std::uint64_t kFeatureReceiptWords = 1U << 7;
inline constexpr std::uint64_t kFeatureShardTasks = 1U << 8;

// Every frame begins with this. Before WELCOME, session and epoch are 0.
struct FrameHeader {
  std::uint8_t version = kProtocolVersion;
  FrameType type = FrameType::kError;
  std::uint16_t flags = 0;          // 0 in version 1
  std::uint32_t session_epoch = 0;  // rises with every HELLO of the session: fences old connections
  std::uint64_t session = 0;        // number given by WELCOME; means nothing to another incarnation
  std::uint64_t request = 0;        // chosen by the client, returned by the answer; 0 = none wanted
};

struct Hello {
  std::uint16_t version_min = kProtocolVersionMin;
  std::uint16_t version_max = kProtocolVersion;
  base::SessionId session_id;       // zero = a new session
  std::uint32_t session_epoch = 0;  // the last one that the client had
  std::uint64_t features = 0;
  std::string_view client;  // pod name and uid where known, else host name and pid
  std::string_view software;
};
struct Welcome {
  std::uint16_t version = kProtocolVersion;
  base::SessionId session_id;
  std::uint64_t session = 0;
  std::uint32_t session_epoch = 0;
  std::uint32_t incarnation = 0;
  bool resumed = false;
  std::uint32_t leases_kept = 0;
  std::uint32_t heartbeat_ms = 0;  // send something at least this often
  std::uint32_t session_ttl_ms = 0;
  std::uint32_t frame_bytes_max = 0;
  std::uint64_t features = 0;
  std::string_view software;
};
struct Heartbeat {
  std::uint64_t sent_ns = 0;  // the sender's clock, returned unread
};
struct HeartbeatReply {
  std::uint64_t sent_ns = 0;
};
struct Goodbye {};
struct GoodbyeReply {};
// Answers any request that has no answer of its own with room for a refusal.
struct ErrorFrame {
  std::uint16_t code = 0;  // broker/refusal.h
  std::string_view message;
};

// Which shard serves a slot: runs that cover 0..1023 in order.
struct SlotRun {
  std::uint16_t slots = 0;
  std::uint16_t shard = 0;
};
struct ShardMap {
  std::uint32_t version = 1;
  std::vector<SlotRun> runs;
  std::vector<std::string_view> endpoints;  // one a shard; empty = this connection
};

struct Resolve {
  std::string_view queue;
};
struct Resolved {
  std::uint16_t code = 0;
  std::string_view message;
  base::QueueId queue;
  std::uint32_t message_bytes_max = 0;
  ShardMap map;
  std::vector<std::string_view> subscriptions;
};

struct OpenPublisher {
  base::QueueId queue;
  std::uint16_t shard = 0;
  std::uint32_t map_version = 0;
  base::ProducerId producer;
  std::uint32_t producer_epoch = 0;  // 0 = a new one
};
struct PublisherOpened {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint32_t publisher = 0;
  std::uint32_t producer_epoch = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
  std::uint32_t message_bytes_max = 0;
};
struct Publish {
  std::uint32_t publisher = 0;
  std::uint32_t map_version = 0;
  std::uint64_t producer_sequence = 0;
  std::uint32_t count = 0;
  base::ByteView entries;  // base/message.h layout, to the end of the frame
};
struct Published {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint32_t publisher = 0;
  std::uint64_t producer_sequence = 0;
  std::uint64_t expected_sequence = 0;
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  bool duplicate = false;
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
};
struct PublishCredit {
  std::uint32_t publisher = 0;
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
};

struct Attach {
  base::QueueId queue;
  std::uint16_t shard = 0;
  std::uint32_t map_version = 0;
  std::string_view subscription;  // empty = `default`
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
  // Of the last DELIVER that this session received from there; 0 = none. What the broker leased to
  // the session later was lost on the way, and goes back uncounted.
  std::uint64_t last_epoch = 0;
};
// ATTACH with more to say; answered by ATTACHED.
struct AttachWith {
  Attach attach;
  std::uint8_t mode = 0;  // 0 at least once, 1 at most once
};
struct Attached {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint32_t attachment = 0;
  std::uint32_t lease_ms = 0;
};
struct Credit {
  std::uint32_t attachment = 0;
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
};
struct DeliverRun {
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  std::int64_t accepted_at_ms = 0;
  std::uint32_t entries_bytes = 0;  // this run's share of `entries`, in order
};
struct Deliver {
  std::uint32_t attachment = 0;
  std::uint32_t lease_ms = 0;
  std::uint64_t epoch = 0;
  std::vector<DeliverRun> runs;
  base::ByteView entries;  // of all runs, to the end of the frame
};
struct Settle {
  std::uint32_t attachment = 0;
  std::uint8_t kind = 1;  // 1 ack, 2 release, 3 fail, 4 reject
  bool has_delay = false;
  std::uint32_t delay_ms = 0;
  std::string_view error;
  std::vector<WireReceipt> receipts;
};
struct Settled {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint32_t attachment = 0;
  std::uint64_t settled = 0;
  std::uint64_t stale = 0;
};
struct Extend {
  std::uint32_t attachment = 0;
  bool all = false;
  std::uint32_t duration_ms = 0;
  std::vector<WireReceipt> receipts;
};
struct Extended {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint32_t attachment = 0;
  std::uint64_t extended = 0;
  std::uint64_t stale = 0;
};
struct Detach {
  std::uint32_t attachment = 0;
};
struct Detached {
  std::uint16_t code = 0;
  std::string_view message;
};
struct AttachmentClosed {
  std::uint32_t attachment = 0;
  std::uint16_t code = 0;
  std::string_view message;
};

struct WireSelector {
  std::uint8_t reason = 0;  // 0 = any, else storage::DeadReason
  std::uint64_t first = 0;  // 0, 0 = any
  std::uint64_t last = 0;
  std::string_view header_name;  // empty = any
  std::string_view header_value;
  std::int64_t dead_before_ms = 0;
};
struct Peek {
  base::QueueId queue;
  std::string_view subscription;
  bool dead_letters = false;
  std::uint16_t shard = 0;
  std::uint64_t from = 0;
  std::uint32_t messages_max = 10;
};
struct PeekedMessage {
  std::uint64_t sequence = 0;
  std::int64_t accepted_at_ms = 0;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  bool dead = false;
  std::uint8_t reason = 0;
  std::int64_t first_failed_ms = 0;
  std::int64_t died_at_ms = 0;
  std::string_view error;
  std::string_view consumer;
  base::ByteView entry;
};
struct Peeked {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint64_t next = 0;
  std::vector<PeekedMessage> messages;
};
// The answer is a JSON text: the same document as GET /api/v1/queues[/NAME].
struct Stat {
  std::string_view queue;  // empty = all
};
struct Stated {
  std::uint16_t code = 0;
  std::string_view message;
  std::string_view json;
};
struct Redrive {
  base::QueueId queue;
  std::string_view subscription;
  bool dry_run = false;
  std::uint32_t rate_per_second_max = 0;
  WireSelector selector;
};
struct Purge {
  base::QueueId queue;
  std::string_view subscription;  // empty = all
  bool dead_letters = false;
  WireSelector selector;
};
struct Task {
  std::uint16_t code = 0;
  std::string_view message;
  base::TaskId task;
  std::uint8_t state = 0;  // storage::TaskState
  std::uint64_t matched = 0;
  std::uint64_t done = 0;
};
struct CancelTask {
  base::TaskId task;
};
struct DeleteQueue {
  base::QueueId queue;
};
struct QueueDeleted {
  std::uint16_t code = 0;
  std::string_view message;
};

struct WireRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
// Any kind of task, with all that a selector can say. Answered by TASK_STATUS.
struct StartTask {
  base::QueueId queue;
  std::uint8_t kind = 1;          // storage::TaskKind
  std::string_view subscription;  // empty = `default`, of a purge all
  bool dead_letters = false;
  bool dry_run = false;
  std::uint32_t rate_per_second_max = 0;
  std::uint16_t samples_max = 0;
  base::QueueId target;     // copy and move
  std::uint8_t reason = 0;  // 0 = any
  std::int64_t before_ms = 0;
  std::int64_t not_before_ms = 0;
  std::string_view header_name;  // empty = any
  std::string_view header_value;
  std::string_view error;         // what the last error contains
  std::vector<WireRange> ranges;  // of sequences, ascending; none = any
};
// The same in one shard of the queue.
struct StartShardTask {
  std::uint16_t shard = 0;
  StartTask task;
};
struct TaskSample {
  std::uint16_t shard = 0;
  std::uint64_t sequence = 0;
};
struct TaskStatus {
  std::uint16_t code = 0;
  std::string_view message;
  base::TaskId task;
  std::uint8_t kind = 1;
  std::uint8_t state = 0;  // storage::TaskState
  std::uint64_t matched = 0;
  std::uint64_t done = 0;
  std::string_view waits_for;  // why it does not go on at the moment
  std::vector<TaskSample> samples;
};

struct Seek {
  base::QueueId queue;
  std::string_view subscription;  // empty = `default`
  std::uint16_t shard = 0;
  std::uint8_t to = 0;  // 1 sequence, 2 wall ms, 3 first, 4 end
  std::uint64_t value = 0;
};
struct Seeked {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint64_t sequence = 0;  // the first that is not passed over
};

struct DiscardDamaged {
  base::QueueId queue;
  std::string_view subscription;  // empty = all
  bool dry_run = false;
};
struct DamagedDiscarded {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint64_t messages = 0;
};

struct Observe {
  std::uint32_t interval_ms = 0;  // 0 = once
};
struct Observation {
  std::uint64_t revision = 0;
  std::string_view json;
};
// A Queue manifest as YAML or JSON text.
struct Configure {
  std::uint64_t leader_epoch = 0;  // the broker keeps the highest and refuses lower ones
  std::string_view manifest;
};
struct Configured {
  std::uint16_t code = 0;
  std::string_view message;
  base::QueueId queue;
};
struct Cordon {
  std::uint64_t leader_epoch = 0;
  std::uint32_t lease_ms = 0;
  std::string_view consumer;
};
struct Cordoned {
  std::uint16_t code = 0;
  std::string_view message;
  std::uint64_t in_flight = 0;
};

using Body =
    std::variant<Hello, Welcome, Heartbeat, HeartbeatReply, Goodbye, GoodbyeReply, ErrorFrame,
                 Resolve, Resolved, OpenPublisher, PublisherOpened, Publish, Published,
                 PublishCredit, Attach, Attached, Credit, Deliver, Settle, Settled, Extend,
                 Extended, Detach, Detached, AttachmentClosed, ShardMap, Peek, Peeked, Stat, Stated,
                 Redrive, Purge, Task, CancelTask, DeleteQueue, QueueDeleted, Observe, Observation,
                 Configure, Configured, Cordon, Cordoned, Seek, Seeked, AttachWith, DiscardDamaged,
                 DamagedDiscarded, StartTask, StartShardTask, TaskStatus, Chunk, DeliverChunk,
                 ChunkCredit, RemoveQueue, QueueRemoved, Watch, Changes>;

struct Frame {
  FrameHeader header;
  Body body;
};

}  // namespace sluice::wire
