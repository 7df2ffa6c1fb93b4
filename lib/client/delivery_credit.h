#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/ids.h"
#include "base/time.h"

namespace sluice::client {

// How long what was settled may wait until it is told.
inline constexpr base::Millis kCreditPause{5};

// What one attachment holds unsettled, and the credit that it gives: the limits rise by what was
// settled, and are told when that is half of the window, for the sake of large deliveries, or has
// waited for kCreditPause: whoever keeps the other half for hours has handlers that are idle. Pure.
class DeliveryCredit {
 public:
  struct Limits {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
  };

  DeliveryCredit(std::uint64_t messages_window, std::uint64_t bytes_window)
      : window_{messages_window, bytes_window} {}

  // First limits of a new attachment. What is held from the one before uses up its share.
  Limits begin();
  // The limits to tell the broker, when it is time to.
  std::optional<Limits> due(base::MonoTime now);
  // When it will be, if nothing more is settled; nothing = never. As of the last due().
  std::optional<base::MonoTime> due_at() const { return due_at_; }
  void on_told(Limits limits) {
    told_ = limits;
    due_at_.reset();
  }
  // From now on nothing more is asked for, also not by a new attachment.
  void stop() {
    window_ = {};
    stopped_ = true;
    due_at_.reset();
  }

  void on_delivered(base::Epoch epoch, std::uint32_t messages, std::uint64_t bytes);
  // At most what the batch still has; a second settle of the same message is the caller's mistake
  // and frees credit twice, but never more than the batch had.
  void on_settled(base::Epoch epoch, std::uint64_t messages);
  // The leases are gone.
  void clear();

  std::uint64_t held_messages() const { return held_.messages; }
  std::uint64_t held_bytes() const { return held_.bytes; }

 private:
  struct Batch {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
  };
  Limits limits() const;

  Limits window_;
  bool stopped_ = false;
  Limits base_;   // credit begun with, since the attachment
  Limits freed_;  // settled since the attachment
  Limits told_;
  std::optional<base::MonoTime> due_at_;
  Limits held_;
  std::unordered_map<base::Epoch, Batch> batches_;
  // The batch that was settled from last: most come in rows.
  base::Epoch last_epoch_;
  Batch* last_ = nullptr;
};

}  // namespace sluice::client
