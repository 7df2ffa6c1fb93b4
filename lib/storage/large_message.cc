#include "storage/large_message.h"

#include <algorithm>

#include "base/check.h"
#include "storage/record_codec.h"

namespace sluice::storage {

std::size_t piece_count(std::uint64_t entry_bytes) {
  return (entry_bytes + kLargePieceBytes - 1) / kLargePieceBytes;
}

std::size_t piece_bytes(std::uint64_t entry_bytes, std::size_t piece) {
  CHECK(piece < piece_count(entry_bytes));
  return std::min<std::uint64_t>(kLargePieceBytes, entry_bytes - piece * kLargePieceBytes);
}

base::Lsn piece_lsn(base::Lsn chunks, std::size_t piece, std::uint64_t entry_bytes,
                    std::uint64_t segment_bytes) {
  const auto bytes_of = [&](std::size_t number) {
    return record_bytes(kChunkHeadBytes, piece_bytes(entry_bytes, number));
  };
  std::uint64_t segment = chunks.value() / segment_bytes;
  std::uint64_t offset = chunks.value() % segment_bytes;
  for (std::size_t next = 2; next <= piece; ++next) {
    offset += bytes_of(next - 1);
    if (offset + bytes_of(next) <= segment_bytes) continue;
    ++segment;
    offset = kSegmentDataOffset;
  }
  return base::Lsn(segment * segment_bytes + offset);
}

}  // namespace sluice::storage
