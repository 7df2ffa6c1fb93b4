#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/ids.h"

namespace sluice::storage {

// The last records of the log in memory: those that are not written yet, and as many written ones
// as there is room for, so that a consumer which keeps up never reads a file. Memory comes in
// chunks straight from the operating system and really goes back to it.
//
// Owned by the loop thread. The log thread reads records below the written position only through
// the pointers of a WriteGroup; a record's bytes never change and stay until they are released.
class TailBuffer {
 public:
  // Written records are released, oldest first, so that at most `bytes_max` stay mapped (and one
  // chunk at least).
  explicit TailBuffer(std::uint64_t bytes_max);
  ~TailBuffer();
  TailBuffer(const TailBuffer&) = delete;
  TailBuffer& operator=(const TailBuffer&) = delete;

  // Room for the record [lsn, lsn + bytes). `written`: records that end there or before may be
  // released for it. REQUIRES: lsn rises from call to call, bytes <= kRecordTotalBytesMax.
  std::byte* reserve(base::Lsn lsn, std::size_t bytes, base::Lsn written);

  // The byte at `lsn`, or nullptr when it is not here. Valid until the record is released.
  const std::byte* find(base::Lsn lsn) const;

  // Gives back what is over the limit.
  void release(base::Lsn written);
  // Gives back everything that is written.
  void release_all(base::Lsn written);

  std::uint64_t mapped_bytes() const;

 private:
  // Consecutive log positions that lie at `offset` in the chunk.
  struct Span {
    base::Lsn begin;
    base::Lsn end;
    std::size_t offset = 0;
  };
  struct Chunk {
    std::byte* memory = nullptr;
    std::size_t used = 0;
    std::vector<Span> spans;

    bool holds_only_below(base::Lsn lsn) const { return spans.empty() || spans.back().end <= lsn; }
  };

  Chunk take_chunk(base::Lsn written);
  static std::byte* map_chunk();
  static void unmap_chunk(std::byte* memory);

  std::size_t chunks_max_;
  std::deque<Chunk> chunks_;  // oldest first; records go into the last
};

}  // namespace sluice::storage
