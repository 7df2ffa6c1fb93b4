#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "client/delivered_batch.h"
#include "wire/frame.h"

namespace sluice::client {

enum class SettleKind : std::uint8_t { kAck = 1, kRelease = 2, kFail = 3, kReject = 4 };

// One SETTLE frame to be: receipts that share kind, delay and error.
struct PendingSettle {
  SettleKind kind = SettleKind::kAck;
  std::optional<std::uint32_t> delay_ms;
  std::string error;
  std::vector<wire::WireReceipt> receipts;
  std::uint64_t messages = 0;

  // Views point into *this.
  wire::Settle to_frame(std::uint32_t attachment) const;
};

// Collects the settles of one attachment into few frames, in order, and keeps those that are not
// confirmed, to send them again after a lost connection. Pure.
class SettleQueue {
 public:
  void ack(base::Epoch epoch, base::SequenceRange range) {
    if (!waiting_.empty()) {
      PendingSettle& last = waiting_.back();
      if (last.kind == SettleKind::kAck) {
        wire::WireReceipt& receipt = last.receipts.back();
        if (receipt.epoch == epoch.value() && receipt.last + 1 == range.first.value()) {
          receipt.last = range.last.value();
          last.messages += range.count();
          return;
        }
      }
    }
    add(SettleKind::kAck, epoch, range, std::nullopt, {});
  }
  void add(SettleKind kind, base::Epoch epoch, base::SequenceRange range,
           std::optional<base::Millis> delay, std::string_view error);

  // The next frame to send; nullptr = none.
  const PendingSettle* next() const { return waiting_.empty() ? nullptr : &waiting_.front(); }
  // next() was sent. Request 0 = no answer is wanted: forgotten at once.
  void on_sent(std::uint64_t request);
  // How many messages that frame settled; 0 = not one of ours.
  std::uint64_t on_answered(std::uint64_t request);
  bool awaits(std::uint64_t request) const { return sent_.contains(request); }
  // What was sent and not confirmed goes first when there is a connection again.
  void on_session_lost();
  // The leases are gone. Returns how many messages were neither confirmed nor refused.
  std::uint64_t clear();

  std::size_t waiting_frames() const { return waiting_.size(); }
  std::uint64_t unconfirmed_messages() const;
  bool empty() const { return waiting_.empty() && sent_.empty(); }

 private:
  std::deque<PendingSettle> waiting_;
  std::map<std::uint64_t, PendingSettle> sent_;  // by request, hence in order
};

}  // namespace sluice::client
