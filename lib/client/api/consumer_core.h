#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/api/client_core.h"
#include "client/api/io_loop.h"
#include "client/api/lease_book.h"
#include "client/consumer.h"
#include "sluice/consumer.h"

namespace sluice {

// What came goes from the loop's thread to the application through one queue, settles go back
// through another; the loop's thread looks after the leases in between.
//
// Threads: what stands under "the loop's thread" is for that one; the rest for any.
class SLUICE_HIDDEN Consumer::Core final : public api::Attendant,
                                           public std::enable_shared_from_this<Core> {
 public:
  static base::Result<std::shared_ptr<Core>> open(std::shared_ptr<Client::Core> client,
                                                  ConsumerOptions options);
  Core(std::shared_ptr<Client::Core> client, ConsumerOptions options);

  base::Status run(const Handler& handler, unsigned concurrency);
  // Up to `messages_max` of what is here; waits for the first. Empty = none in time.
  base::Result<DeliveryBatch> receive(base::Millis timeout, std::size_t messages_max);
  void settle(const Delivery& delivery, const Settlement& settlement, SettleCallback done);
  // `done` is told once, when all are confirmed.
  void ack(const DeliveryBatch& batch, const SettleCallback& done);
  void extend(const Delivery& delivery, base::Millis duration, SettleCallback done);
  base::Status flush(base::Millis timeout);
  void request_stop();
  base::Status stop(base::Millis deadline);
  // For the destructor of the handle, on whatever thread.
  void stop_in_time();
  ConsumerStats stats() const;

  // --- The loop's thread.
  std::optional<base::MonoTime> turn(base::MonoTime now) override;
  void on_dead(const base::Error& error) override;

 private:
  // A batch that is handed out message by message.
  struct Ready {
    std::shared_ptr<const client::DeliveredBatch> batch;
    client::DeliveredBatch::Iterator at;
  };
  struct Command {
    Settlement::Kind kind = Settlement::Kind::kAck;
    client::Receipt receipt;
    std::optional<base::Millis> delay;
    std::string error;
    client::SettleCallback done;             // told once for each receipt
    std::vector<client::Receipt> several{};  // instead of the one
    // Instead of receipts: acks that nobody waits for.
    std::vector<client::ReceiptWord> acks{};

    std::span<const client::Receipt> receipts() const {
      if (!acks.empty()) return {};
      return several.empty() ? std::span(&receipt, 1) : std::span(several);
    }
    std::size_t size() const { return acks.size() + receipts().size(); }
  };

  // Receipts and words that are worth a frame of their own at once.
  static constexpr std::size_t kReceiptsMany = 512;

  static base::Error stopped();
  base::Status told_of_lost();
  base::Status open_consumer();
  void work(const Handler& handler);
  // Gives back what was not handed out.
  void release_ready();
  void release(Ready& ready);
  void command(Command command);
  std::vector<Command> take_commands();
  void count_receipts(std::size_t more);
  void ack_plainly(const client::ReceiptWord& one);
  bool is_over(std::unique_lock<std::mutex>& lock, const SettleCallback& done);
  // At most once: what is handed out makes room.
  void make_room(const client::Delivery& delivery);
  std::size_t ready_messages(std::size_t messages_max) const;
  void take(DeliveryBatch& out, std::size_t messages_max);
  void apply(Command& command);
  void apply(std::vector<client::ReceiptWord>& acks);
  void fetch(base::MonoTime now);
  void confirm();
  void drop_ready(base::ShardIndex shard);
  bool hurried() const { return stopping_ || flushes_waiting_ > 0; }
  void detach();

  const std::shared_ptr<Client::Core> client_;
  const ConsumerOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable arrived_;   // something is ready, or it is the end
  std::condition_variable progress_;  // handlers ended, settles were confirmed
  std::deque<Ready> ready_;
  std::vector<Command> commands_;
  std::size_t receipts_waiting_ = 0;  // in `commands_`
  unsigned handlers_running_ = 0;
  unsigned threads_running_ = 0;
  bool stopping_ = false;
  unsigned flushes_waiting_ = 0;
  bool defers_ = false;         // a handler said Settlement::later()
  bool all_is_settled_ = true;  // as far as the loop's thread has seen it
  std::uint64_t commands_given_ = 0;
  std::uint64_t commands_confirmed_ = 0;
  std::uint64_t messages_lost_ = 0;       // settled, and thrown away with the session
  std::uint64_t messages_lost_told_ = 0;  // by a flush
  std::optional<base::Error> failure_;
  ConsumerStats stats_;

  // --- The loop's thread.
  std::unique_ptr<client::Consumer> consumer_;
  api::LeaseBook leases_;
  std::optional<base::MonoTime> commands_due_;
  std::uint64_t commands_applied_ = 0;
  // What the next confirmation means: so many commands, and their place in the row.
  struct Mark {
    std::uint64_t commands = 0;
    client::Consumer::Mark place;
  };
  std::optional<Mark> mark_;
  bool attached_ = false;
};

}  // namespace sluice
