#include "storage/message_store.h"

#include <cstring>

namespace sluice::storage {

base::Status MessageStore::slices(const BatchLocation& batch,
                                  std::span<const base::SequenceRange> ranges,
                                  std::uint32_t bytes_max, std::vector<EntrySlice>& out) {
  std::uint32_t left = bytes_max;
  bool is_first = true;
  for (const base::SequenceRange& range : ranges) {
    if (!is_first && left == 0) return {};
    ASSIGN_OR_RETURN(const EntrySlice part, slice(batch, range.first, range.last, left));
    if (!is_first && (part.damaged || part.bytes > left)) return {};
    out.push_back(part);
    if (part.damaged || part.count < range.count() || part.bytes > left) return {};
    left -= part.bytes;
    is_first = false;
  }
  return {};
}

base::Status MessageStore::copy(std::span<const EntrySlice> slices, base::MutableByteView out) {
  std::size_t at = 0;
  for (const EntrySlice& slice : slices) {
    ASSIGN_OR_RETURN(const base::ByteView bytes, read(slice));
    std::memcpy(out.data() + at, bytes.data(), bytes.size());
    at += bytes.size();
  }
  return {};
}

}  // namespace sluice::storage
