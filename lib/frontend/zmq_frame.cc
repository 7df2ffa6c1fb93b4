#include "frontend/zmq_frame.h"

#include <new>
#include <utility>

namespace sluice::frontend {

namespace {

// Stands in front of a large frame's bytes.
struct alignas(std::max_align_t) FrameMemory {
  std::shared_ptr<QueuedBytes> queued;
  std::size_t bytes = 0;
};

void release(void* /*data*/, void* hint) {
  auto* const memory = static_cast<FrameMemory*>(hint);
  if (memory->queued != nullptr) memory->queued->fetch_sub(memory->bytes);
  memory->~FrameMemory();
  ::operator delete(memory);
}

}  // namespace

zmq::message_t make_frame(std::size_t bytes) {
  if (bytes < kCountedFrameBytes) return zmq::message_t(bytes);
  void* const place = ::operator new(sizeof(FrameMemory) + bytes);
  auto* const memory = new (place) FrameMemory{nullptr, bytes};
  return zmq::message_t(memory + 1, bytes, release, memory);
}

void count_frame(zmq::message_t& frame, const std::shared_ptr<QueuedBytes>& queued) {
  if (frame.size() < kCountedFrameBytes) return;
  auto* const memory = reinterpret_cast<FrameMemory*>(frame.data<std::byte>()) - 1;
  memory->queued = queued;
  queued->fetch_add(memory->bytes);
}

}  // namespace sluice::frontend
