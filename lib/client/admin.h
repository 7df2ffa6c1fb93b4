#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/message.h"
#include "base/result.h"
#include "base/time.h"
#include "client/connection.h"

namespace sluice::client {

struct QueueInfo {
  base::QueueId id;
  std::uint16_t shards = 0;
  std::uint32_t map_version = 0;
  std::uint32_t message_bytes_max = 0;
  std::vector<std::string> subscriptions;
  // Where each shard is; empty = all at this broker. Each broker has its own id for the queue.
  std::vector<std::string> endpoints;
};

// Numbers as in docs/protocol.md, "Dead letter reasons".
enum class DeadReason : std::uint8_t {
  kRejected = 1,
  kAttemptsExceeded = 2,
  kStallsExceeded = 3,
  kExpired = 4,
  kOverflow = 5,
};
// "AttemptsExceeded".
std::string_view to_string(DeadReason reason);
// Nothing for any other text.
std::optional<DeadReason> dead_reason_from(std::string_view name);

// Which messages a task is about; all conditions must hold. Empty = all.
struct Selector {
  std::optional<DeadReason> reason;
  std::optional<base::ShardIndex> shard;                      // the only one that it is about
  std::vector<base::SequenceRange> sequences;                 // ascending, disjoint
  std::optional<std::pair<std::string, std::string>> header;  // name and value
  // When it died, or was accepted where it is no dead letter; 0 = any.
  base::WallTime before;
  base::WallTime not_before;
  std::string error;  // the last error contains it
};

struct PeekOptions {
  base::QueueId queue;
  std::string subscription;  // empty = `default`
  bool dead_letters = false;
  base::ShardIndex shard;
  base::Sequence from;
  std::uint32_t messages_max = 10;
};
struct PeekedMessage {
  base::Sequence sequence;
  base::WallTime accepted_at;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  base::Message message;
  bool readable = true;          // false: the disk has lost the message, only its letter is left
  std::uint64_t body_bytes = 0;  // of the whole body: more than `message` has where it is cut
  // Dead letters only.
  bool dead = false;
  DeadReason reason = DeadReason::kRejected;
  base::WallTime first_failed;
  base::WallTime died_at;
  std::string error;
  std::string consumer;

  bool is_cut() const { return body_bytes > message.body.size(); }
};
struct PeekPage {
  std::vector<PeekedMessage> messages;
  base::Sequence next;  // where to go on; 0 = that was all
};

enum class TaskState : std::uint8_t { kRunning = 1, kCompleted = 2, kCancelled = 3, kFailed = 4 };
// "Running".
std::string_view to_string(TaskState state);
struct TaskSample {
  base::ShardIndex shard;
  base::Sequence sequence;
};
struct TaskStatus {
  base::TaskId task;
  TaskState state = TaskState::kRunning;
  std::uint64_t matched = 0;
  std::uint64_t done = 0;
  std::string waits_for;            // why it does not go on at the moment
  std::vector<TaskSample> samples;  // of a dry run: some that match
};

// Numbers as in docs/log-format.md.
enum class TaskKind : std::uint8_t { kRedrive = 1, kPurge = 2, kCopy = 3, kMove = 4 };
struct TaskOptions {
  TaskKind kind = TaskKind::kRedrive;
  base::QueueId queue;
  std::string subscription;   // empty = `default`, of a purge all of the queue's
  bool dead_letters = false;  // instead of waiting messages; always so for a redrive
  base::QueueId target;       // of a copy or move
  Selector selector;
  bool dry_run = false;                   // only count
  std::uint16_t samples_max = 0;          // of a dry run, at most 100
  std::uint32_t rate_per_second_max = 0;  // 0 = as fast as it goes
};

// Looks into queues and repairs them, on the client port. Blocking calls, each bounded by
// ConnectionOptions::request_timeout or its own limit.
//
// Thread: the connection's owner. The connection must outlive it.
class Admin {
 public:
  explicit Admin(Connection& connection) : connection_(connection) {}

  // NotFound when there is no such queue.
  base::Result<QueueInfo> resolve(std::string_view queue);
  // The JSON document of GET /api/v1/queues[/NAME]; empty = all queues.
  base::Result<std::string> stat(std::string_view queue = {});
  base::Result<PeekPage> peek(const PeekOptions& options);

  // Starts a task; it runs in the broker and survives restarts. Returns when it has ended, or with
  // its state (kRunning) when `wait` is over; `wait` 0 = as soon as it is accepted. `on_progress`
  // hears of it about twice a second meanwhile. An older broker knows redrives and purges only, by
  // reason, one range of sequences, header and `before`: Unimplemented for the rest.
  base::Result<TaskStatus> start_task(
      const TaskOptions& options, base::Millis wait,
      const std::function<void(const TaskStatus&)>& on_progress = {});
  base::Result<TaskStatus> cancel_task(const base::TaskId& task);

  base::Status delete_queue(const base::QueueId& queue);

  // Puts a subscription of one shard elsewhere; returns where it stands then.
  // Gives up what the disk has lost, in one subscription or (empty) in all; `dry_run` only counts.
  // Returns how many messages it were.
  base::Result<std::uint64_t> discard_damaged(const base::QueueId& queue,
                                              std::string_view subscription, bool dry_run);

  enum class SeekTo : std::uint8_t { kSequence = 1, kTime = 2, kFirst = 3, kEnd = 4 };
  base::Result<base::Sequence> seek(const base::QueueId& queue, std::string_view subscription,
                                    base::ShardIndex shard, SeekTo to, std::uint64_t value);

 private:
  base::Result<TaskStatus> run_task(const wire::Body& body, base::Millis wait,
                                    const std::function<void(const TaskStatus&)>& on_progress);

  Connection& connection_;
};

// The control port: for the operator and for `sluice`
// on the broker's own machine. The connection must be to that port.
class Control {
 public:
  explicit Control(Connection& connection) : connection_(connection) {}

  struct Observed {
    std::uint64_t revision = 0;
    std::string json;
  };
  // What the broker sees of itself, once.
  base::Result<Observed> observe();
  // Creates or changes the queue of a manifest (YAML or JSON text). InvalidArgument names the
  // field. `leader_epoch`: the broker refuses a lower one than it has seen.
  base::Result<base::QueueId> configure(std::uint64_t leader_epoch, std::string_view manifest);
  // Stops deliveries to a consumer that is about to be removed; renew before `lease` is over.
  // Returns how many messages it still holds.
  base::Result<std::uint64_t> cordon(std::uint64_t leader_epoch, std::string_view consumer,
                                     base::Millis lease);

 private:
  Connection& connection_;
};

}  // namespace sluice::client
