#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/frame.h"

namespace sluice::wire {

// Decodes a frame that a peer sent. Every length is bounded before anything is allocated; what is
// left over, missing, out of range or of an unknown type is InvalidArgument with the field's name.
// Views in the result point into `bytes`. PUBLISH entries are not looked at (base/message.h does).
base::Result<Frame> decode_frame(base::ByteView bytes);
// Only the header; for answering a frame whose body is bad.
base::Result<FrameHeader> decode_header(base::ByteView bytes);

// Appends the whole frame to `out`. The header's type is taken from the body.
// REQUIRES: texts and lists are within the limits of frame.h.
void encode_frame(const FrameHeader& header, const Body& body, std::vector<std::byte>& out);

inline constexpr std::size_t kDeliverRunBytes = 28;
// Bytes of a DELIVER frame before its entries, so that the caller can allocate a frame once and
// copy entries straight into it.
std::size_t deliver_prefix_bytes(std::size_t runs);
// Writes that prefix: the fields of `deliver` but its runs, which add() brings one by one.
class DeliverPrefix {
 public:
  // REQUIRES: out.size() == deliver_prefix_bytes(runs).
  DeliverPrefix(const FrameHeader& header, const Deliver& deliver, std::size_t runs,
                base::MutableByteView out);
  // REQUIRES: not more often than `runs`.
  void add(const DeliverRun& run) {
    base::store(at_, run.first);
    base::store(at_ + 8, run.count);
    base::store(at_ + 12, run.attempts);
    base::store(at_ + 14, run.stalls);
    base::store(at_ + 16, run.accepted_at_ms);
    base::store(at_ + 24, run.entries_bytes);
    at_ += kDeliverRunBytes;
  }

 private:
  std::byte* at_;
};
// The same for PUBLISH.
inline constexpr std::size_t kPublishPrefixBytes = kHeaderBytes + 20;
void encode_publish_prefix(const FrameHeader& header, const Publish& publish,
                           base::MutableByteView out);

}  // namespace sluice::wire
