#pragma once

#include <string>
#include <string_view>

namespace sluice::cli {

// "orders", or "orders/dlq" for its dead letters, "orders/billing/dlq" for those of one
// subscription.
struct QueueAddress {
  std::string queue;
  std::string subscription;  // empty = not named
  bool dead_letters = false;
};
QueueAddress parse_queue_address(std::string_view text);

}  // namespace sluice::cli
