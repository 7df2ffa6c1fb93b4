#include "frontend/effect_encoder.h"

#include <algorithm>
#include <string_view>

#include "wire/frame_codec.h"

namespace sluice::frontend {
namespace {

// Leaves room for the header and PEEKED's own fields.
constexpr std::size_t kPeekedBytesMax = wire::kFrameBytesMax - 8 * 1024;
constexpr std::size_t kPeekedMessageBytes = 64;  // fixed fields and lengths, generously

std::uint16_t code_of(const broker::Refusal& refusal) {
  return static_cast<std::uint16_t>(refusal.code);
}
std::string_view text_of(const broker::Refusal& refusal) {
  return std::string_view(refusal.message).substr(0, wire::kErrorTextBytesMax);
}

wire::PeekedMessage to_frame(const broker::PeekedMessage& message) {
  wire::PeekedMessage frame;
  frame.sequence = message.sequence.value();
  frame.accepted_at_ms = message.accepted_at.value();
  frame.attempts = message.attempts;
  frame.stalls = message.stalls;
  frame.dead = message.dead;
  frame.reason = message.dead ? static_cast<std::uint8_t>(message.reason) : std::uint8_t{0};
  frame.first_failed_ms = message.dead ? message.first_failed.value() : 0;
  frame.died_at_ms = message.dead ? message.died_at.value() : 0;
  frame.error = std::string_view(message.error).substr(0, wire::kErrorTextBytesMax);
  frame.consumer = std::string_view(message.consumer).substr(0, wire::kNameBytesMax);
  frame.entry = message.entry;
  return frame;
}

}  // namespace

wire::PublisherOpened to_frame(const broker::PublisherOpened& effect) {
  wire::PublisherOpened frame;
  frame.code = code_of(effect.refusal);
  frame.message = text_of(effect.refusal);
  frame.publisher = effect.publisher.value();
  frame.producer_epoch = effect.producer_epoch;
  frame.last_sequence = effect.last_sequence;
  frame.messages_limit = effect.messages_limit;
  frame.bytes_limit = effect.bytes_limit;
  frame.message_bytes_max = effect.message_bytes_max;
  return frame;
}

wire::Published to_frame(const broker::PublishReply& effect) {
  wire::Published frame;
  frame.code = code_of(effect.refusal);
  frame.message = text_of(effect.refusal);
  frame.publisher = effect.publisher.value();
  frame.producer_sequence = effect.producer_sequence;
  frame.expected_sequence = effect.expected_sequence;
  frame.first = effect.first.value();
  frame.count = effect.count;
  frame.duplicate = effect.duplicate;
  frame.messages_limit = effect.messages_limit;
  frame.bytes_limit = effect.bytes_limit;
  return frame;
}

wire::PublishCredit to_frame(const broker::PublisherCredit& effect) {
  return {effect.publisher.value(), effect.messages_limit, effect.bytes_limit};
}

wire::Attached to_frame(const broker::AttachReply& effect) {
  return {code_of(effect.refusal), text_of(effect.refusal), effect.attachment.value(),
          effect.lease_ms};
}

wire::Detached to_frame(const broker::DetachReply& effect) {
  return {code_of(effect.refusal), text_of(effect.refusal)};
}

wire::Settled to_frame(const broker::SettleReply& effect) {
  return {code_of(effect.refusal), text_of(effect.refusal), effect.attachment.value(),
          effect.settled, effect.stale};
}

wire::Extended to_frame(const broker::ExtendReply& effect) {
  return {code_of(effect.refusal), text_of(effect.refusal), effect.attachment.value(),
          effect.extended, effect.stale};
}

wire::AttachmentClosed to_frame(const broker::AttachmentClosed& effect) {
  return {effect.attachment.value(), code_of(effect.reason), text_of(effect.reason)};
}

wire::Task to_frame(const broker::TaskReply& effect) {
  return {code_of(effect.refusal),
          text_of(effect.refusal),
          effect.task,
          static_cast<std::uint8_t>(effect.state),
          effect.matched,
          effect.done};
}

wire::TaskStatus to_status_frame(const broker::TaskReply& effect) {
  wire::TaskStatus frame;
  frame.code = code_of(effect.refusal);
  frame.message = text_of(effect.refusal);
  frame.task = effect.task;
  frame.kind = static_cast<std::uint8_t>(effect.kind);
  frame.state = static_cast<std::uint8_t>(effect.state);
  frame.matched = effect.matched;
  frame.done = effect.done;
  frame.waits_for = std::string_view(effect.waits_for).substr(0, wire::kErrorTextBytesMax);
  for (const broker::TaskSample& sample : effect.samples) {
    frame.samples.push_back({sample.shard.value(), sample.sequence.value()});
  }
  return frame;
}

wire::Peeked to_frame(const broker::PeekReply& effect) {
  wire::Peeked frame;
  frame.code = code_of(effect.refusal);
  frame.message = text_of(effect.refusal);
  frame.next = effect.next.value();
  frame.messages.reserve(effect.messages.size());
  std::size_t bytes = 0;
  for (const broker::PeekedMessage& message : effect.messages) {
    const wire::PeekedMessage one = to_frame(message);
    bytes += kPeekedMessageBytes + one.error.size() + one.consumer.size() + one.entry.size();
    if (bytes > kPeekedBytesMax) {
      frame.next = one.sequence;
      break;
    }
    frame.messages.push_back(one);
  }
  return frame;
}

wire::Seeked to_frame(const broker::SeekReply& effect) {
  return {code_of(effect.refusal), text_of(effect.refusal), effect.sequence.value()};
}

wire::DamagedDiscarded to_frame(const broker::DiscardReply& effect) {
  return {code_of(effect.refusal), text_of(effect.refusal), effect.messages};
}

wire::QueueDeleted to_frame(const broker::DeleteReply& effect) {
  return {code_of(effect.refusal), text_of(effect.refusal)};
}

wire::QueueRemoved to_counted_frame(const broker::DeleteReply& effect) {
  const broker::QueueHoldings& held = effect.holdings;
  return {code_of(effect.refusal),
          text_of(effect.refusal),
          held.messages,
          held.ready,
          held.in_flight,
          held.delayed,
          held.dead,
          held.retained};
}

wire::Cordoned to_frame(const broker::CordonReply& effect) {
  return {code_of(effect.refusal), text_of(effect.refusal), effect.in_flight};
}

void encode_prefix(const wire::FrameHeader& header, const broker::Deliver& effect,
                   base::MutableByteView out) {
  wire::Deliver frame;
  frame.attachment = effect.attachment.value();
  frame.lease_ms = effect.lease_ms;
  frame.epoch = effect.epoch.value();
  wire::DeliverPrefix prefix(header, frame, effect.runs.size(), out);
  for (const broker::DeliveryRun& run : effect.runs) {
    prefix.add({run.slice.first.value(), run.slice.count, run.attempts, run.stalls,
                run.accepted_at.value(), run.slice.bytes});
  }
}

broker::Settle to_release(const broker::Deliver& effect) {
  broker::Settle command;
  command.origin.session = effect.session;
  command.attachment = effect.attachment;
  command.kind = broker::SettleKind::kRelease;
  command.wants_reply = false;
  command.receipts.reserve(effect.runs.size());
  for (const broker::DeliveryRun& run : effect.runs) {
    const base::Sequence first = run.slice.first;
    command.receipts.push_back({effect.epoch, {first, first + (run.slice.count - 1)}});
  }
  return command;
}

}  // namespace sluice::frontend
