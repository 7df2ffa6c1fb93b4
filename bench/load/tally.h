#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::bench {

// What the consumer got. Ends the program when a message comes twice, has another size or was
// never sent; with as many messages as were sent, none is then missing. One thread at a time.
class Tally {
 public:
  Tally(std::uint64_t messages, std::uint32_t size_bytes);

  void count(std::span<const std::byte> message);
  std::uint64_t received() const { return received_; }
  bool complete() const { return received_ == seen_.size(); }

 private:
  std::vector<bool> seen_;
  std::uint32_t size_bytes_;
  std::uint64_t received_ = 0;
};

}  // namespace sluice::bench
