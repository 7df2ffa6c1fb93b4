#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "runtime/crash_plan.h"

namespace sluice::runtime {

// One file of a MemoryDisk: the bytes that programs see (the page cache), the bytes that a power
// loss leaves (the durable image), and what was written since the last sync. A value; not
// thread-safe.
class MemoryFile {
 public:
  // `order` counts the writes of the whole disk and rises.
  struct Change {
    std::uint64_t order = 0;
    bool truncates = false;  // to `offset` bytes
    std::uint64_t offset = 0;
    std::vector<std::byte> data;
  };

  explicit MemoryFile(std::uint32_t sector_bytes) : sector_bytes_(sector_bytes) {}

  std::uint64_t size() const { return cache_.size(); }
  const std::vector<std::byte>& contents() const { return cache_; }
  const std::vector<std::byte>& durable_contents() const { return durable_; }
  std::size_t read(std::uint64_t offset, base::MutableByteView out) const;
  void write(std::uint64_t order, std::uint64_t offset, base::ByteView data);
  void truncate(std::uint64_t order, std::uint64_t size);
  // Takes the sectors of the first `size` bytes; a shorter file grows.
  void allocate(std::uint64_t order, std::uint64_t size);
  void sync();
  // A sync that failed: programs go on seeing what they wrote, the disk does not have it, and a
  // later sync brings only the sectors that are written again.
  void lose_unsynced();
  // In the page cache and on the disk, as a failing medium would.
  void flip_bit(std::uint64_t offset, unsigned bit);

  // Disk space: sectors that were ever written, zeros too. Holes left by truncate() or by writing
  // further on take none.
  std::uint64_t allocated_bytes() const;
  // How many of `length` bytes at `offset` can be written while the disk has `free_bytes` left.
  std::uint64_t writable_bytes(std::uint64_t offset, std::uint64_t length,
                               std::uint64_t free_bytes) const;

  const std::set<std::uint64_t>& unsynced_sectors() const { return unsynced_; }
  // The sector begins with durable bytes that were not changed since.
  bool holds_synced(std::uint64_t index) const;
  // Since the last sync, in order.
  const std::vector<Change>& unsynced_changes() const { return changes_; }

  // --- Power loss. Afterwards nothing is unsynced and programs see what was durable.
  // The first `count` changes survive, and `more_bytes` of the next one.
  void crash_keeping_changes(std::size_t count, std::uint64_t more_bytes);
  using Fate = std::function<SectorFate(std::uint64_t index, bool holds_synced)>;
  void crash_keeping_sectors(const Fate& fate, bool size_kept, std::uint64_t garble_seed);

 private:
  static void apply(const Change& change, std::uint64_t bytes_max, std::vector<std::byte>& image);
  void copy_sector(std::uint64_t index, std::vector<std::byte>& image) const;
  void restart_from_durable();

  std::uint32_t sector_bytes_;
  std::vector<std::byte> cache_;
  std::vector<std::byte> durable_;
  std::set<std::uint64_t> unsynced_;
  std::vector<Change> changes_;
  std::vector<bool> allocated_;  // one a sector
};

}  // namespace sluice::runtime
