#include "storage/memory_side_index.h"

#include "base/check.h"

namespace sluice::storage {

namespace {

std::vector<std::byte> to_bytes(base::ByteView view) { return {view.begin(), view.end()}; }

}  // namespace

void MemorySideIndex::put(base::ByteView key, base::ByteView value) {
  CHECK(!key.empty() && key.size() <= kSideKeyBytesMax && value.size() <= kSideValueBytesMax);
  ++calls_;
  entries_.insert_or_assign(to_bytes(key), to_bytes(value));
}

bool MemorySideIndex::erase(base::ByteView key) {
  ++calls_;
  return entries_.erase(to_bytes(key)) > 0;
}

std::uint64_t MemorySideIndex::erase_range(base::ByteView first, base::ByteView end,
                                           std::uint64_t entries_max) {
  ++calls_;
  auto at = entries_.lower_bound(to_bytes(first));
  const auto stop = entries_.lower_bound(to_bytes(end));
  std::uint64_t erased = 0;
  for (; at != stop && erased < entries_max; ++erased) at = entries_.erase(at);
  return erased;
}

std::optional<base::ByteView> MemorySideIndex::find(base::ByteView key) {
  ++calls_;
  const auto found = entries_.find(to_bytes(key));
  if (found == entries_.end()) return std::nullopt;
  return base::ByteView(found->second);
}

std::optional<SideIndex::Entry> MemorySideIndex::at_or_after(base::ByteView key) {
  ++calls_;
  const auto found = entries_.lower_bound(to_bytes(key));
  if (found == entries_.end()) return std::nullopt;
  return Entry{found->first, found->second};
}

}  // namespace sluice::storage
