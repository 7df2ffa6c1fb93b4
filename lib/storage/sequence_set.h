#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/sequence_container.h"

namespace sluice::storage {

// A set of sequences that costs bytes for its runs, not for its elements: what is settled, ready
// again, leased. It is a plain set of the numbers 0 .. 2^64 - 2 in which
//  - everything below floor(), the first number that is not in it, costs nothing; so a settle set
//    whose lowest messages are all settled is one integer (insert [0, 0] first: sequences begin
//    with 1), and a set that never holds 0 simply has floor 0;
//  - a stretch of full containers (65,536 aligned sequences each) costs one entry, however long;
//  - any other container costs 4 bytes a run and at most 8 KiB.
// Equal sets serialize to equal bytes, whatever led to them.
//
// A value: copied and moved freely, no thread of its own. Const members may be called from several
// threads while nobody changes the set.
class SequenceSet {
 public:
  using Range = base::SequenceRange;

  // Every modification below returns how many elements it added or removed, and REQUIRES
  // first <= last < 2^64 - 1. They cost the containers that they split or remove: adding or
  // removing millions in a row is cheap, adding at the end in order is amortised O(1).
  std::uint64_t insert(Range range);
  std::uint64_t insert(base::Sequence sequence) { return insert({sequence, sequence}); }
  // Erasing below the floor lowers it to range.first.
  std::uint64_t erase(Range range);
  std::uint64_t erase(base::Sequence sequence) { return erase({sequence, sequence}); }
  // The same for many ranges, at the price of a few bits each where they lie close together.
  // REQUIRES: ascending and disjoint.
  std::uint64_t insert(std::span<const Range> ranges);
  std::uint64_t erase(std::span<const Range> ranges);
  // Removes and returns the lowest run, cut to `count_max` elements; nullopt when the set is empty
  // or count_max is 0.
  std::optional<Range> pop_front(std::uint64_t count_max);
  // The same for several runs at the price of one: appends up to `runs_max` of them, with
  // `count_max` elements together, to `out`. Returns how many elements were taken.
  std::uint64_t pop_front(std::uint64_t count_max, std::size_t runs_max, std::vector<Range>& out);
  void clear();

  // The first sequence that is not in the set.
  base::Sequence floor() const { return base::Sequence(floor_); }
  // All elements, those below the floor included.
  std::uint64_t count() const { return floor_ + above_floor_; }
  std::uint64_t count_above_floor() const { return above_floor_; }
  bool empty() const { return count() == 0; }
  // The greatest element; nullopt when empty.
  std::optional<base::Sequence> last() const;

  // Queries take any range with first <= last.
  bool contains(base::Sequence sequence) const;
  bool contains_all(Range range) const;
  bool contains_any(Range range) const;
  // REQUIRES: ascending and disjoint.
  bool contains_any(std::span<const Range> ranges) const;
  bool contains_all(std::span<const Range> ranges) const;
  std::uint64_t count_in(Range range) const;
  // The first element, or the first sequence that is none, at or after `from`.
  std::optional<base::Sequence> next_in(base::Sequence from) const;
  base::Sequence next_not_in(base::Sequence from) const;
  // The first run of elements, or of sequences that are none, inside `within`, cut to it.
  std::optional<Range> next_range(Range within) const;
  std::optional<Range> next_gap(Range within) const;

  // Appends the first gaps inside `within` to `out`, cut to it, at most `runs_max` of them. Returns
  // how many.
  std::size_t list_gaps(Range within, std::size_t runs_max, std::vector<Range>& out) const;

  // Calls fn(Range) -> bool for each run of elements (or gap) inside [from, to], cut to it,
  // ascending; false ends the walk. `fn` must not change the set.
  template <typename Fn>
  void for_each_range(base::Sequence from, base::Sequence to, Fn&& fn) const {
    walk(
        from, to, [this](Range within) { return next_range(within); }, fn);
  }
  template <typename Fn>
  void for_each_gap(base::Sequence from, base::Sequence to, Fn&& fn) const {
    walk(
        from, to, [this](Range within) { return next_gap(within); }, fn);
  }

  // Heap and object bytes.
  std::size_t memory_bytes() const;

  // Appends the canonical bytes: u64 floor, u32 entries, then for each { u64 first container,
  // u8 kind, body } (sequence_set.cc holds the table).
  void serialize(std::vector<std::byte>& out) const;
  // Reads one set and leaves `reader` behind it. Corruption for anything serialize() cannot have
  // written.
  static base::Result<SequenceSet> deserialize(base::ByteReader& reader);

  friend bool operator==(const SequenceSet& a, const SequenceSet& b);

 private:
  static constexpr std::uint32_t kSize = SequenceContainer::kSize;
  static std::uint64_t key_of(std::uint64_t sequence) { return sequence / kSize; }
  static std::uint32_t low_of(std::uint64_t sequence) {
    return static_cast<std::uint32_t>(sequence % kSize);
  }

  // Containers [first_key, last_key]: all full, or one that is neither full nor empty.
  struct Entry {
    std::uint64_t first_key = 0;
    std::uint64_t last_key = 0;
    SequenceContainer part;  // empty where the entry is full
    bool full() const { return part.empty(); }
    std::uint64_t count() const;
  };

  template <typename Next, typename Fn>
  static void walk(base::Sequence from, base::Sequence to, const Next& next, Fn& fn) {
    while (from <= to) {
      const std::optional<Range> range = next({from, to});
      if (!range || !fn(*range) || range->last == to) return;
      from = range->last + 1;
    }
  }

  static void take_runs(std::span<const Range> ranges, std::size_t at, std::uint64_t key,
                        std::vector<SequenceContainer::Run>& runs);
  std::optional<std::size_t> bulk_entry(std::span<const Range> ranges, std::size_t at,
                                        std::vector<SequenceContainer::Run>& runs) const;
  std::size_t find(std::uint64_t key) const;
  std::size_t merge_full(std::size_t at);
  std::size_t split_off(std::size_t at, std::uint64_t key);
  std::uint64_t insert_explicit(std::uint64_t first, std::uint64_t last);
  std::uint64_t insert_part(std::uint64_t key, std::uint32_t first, std::uint32_t last);
  std::uint64_t insert_full(std::uint64_t first_key, std::uint64_t last_key);
  std::uint64_t erase_explicit(std::uint64_t first, std::uint64_t last);
  std::uint64_t erase_part(std::uint64_t key, std::uint32_t first, std::uint32_t last);
  std::uint64_t erase_full(std::uint64_t first_key, std::uint64_t last_key);
  base::Result<Entry> read_entry(base::ByteReader& reader, std::size_t index) const;

  std::uint64_t floor_ = 0;
  std::uint64_t above_floor_ = 0;
  std::vector<Entry> entries_;  // ascending, disjoint; neighbouring full ones are merged
  std::size_t hint_ = 0;        // the entry changed last, where find() looks first
};

}  // namespace sluice::storage
