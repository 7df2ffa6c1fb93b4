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

// Bytes of a DELIVER frame before its entries, so that the caller can allocate a frame once and
// copy entries straight into it.
std::size_t deliver_prefix_bytes(std::size_t runs);
// Writes that prefix. REQUIRES: out.size() == deliver_prefix_bytes(deliver.runs.size()).
void encode_deliver_prefix(const FrameHeader& header, const Deliver& deliver,
                           base::MutableByteView out);
// The same for PUBLISH.
inline constexpr std::size_t kPublishPrefixBytes = kHeaderBytes + 20;
void encode_publish_prefix(const FrameHeader& header, const Publish& publish,
                           base::MutableByteView out);

}  // namespace sluice::wire
