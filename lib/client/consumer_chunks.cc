#include <utility>

#include "client/consumer_impl.h"

// The part of a Consumer that puts large messages together.
namespace sluice::client {

void Consumer::Impl::on_chunk(Attachment& attachment, const wire::DeliverChunk& chunk) {
  std::optional<Assembly>& assembly = attachment.assembly;
  if (chunk.piece.empty()) return assembly.reset();  // the broker gave up
  if (chunk.offset == 0) {
    assembly = Assembly{};
    assembly->epoch = chunk.epoch;
    assembly->entry = std::make_shared<std::vector<std::byte>>();
    assembly->entry->reserve(chunk.message_bytes);
  }
  if (!assembly || assembly->epoch != chunk.epoch || assembly->entry->size() != chunk.offset) {
    return fail(base::invalid_argument("a delivery could not be read: a piece is missing"));
  }
  std::vector<std::byte>& entry = *assembly->entry;
  entry.insert(entry.end(), chunk.piece.begin(), chunk.piece.end());
  if (!chunk.is_last()) {
    if (entry.size() + wire::kChunkWindowBytes / 2 < assembly->limit) return;
    assembly->limit = entry.size() + wire::kChunkWindowBytes;
    attachment.route->connection().send(
        wire::ChunkCredit{chunk.attachment, chunk.epoch, chunk.sequence, assembly->limit}, 0);
    return;
  }
  wire::Deliver deliver;
  deliver.attachment = chunk.attachment;
  deliver.lease_ms = chunk.lease_ms;
  deliver.epoch = chunk.epoch;
  deliver.runs.push_back({chunk.sequence, 1, chunk.attempts, chunk.stalls, chunk.accepted_at_ms,
                          static_cast<std::uint32_t>(entry.size())});
  deliver.entries = entry;
  InboundFrame frame(std::move(assembly->entry), deliver.entries);
  assembly.reset();
  on_deliver(attachment, std::move(deliver), std::move(frame));
}

}  // namespace sluice::client
