#include "storage/sequence_set.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/check.h"

// Serialized form, after floor and the number of entries:
//
//   u64 first_key   ascending; the entry begins with sequence first_key * 65,536
//   u8  kind        1 = full, 2 = part
//   full:  u64 containers   two full entries never touch
//   part:  u16 runs 1..2048, { u16 first, u16 last } each; or u16 0xFFFF, 8,192 bytes of bitmap
//          where there are more runs than that
namespace sluice::storage {
namespace {

constexpr std::uint64_t kSequenceEnd = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kKeyMax = kSequenceEnd / SequenceContainer::kSize;

constexpr std::uint8_t kKindFull = 1;
constexpr std::uint8_t kKindPart = 2;

}  // namespace

std::uint64_t SequenceSet::Entry::count() const {
  return full() ? (last_key - first_key + 1) * kSize : part.count();
}

std::size_t SequenceSet::find(std::uint64_t key) const {
  if (entries_.empty() || entries_.back().last_key < key) return entries_.size();
  if (hint_ < entries_.size() && entries_[hint_].last_key >= key &&
      (hint_ == 0 || entries_[hint_ - 1].last_key < key)) {
    return hint_;
  }
  const auto at = std::partition_point(entries_.begin(), entries_.end(),
                                       [key](const Entry& entry) { return entry.last_key < key; });
  return static_cast<std::size_t>(at - entries_.begin());
}

std::uint64_t SequenceSet::insert(Range range) {
  CHECK(range.first <= range.last && range.last.value() < kSequenceEnd);
  const std::uint64_t first = std::max(range.first.value(), floor_);
  const std::uint64_t last = range.last.value();
  if (last < floor_) return 0;
  if (first > floor_) {
    const std::uint64_t added = insert_explicit(first, last);
    above_floor_ += added;
    return added;
  }
  // The floor swallows the range and whatever run it now touches.
  const std::uint64_t end = next_not_in(base::Sequence(last + 1)).value();
  const std::uint64_t held = erase_explicit(floor_, end - 1);
  const std::uint64_t added = end - floor_ - held;
  above_floor_ -= held;
  floor_ = end;
  return added;
}

std::uint64_t SequenceSet::insert_explicit(std::uint64_t first, std::uint64_t last) {
  std::uint64_t first_key = key_of(first);
  std::uint64_t last_key = key_of(last);
  const bool ragged_end = low_of(last) != kSize - 1;
  if (first_key == last_key && (low_of(first) != 0 || ragged_end)) {
    return insert_part(first_key, low_of(first), low_of(last));
  }
  std::uint64_t added = 0;
  if (low_of(first) != 0) added += insert_part(first_key++, low_of(first), kSize - 1);
  if (ragged_end) added += insert_part(last_key--, 0, low_of(last));
  if (first_key <= last_key) added += insert_full(first_key, last_key);
  return added;
}

std::uint64_t SequenceSet::insert_part(std::uint64_t key, std::uint32_t first, std::uint32_t last) {
  const std::size_t at = find(key);
  if (at == entries_.size() || entries_[at].first_key > key) {
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(at), Entry{key, key, {}});
  } else if (entries_[at].full()) {
    return 0;
  }
  hint_ = at;
  const std::uint32_t added = entries_[at].part.insert(first, last);
  if (entries_[at].part.full()) {
    entries_[at].part = SequenceContainer();
    hint_ = merge_full(at);
  }
  return added;
}

std::uint64_t SequenceSet::insert_full(std::uint64_t first_key, std::uint64_t last_key) {
  const std::size_t at = find(first_key);
  Entry merged{first_key, last_key, {}};
  std::uint64_t held = 0;
  std::size_t end = at;
  for (; end < entries_.size() && entries_[end].first_key <= last_key; ++end) {
    const Entry& entry = entries_[end];
    if (!entry.full()) {
      held += entry.part.count();
      continue;
    }
    held += (std::min(entry.last_key, last_key) - std::max(entry.first_key, first_key) + 1) * kSize;
    merged.first_key = std::min(merged.first_key, entry.first_key);
    merged.last_key = std::max(merged.last_key, entry.last_key);
  }
  const auto place = entries_.begin() + static_cast<std::ptrdiff_t>(at);
  if (at == end) {
    entries_.insert(place, std::move(merged));
  } else {
    *place = std::move(merged);
    entries_.erase(place + 1, entries_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  hint_ = merge_full(at);
  return (last_key - first_key + 1) * kSize - held;
}

// Joins the full entry at `at` with the full ones that it touches; returns where it is now.
std::size_t SequenceSet::merge_full(std::size_t at) {
  const auto touches = [this](std::size_t left) {
    return entries_[left].full() && entries_[left + 1].full() &&
           entries_[left].last_key + 1 == entries_[left + 1].first_key;
  };
  if (at + 1 < entries_.size() && touches(at)) {
    entries_[at].last_key = entries_[at + 1].last_key;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  if (at > 0 && touches(at - 1)) {
    entries_[at - 1].last_key = entries_[at].last_key;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
    return at - 1;
  }
  return at;
}

std::uint64_t SequenceSet::erase(Range range) {
  CHECK(range.first <= range.last && range.last.value() < kSequenceEnd);
  const std::uint64_t first = range.first.value();
  const std::uint64_t last = range.last.value();
  std::uint64_t removed = 0;
  if (first < floor_) {
    const std::uint64_t end = std::exchange(floor_, first);
    if (last + 1 < end) above_floor_ += insert_explicit(last + 1, end - 1);
    removed = std::min(last + 1, end) - first;
    if (last < end) return removed;
  }
  const std::uint64_t removed_above = erase_explicit(std::max(first, floor_), last);
  above_floor_ -= removed_above;
  return removed + removed_above;
}

std::uint64_t SequenceSet::erase_explicit(std::uint64_t first, std::uint64_t last) {
  if (entries_.empty()) return 0;
  std::uint64_t first_key = key_of(first);
  std::uint64_t last_key = key_of(last);
  const bool ragged_end = low_of(last) != kSize - 1;
  if (first_key == last_key && (low_of(first) != 0 || ragged_end)) {
    return erase_part(first_key, low_of(first), low_of(last));
  }
  std::uint64_t removed = 0;
  if (low_of(first) != 0) removed += erase_part(first_key++, low_of(first), kSize - 1);
  if (ragged_end) removed += erase_part(last_key--, 0, low_of(last));
  if (first_key <= last_key) removed += erase_full(first_key, last_key);
  return removed;
}

std::uint64_t SequenceSet::erase_part(std::uint64_t key, std::uint32_t first, std::uint32_t last) {
  std::size_t at = find(key);
  if (at == entries_.size() || entries_[at].first_key > key) return 0;
  if (entries_[at].full()) at = split_off(at, key);
  hint_ = at;
  const std::uint32_t removed = entries_[at].part.erase(first, last);
  if (entries_[at].part.empty()) {
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return removed;
}

// Gives container `key` of the full entry at `at` an entry of its own, as a part of one run, and
// returns its index. The caller takes something out of it at once.
std::size_t SequenceSet::split_off(std::size_t at, std::uint64_t key) {
  const std::uint64_t last_key = entries_[at].last_key;
  if (key < last_key) {
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                    Entry{key + 1, last_key, {}});
  }
  if (entries_[at].first_key < key) {
    entries_[at].last_key = key - 1;
    ++at;
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(at), Entry{});
  }
  entries_[at].first_key = key;
  entries_[at].last_key = key;
  entries_[at].part.insert(0, kSize - 1);
  return at;
}

std::uint64_t SequenceSet::erase_full(std::uint64_t first_key, std::uint64_t last_key) {
  std::size_t at = find(first_key);
  std::uint64_t removed = 0;
  std::size_t end = at;
  std::vector<Entry> rests;
  for (; end < entries_.size() && entries_[end].first_key <= last_key; ++end) {
    const Entry& entry = entries_[end];
    removed += entry.count();
    if (entry.first_key < first_key) rests.push_back({entry.first_key, first_key - 1, {}});
    if (entry.last_key > last_key) rests.push_back({last_key + 1, entry.last_key, {}});
  }
  for (const Entry& rest : rests) removed -= rest.count();
  for (Entry& rest : rests) {
    if (at < end) {
      entries_[at++] = std::move(rest);
    } else {
      entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(at), std::move(rest));
    }
  }
  if (at < end) {
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at),
                   entries_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return removed;
}

std::optional<SequenceSet::Range> SequenceSet::pop_front(std::uint64_t count_max) {
  if (count_max == 0) return std::nullopt;
  const std::optional<base::Sequence> first = next_in(base::Sequence(0));
  if (!first) return std::nullopt;
  const std::uint64_t end = next_not_in(*first).value();
  const std::uint64_t taken = std::min(end - first->value(), count_max);
  const Range range{*first, *first + (taken - 1)};
  erase(range);
  return range;
}

std::uint64_t SequenceSet::pop_front(std::uint64_t count_max, std::size_t runs_max,
                                     std::vector<Range>& out) {
  std::uint64_t taken = 0;
  const std::size_t begin = out.size();
  for_each_range(base::Sequence(0), base::Sequence(kSequenceEnd), [&](Range run) {
    if (taken == count_max || out.size() - begin == runs_max) return false;
    const std::uint64_t count = std::min(run.count(), count_max - taken);
    out.push_back({run.first, run.first + (count - 1)});
    taken += count;
    return true;
  });
  if (taken > 0) erase({out[begin].first, out.back().last});
  return taken;
}

void SequenceSet::clear() { *this = SequenceSet(); }

std::optional<base::Sequence> SequenceSet::last() const {
  if (!entries_.empty()) {
    const Entry& entry = entries_.back();
    return base::Sequence(entry.last_key * kSize + (entry.full() ? kSize - 1 : entry.part.last()));
  }
  if (floor_ == 0) return std::nullopt;
  return base::Sequence(floor_ - 1);
}

bool SequenceSet::contains(base::Sequence sequence) const {
  if (sequence.value() < floor_) return true;
  const std::uint64_t key = key_of(sequence.value());
  const std::size_t at = find(key);
  if (at == entries_.size() || entries_[at].first_key > key) return false;
  return entries_[at].full() || entries_[at].part.contains(low_of(sequence.value()));
}

bool SequenceSet::contains_all(Range range) const { return next_not_in(range.first) > range.last; }

bool SequenceSet::contains_any(Range range) const {
  const std::optional<base::Sequence> next = next_in(range.first);
  return next && *next <= range.last;
}

std::uint64_t SequenceSet::count_in(Range range) const {
  std::uint64_t first = range.first.value();
  const std::uint64_t last = range.last.value();
  std::uint64_t count = 0;
  if (first < floor_) {
    count = std::min(last + 1, floor_) - first;
    if (last < floor_) return count;
    first = floor_;
  }
  for (std::size_t at = find(key_of(first)); at < entries_.size(); ++at) {
    const Entry& entry = entries_[at];
    const std::uint64_t begin = std::max(first, entry.first_key * kSize);
    const std::uint64_t end = std::min(last, entry.last_key * kSize + (kSize - 1));
    if (begin > last) break;
    count += entry.full() ? end - begin + 1 : entry.part.count_in(low_of(begin), low_of(end));
  }
  return count;
}

std::optional<base::Sequence> SequenceSet::next_in(base::Sequence from) const {
  if (from.value() < floor_) return from;
  std::uint64_t first = from.value();
  for (std::size_t at = find(key_of(first)); at < entries_.size(); ++at) {
    const Entry& entry = entries_[at];
    first = std::max(first, entry.first_key * kSize);
    if (entry.full()) return base::Sequence(first);
    const std::uint32_t low = entry.part.next_in(low_of(first));
    if (low < kSize) return base::Sequence(entry.first_key * kSize + low);
  }
  return std::nullopt;
}

base::Sequence SequenceSet::next_not_in(base::Sequence from) const {
  if (from.value() < floor_) return base::Sequence(floor_);
  std::uint64_t first = from.value();
  for (std::size_t at = find(key_of(first)); at < entries_.size(); ++at) {
    const Entry& entry = entries_[at];
    if (entry.first_key > key_of(first)) break;
    if (!entry.full()) {
      const std::uint32_t low = entry.part.next_not_in(low_of(first));
      if (low < kSize) return base::Sequence(entry.first_key * kSize + low);
    }
    first = (entry.last_key + 1) * kSize;
  }
  return base::Sequence(first);
}

std::optional<SequenceSet::Range> SequenceSet::next_range(Range within) const {
  const std::optional<base::Sequence> first = next_in(within.first);
  if (!first || *first > within.last) return std::nullopt;
  return Range{*first, std::min(next_not_in(*first) - 1, within.last)};
}

std::optional<SequenceSet::Range> SequenceSet::next_gap(Range within) const {
  const base::Sequence first = next_not_in(within.first);
  if (first > within.last) return std::nullopt;
  const std::optional<base::Sequence> end = next_in(first);
  return Range{first, end ? std::min(*end - 1, within.last) : within.last};
}

std::size_t SequenceSet::memory_bytes() const {
  std::size_t bytes = sizeof *this + entries_.capacity() * sizeof(Entry);
  for (const Entry& entry : entries_) bytes += entry.part.heap_bytes();
  return bytes;
}

void SequenceSet::serialize(std::vector<std::byte>& out) const {
  base::ByteWriter writer(out);
  writer.u64(floor_);
  writer.u32(static_cast<std::uint32_t>(entries_.size()));
  for (const Entry& entry : entries_) {
    writer.u64(entry.first_key);
    if (entry.full()) {
      writer.u8(kKindFull);
      writer.u64(entry.last_key - entry.first_key + 1);
    } else {
      writer.u8(kKindPart);
      entry.part.serialize(writer);
    }
  }
}

// The entry that follows what was read so far.
base::Result<SequenceSet::Entry> SequenceSet::read_entry(base::ByteReader& reader,
                                                         std::size_t index) const {
  const auto bad = [index](const char* what) {
    return base::corruption("sequence set, entry " + std::to_string(index) + ": " + what);
  };
  Entry entry;
  entry.first_key = reader.u64();
  const std::uint8_t kind = reader.u8();
  if (!reader.ok()) return bad("cut short");
  if (entry.first_key > kKeyMax) return bad("container out of range");
  std::uint32_t first_low = 0;
  if (kind == kKindFull) {
    const std::uint64_t containers = reader.u64();
    if (containers == 0 || containers > kKeyMax - entry.first_key) return bad("bad length");
    entry.last_key = entry.first_key + containers - 1;
  } else if (kind == kKindPart) {
    entry.last_key = entry.first_key;
    if (!entry.part.deserialize(reader)) return bad("bad container");
    if (entry.first_key == kKeyMax && entry.part.last() == kSize - 1) return bad("out of range");
    first_low = entry.part.next_in(0);
  } else {
    return bad("unknown kind");
  }
  if (entry.first_key * kSize + first_low <= floor_) return bad("at or below the floor");
  if (!entries_.empty()) {
    const Entry& before = entries_.back();
    if (entry.first_key <= before.last_key) return bad("out of order");
    if (before.full() && entry.full() && before.last_key + 1 == entry.first_key) {
      return bad("not merged with the one before");
    }
  }
  return entry;
}

base::Result<SequenceSet> SequenceSet::deserialize(base::ByteReader& reader) {
  SequenceSet set;
  set.floor_ = reader.u64();
  const std::uint32_t entry_count = reader.u32();
  if (!reader.ok()) return base::corruption("sequence set: cut short");
  for (std::uint32_t i = 0; i < entry_count; ++i) {
    ASSIGN_OR_RETURN(Entry entry, set.read_entry(reader, i));
    set.above_floor_ += entry.count();
    set.entries_.push_back(std::move(entry));
  }
  return set;
}

bool operator==(const SequenceSet& a, const SequenceSet& b) {
  return a.floor_ == b.floor_ && a.above_floor_ == b.above_floor_ &&
         std::equal(a.entries_.begin(), a.entries_.end(), b.entries_.begin(), b.entries_.end(),
                    [](const SequenceSet::Entry& x, const SequenceSet::Entry& y) {
                      return x.first_key == y.first_key && x.last_key == y.last_key &&
                             x.part == y.part;
                    });
}

}  // namespace sluice::storage
