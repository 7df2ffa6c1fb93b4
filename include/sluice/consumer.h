#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/message.h"
#include "sluice/result.h"

namespace sluice {

/// What is to become of a delivered message.
class Settlement {
 public:
  /// The ways to settle.
  enum class Kind : std::uint8_t {
    kAck = 1,      ///< done
    kRelease = 2,  ///< back to the queue, uncounted, for anybody at once
    kFail = 3,     ///< a failed attempt
    kReject = 4,   ///< a dead letter
    kLater = 5,    ///< only for handlers: settled elsewhere
  };

  /// Done.
  static Settlement ack() { return Settlement(Kind::kAck, {}); }
  /// Back to the queue, uncounted, for anybody at once.
  static Settlement release() { return Settlement(Kind::kRelease, {}); }
  /// Counts an attempt; comes again after the subscription's backoff.
  static Settlement fail(std::string error = {}) { return {Kind::kFail, std::move(error)}; }
  /// Counts an attempt; comes again after `delay`.
  static Settlement fail(std::chrono::milliseconds delay, std::string error = {}) {
    Settlement settlement(Kind::kFail, std::move(error));
    settlement.delay_ = delay;
    return settlement;
  }
  /// A dead letter, now.
  static Settlement reject(std::string error = {}) { return {Kind::kReject, std::move(error)}; }

  /// Only as what a handler returns: it is settled with Consumer::settle() later, by any thread (or
  /// was so already). Until then its lease is extended and Consumer::stop() waits for it.
  static Settlement later() { return Settlement(Kind::kLater, {}); }

  /// Which it is.
  Kind kind() const { return kind_; }
  /// For kFail: instead of the backoff.
  std::optional<std::chrono::milliseconds> delay() const { return delay_; }
  /// Kept with the message; cut at 4 KiB.
  const std::string& error() const { return error_; }

 private:
  Settlement(Kind kind, std::string error) : kind_(kind), error_(std::move(error)) {}

  Kind kind_;
  std::optional<std::chrono::milliseconds> delay_;
  std::string error_;
};

/// One leased message. Cheap to copy; keeps the bytes of its batch alive.
class SLUICE_EXPORT Delivery {
 public:
  /// Any bytes. The view is good as long as this object or a copy of it.
  std::string_view body() const { return body_; }
  /// The shard of the queue.
  std::uint16_t shard() const { return shard_; }
  /// The message's place in the shard.
  std::uint64_t sequence() const { return sequence_; }
  /// 1 for the first delivery; rises with each failed one.
  std::uint32_t attempt() const { return attempts_ + 1U; }
  /// Leases of it that ran out before.
  std::uint32_t stalls() const { return stalls_; }
  /// When the broker took it.
  Time accepted_at() const;
  /// As sent; empty = none.
  std::string_view key() const;
  /// As sent; empty = none.
  std::string_view group() const;
  /// As sent; empty = none.
  std::string_view dedup_id() const;
  /// The first header of that name; nothing = none.
  std::optional<std::string_view> header(std::string_view name) const;
  /// All of them, as sent.
  std::vector<std::pair<std::string_view, std::string_view>> headers() const;
  /// The W3C trace context, where there is one.
  std::optional<std::string_view> traceparent() const { return header("traceparent"); }
  /// A copy to be sent on, without its times.
  Message to_message() const;

 private:
  friend struct DeliveryAccess;
  std::shared_ptr<const void> owner_;
  std::string_view body_;
  std::string_view attributes_;
  std::uint64_t epoch_ = 0;
  std::uint64_t sequence_ = 0;
  std::int64_t accepted_at_ms_ = 0;
  std::uint16_t shard_ = 0;
  std::uint16_t attempts_ = 0;
  std::uint16_t stalls_ = 0;
  std::uint8_t priority_ = 0xFF;
};

/// Messages that came together. To be settled one by one, or with the whole batch.
using DeliveryBatch = std::vector<Delivery>;

/// Called once for each settle or extension, on the client's thread: must return soon and must not
/// block. No error: it is committed, and holds whatever happens to the broker.
/// kFailedPrecondition: it is not, and the message comes again, or has gone to another consumer
/// already: its lease had ended (StaleReceipt), or the consumer was stopped. kUnavailable: the
/// connection broke at the wrong moment, and nobody knows.
using SettleCallback = std::function<void(const Status&)>;

/// How a Consumer works.
struct ConsumerOptions {
  /// The queue, or `NAME/dlq` for the dead letters of the subscription below: they are leased,
  /// settled like messages, in the order of death: an ack discards one, anything else gives it
  /// back.
  std::string queue{};
  /// Empty = `default`.
  std::string subscription{};
  /// Every message is settled before it is sent here and never comes again, whatever happens on its
  /// way or to the handler: no lease, nothing to settle, what a handler returns means nothing. What
  /// is here when the program dies is lost, so `prefetch_messages` should be small.
  bool at_most_once = false;
  /// How many messages may be here unsettled, over all shards; more is faster, less is fairer among
  /// consumers.
  std::uint32_t prefetch_messages = 1'000;
  /// The same in bytes.
  std::uint64_t prefetch_bytes = 8 * 1024 * 1024;
  /// Leases of unsettled messages are extended at half time, for at most so long from the delivery.
  /// 0 = never. The broker's `maxLease` holds too.
  std::chrono::milliseconds extend_for{3'600'000};
  /// Settles travel together when they are at most so far apart.
  std::chrono::milliseconds settle_linger{1};
  /// How long the destructor waits for handlers that run and settles that are not confirmed.
  std::chrono::milliseconds close_timeout{5'000};
};

/// Counts of a Consumer.
struct ConsumerStats {
  std::uint64_t messages_delivered = 0;  ///< by the broker
  std::uint64_t messages_settled = 0;    ///< as the broker confirmed
  std::uint64_t messages_stale = 0;      ///< settled too late: they come again
};

/// Leases messages of one subscription from all shards of a queue. It is used in one of two ways:
/// run() hands them to a function, receive() and receive_batch() fetch them.
///
/// Every delivered message must be settled; one that is not comes again when its lease ends or when
/// the consumer is closed. After a lost connection unconfirmed settles are sent again.
///
/// Thread-safe. The destructor stops as stop() does, with ConsumerOptions::close_timeout.
class SLUICE_EXPORT Consumer {
 public:
  /// Decides about one message.
  using Handler = std::function<Settlement(const Delivery&)>;

  /// Nothing; assign a consumer to it.
  Consumer() noexcept;
  ~Consumer();
  /// Moves the handle.
  Consumer(Consumer&&) noexcept;
  /// Stops what it had, then moves the handle.
  Consumer& operator=(Consumer&&) noexcept;

  /// Calls `handler` for each message on `concurrency` threads of this consumer, and returns when
  /// stop() was called or the consumer is at its end (queue deleted, permission withdrawn), with
  /// the reason. A handler that returns nothing acknowledges; one that throws fails the message
  /// with the text of the exception; one that returns Settlement::later() leaves it to another
  /// thread. Until it is settled, the lease is extended.
  template <typename F>
  Status run(F handler, unsigned concurrency = 1) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const Delivery&>>) {
      return run_handler(
          [handler = std::move(handler)](const Delivery& delivery) mutable {
            handler(delivery);
            return Settlement::ack();
          },
          concurrency);
    } else {
      return run_handler(handler, concurrency);
    }
  }
  /// Fetches nothing more, gives back what was not started, waits for what runs (or was left for
  /// later) and until settles are confirmed. kDeadlineExceeded: not in time; what is unsettled is
  /// given back nevertheless. To be called from any thread but a handler's; there, use
  /// request_stop().
  Status stop(std::chrono::milliseconds deadline);
  /// Makes run() return when the handlers that run have ended. Returns at once; for handlers.
  void request_stop();

  /// The next message; nothing when none came in time.
  Result<std::optional<Delivery>> receive(std::chrono::milliseconds timeout);
  /// What is here, at most `messages_max`; empty when nothing came in time.
  Result<DeliveryBatch> receive_batch(std::chrono::milliseconds timeout,
                                      std::size_t messages_max = 65'536);

  /// Settles; returns at once. flush() tells when it is certain.
  void settle(const Delivery& delivery, const Settlement& settlement);
  /// The same, and `done` is told what became of it. Called at once, on this thread, where the
  /// consumer is at its end.
  void settle(const Delivery& delivery, const Settlement& settlement, SettleCallback done);
  /// The same with a future.
  std::future<Status> settle_confirmed(const Delivery& delivery, const Settlement& settlement);
  /// Done with it.
  void ack(const Delivery& delivery);
  /// Done with all of them: much cheaper than one by one.
  void ack(const DeliveryBatch& batch);
  /// The same with one outcome for all: the first error, if there is one.
  std::future<Status> ack_confirmed(const DeliveryBatch& batch);
  /// Restarts the lease: `duration` from now, 0 = as long as the subscription's; `maxLease` bounds
  /// it. Rarely needed, as leases of unsettled messages are extended anyway; that goes on when half
  /// the subscription's lease is left of this one, within ConsumerOptions::extend_for.
  std::future<Status> extend(const Delivery& delivery,
                             std::chrono::milliseconds duration = std::chrono::milliseconds(0));
  /// The same with a callback; see settle().
  void extend(const Delivery& delivery, std::chrono::milliseconds duration, SettleCallback done);
  /// Waits until everything that was settled before has its answer. FailedPrecondition where some
  /// of what was settled since the last flush was thrown away with a lost session: it comes again.
  Status flush(std::chrono::milliseconds timeout);

  /// A picture.
  ConsumerStats stats() const;

  /// The library's.
  class Core;
  /// The library's.
  explicit Consumer(std::shared_ptr<Core> core);

 private:
  Status run_handler(const Handler& handler, unsigned concurrency);

  std::shared_ptr<Core> core_;
};

}  // namespace sluice
