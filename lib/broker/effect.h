#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "broker/command.h"
#include "broker/refusal.h"
#include "storage/fact.h"
#include "storage/log.h"
#include "storage/message_store.h"

// What the broker asks of the world. An effect may be carried out once the log is committed up to
// its Wait; the sink keeps it back until then. Effects of one session keep their order.
namespace sluice::broker {

// Commit needed before anybody may see the effect. lsn 0 = none.
struct Wait {
  base::Lsn lsn;        // an exclusive end
  bool durable = true;  // false: written is enough (fsync Interval and Never)
};

struct SessionOpened {
  Origin origin;
  std::uint32_t leases_kept = 0;  // messages still leased to the resumed session
};

struct PublisherOpened {
  Origin origin;
  Refusal refusal;
  PublisherHandle publisher;
  std::uint32_t producer_epoch = 0;
  std::uint64_t last_sequence = 0;   // the last that is stored; the client resends what is above
  std::uint64_t messages_limit = 0;  // credit, absolute since this reply
  std::uint64_t bytes_limit = 0;
  std::uint32_t message_bytes_max = 0;
};

struct PublishReply {
  Origin origin;
  PublisherHandle publisher;
  Refusal refusal;
  std::uint64_t producer_sequence = 0;  // as asked
  std::uint64_t expected_sequence = 0;  // with kProducerGap
  base::Sequence first;                 // of the batch, also of a duplicate (0 = forgotten)
  std::uint32_t count = 0;
  bool duplicate = false;
  std::uint64_t messages_limit = 0;  // credit after this batch
  std::uint64_t bytes_limit = 0;
};

// Space came back in a queue whose publishers were out of credit.
struct PublisherCredit {
  SessionHandle session;
  PublisherHandle publisher;
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
};

struct AttachReply {
  Origin origin;
  Refusal refusal;
  AttachmentHandle attachment;
  base::SubscriptionId subscription;
  std::uint32_t lease_ms = 0;
};

struct DetachReply {
  Origin origin;
  Refusal refusal;
};

// Consecutive messages with the same counters.
struct DeliveryRun {
  storage::EntrySlice slice;
  base::WallTime accepted_at;
  std::uint16_t attempts = 0;  // failed deliveries before this one
  std::uint16_t stalls = 0;
  // Instead of what the slice says, of which then only the sequence and the bytes count: a dead
  // letter, with what is known of it. Of a large one this is all but the body, in place of the
  // first `replaced` bytes of the slice.
  std::vector<std::byte> rewritten;
  std::uint32_t replaced = 0;

  // Of a large message, as it is sent.
  std::uint64_t large_bytes() const { return slice.bytes - replaced + rewritten.size(); }
  // Where in the slice that begins. REQUIRES: offset is 0 or not inside `rewritten`.
  std::uint64_t stored_offset(std::uint64_t offset) const {
    return offset < rewritten.size() ? replaced : offset - rewritten.size() + replaced;
  }
};
// One delivery batch = one epoch = one DELIVER frame.
struct Deliver {
  SessionHandle session;
  AttachmentHandle attachment;
  base::Epoch epoch;
  std::uint32_t lease_ms = 0;
  std::vector<DeliveryRun> runs;
  std::uint64_t entries_bytes = 0;  // of all runs
  // The entries of all runs, one behind the other, where they were read when it was decided; else
  // nullptr, and they are read when it leaves.
  std::shared_ptr<const std::byte[]> entries;

  // What it counts for until it has left the process: the entries, and that it is a frame. A large
  // one counts for nothing, since the client says how much of it is to be under way.
  std::uint64_t unsent_bytes() const {
    if (!runs.empty() && runs.front().slice.large()) return 0;
    return kFrameCostBytes + entries_bytes;
  }
  static constexpr std::uint64_t kFrameCostBytes = 1024;
};

struct SettleReply {
  Origin origin;
  AttachmentHandle attachment;
  Refusal refusal;  // kStaleReceipt when nothing of it was valid
  std::uint64_t settled = 0;
  std::uint64_t stale = 0;
};

struct ExtendReply {
  Origin origin;
  AttachmentHandle attachment;
  Refusal refusal;
  std::uint64_t extended = 0;
  std::uint64_t stale = 0;
};

// The queue is gone or was changed under an attachment; leases are void.
struct AttachmentClosed {
  SessionHandle session;
  AttachmentHandle attachment;
  Refusal reason;
};

struct TaskSample {
  base::ShardIndex shard;
  base::Sequence sequence;
};
struct TaskReply {
  Origin origin;          // session 0 = nobody waits for it any more
  bool detailed = false;  // as it was asked for
  Refusal refusal;
  base::TaskId task;
  storage::TaskKind kind = storage::TaskKind::kRedrive;
  storage::TaskState state = storage::TaskState::kRunning;
  std::uint64_t matched = 0;
  std::uint64_t done = 0;
  std::string waits_for;            // why it does not go on at the moment
  std::vector<TaskSample> samples;  // of a dry run
  // In the one reply that tells of the task's end, or that it never began.
  std::optional<TaskNote> ended;
  std::string queue;  // its name, with `ended`
};

struct PeekedMessage {
  base::Sequence sequence;
  base::WallTime accepted_at;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  std::vector<std::byte> entry;  // base/message.h layout; empty = a dead letter that is damaged
  base::WallTime due;            // deliver-at or end of the backoff; 0 = none
  // Of its failures, empty where there was none.
  base::WallTime first_failed;
  std::string error;
  std::string consumer;
  // Dead letters only.
  bool dead = false;
  storage::DeadReason reason = storage::DeadReason::kRejected;
  base::WallTime died_at;
};
struct PeekReply {
  Origin origin;
  Refusal refusal;
  std::vector<PeekedMessage> messages;
  base::Sequence next;  // where to go on; 0 = that was all
};

// What a queue holds; all over all of its subscriptions but `messages` and `retained`.
struct QueueHoldings {
  std::uint64_t messages = 0;  // not yet settled by all subscriptions
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;  // dead letters too
  std::uint64_t delayed = 0;
  std::uint64_t dead = 0;
  std::uint64_t retained = 0;

  bool empty() const { return messages + ready + in_flight + delayed + dead + retained == 0; }
};

struct DeleteReply {
  Origin origin;
  Refusal refusal;
  bool counted = false;    // as it was asked for
  QueueHoldings holdings;  // when it was deleted, or was not for that
};

struct CordonReply {
  Origin origin;
  Refusal refusal;
  std::uint64_t in_flight = 0;  // messages that the pod's sessions hold
};

struct DiscardReply {
  Origin origin;
  Refusal refusal;
  std::uint64_t messages = 0;  // over all subscriptions
};

struct SeekReply {
  Origin origin;
  Refusal refusal;
  base::Sequence sequence;  // where the subscription stands now
};

// Receives the effects of apply() while it runs. Implementations copy or queue; they never call
// back into the broker.
class EffectSink {
 public:
  virtual ~EffectSink() = default;
  virtual void emit(Wait wait, SessionOpened effect) = 0;
  virtual void emit(Wait wait, PublisherOpened effect) = 0;
  virtual void emit(Wait wait, PublishReply effect) = 0;
  virtual void emit(Wait wait, PublisherCredit effect) = 0;
  virtual void emit(Wait wait, AttachReply effect) = 0;
  virtual void emit(Wait wait, DetachReply effect) = 0;
  virtual void emit(Wait wait, Deliver effect) = 0;
  virtual void emit(Wait wait, SettleReply effect) = 0;
  virtual void emit(Wait wait, ExtendReply effect) = 0;
  virtual void emit(Wait wait, AttachmentClosed effect) = 0;
  virtual void emit(Wait wait, TaskReply effect) = 0;
  virtual void emit(Wait wait, PeekReply effect) = 0;
  virtual void emit(Wait wait, DeleteReply effect) = 0;
  virtual void emit(Wait wait, SeekReply effect) = 0;
  virtual void emit(Wait wait, CordonReply effect) = 0;
  virtual void emit(Wait wait, DiscardReply effect) = 0;
};

}  // namespace sluice::broker
