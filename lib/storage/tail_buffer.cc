#include "storage/tail_buffer.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/check.h"
#include "storage/log_format.h"

namespace sluice::storage {

namespace {

constexpr std::size_t kChunkBytes = 2U << 20;
static_assert(kChunkBytes >= 4 * kRecordTotalBytesMax, "little is lost at a chunk's end");

}  // namespace

TailBuffer::TailBuffer(std::uint64_t bytes_max)
    : chunks_max_(std::max<std::size_t>(1, static_cast<std::size_t>(bytes_max / kChunkBytes))) {}

TailBuffer::~TailBuffer() {
  for (const Chunk& chunk : chunks_) unmap_chunk(chunk.memory);
}

std::byte* TailBuffer::reserve(base::Lsn lsn, std::size_t bytes, base::Lsn written) {
  CHECK(bytes <= kRecordTotalBytesMax);
  if (chunks_.empty() || kChunkBytes - chunks_.back().used < bytes) {
    chunks_.push_back(take_chunk(written));
  }
  Chunk& chunk = chunks_.back();
  if (chunk.spans.empty() || chunk.spans.back().end != lsn) {
    CHECK(chunk.spans.empty() || chunk.spans.back().end < lsn);
    chunk.spans.push_back({lsn, lsn, chunk.used});
  }
  std::byte* const at = chunk.memory + chunk.used;
  chunk.used += bytes;
  chunk.spans.back().end += bytes;
  return at;
}

TailBuffer::Chunk TailBuffer::take_chunk(base::Lsn written) {
  Chunk chunk;
  if (chunks_.size() >= chunks_max_ && chunks_.front().holds_only_below(written)) {
    chunk = std::move(chunks_.front());
    chunks_.pop_front();
    chunk.used = 0;
    chunk.spans.clear();
    return chunk;
  }
  chunk.memory = map_chunk();
  return chunk;
}

const std::byte* TailBuffer::find(base::Lsn lsn) const {
  for (auto chunk = chunks_.rbegin(); chunk != chunks_.rend(); ++chunk) {
    if (chunk->spans.empty() || lsn < chunk->spans.front().begin) continue;
    for (const Span& span : chunk->spans) {
      if (span.begin <= lsn && lsn < span.end) {
        return chunk->memory + span.offset + (lsn - span.begin);
      }
    }
    return nullptr;
  }
  return nullptr;
}

void TailBuffer::release(base::Lsn written) {
  while (chunks_.size() > chunks_max_ && chunks_.front().holds_only_below(written)) {
    unmap_chunk(chunks_.front().memory);
    chunks_.pop_front();
  }
}

void TailBuffer::release_all(base::Lsn written) {
  while (!chunks_.empty() && chunks_.front().holds_only_below(written)) {
    unmap_chunk(chunks_.front().memory);
    chunks_.pop_front();
  }
}

std::uint64_t TailBuffer::mapped_bytes() const { return chunks_.size() * kChunkBytes; }

std::byte* TailBuffer::map_chunk() {
  void* const memory =
      ::mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);  // as with operator new: without memory there is no going on
  return static_cast<std::byte*>(memory);
}

void TailBuffer::unmap_chunk(std::byte* memory) { ::munmap(memory, kChunkBytes); }

}  // namespace sluice::storage
