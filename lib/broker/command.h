#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/message.h"
#include "broker/config.h"
#include "storage/fact.h"

// What the world asks of the broker. Borrowed views live until apply() returns.
namespace sluice::broker {

// A connection-independent number of a session inside this process; given by the frontend.
using SessionHandle = base::StrongInt<std::uint32_t, struct SessionHandleTag>;
// Names a request so that the reply finds it; chosen by the client, opaque here.
using RequestId = base::StrongInt<std::uint64_t, struct RequestIdTag>;
// Given by the broker in the reply to OpenPublisher / Attach.
using PublisherHandle = base::StrongInt<std::uint32_t, struct PublisherHandleTag>;
using AttachmentHandle = base::StrongInt<std::uint32_t, struct AttachmentHandleTag>;

struct Origin {
  SessionHandle session;
  RequestId request;
};

// A client said hello; with an id the broker saw before (also before a restart) its leases go on.
struct OpenSession {
  SessionHandle session;
  base::SessionId id;
  std::uint32_t epoch = 0;
  std::string client;  // pod or host name
  bool resumed = false;
};

enum class SessionEnd : std::uint8_t {
  kClosed,  // the client said goodbye: leases are released, uncounted
  kLost,    // nothing was heard for the session's time to live: leases stall
};
struct SessionGone {
  SessionHandle session;
  SessionEnd end = SessionEnd::kLost;
};

struct OpenPublisher {
  Origin origin;
  base::QueueId queue;
  base::ShardIndex shard;
  base::ProducerId producer;
  // The epoch that the client holds, 0 = give me a new one (fences older ones).
  std::uint32_t producer_epoch = 0;
};

struct Publish {
  Origin origin;
  PublisherHandle publisher;
  std::uint64_t producer_sequence = 0;  // of the first message; contiguous, from 1
  base::ByteView entries;               // a batch in base/message.h layout
  std::uint32_t count = 0;              // as the client says; checked
};

// A piece of one message that is too large for a Publish, in order. The last one publishes it; a
// refusal comes with the piece that causes it, and what follows of the message is passed over.
struct PublishChunk {
  Origin origin;
  PublisherHandle publisher;
  std::uint64_t producer_sequence = 0;
  std::uint64_t message_bytes = 0;  // of the whole entry
  std::uint64_t offset = 0;
  base::ByteView piece;
};

struct Attach {
  Origin origin;
  base::QueueId queue;
  std::string subscription;  // "NAME/dlq": its dead letters, in the order of death
  base::ShardIndex shard;
  std::uint64_t messages_limit = 0;  // absolute, see Credit
  std::uint64_t bytes_limit = 0;
  // Settled before it is sent, and never sent again.
  bool at_most_once = false;
  // The greatest that this session has seen of the subscription; what it was leased above it was
  // lost on the way, and goes back uncounted. Nothing = it has everything.
  std::optional<base::Epoch> last_epoch = std::nullopt;
  // The client understands messages in pieces; without it large ones are left to others.
  bool takes_chunks = false;
};

// All pieces of a large delivery were handed to the connection, or given up: other messages may
// follow.
struct ChunksSent {
  SessionHandle session;
  AttachmentHandle attachment;
};

// So much of what was delivered to a session (Deliver::unsent_bytes()) has left the process.
struct DeliveriesLeft {
  SessionHandle session;
  std::uint64_t bytes = 0;
};

struct Detach {
  Origin origin;
  AttachmentHandle attachment;  // its leases are released, uncounted
};

// Absolute limits, counted since the attachment: deliver until `messages_limit` messages and
// `bytes_limit` bytes of entries have been delivered in all. One message is always allowed when
// none is outstanding.
struct Credit {
  SessionHandle session;
  AttachmentHandle attachment;
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
};

// Proves a lease: what DELIVER carried.
struct Receipt {
  base::Epoch epoch;
  base::SequenceRange range;
};

enum class SettleKind : std::uint8_t { kAck = 1, kRelease = 2, kFail = 3, kReject = 4 };
struct Settle {
  Origin origin;
  AttachmentHandle attachment;
  SettleKind kind = SettleKind::kAck;
  std::vector<Receipt> receipts;
  // kFail only: the next delivery is due after this, instead of the backoff.
  std::optional<base::Millis> delay;
  std::string error;  // kFail, kReject; <= 4 KiB
  bool wants_reply = true;
};

struct Extend {
  Origin origin;
  AttachmentHandle attachment;
  bool all = false;  // every lease of the attachment
  std::vector<Receipt> receipts;
  base::Millis duration{0};  // from now; 0 = the subscription's lease
};

// Creates or changes the queue of that name. Idempotent.
struct Configure {
  QueueConfig config;
  base::QueueId id_if_new;  // drawn by the caller; the broker has no randomness for names
};

// Puts a subscription of one shard elsewhere: what lies before is settled, also what is leased;
// what lies behind and is still kept is ready again. Dead letters stay.
struct Seek {
  enum class To : std::uint8_t { kSequence = 1, kTime = 2, kFirst = 3, kEnd = 4 };
  Origin origin;
  base::QueueId queue;
  std::string subscription;
  base::ShardIndex shard;
  To to = To::kEnd;
  std::uint64_t value = 0;  // kSequence: a sequence, kTime: wall ms
};

// Gives up the messages that cannot be read any more.
struct DiscardDamaged {
  Origin origin;
  base::QueueId queue;
  std::string subscription;  // empty = all
  bool dry_run = false;      // count only
};

struct DeleteQueue {
  Origin origin;
  base::QueueId queue;
  bool if_empty = false;  // refused with kNotEmpty where it holds anything at all
  bool counted = false;   // passed on in the reply
};

// Nothing new goes to the consumers of a pod, on no subscription, until the lease is over; also not
// to sessions that it opens meanwhile. Not in the log.
struct Cordon {
  Origin origin;
  std::string consumer;   // what stands before the first '/' is the pod
  base::Millis lease{0};  // 0 = lift it
};

// Which dead letters or messages a task is about. All conditions must hold; empty = all.
struct Selector {
  std::optional<storage::DeadReason> reason;
  std::optional<base::ShardIndex> shard;       // the only one that it is about
  std::vector<base::SequenceRange> sequences;  // ascending, disjoint; without a shard: of every one
  std::optional<std::pair<std::string, std::string>> header;
  // When it died, or was accepted where it is no dead letter; 0 = any.
  base::WallTime before;
  base::WallTime not_before;
  std::string error;  // the last error contains it
};

// Who began a task, and with which words; for the record of who did what.
struct TaskNote {
  std::string key;
  std::string command;
  std::string selector;
};

// Work on many messages of one subscription (a purge without a name: of all of the queue's). Runs
// in slices; ends with a TaskReply. A message that is leased is left alone.
//
// kRedrive: dead letters return to the subscription. kPurge: they, or waiting messages, are
// removed. kCopy, kMove: the same messages anew in `target`.
struct StartTask {
  Origin origin;
  storage::TaskKind kind = storage::TaskKind::kRedrive;
  base::QueueId queue;
  std::string subscription;   // empty = `default`, of a purge all
  bool dead_letters = false;  // always so for kRedrive
  Selector selector;
  base::QueueId target;
  bool dry_run = false;                   // only counted
  std::uint32_t samples_max = 0;          // of a dry run: so many are named
  std::uint32_t rate_per_second_max = 0;  // 0 = as fast as slices allow
  base::TaskId task;                      // drawn by the caller
  bool detailed = false;                  // passed on in the replies
  TaskNote note;
};

struct CancelTask {
  Origin origin;
  base::TaskId task;
};

// Looks at messages without leasing them: ready ones, or dead letters, from `from` on.
struct Peek {
  Origin origin;
  base::QueueId queue;
  std::string subscription;
  bool dead_letters = false;
  base::ShardIndex shard;
  base::Sequence from;
  std::uint32_t messages_max = 10;
  std::uint32_t bytes_max = 64 * 1024;
};

}  // namespace sluice::broker
