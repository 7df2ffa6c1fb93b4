#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace sluice::storage {

inline constexpr std::size_t kSideKeyBytesMax = 64;
inline constexpr std::size_t kSideValueBytesMax = 256;

// Whatever is ordered by time or by message and may be large (delays, backoffs, expiry, dead
// letters): an ordered map from short keys to short values that may be far larger than memory. Keys
// compare as unsigned bytes, so numbers in them are written with their highest byte first.
//
// It holds exactly what was put into it since it was opened, and what the snapshot that recovery
// began with held; nothing of it is a promise of its own, because replay of the log's later records
// puts the rest back.
//
// Owned and called by the loop thread. A page that cannot be read makes the index dead for good:
// find() and at_or_after() see nothing from then on, and the process must end (the implementation
// has a status() for whoever runs the loop).
class SideIndex {
 public:
  struct Entry {
    base::ByteView key;
    base::ByteView value;
  };

  virtual ~SideIndex() = default;

  // Adds or replaces. REQUIRES: 1 to kSideKeyBytesMax and at most kSideValueBytesMax bytes.
  virtual void put(base::ByteView key, base::ByteView value) = 0;
  // Whether it was there.
  virtual bool erase(base::ByteView key) = 0;
  // Erases at most `entries_max` entries with first <= key < end, lowest first; how many. Fewer
  // than asked for = none is left.
  virtual std::uint64_t erase_range(base::ByteView first, base::ByteView end,
                                    std::uint64_t entries_max) = 0;

  // Views are valid until the next call on the index.
  virtual std::optional<base::ByteView> find(base::ByteView key) = 0;
  // The first entry whose key is at or after `key`; nullopt = there is none. Going on from the
  // entry that was found last (its key and one zero byte) is cheap.
  virtual std::optional<Entry> at_or_after(base::ByteView key) = 0;
};

}  // namespace sluice::storage
