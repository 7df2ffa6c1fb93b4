#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace sluice::storage {

// Numbers below 65,536 as a sorted run list or, where that would take more than 8 KiB, as a bitmap
// of 8 KiB. The building block of SequenceSet. All ranges include both ends and REQUIRE
// first <= last < kSize.
class SequenceContainer {
 public:
  static constexpr std::uint32_t kSize = 65'536;
  static constexpr std::size_t kWords = kSize / 64;
  static constexpr std::size_t kRunsMax = kSize / 8 / 4;  // as large as the bitmap

  struct Run {
    std::uint16_t first;
    std::uint16_t last;
    friend bool operator==(const Run&, const Run&) = default;
  };

  std::uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == kSize; }

  // Both return how many elements they added or removed.
  std::uint32_t insert(std::uint32_t first, std::uint32_t last);
  std::uint32_t erase(std::uint32_t first, std::uint32_t last);
  // The same for many at the price of one look at the container. REQUIRES: ascending and disjoint.
  std::uint32_t insert(std::span<const Run> runs);
  std::uint32_t erase(std::span<const Run> runs);

  bool contains(std::uint32_t value) const;
  // REQUIRES: ascending and disjoint.
  bool contains_any(std::span<const Run> runs) const;
  bool contains_all(std::span<const Run> runs) const;
  std::uint32_t count_in(std::uint32_t first, std::uint32_t last) const;
  // The first element, or the first number that is none, at or after `from`; kSize when there is
  // none below kSize.
  std::uint32_t next_in(std::uint32_t from) const;
  std::uint32_t next_not_in(std::uint32_t from) const;
  // The greatest element. REQUIRES: not empty.
  std::uint32_t last() const;
  // Calls fn(first, last) -> bool for each row of numbers in [first, last] that are no elements,
  // ascending; false ends the walk, and is returned.
  template <typename Fn>
  bool for_each_gap(std::uint32_t first, std::uint32_t last, Fn&& fn) const;

  std::size_t heap_bytes() const;

  // Appends u16 runs and the runs, or u16 0xFFFF and the bitmap: whichever is shorter, so that
  // equal containers give equal bytes.
  void serialize(base::ByteWriter& out) const;
  // False for anything that serialize() cannot have written, also for an empty or full container.
  // REQUIRES: this is empty.
  bool deserialize(base::ByteReader& reader);

  friend bool operator==(const SequenceContainer& a, const SequenceContainer& b);

 private:
  bool is_bitmap() const { return !words_.empty(); }
  // Index of the first run that ends at or after `value`.
  std::size_t find_run(std::uint32_t value) const;
  std::uint32_t insert_runs(std::uint32_t first, std::uint32_t last);
  std::uint32_t erase_runs(std::uint32_t first, std::uint32_t last);
  std::uint32_t change_bits(std::uint32_t first, std::uint32_t last, bool value);
  std::uint32_t change_bits(std::span<const Run> runs, bool value);
  std::uint32_t set_bits(std::uint32_t first, std::uint32_t last, bool value);
  void bits_changed(bool value, std::uint32_t first);
  std::uint32_t merge_runs(std::span<const Run> runs);
  std::uint32_t subtract_runs(std::span<const Run> runs);
  std::uint32_t runs_starting_in(std::uint32_t first, std::uint32_t last) const;
  inline std::uint32_t next_bit(std::uint32_t from, bool value) const;
  template <typename Fn>
  bool for_each_gap_of_words(std::uint32_t first, std::uint32_t last, Fn& fn) const;
  void to_bitmap();
  void to_runs();
  std::vector<Run> list_runs() const;

  std::vector<Run> runs_;             // ascending, never touching; empty where words_ is used
  std::vector<std::uint64_t> words_;  // kWords of them, or none
  std::uint32_t count_ = 0;
  std::uint32_t bitmap_runs_ = 0;  // runs in the bitmap, to know when a list is shorter again
  std::uint32_t low_word_ = 0;     // words before it are 0, so that pops need not look at them
};

std::uint32_t SequenceContainer::next_bit(std::uint32_t from, bool value) const {
  const std::uint64_t flip = value ? 0 : ~std::uint64_t{0};
  if (value) from = std::max(from, low_word_ * 64);
  if (from >= kSize) return kSize;
  std::size_t index = from / 64;
  std::uint64_t word = (words_[index] ^ flip) & ~std::uint64_t{0} << (from % 64);
  while (word == 0) {
    if (++index == kWords) return kSize;
    word = words_[index] ^ flip;
  }
  return static_cast<std::uint32_t>(index * 64) +
         static_cast<std::uint32_t>(std::countr_zero(word));
}

template <typename Fn>
bool SequenceContainer::for_each_gap(std::uint32_t first, std::uint32_t last, Fn&& fn) const {
  if (is_bitmap()) return for_each_gap_of_words(first, last, fn);
  for (std::size_t i = find_run(first); i < runs_.size() && runs_[i].first <= last; ++i) {
    if (first < runs_[i].first && !fn(first, std::uint32_t{runs_[i].first} - 1)) return false;
    first = std::uint32_t{runs_[i].last} + 1;
  }
  return first > last || fn(first, last);
}

template <typename Fn>
bool SequenceContainer::for_each_gap_of_words(std::uint32_t first, std::uint32_t last,
                                              Fn& fn) const {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  std::optional<std::uint32_t> open;  // the begin of a gap that reaches the end of the word before
  for (std::uint32_t index = first / 64; index <= last / 64; ++index) {
    std::uint64_t gaps = ~words_[index];
    if (index == first / 64) gaps &= kAll << (first % 64);
    if (index == last / 64) gaps &= kAll >> (63 - last % 64);
    if (open) {
      if (gaps == kAll) continue;
      const auto bits = static_cast<std::uint32_t>(std::countr_one(gaps));
      if (!fn(*open, index * 64 + bits - 1)) return false;
      open.reset();
      gaps &= kAll << bits;
    }
    while (gaps != 0) {
      const auto begin = static_cast<std::uint32_t>(std::countr_zero(gaps));
      const std::uint32_t end = begin + static_cast<std::uint32_t>(std::countr_one(gaps >> begin));
      if (end == 64) {
        open = index * 64 + begin;
        break;
      }
      if (!fn(index * 64 + begin, index * 64 + end - 1)) return false;
      gaps &= kAll << end;
    }
  }
  return !open || fn(*open, last);
}

}  // namespace sluice::storage
