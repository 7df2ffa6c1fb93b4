#pragma once

#include <vector>

#include "broker/effect.h"
#include "wire/frame.h"

// Broker effects -> wire bodies. Pure; texts and bytes of the result are views of the effect.
namespace sluice::frontend {

wire::PublisherOpened to_frame(const broker::PublisherOpened& effect);
wire::Published to_frame(const broker::PublishReply& effect);
wire::PublishCredit to_frame(const broker::PublisherCredit& effect);
wire::Attached to_frame(const broker::AttachReply& effect);
wire::Detached to_frame(const broker::DetachReply& effect);
wire::Settled to_frame(const broker::SettleReply& effect);
wire::Extended to_frame(const broker::ExtendReply& effect);
wire::AttachmentClosed to_frame(const broker::AttachmentClosed& effect);
wire::Task to_frame(const broker::TaskReply& effect);
wire::TaskStatus to_status_frame(const broker::TaskReply& effect);
// Cut to what fits a frame; `next` then names the first message that was left out.
wire::Peeked to_frame(const broker::PeekReply& effect);
wire::QueueDeleted to_frame(const broker::DeleteReply& effect);
wire::QueueRemoved to_counted_frame(const broker::DeleteReply& effect);
wire::Cordoned to_frame(const broker::CordonReply& effect);
wire::Seeked to_frame(const broker::SeekReply& effect);
wire::DamagedDiscarded to_frame(const broker::DiscardReply& effect);

// All of the frame but the entries, whose bytes are in the store.
// REQUIRES: out.size() == wire::deliver_prefix_bytes(effect.runs.size()).
void encode_prefix(const wire::FrameHeader& header, const broker::Deliver& effect,
                   base::MutableByteView out);
// Gives every message of the batch back, uncounted: for a frame that could not be sent.
broker::Settle to_release(const broker::Deliver& effect);

}  // namespace sluice::frontend
