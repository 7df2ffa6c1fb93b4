#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "storage/side_index.h"

namespace sluice::storage {

inline constexpr std::size_t kSidePageBytes = 8192;
inline constexpr std::size_t kSidePageHeaderBytes = 24;
inline constexpr unsigned kSideLevelsMax = 16;

// A key by value.
class SideKey {
 public:
  SideKey() = default;
  explicit SideKey(base::ByteView key) { append(key); }
  SideKey(base::ByteView prefix, base::ByteView suffix) {
    append(prefix);
    append(suffix);
  }
  base::ByteView view() const { return {bytes_.data(), size_}; }

 private:
  void append(base::ByteView part) {
    if (part.empty()) return;
    std::memcpy(bytes_.data() + size_, part.data(), part.size());
    size_ += part.size();
  }

  std::array<std::byte, kSideKeyBytesMax> bytes_{};
  std::size_t size_ = 0;
};

// As unsigned bytes; <0, 0, >0.
inline int compare_keys(base::ByteView a, base::ByteView b) {
  const std::size_t both = std::min(a.size(), b.size());
  const int order = both == 0 ? 0 : std::memcmp(a.data(), b.data(), both);
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

// One page of the side index in its layout on disk (docs/log-format.md, "Side index"), seen through
// a view: a leaf's entries are the index's, those of a higher page are (lowest key, child page).
// The key of entry 0 of a higher page means nothing: whatever is below entry 1 is in its child.
class SidePage {
 public:
  explicit SidePage(std::byte* bytes) : bytes_(bytes) {}

  void clear(unsigned level);

  unsigned level() const { return base::load<std::uint8_t>(bytes_ + 4); }
  unsigned count() const { return base::load<std::uint16_t>(bytes_ + 6); }
  std::uint32_t number() const { return base::load<std::uint32_t>(bytes_ + 8); }
  std::uint64_t generation() const { return base::load<std::uint64_t>(bytes_ + 16); }
  void set_identity(std::uint32_t number, std::uint64_t generation);

  base::ByteView prefix() const { return {bytes_ + kSidePageHeaderBytes, prefix_bytes()}; }
  base::ByteView suffix(unsigned at) const;
  base::ByteView value(unsigned at) const;
  SideKey key(unsigned at) const { return {prefix(), suffix(at)}; }
  std::uint32_t child(unsigned at) const { return base::load<std::uint32_t>(value(at).data()); }
  void set_child(unsigned at, std::uint32_t page);

  // The first entry at or after `key`, count() = none.
  struct Place {
    unsigned at = 0;
    bool exact = false;
  };
  Place find(base::ByteView key) const;
  // Of a higher page: the entry whose child holds `key`.
  unsigned child_for(base::ByteView key) const;

  // False where it does not fit; then nothing has changed.
  bool insert(unsigned at, base::ByteView key, base::ByteView value);
  // The same for another value of an entry that exists.
  bool replace(unsigned at, base::ByteView value);
  void remove(unsigned at, unsigned entries = 1);

  // Divides the entries and a new one, which comes at `at`, among this page and the empty page
  // `right` (of the same level). `in_order`: entries arrive in order here, so the left page is
  // left full. Returns the key that parts the two: above all of the left, at most the right's
  // first.
  SideKey split(SidePage right, unsigned at, base::ByteView key, base::ByteView value,
                bool in_order);
  // Takes over all entries of `right`; its entry 0 gets `right_key` (above the leaves). False where
  // they would fill more than three quarters; then nothing has changed.
  bool absorb(const SidePage& right, base::ByteView right_key);

  // Of the whole page, header and all.
  std::size_t used_bytes() const;

  // The checksum goes with the log's id, so that a page of another log's file is none of ours.
  std::uint32_t checksum(const base::Id128& log_id) const;
  std::uint32_t stored_checksum() const { return base::load<std::uint32_t>(bytes_); }
  void set_checksum(std::uint32_t crc) { base::store(bytes_, crc); }
  // What is wrong with it inside, "" = nothing: afterwards every view lies in the page.
  std::string structure_fault() const;

  const std::byte* data() const { return bytes_; }

 private:
  friend class SidePageBuilder;

  std::size_t prefix_bytes() const { return base::load<std::uint8_t>(bytes_ + 5); }
  std::size_t heap_begin() const { return base::load<std::uint16_t>(bytes_ + 12); }
  std::size_t entry_bytes() const { return base::load<std::uint16_t>(bytes_ + 14); }
  std::size_t slots_begin() const { return kSidePageHeaderBytes + prefix_bytes(); }
  std::size_t offset(unsigned at) const {
    return base::load<std::uint16_t>(bytes_ + slots_begin() + std::size_t{2} * at);
  }
  std::size_t stored_bytes(unsigned at) const;
  void set_u16(std::size_t offset, std::size_t value) {
    base::store(bytes_ + offset, static_cast<std::uint16_t>(value));
  }
  void set_prefix_of(const SideKey& key, std::size_t bytes);
  void write_entry(std::size_t offset, base::ByteView suffix, base::ByteView value);
  bool remake_for(base::ByteView key, std::size_t value_bytes);

  std::byte* bytes_;
};

}  // namespace sluice::storage
