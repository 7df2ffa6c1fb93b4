#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

// The frames of messages that are too large for one; the others are in frame.h.
namespace sluice::wire {

// One piece of a message that fits no PUBLISH, and how far ahead of CHUNK_CREDIT they are sent.
inline constexpr std::size_t kChunkBytesMax = 255 * 1024;
inline constexpr std::uint64_t kChunkWindowBytes = 2U << 20;

// A piece of one large message, in order; the last one is answered by PUBLISHED.
struct Chunk {
  std::uint32_t publisher = 0;
  std::uint32_t map_version = 0;
  std::uint64_t producer_sequence = 0;
  std::uint64_t message_bytes = 0;  // of the whole entry
  std::uint64_t offset = 0;         // of the piece in it
  base::ByteView piece;             // to the end of the frame

  bool is_last() const { return offset + piece.size() == message_bytes; }
};
// A piece of one large message, which is a delivery of its own; in order.
struct DeliverChunk {
  std::uint32_t attachment = 0;
  std::uint32_t lease_ms = 0;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  std::int64_t accepted_at_ms = 0;
  std::uint64_t message_bytes = 0;
  std::uint64_t offset = 0;
  base::ByteView piece;  // empty = the broker gives up: what came of it is to be dropped

  bool is_last() const { return !piece.empty() && offset + piece.size() == message_bytes; }
};
// Pieces that begin below the limit may be sent; it never sinks.
struct ChunkCredit {
  std::uint32_t attachment = 0;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  std::uint64_t limit = 0;
};

}  // namespace sluice::wire
