#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <zmq.hpp>

#include "bench/load/fail.h"

namespace sluice::bench {

enum class FrameKind : std::uint64_t {
  kProducerHello,
  kConsumerHello,
  kGo,        // broker to producer: the consumer is there too
  kMessages,  // followed by `count` messages, the first of which has the number `first`
  kDurable,   // broker to producer: `count` more frames are on disk
  kSettle,    // consumer to broker: these `count` messages, from `first`, are done
  kStop,      // broker to consumer: everything is settled
};

struct FrameHeader {
  FrameKind kind;
  std::uint64_t first;
  std::uint64_t count;
};

inline zmq::message_t control_frame(FrameKind kind, std::uint64_t first = 0,
                                    std::uint64_t count = 0) {
  const FrameHeader header{kind, first, count};
  return {&header, sizeof header};
}

inline FrameHeader header_of(const zmq::message_t& frame) {
  require(frame.size() >= sizeof(FrameHeader), "a frame is too short");
  FrameHeader header{};
  std::memcpy(&header, frame.data(), sizeof header);
  return header;
}

}  // namespace sluice::bench
