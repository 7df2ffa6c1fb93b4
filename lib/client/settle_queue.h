#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "client/delivered_batch.h"
#include "wire/frame.h"

namespace sluice::client {

// Told once what became of a settle or an extension: OK = committed.
using SettleCallback = std::function<void(const base::Status&)>;
void tell(const std::vector<SettleCallback>& watchers, const base::Status& status);

enum class SettleKind : std::uint8_t { kAck = 1, kRelease = 2, kFail = 3, kReject = 4 };

// One SETTLE frame to be: receipts that share kind, delay and error.
struct PendingSettle {
  SettleKind kind = SettleKind::kAck;
  std::optional<std::uint32_t> delay_ms;
  std::string error;
  std::vector<wire::WireReceipt> receipts;
  std::uint32_t words = 0;  // of them
  std::uint64_t messages = 0;
  std::uint64_t number = 0;  // frames are numbered in their order, from 1
  std::vector<SettleCallback> watchers;
  bool one_epoch = true;  // so that its receipts are good or stale together
  bool whole = false;     // takes no more
  // Sent before, over a connection that was lost: it may have been carried out, and then this time
  // it is stale.
  bool is_again = false;

  // The body of the frame; what views it has point into *this.
  wire::Settle to_frame(std::uint32_t attachment) const;
  // Returns send(body of the frame). The receipts, of which there may be thousands, are lent to it.
  template <typename Send>
  bool send_as_frame(std::uint32_t attachment, Send&& send);
};

struct SettleExtras {
  SettleCallback done = nullptr;
  // In a frame of its own: it is likely to be stale, and the answer counts only.
  bool alone = false;
};

// Collects the settles of one attachment into few frames, in order, and keeps those that are not
// confirmed, to send them again after a lost connection. Pure.
class SettleQueue {
 public:
  // What add() does with each of them, for the usual ones: acks that nobody waits for. Bit i of
  // `bits` is message first + i; bit 0 is set.
  void ack(base::Epoch epoch, base::Sequence first, std::uint64_t bits);
  // Whether the broker takes words. What waits is put into ranges where it does not: it may be
  // another one than before.
  void allow_words(bool allowed);
  // All messages of a delivery.
  void add_all(SettleKind kind, const DeliveredBatch& batch);
  // A settle that somebody waits for shares a frame with settles of its own epoch only: an answer
  // says how many were stale, not which.
  void add(SettleKind kind, base::Epoch epoch, base::SequenceRange range,
           std::optional<base::Millis> delay, std::string_view error, SettleExtras extras = {});

  // The next frame to send; nullptr = none.
  PendingSettle* next() { return waiting_.empty() ? nullptr : &waiting_.front(); }
  // next() was sent. Request 0 = no answer is wanted: forgotten at once.
  void on_sent(std::uint64_t request);
  // The frame that was answered; nothing = not one of ours.
  std::optional<PendingSettle> on_answered(std::uint64_t request);
  bool awaits(std::uint64_t request) const { return sent_.contains(request); }
  // What was sent and not confirmed goes first when there is a connection again.
  void on_session_lost();
  // The leases are gone. Returns what was neither confirmed nor refused.
  struct Dropped {
    std::uint64_t messages = 0;
    std::vector<SettleCallback> never_sent;
    std::vector<SettleCallback> unanswered;
  };
  Dropped clear();
  // Adds all to `watchers`; the settles stay, with nobody waiting for them.
  void take_watchers(std::vector<SettleCallback>& watchers);

  std::size_t waiting_frames() const { return waiting_.size(); }
  std::uint64_t unconfirmed_messages() const { return unconfirmed_messages_; }
  bool empty() const { return waiting_.empty() && sent_.empty(); }
  // Of the last frame; and whether all up to that one are done with.
  std::uint64_t last_number() const { return last_number_; }
  bool is_done(std::uint64_t number) const;

 private:
  void choose_frame(SettleKind kind, base::Epoch epoch, std::optional<std::uint32_t> delay_ms,
                    std::string_view error, const SettleExtras& extras);
  void begin_frame(SettleKind kind, std::optional<std::uint32_t> delay_ms, std::string_view error);
  void begin_next();
  void append(base::Epoch epoch, base::SequenceRange range);
  bool fits_word(base::Epoch epoch, base::SequenceRange range) const;
  void push(const wire::WireReceipt& receipt);
  void count(std::uint64_t messages);

  std::uint32_t words_max_ = wire::kReceiptWordsMax;  // in a frame
  std::deque<PendingSettle> waiting_;
  std::map<std::uint64_t, PendingSettle> sent_;  // by request, hence in order
  std::uint64_t last_number_ = 0;
  std::uint64_t unconfirmed_messages_ = 0;
};

template <typename Send>
bool PendingSettle::send_as_frame(std::uint32_t attachment, Send&& send) {
  std::vector<wire::WireReceipt> lent;
  lent.swap(receipts);
  wire::Body body(to_frame(attachment));
  auto& frame = std::get<wire::Settle>(body);
  frame.receipts.swap(lent);
  const bool sent = send(body);
  frame.receipts.swap(receipts);
  return sent;
}

}  // namespace sluice::client
