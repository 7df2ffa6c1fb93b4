#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "client/api/client_core.h"
#include "client/api/convert.h"
#include "client/api/io_loop.h"
#include "client/frame_buffer.h"
#include "client/publisher.h"
#include "sluice/producer.h"

namespace sluice {

// Fills batches on the application's threads, under one lock, so that the client's thread has only
// whole frames to move. A batch goes: open (one a shard) -> sealed -> in flight -> finished.
//
// Threads: what stands under "the loop's thread" is for that one; the rest for any.
class SLUICE_HIDDEN Producer::Core final : public api::Attendant,
                                           public std::enable_shared_from_this<Core> {
 public:
  static base::Result<std::shared_ptr<Core>> open(std::shared_ptr<Client::Core> client,
                                                  ProducerOptions options);
  Core(std::shared_ptr<Client::Core> client, ProducerOptions options);

  // The outcomes of many messages as one.
  class Tally {
   public:
    explicit Tally(std::uint64_t messages) : left_(messages) {}
    std::future<BatchReceipt> future() { return promise_.get_future(); }
    void add_nothing() { promise_.set_value({}); }
    void add(std::uint64_t messages, bool stored, const std::optional<Error>& error);

   private:
    std::mutex mutex_;
    std::uint64_t left_;
    BatchReceipt receipt_;
    std::promise<BatchReceipt> promise_;
  };
  // Who is told of messages `at` .. `at + count - 1` of a batch.
  struct Waiter {
    std::uint32_t at = 0;
    std::uint32_t count = 1;
    SendCallback callback;
    std::shared_ptr<Tally> tally;
  };
  struct AddOptions {
    bool may_wait = true;  // for room, if the options of the producer want that
    // The caller's own number of the message; 0 = the next one.
    std::uint64_t number = 0;
  };

  // Takes the message, or says why not.
  base::Status add(const Message& message, AddOptions options, Waiter waiter);
  base::Status add(const Message& message, const std::shared_ptr<Tally>& tally) {
    return add(message, {}, {0, 1, nullptr, tally});
  }
  base::Status add(std::string_view body, const std::shared_ptr<Tally>& tally);
  // One outcome for all.
  template <typename T>
  std::future<BatchReceipt> add_all(std::span<const T> messages) {
    const auto tally = std::make_shared<Tally>(messages.size());
    std::future<BatchReceipt> future = tally->future();
    for (const T& message : messages) {
      const base::Status status = add(message, tally);
      if (!status.has_value()) tally->add(1, false, api::to_public(status.error()));
    }
    if (messages.empty()) tally->add_nothing();
    return future;
  }
  base::Status flush(base::Millis timeout);
  base::Status close(base::Millis timeout);
  // For the destructor of the handle, on whatever thread.
  void close_in_time() {
    const base::Status status = close(options_.close_timeout);
    (void)status;  // what has no answer was told so
  }

  std::uint16_t shards() const;
  std::optional<std::uint16_t> shard_of(const Message& message) const;
  std::uint16_t home_shard() const { return home_; }
  std::uint64_t last_sequence(std::uint16_t shard) const {
    return shard < last_sequences_.size() ? last_sequences_[shard] : 0;
  }
  std::uint64_t next_sequence(std::uint16_t shard) const;
  ProducerStats stats() const;

  // --- The loop's thread.
  std::optional<base::MonoTime> turn(base::MonoTime now) override;
  void on_dead(const base::Error& error) override;

 private:
  struct Batch {
    std::shared_ptr<client::OutboundBuffer> frame;
    std::uint32_t count = 0;
    std::vector<Waiter> waiters;  // in the order of `at`; messages without one stand between
    std::uint16_t shard = 0;
    std::uint32_t map_version = 0;
    std::uint64_t tag = 0;
    base::MonoTime opened_at;  // 0 = the loop has not seen it yet
    // In flight: how many have an outcome. The first so many, or, once a part of it was routed to
    // another shard, those that `told` says.
    std::uint32_t done = 0;
    std::vector<bool> told;
    std::uint64_t bytes_left = 0;  // of what has no outcome

    std::size_t bytes() const;
  };
  // Of messages that stand in a row in their batch.
  struct Outcome {
    const std::optional<Error>& error;
    Receipt first;  // of the first one, where there is no error
  };
  struct Entry {
    std::optional<std::uint16_t> shard;
    base::ByteView attributed;  // whole; empty = that of a bare `body`
    std::string_view body;
    AddOptions options;
  };

  base::Status open_publisher();
  base::Status check_body(std::size_t bytes) const;
  void shut();
  std::optional<std::uint16_t> shard_by_map(const Message& message) const;
  base::Status add_entry(std::unique_lock<std::mutex>& lock, const Entry& entry, Waiter waiter);
  base::Status wait_for_room(std::unique_lock<std::mutex>& lock, std::size_t bytes, bool may_wait);
  // Whether a message with that number of the caller's is to be sent now.
  enum class Turn { kNow, kStoredBefore };
  base::Result<Turn> check_number(const Entry& entry) const;
  void seal(std::uint16_t shard);
  void seal_all();
  void on_outcome(const client::BatchOutcome& outcome);
  // `count` messages with so many bytes have an outcome.
  void account(Batch& batch, std::uint32_t count, std::uint64_t bytes, bool stored);
  static void tell(Batch& batch, std::uint32_t at, std::uint32_t count, const Outcome& outcome);
  // All of the batch has its outcome, and everyone was told.
  void finish(const Batch& batch);
  void finish_rest(Batch& batch, const std::optional<Error>& error);
  void follow_map();
  // Ends the producer: everything that has no outcome gets this one.
  void end(const Error& error);

  const std::shared_ptr<Client::Core> client_;
  ProducerOptions options_;
  // Set while opening, constant afterwards.
  std::uint32_t message_bytes_max_ = 0;
  std::size_t entry_bytes_max_ = 0;
  std::uint16_t home_ = 0;
  std::vector<std::uint64_t> last_sequences_;

  mutable std::mutex mutex_;
  wire::SlotTable slots_;
  std::condition_variable room_;      // bytes_pending fell
  std::condition_variable progress_;  // a batch is finished
  std::vector<Batch> open_;           // by shard
  std::uint16_t round_robin_ = 0;
  std::deque<Batch> sealed_;
  std::set<std::uint64_t> unfinished_;  // tags
  std::uint64_t last_tag_ = 0;
  std::vector<std::uint64_t> taken_sequences_;  // by shard: of the last message that was taken
  ProducerStats stats_;
  std::optional<Error> ended_;

  // --- The loop's thread.
  std::unique_ptr<client::Publisher> publisher_;
  std::map<std::uint64_t, Batch> in_flight_;
};

}  // namespace sluice
