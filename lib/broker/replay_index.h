#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "storage/side_index.h"

namespace sluice::broker {

// The side index while the log is replayed, and a way through to it afterwards. What is ordered by
// time lands anywhere in the index, and each change would bring in a page of its own; but nobody
// reads it before time goes on. So these changes are collected and made in the order of their keys:
// when there are many, when somebody reads what they are about, and when replay ends. All others
// are made at once. Owned by the State; loop thread.
class ReplayIndex final : public storage::SideIndex {
 public:
  // `index` must outlive this.
  explicit ReplayIndex(storage::SideIndex& index) : index_(index) {}
  ReplayIndex(const ReplayIndex&) = delete;
  ReplayIndex& operator=(const ReplayIndex&) = delete;

  // From now on nothing is collected any more.
  void end_replay();

  void put(base::ByteView key, base::ByteView value) override;
  // Of what is collected nobody knows whether it was there: true.
  bool erase(base::ByteView key) override;
  std::uint64_t erase_range(base::ByteView first, base::ByteView end,
                            std::uint64_t entries_max) override;
  std::optional<base::ByteView> find(base::ByteView key) override;
  std::optional<Entry> at_or_after(base::ByteView key) override;

 private:
  struct Change {
    std::uint32_t at = 0;  // in bytes_: the key, then the value
    std::uint16_t value_bytes = 0;
    std::uint8_t key_bytes = 0;
    bool erases = false;
  };

  bool collects(base::ByteView key) const;
  void collect(base::ByteView key, base::ByteView value, bool erases);
  base::ByteView key_of(const Change& change) const;
  void make_changes();

  storage::SideIndex& index_;
  bool replaying_ = true;
  std::vector<std::byte> bytes_;
  std::vector<Change> changes_;
};

}  // namespace sluice::broker
