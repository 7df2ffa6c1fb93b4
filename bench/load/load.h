#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace sluice::bench {

// The same for every system: one producer sends `messages` of `size_bytes`, one consumer settles
// each of them explicitly, and both work at the same time.
struct Load {
  std::uint64_t messages = 0;
  std::uint32_t size_bytes = 128;
  // How much the producer may have sent without an acknowledgement. In messages, except where a
  // program says otherwise.
  std::uint32_t window = 0;
};

// A message begins with its number, so that a consumer can tell a lost or repeated one.
inline constexpr std::uint32_t kMinSizeBytes = sizeof(std::uint64_t);

inline void stamp(std::span<std::byte> message, std::uint64_t number) {
  std::memcpy(message.data(), &number, sizeof number);
}

inline std::uint64_t number_of(std::span<const std::byte> message) {
  std::uint64_t number = 0;
  std::memcpy(&number, message.data(), sizeof number);
  return number;
}

// The same clock in all processes of this machine.
inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace sluice::bench
