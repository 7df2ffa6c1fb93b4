#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <zmq.hpp>

namespace sluice::frontend {

// Bytes of large frames to one peer that ZeroMQ has and has not sent yet. The loop thread adds,
// ZeroMQ's own threads take away.
using QueuedBytes = std::atomic<std::size_t>;

// Frames that know when they have left: ZeroMQ bounds what waits for a peer by frames only, and a
// thousand large ones are hundreds of MiB. Smaller frames than kCountedFrameBytes are not counted.
inline constexpr std::size_t kCountedFrameBytes = 4096;

zmq::message_t make_frame(std::size_t bytes);

// The frame is about to be handed over: `queued` has it until it has left or is dropped. Once only;
// nothing for a small frame.
void count_frame(zmq::message_t& frame, const std::shared_ptr<QueuedBytes>& queued);

}  // namespace sluice::frontend
