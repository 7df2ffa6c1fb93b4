#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/message.h"
#include "sluice/result.h"

namespace sluice {

/// Which messages a task is about; all conditions must hold, empty = all.
struct Selector {
  /// "Rejected", "AttemptsExceeded", "StallsExceeded", "Expired" or "Overflow"; empty = any.
  std::string reason{};
  /// The only shard that the task is about; nothing = all of this broker's. kNotFound
  /// (UnknownShard): there is none of that number, or another broker has it. kUnimplemented: the
  /// broker or its log is too old.
  std::optional<std::uint16_t> shard{};
  /// First and last ones of runs of sequences, both included, from 1 on; ascending and apart.
  /// Without `shard` they are those of every shard.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sequences{};
  /// Name and value.
  std::optional<std::pair<std::string, std::string>> header{};
  /// Dead letters that died before that; what waits: accepted before that.
  std::optional<Time> before{};
  /// Dead letters that died then or later; what waits: accepted then or later.
  std::optional<Time> not_before{};
  /// Their last error contains it.
  std::string error{};
};

/// A message that was looked at.
struct PeekedMessage {
  std::uint64_t sequence = 0;    ///< its place in the shard
  Time accepted_at;              ///< when the broker took it
  std::uint32_t attempts = 0;    ///< that failed
  std::uint32_t stalls = 0;      ///< leases that ran out
  Message message;               ///< as sent; of a body above 255 KiB only the beginning
  std::uint64_t body_bytes = 0;  ///< of the whole body
  bool dead = false;             ///< then the following are set
  std::string reason;            ///< "AttemptsExceeded"
  Time died_at;                  ///< when
  std::string error;             ///< the last one
  std::string consumer;          ///< that had it last
};

/// Some messages, and where to go on.
struct PeekPage {
  std::vector<PeekedMessage> messages;  ///< in order
  std::uint64_t next = 0;               ///< for PeekOptions::from; 0 = that was all
};

/// What to look at.
struct PeekOptions {
  std::string queue{};              ///< its name
  std::string subscription{};       ///< empty = `default`
  bool dead_letters = false;        ///< false: what is ready
  std::uint16_t shard = 0;          ///< one at a time
  std::uint64_t from = 0;           ///< sequence to begin at
  std::uint32_t messages_max = 10;  ///< 1 to 1,000
};

/// A redrive, purge, copy or move.
struct TaskStatus {
  /// Where a task is.
  enum class State : std::uint8_t { kRunning = 1, kCompleted = 2, kCancelled = 3, kFailed = 4 };
  std::string id;                 ///< 32 hexadecimal digits
  State state = State::kRunning;  ///< as of now
  std::uint64_t matched = 0;      ///< messages
  std::uint64_t done = 0;         ///< messages
  std::string waits_for;          ///< why it does not go on at the moment; mostly empty
};

/// Which dead letters go back, and how.
struct RedriveOptions {
  std::string queue{};                    ///< its name
  std::string subscription{};             ///< empty = `default`
  Selector selector{};                    ///< empty = all
  bool dry_run = false;                   ///< count only
  std::uint32_t rate_per_second_max = 0;  ///< 0 = as fast as it goes
};

/// What is to be removed.
struct PurgeOptions {
  std::string queue{};                    ///< its name
  std::string subscription{};             ///< empty = all of the queue's
  bool dead_letters = false;              ///< false: what waits
  Selector selector{};                    ///< empty = all
  bool dry_run = false;                   ///< count only
  std::uint32_t rate_per_second_max = 0;  ///< 0 = as fast as it goes
};

/// What is to be put into another queue of the same broker.
struct CarryOptions {
  std::string queue{};                    ///< where it is
  std::string target{};                   ///< the other queue
  std::string subscription{};             ///< empty = `default`
  bool dead_letters = false;              ///< false: what waits
  Selector selector{};                    ///< empty = all
  bool dry_run = false;                   ///< count only
  std::uint32_t rate_per_second_max = 0;  ///< 0 = as fast as it goes
};

/// Where a subscription is to go on.
struct SeekOptions {
  /// A place in a shard.
  enum class To : std::uint8_t {
    kSequence = 1,  ///< `sequence`
    kTime = 2,      ///< the first message accepted at `time` or later
    kFirst = 3,     ///< the first that is kept
    kEnd = 4,       ///< behind the last
  };
  std::string queue{};                   ///< its name
  std::string subscription{};            ///< empty = `default`
  std::optional<std::uint16_t> shard{};  ///< nothing = all of them
  To to = To::kEnd;                      ///< the kind of place
  std::uint64_t sequence = 0;            ///< for kSequence
  Time time{};                           ///< for kTime
};

/// Looks into queues and repairs them. Blocking calls, each bounded by
/// ClientOptions::request_timeout or its own limit; thread-safe. Not to be called from callbacks.
class SLUICE_EXPORT Admin {
 public:
  ~Admin();
  /// Moves the handle.
  Admin(Admin&&) noexcept;
  /// Moves the handle.
  Admin& operator=(Admin&&) noexcept;

  /// The JSON document of `GET /api/v1/queues[/NAME]`; empty = all queues.
  Result<std::string> stat(const std::string& queue = {});
  /// Messages, without leasing them.
  Result<PeekPage> peek(const PeekOptions& options);
  /// Gives dead letters back. Returns when it has ended, or how far it is when `wait` is over; it
  /// goes on in the broker.
  Result<TaskStatus> redrive(const RedriveOptions& options, std::chrono::milliseconds wait);
  /// Removes messages; the same way.
  Result<TaskStatus> purge(const PurgeOptions& options, std::chrono::milliseconds wait);
  /// Puts messages into another queue and leaves them where they are; the same way. Headers that
  /// begin with `sluice-source` tell where a message was, and with `sluice-dead` why it died. While
  /// the target is full or paused the task waits (TaskStatus::waits_for); what is larger than the
  /// target takes is left out. kUnimplemented: the broker is too old, or its log is of feature
  /// level 1.
  Result<TaskStatus> copy(const CarryOptions& options, std::chrono::milliseconds wait);
  /// The same, and they are gone from where they were: each message is in one of the two queues,
  /// whatever happens to the broker.
  Result<TaskStatus> move(const CarryOptions& options, std::chrono::milliseconds wait);
  /// Puts a subscription elsewhere: what lies before the place is settled, also what is leased;
  /// what lies behind it and is still kept comes (again). Returns where each shard stands then; an
  /// error may come after some shards were moved. kUnimplemented: the broker is too old, or its log
  /// is of feature level 1.
  Result<std::vector<std::uint64_t>> seek(const SeekOptions& options);
  /// Ends a task where it is.
  Result<TaskStatus> cancel_task(const std::string& id);

  /// The library's.
  class Core;
  /// The library's.
  explicit Admin(std::shared_ptr<Core> core);

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace sluice
