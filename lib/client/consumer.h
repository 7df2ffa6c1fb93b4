#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "client/connection.h"
#include "client/delivered_batch.h"
#include "client/settle_queue.h"

namespace sluice::client {

struct ConsumerOptions {
  std::string queue;         // `NAME/dlq` for the dead letters of NAME
  std::string subscription;  // empty = `default`
  // How much may be delivered and not yet settled, over all shards. Credit is given out by it.
  std::uint32_t messages_max = 65'536;
  std::uint64_t bytes_max = 8 * 1024 * 1024;
  // Every message is settled before it is sent, and never comes again, whatever happens to it on
  // the way or here. Settles only give credit back then; release, fail and reject do no more.
  bool at_most_once = false;
  // False: settles are sent and forgotten; a lost one means a redelivery.
  bool confirm_settles = true;
  // Told when the leases of a shard are void although they were not settled: it was changed, or the
  // session was lost. Called from inside the calls of this object and of the connection.
  std::function<void(base::ShardIndex)> on_leases_lost;
};

struct ConsumerStats {
  std::uint64_t messages_delivered = 0;
  std::uint64_t messages_settled = 0;  // as the broker confirmed
  // Settles that came too late: the lease had ended. Harmless, but the message comes again.
  std::uint64_t messages_stale = 0;
  std::uint64_t settles_refused = 0;  // SETTLE frames refused for another reason
};

struct SettleOptions {
  std::optional<base::Millis> delay;  // kFail only: instead of the subscription's backoff
  std::string_view error;             // kFail and kReject: kept with the dead letter; cut at 4 KiB
  // Told when it is committed, or that it is not: FailedPrecondition (StaleReceipt) when the lease
  // had ended, Unavailable when it is unknown. Called like on_leases_lost.
  SettleCallback done = nullptr;
  // The caller knows that it was settled before, or that its lease was lost.
  bool alone = false;
};

struct FailOptions {
  std::optional<base::Millis> delay;  // instead of the subscription's backoff
  std::string_view error;             // kept with the dead letter; cut at 4 KiB
};

// Leases messages of one subscription from all shards of a queue.
//
// Settles are collected and sent by the next call that does I/O (poll, flush_settles,
// Connection::poll), neighbours joined, so acknowledging every message on its own costs little.
// Each settle gives its share of credit back. After a lost connection the session is resumed,
// unconfirmed settles are sent again (harmless if they had arrived) and batches in hand stay valid;
// when the session was lost too, they turn out stale.
//
// Every delivered message is to be settled, at least released: credit comes back only so.
//
// Thread: the connection's owner. The connection must outlive the consumer. Destroying it detaches:
// what is leased and not settled goes back, uncounted.
class Consumer {
 public:
  // NotFound when there is no such queue or subscription.
  static base::Result<std::unique_ptr<Consumer>> open(Connection& connection,
                                                      ConsumerOptions options);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // The next batch, or nothing after `timeout` (0 = only what is here). Fails when the attachment
  // is over: NotFound (queue or subscription deleted), or what the broker said.
  base::Result<std::optional<DeliveredBatch>> poll(base::Millis timeout);

  // Done with the whole batch.
  void ack(const DeliveredBatch& batch);
  // Done with the message or range. The range must lie in one batch, without gaps.
  void ack(const Receipt& receipt);
  // The same for each message of them; those of one batch should stand together.
  void ack(std::span<const ReceiptWord> words);
  // Gives it back, uncounted, for anybody at once.
  void release(const DeliveredBatch& batch);
  void release(const Receipt& receipt);
  // Counts an attempt; comes again after the backoff, or is dead-lettered after the last attempt.
  void fail(const Receipt& receipt, const FailOptions& options);
  // Dead-letters it now.
  void reject(const Receipt& receipt, std::string_view error);

  // Any of these, with an answer.
  void settle(SettleKind kind, const Receipt& receipt, SettleOptions options);

  // Restarts the lease: `duration` from now, 0 = the subscription's own. Sent at once; the answer
  // is awaited only in so far as stale ones are counted in stats().
  base::Status extend(const DeliveredBatch& batch, base::Millis duration = base::Millis(0));
  base::Status extend(const Receipt& receipt, base::Millis duration = base::Millis(0),
                      SettleCallback done = nullptr);
  base::Status extend_all(base::Millis duration = base::Millis(0));

  // Sends what was settled and waits until everything is confirmed. DeadlineExceeded: not in time.
  base::Status flush_settles(base::Millis timeout);
  // Asks for no more than was asked for: before an end in order. What still comes is to be settled.
  void stop_credit();
  // Messages whose settle was thrown away with the lease, so far: the session was lost before the
  // answer. Most come again.
  std::uint64_t lost_messages() const;
  // Messages whose settle is neither confirmed nor refused.
  std::uint64_t unconfirmed_messages() const;
  // A place in the row of settles, and whether everything before it has its answer.
  using Mark = std::vector<std::uint64_t>;
  Mark settle_mark() const;
  bool passed(const Mark& mark) const;
  // Everybody who waits for an answer is told that there will be none.
  void abandon(const base::Error& error);
  // Messages delivered and not settled by the application.
  std::uint64_t held_messages() const;

  const ConsumerStats& stats() const;

 private:
  class Impl;
  explicit Consumer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::client
