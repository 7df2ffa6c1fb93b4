#include <algorithm>
#include <utility>

#include "base/log.h"
#include "frontend/command_decoder.h"
#include "frontend/effect_encoder.h"
#include "frontend/frame_dispatch.h"

// The part of FrameDispatch for messages in pieces. A large delivery is sent a window at a time, as
// the client takes it, so that it costs bounded memory and nothing has to wait behind it. A session
// receives one at a time; the broker gives an attachment no other message until it is through.
namespace sluice::frontend {
namespace {

// In one round of the loop: reading, verifying and copying a piece takes longer than the rest of a
// round, and whoever has something small comes between two of them.
constexpr int kPiecesPerRound = 1;

wire::DeliverChunk frame_of(const broker::Deliver& delivery) {
  const broker::DeliveryRun& run = delivery.runs.front();
  wire::DeliverChunk frame;
  frame.attachment = delivery.attachment.value();
  frame.lease_ms = delivery.lease_ms;
  frame.epoch = delivery.epoch.value();
  frame.sequence = run.slice.first.value();
  frame.attempts = run.attempts;
  frame.stalls = run.stalls;
  frame.accepted_at_ms = run.accepted_at.value();
  frame.message_bytes = run.large_bytes();
  return frame;
}

}  // namespace

void FrameDispatch::on(const Request& request, const wire::Chunk& frame) {
  if (map_is_current(frame.map_version)) {
    return parts_.commands.apply(request.now, to_command(request.origin(), frame));
  }
  // One answer a message.
  if (frame.offset > 0) return;
  wire::Published answer;
  answer.code = static_cast<std::uint16_t>(broker::RefusalCode::kStaleShardMap);
  answer.publisher = frame.publisher;
  answer.producer_sequence = frame.producer_sequence;
  count_refusal(broker::RefusalCode::kStaleShardMap);
  reply(request, answer);
}

void FrameDispatch::on(const Request& request, const wire::ChunkCredit& frame) {
  const broker::SessionHandle session = request.session.handle;
  const auto queue = transfers_.find(session);
  if (queue == transfers_.end()) return;
  const auto transfer =
      std::find_if(queue->second.begin(), queue->second.end(), [&](const Transfer& candidate) {
        return candidate.delivery.attachment.value() == frame.attachment &&
               candidate.delivery.epoch.value() == frame.epoch;
      });
  if (transfer == queue->second.end()) return;
  transfer->limit = std::max(transfer->limit, frame.limit);
  if (queue->second.front().may_send()) sending_.insert(session);
  // Who takes pieces is alive, however slowly it does.
  broker::Extend extend;
  extend.origin = {session, broker::RequestId()};
  extend.attachment = transfer->delivery.attachment;
  const base::Sequence sequence = transfer->run().slice.first;
  extend.receipts.push_back({transfer->delivery.epoch, {sequence, sequence}});
  parts_.commands.apply(request.now, extend);
}

void FrameDispatch::on(const Request& request, const wire::Detach& frame) {
  const broker::Detach command = to_command(request.origin(), frame);
  drop_transfers(request.now, request.session.handle, command.attachment, false);
  parts_.commands.apply(request.now, command);
}

void FrameDispatch::pass_one(base::Now now, broker::AttachmentClosed& effect) {
  drop_transfers(now, effect.session, effect.attachment, false);
  Session* session = parts_.sessions.find(effect.session);
  if (session == nullptr || !session->connected || session->welcomes_due > 0) return;
  send(now, *session, 0, to_frame(effect));
}

void FrameDispatch::begin_transfer(broker::Deliver&& delivery) {
  const broker::SessionHandle session = delivery.session;
  Transfer transfer;
  transfer.delivery = std::move(delivery);
  transfers_[session].push_back(std::move(transfer));
  sending_.insert(session);
}

void FrameDispatch::end_transfer(base::Now now, broker::SessionHandle session) {
  const auto queue = transfers_.find(session);
  if (queue == transfers_.end()) return;
  const broker::AttachmentHandle attachment = queue->second.front().delivery.attachment;
  queue->second.pop_front();
  if (queue->second.empty()) {
    transfers_.erase(queue);
    sending_.erase(session);
  }
  parts_.commands.apply(now, broker::ChunksSent{session, attachment});
}

void FrameDispatch::drop_transfers(base::Now now, broker::SessionHandle session,
                                   std::optional<broker::AttachmentHandle> attachment,
                                   bool given_back) {
  const auto queue = transfers_.find(session);
  if (queue == transfers_.end()) return;
  std::deque<Transfer> kept;
  std::vector<broker::Deliver> dropped;
  for (Transfer& transfer : queue->second) {
    if (attachment && transfer.delivery.attachment != *attachment) {
      kept.push_back(std::move(transfer));
    } else {
      dropped.push_back(std::move(transfer.delivery));
    }
  }
  queue->second = std::move(kept);
  if (queue->second.empty()) {
    transfers_.erase(queue);
    sending_.erase(session);
  } else {
    sending_.insert(session);
  }
  if (!given_back) return;
  for (const broker::Deliver& delivery : dropped) give_back(now, delivery);
}

void FrameDispatch::send_pieces(base::Now now) {
  tell_what_left(now);
  more_pieces_ = false;
  int left = kPiecesPerRound;
  // Round robin, one piece a session; those that wait for the disk are asked again next time.
  std::size_t idle = 0;
  while (left > 0 && idle < sending_.size()) {
    auto next = sending_.upper_bound(sent_last_);
    if (next == sending_.end()) next = sending_.begin();
    sent_last_ = *next;
    Session* session = parts_.sessions.find(sent_last_);
    const auto queue = transfers_.find(sent_last_);
    if (session == nullptr || queue == transfers_.end() || !queue->second.front().may_send()) {
      sending_.erase(next);
      continue;
    }
    switch (send_piece(now, *session, queue->second.front())) {
      case PieceSent::kOne:
        --left;
        idle = 0;
        break;
      case PieceSent::kNotReady:
        ++idle;
        break;
      case PieceSent::kGone:
        idle = 0;
        break;
    }
  }
  more_pieces_ = left == 0 && !sending_.empty();
}

FrameDispatch::PieceSent FrameDispatch::send_piece(base::Now now, Session& session,
                                                   Transfer& transfer) {
  const broker::SessionHandle handle = session.handle;
  const storage::EntrySlice& slice = transfer.run().slice;
  const std::vector<std::byte>& rewritten = transfer.run().rewritten;
  const std::uint64_t stored = transfer.run().stored_offset(transfer.offset);
  if (!parts_.messages.piece_ready(slice, stored)) return PieceSent::kNotReady;
  wire::DeliverChunk frame = frame_of(transfer.delivery);
  frame.offset = transfer.offset;
  const base::Result<base::ByteView> piece = parts_.messages.read_piece(slice, stored);
  if (!piece.has_value()) {
    // As with other deliveries: the broker looks again, and finds what is damaged.
    base::log_error("delivery_unreadable",
                    {{"session", session.id.to_hex()}, {"reason", piece.error().message()}});
    const broker::Settle release = to_release(transfer.delivery);
    send(now, session, 0, frame);
    parts_.commands.apply(now, release);
    end_transfer(now, handle);
    return PieceSent::kGone;
  }
  frame.piece = *piece;
  std::vector<std::byte> front;
  if (transfer.offset == 0 && !rewritten.empty()) {
    front.reserve(wire::kChunkBytesMax);
    front = rewritten;
    const auto room = std::min(piece->size(), wire::kChunkBytesMax - front.size());
    front.insert(front.end(), piece->begin(), piece->begin() + static_cast<std::ptrdiff_t>(room));
    frame.piece = front;
  }
  transfer.offset += frame.piece.size();
  const bool is_last = frame.is_last();
  send(now, session, 0, frame);
  // Sending may have ended the session, and with it the transfer.
  if (is_last) end_transfer(now, handle);
  return PieceSent::kOne;
}

}  // namespace sluice::frontend
