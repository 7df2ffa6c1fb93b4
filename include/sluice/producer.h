#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sluice/message.h"
#include "sluice/result.h"

namespace sluice {

/// Where a message stands: it is fsynced there.
struct Receipt {
  std::uint16_t shard = 0;     ///< of the queue
  std::uint64_t sequence = 0;  ///< in the shard; 0 = a duplicate whose place is forgotten
  bool duplicate = false;      ///< an earlier attempt to send it had stored it already
};

/// What became of the messages of one send_batch().
struct BatchReceipt {
  std::uint64_t stored = 0;    ///< messages
  std::uint64_t refused = 0;   ///< messages; `error` says why
  std::optional<Error> error;  ///< the first one
};

/// Called once for each message, on the client's thread: must return soon and must not block.
using SendCallback = std::function<void(const Result<Receipt>&)>;

/// What send() does when the buffer is full.
enum class WhenFull : std::uint8_t {
  kBlock,  ///< waits for room, at most ProducerOptions::send_timeout
  kFail,   ///< refuses the message with kResourceExhausted
};

/// How a Producer works.
struct ProducerOptions {
  /// The queue.
  std::string queue{};
  /// A name makes the producer go on where an earlier one of that name stopped, also one of another
  /// process: see Producer::last_sequence(). At most one lives at a time; a newer one ends the
  /// older.
  std::string name{};
  /// A batch leaves when its messages have so many bytes (at most 255 KiB) ...
  std::size_t batch_bytes = 64 * 1024;
  /// ... or when its first message is so old.
  std::chrono::milliseconds linger{1};
  /// Bytes of messages that were taken and have no answer yet.
  std::size_t buffer_bytes = 16 * 1024 * 1024;
  /// What happens at that limit.
  WhenFull when_full = WhenFull::kBlock;
  /// How long kBlock waits.
  std::chrono::milliseconds send_timeout{30'000};
  /// How long the destructor waits for what is under way.
  std::chrono::milliseconds close_timeout{5'000};
};

/// Counts of a Producer.
struct ProducerStats {
  std::uint64_t messages_stored = 0;   ///< the broker has them on its disk
  std::uint64_t messages_refused = 0;  ///< reported as errors
  std::uint64_t messages_pending = 0;  ///< taken and without an answer
  std::uint64_t bytes_pending = 0;     ///< of their entries
};

/// Sends messages to one queue, in batches, over all its shards. Every message has exactly one
/// outcome. Unanswered batches are sent again after a lost connection or a restart of the broker,
/// under their old numbers, so that nothing is stored twice by this object.
///
/// Thread-safe. Messages that one thread sends to one shard are stored in that order.
///
/// The destructor closes: it waits up to ProducerOptions::close_timeout; what has no answer then is
/// reported as kUnavailable and may be stored or not.
class SLUICE_EXPORT Producer {
 public:
  /// Nothing; assign a producer to it.
  Producer() noexcept;
  ~Producer();
  /// Moves the handle.
  Producer(Producer&&) noexcept;
  /// Closes what it had, then moves the handle.
  Producer& operator=(Producer&&) noexcept;

  /// The future has the outcome. Its result is an error at once when the message is too large or
  /// the buffer is full.
  std::future<Result<Receipt>> send(const Message& message);
  /// The same with a callback, which is cheaper. Called at once, on this thread, where the message
  /// is not taken.
  void send(const Message& message, const SendCallback& callback);
  /// For producers with a name that number what they send: `number` is the message's place among
  /// the messages of this name in its shard, from 1. What is stored (last_sequence()) is not sent
  /// again, its outcome is a duplicate at once; so a program may simply begin at the beginning.
  /// kInvalidArgument, ProducerGap: a number is missing before it. kAlreadyExists: this object was
  /// given that number before. Called from one thread, or at least for each shard in order.
  std::future<Result<Receipt>> send_numbered(std::uint64_t number, const Message& message);
  /// The same with a callback; see send().
  void send_numbered(std::uint64_t number, const Message& message, const SendCallback& callback);
  /// Never waits. An error: the message was not taken, and `callback` is not called.
  Status try_send(const Message& message, SendCallback callback = nullptr);
  /// Many messages with one outcome for all: the fast way.
  std::future<BatchReceipt> send_batch(std::span<const Message> messages);
  /// The same for bare bodies: the fastest way.
  std::future<BatchReceipt> send_batch(std::span<const std::string_view> bodies);

  /// Sends everything and waits until each message has its outcome and its callback has run.
  /// kDeadlineExceeded: not in time, nothing is lost by it. kFailedPrecondition: called from a
  /// callback, which cannot wait for itself. Hold no lock that a callback takes.
  Status flush(std::chrono::milliseconds timeout);
  /// flush(), then the end, also where that failed: later messages are refused with
  /// kFailedPrecondition.
  Status close(std::chrono::milliseconds timeout);

  /// Shards of the queue.
  std::uint16_t shards() const;
  /// Where the message will stand; nothing where any shard will do. Messages without group, key and
  /// dedup id of a named producer all go to one shard, home_shard().
  std::optional<std::uint16_t> shard_of(const Message& message) const;
  /// The shard of a named producer's messages without group, key and dedup id.
  std::uint16_t home_shard() const;
  /// How many messages of the producers of this name stood in that shard when this one was opened:
  /// its next message there is number last_sequence() + 1. A program that numbers what it sends
  /// skips so many, and each message is stored exactly once however often the program is restarted.
  /// So that the numbers hold, a named producer ends with the first message that is refused, and
  /// where the broker's disk lost what was acknowledged (kFailedPrecondition, ProducerGap): the
  /// next one's last_sequence() is lower then, and what is lost is sent again in its place.
  std::uint64_t last_sequence(std::uint16_t shard) const;
  /// Of home_shard().
  std::uint64_t last_sequence() const;
  /// The number that the next message of that shard gets: what was taken before, answered or not,
  /// plus 1.
  std::uint64_t next_sequence(std::uint16_t shard) const;
  /// Of home_shard().
  std::uint64_t next_sequence() const;

  /// A picture.
  ProducerStats stats() const;

  /// The library's.
  class Core;
  /// The library's.
  explicit Producer(std::shared_ptr<Core> core);

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace sluice
