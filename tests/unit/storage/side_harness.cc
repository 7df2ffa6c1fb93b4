#include "tests/unit/storage/side_harness.h"

namespace sluice::storage::test {

SideHarness::SideHarness(std::uint64_t cache_bytes)
    : cache_bytes_(cache_bytes),
      fs_(std::make_unique<runtime::MemoryFileSystem>(
          runtime::MemoryFileSystemOptions{.folders = {kFolder}})) {}

base::Id128 SideHarness::log_id() {
  base::Id128 id;
  id.bytes.fill(7);
  return id;
}

base::Status SideHarness::open() {
  index_.reset();
  ASSIGN_OR_RETURN(index_, FileSideIndex::open(*fs_, kFolder, {log_id(), cache_bytes_, kept_}));
  return {};
}

SideMap SideHarness::contents() {
  SideMap all;
  std::string at(1, '\0');
  while (const auto entry = index_->at_or_after(base::as_bytes(at))) {
    at = base::as_text(entry->key);
    all.emplace_hint(all.end(), at, base::as_text(entry->value));
    at.push_back('\0');
  }
  return all;
}

base::Status SideHarness::snapshot() { return keep(*freeze()); }

base::Status SideHarness::keep(SideFlush& flush) {
  const base::Status status = flush.run();
  flush.finish(status);
  if (!status) return status;
  kept_.push_back(flush.root());
  if (kept_.size() > 2) kept_.erase(kept_.begin());
  index_->release(kept_.front().generation);
  return {};
}

std::string side_key(std::uint64_t number) {
  std::string key = "queue-";
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift));
  return key;
}

}  // namespace sluice::storage::test
