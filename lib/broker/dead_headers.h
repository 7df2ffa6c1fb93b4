#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/message.h"
#include "broker/core.h"

// What is known of a dead letter, as headers of its message: for whoever gets it as a message.
// docs/protocol.md, "Headers of dead letters", has their names.
namespace sluice::broker {

using Headers = std::vector<std::pair<std::string, std::string>>;

// `error_bytes_max` of the last error are told.
Headers dead_headers(Core& core, const DeadLetter& letter, std::size_t error_bytes_max);

// Of `subscription` of `queue`: "orders/dlq", "orders/billing/dlq".
std::string dead_letters_name(const Queue& queue, base::SubscriptionId subscription);

// Which of its times a message keeps.
struct KeptTimes {
  bool all = true;
  base::WallTime after;  // else: a deliver-at later than this
};

// Appends the message's entry with the headers, in place of those of the same names; everything
// else stays as it is, but for its times. Headers that do not fit beside what the message has are
// left out, the longest first.
void append_with_headers(const base::MessageView& message, Headers headers, KeptTimes times,
                         std::vector<std::byte>& out);

// A large message with other headers: `bytes` (entry header and attributes) in place of the first
// `replaced` bytes of what is stored.
struct LargeFront {
  std::vector<std::byte> bytes;
  std::uint32_t replaced = 0;
  std::uint64_t entry_bytes = 0;  // of the whole entry with this front
};
// As append_with_headers(). nullopt = it cannot be read. REQUIRES: slice.large().
std::optional<LargeFront> front_with_headers(Core& core, const storage::EntrySlice& slice,
                                             Headers headers, KeptTimes times);

}  // namespace sluice::broker
