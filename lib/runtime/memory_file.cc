#include "runtime/memory_file.h"

#include <algorithm>

#include "base/check.h"
#include "base/prng.h"

namespace sluice::runtime {
namespace {

void overwrite(std::vector<std::byte>& image, std::uint64_t offset, base::ByteView data) {
  if (data.empty()) return;
  image.resize(std::max<std::size_t>(image.size(), offset + data.size()));
  std::copy(data.begin(), data.end(), image.begin() + static_cast<std::ptrdiff_t>(offset));
}

}  // namespace

std::size_t MemoryFile::read(std::uint64_t offset, base::MutableByteView out) const {
  if (offset >= cache_.size()) return 0;
  const std::size_t count = std::min<std::size_t>(out.size(), cache_.size() - offset);
  std::copy_n(cache_.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
  return count;
}

void MemoryFile::write(std::uint64_t order, std::uint64_t offset, base::ByteView data) {
  if (data.empty()) return;
  overwrite(cache_, offset, data);
  changes_.push_back({order, false, offset, {data.begin(), data.end()}});
  const std::uint64_t last = (offset + data.size() - 1) / sector_bytes_;
  if (allocated_.size() <= last) allocated_.resize(last + 1);
  for (std::uint64_t i = offset / sector_bytes_; i <= last; ++i) {
    unsynced_.insert(i);
    allocated_[i] = true;
  }
}

void MemoryFile::truncate(std::uint64_t order, std::uint64_t size) {
  changes_.push_back({order, true, size, {}});
  const bool shrinks = size < cache_.size();
  cache_.resize(size);
  if (!shrinks) return;
  const std::uint64_t sectors = (size + sector_bytes_ - 1) / sector_bytes_;
  unsynced_.erase(unsynced_.lower_bound(sectors), unsynced_.end());
  if (allocated_.size() > sectors) allocated_.resize(sectors);
  // The rest of the last sector was cleared.
  if (size % sector_bytes_ != 0) unsynced_.insert(sectors - 1);
}

void MemoryFile::allocate(std::uint64_t order, std::uint64_t size) {
  if (size > cache_.size()) truncate(order, size);
  const std::uint64_t sectors = (size + sector_bytes_ - 1) / sector_bytes_;
  if (allocated_.size() < sectors) allocated_.resize(sectors);
  std::fill_n(allocated_.begin(), sectors, true);
}

void MemoryFile::copy_sector(std::uint64_t index, std::vector<std::byte>& image) const {
  const std::uint64_t begin = index * sector_bytes_;
  const std::uint64_t end = std::min<std::uint64_t>(begin + sector_bytes_, cache_.size());
  if (begin < end) overwrite(image, begin, base::ByteView(cache_).subspan(begin, end - begin));
}

bool MemoryFile::holds_synced(std::uint64_t index) const {
  const std::uint64_t begin = index * sector_bytes_;
  std::uint64_t changed = durable_.size();
  for (const Change& change : changes_) {
    const bool reaches = change.truncates || change.offset + change.data.size() > begin;
    if (reaches) changed = std::min(changed, change.offset);
  }
  return changed > begin;
}

void MemoryFile::sync() {
  durable_.resize(cache_.size());
  for (const std::uint64_t index : unsynced_) copy_sector(index, durable_);
  unsynced_.clear();
  changes_.clear();
}

void MemoryFile::lose_unsynced() {
  unsynced_.clear();
  changes_.clear();
}

void MemoryFile::flip_bit(std::uint64_t offset, unsigned bit) {
  CHECK(offset < cache_.size() && bit < 8);
  const auto flip = static_cast<std::byte>(1U << bit);
  cache_[offset] ^= flip;
  if (offset < durable_.size()) durable_[offset] ^= flip;
}

std::uint64_t MemoryFile::allocated_bytes() const {
  const auto sectors = std::count(allocated_.begin(), allocated_.end(), true);
  return static_cast<std::uint64_t>(sectors) * sector_bytes_;
}

std::uint64_t MemoryFile::writable_bytes(std::uint64_t offset, std::uint64_t length,
                                         std::uint64_t free_bytes) const {
  const std::uint64_t end = offset + length;
  for (std::uint64_t at = offset; at < end; at = (at / sector_bytes_ + 1) * sector_bytes_) {
    const std::uint64_t index = at / sector_bytes_;
    if (index < allocated_.size() && allocated_[index]) continue;
    if (free_bytes < sector_bytes_) return at - offset;
    free_bytes -= sector_bytes_;
  }
  return length;
}

void MemoryFile::apply(const Change& change, std::uint64_t bytes_max,
                       std::vector<std::byte>& image) {
  if (change.truncates) {
    image.resize(change.offset);
  } else {
    const std::size_t bytes = std::min<std::size_t>(bytes_max, change.data.size());
    overwrite(image, change.offset, base::ByteView(change.data).first(bytes));
  }
}

void MemoryFile::crash_keeping_changes(std::size_t count, std::uint64_t more_bytes) {
  CHECK(count <= changes_.size());
  for (std::size_t i = 0; i < count; ++i) apply(changes_[i], changes_[i].data.size(), durable_);
  if (more_bytes > 0) {
    CHECK(count < changes_.size());
    apply(changes_[count], more_bytes, durable_);
  }
  restart_from_durable();
}

void MemoryFile::crash_keeping_sectors(const Fate& fate, bool size_kept,
                                       std::uint64_t garble_seed) {
  if (size_kept) durable_.resize(cache_.size());
  for (const std::uint64_t index : unsynced_) {
    const SectorFate sector_fate = fate(index, holds_synced(index));
    if (sector_fate == SectorFate::kLost) continue;
    copy_sector(index, durable_);
    if (sector_fate == SectorFate::kKept) continue;
    base::Prng prng(garble_seed + index);
    const std::uint64_t begin = index * sector_bytes_;
    const std::uint64_t end = std::min<std::uint64_t>(begin + sector_bytes_, durable_.size());
    for (std::uint64_t i = begin; i < end; ++i) durable_[i] = static_cast<std::byte>(prng.next());
  }
  restart_from_durable();
}

void MemoryFile::restart_from_durable() {
  cache_ = durable_;
  unsynced_.clear();
  changes_.clear();
  allocated_.resize((cache_.size() + sector_bytes_ - 1) / sector_bytes_);
}

}  // namespace sluice::runtime
