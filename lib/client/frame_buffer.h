#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace sluice::client {

// A received frame: bytes, and whoever keeps them alive (the transport's message). Move-only;
// bytes() keeps its address when the frame moves.
class InboundFrame {
 public:
  InboundFrame() = default;
  InboundFrame(std::shared_ptr<const void> owner, base::ByteView bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}
  InboundFrame(InboundFrame&& other) noexcept
      : owner_(std::move(other.owner_)), bytes_(std::exchange(other.bytes_, {})) {}
  InboundFrame& operator=(InboundFrame&& other) noexcept {
    owner_ = std::move(other.owner_);
    bytes_ = std::exchange(other.bytes_, {});
    return *this;
  }

  base::ByteView bytes() const { return bytes_; }

 private:
  std::shared_ptr<const void> owner_;
  base::ByteView bytes_;
};

// A frame to be sent without a copy. One thread fills it; while in_transport() the network reads
// it, and nobody may write. Shared between its maker, who may resend it, and the transport.
class OutboundBuffer {
 public:
  explicit OutboundBuffer(std::size_t capacity)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(capacity)), capacity_(capacity) {}

  std::byte* data() { return bytes_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  base::ByteView view() const { return {bytes_.get(), size_}; }
  base::MutableByteView writable() { return {bytes_.get(), size_}; }
  void resize(std::size_t size) {
    CHECK(size <= capacity_);
    size_ = size;
  }

  bool in_transport() const { return in_transport_.load(std::memory_order_acquire); }
  void lend() { in_transport_.store(true, std::memory_order_relaxed); }
  // Any thread: the network will not look at it again.
  void give_back() { in_transport_.store(false, std::memory_order_release); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::atomic<bool> in_transport_{false};
};

}  // namespace sluice::client
