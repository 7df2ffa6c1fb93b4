#include "bench/load/tally.h"

#include <string>

#include "bench/load/fail.h"
#include "bench/load/load.h"

namespace sluice::bench {

Tally::Tally(std::uint64_t messages, std::uint32_t size_bytes)
    : seen_(messages), size_bytes_(size_bytes) {}

void Tally::count(std::span<const std::byte> message) {
  if (message.size() != size_bytes_) {
    fail("received a message of " + std::to_string(message.size()) + " bytes instead of " +
         std::to_string(size_bytes_));
  }
  const std::uint64_t number = number_of(message);
  if (number >= seen_.size()) fail("received a message that nobody sent");
  if (seen_[number]) fail("received message " + std::to_string(number) + " twice");
  seen_[number] = true;
  ++received_;
}

}  // namespace sluice::bench
