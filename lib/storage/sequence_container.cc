#include "storage/sequence_container.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace sluice::storage {
namespace {

constexpr std::uint16_t kBitmapMark = 0xFFFF;

std::uint16_t narrow(std::uint32_t value) { return static_cast<std::uint16_t>(value); }

std::uint32_t length(SequenceContainer::Run run) { return std::uint32_t{run.last} - run.first + 1; }

// The bits of word `index` that lie in [first, last].
std::uint64_t mask_of(std::size_t index, std::uint32_t first, std::uint32_t last) {
  std::uint64_t mask = ~std::uint64_t{0};
  if (index == first / 64) mask <<= first % 64;
  if (index == last / 64) mask &= ~std::uint64_t{0} >> (63 - last % 64);
  return mask;
}

// Calls fn(word, bits of it) -> bool for the words that `runs` lie in, each once, however many runs
// do; false ends the walk, and is returned.
template <typename Fn>
bool for_each_mask(std::span<const SequenceContainer::Run> runs, Fn&& fn) {
  std::size_t word = 0;
  std::uint64_t mask = 0;
  for (const SequenceContainer::Run run : runs) {
    const std::size_t first = run.first / 64U;
    const std::size_t last = run.last / 64U;
    // Up to the end of the word, which is all where the run is short.
    std::uint64_t bits = ~std::uint64_t{0} << (run.first % 64U);
    for (std::size_t i = first; i < last; ++i) {
      if (i != word) {
        if (mask != 0 && !fn(word, mask)) return false;
        word = i;
        mask = 0;
      }
      mask |= bits;
      bits = ~std::uint64_t{0};
    }
    if (last != word) {
      if (mask != 0 && !fn(word, mask)) return false;
      word = last;
      mask = 0;
    }
    mask |= bits & ~std::uint64_t{0} >> (63 - run.last % 64U);
  }
  return mask == 0 || fn(word, mask);
}

std::uint32_t ones(std::uint64_t word) { return static_cast<std::uint32_t>(std::popcount(word)); }

}  // namespace

std::uint32_t SequenceContainer::insert(std::uint32_t first, std::uint32_t last) {
  DCHECK(first <= last && last < kSize);
  const std::uint32_t added =
      is_bitmap() ? change_bits(first, last, true) : insert_runs(first, last);
  count_ += added;
  return added;
}

std::uint32_t SequenceContainer::erase(std::uint32_t first, std::uint32_t last) {
  DCHECK(first <= last && last < kSize);
  const std::uint32_t removed =
      is_bitmap() ? change_bits(first, last, false) : erase_runs(first, last);
  count_ -= removed;
  return removed;
}

std::uint32_t SequenceContainer::insert(std::span<const Run> runs) {
  if (runs.empty()) return 0;
  const std::uint32_t added = is_bitmap() ? change_bits(runs, true) : merge_runs(runs);
  count_ += added;
  return added;
}

std::uint32_t SequenceContainer::erase(std::span<const Run> runs) {
  if (runs.empty() || empty()) return 0;
  const std::uint32_t removed = is_bitmap() ? change_bits(runs, false) : subtract_runs(runs);
  count_ -= removed;
  return removed;
}

std::size_t SequenceContainer::find_run(std::uint32_t value) const {
  const auto at = std::partition_point(runs_.begin(), runs_.end(),
                                       [value](Run run) { return run.last < value; });
  return static_cast<std::size_t>(at - runs_.begin());
}

std::uint32_t SequenceContainer::insert_runs(std::uint32_t first, std::uint32_t last) {
  // In order at the end: the usual case.
  if (runs_.empty() || first > runs_.back().last) {
    if (!runs_.empty() && first == std::uint32_t{runs_.back().last} + 1) {
      runs_.back().last = narrow(last);
    } else {
      runs_.push_back({narrow(first), narrow(last)});
      if (runs_.size() > kRunsMax) to_bitmap();
    }
    return last - first + 1;
  }
  const std::size_t begin = find_run(first == 0 ? 0 : first - 1);
  Run merged{narrow(first), narrow(last)};
  std::uint32_t held = 0;
  std::size_t end = begin;
  for (; end < runs_.size() && runs_[end].first <= last + 1; ++end) held += length(runs_[end]);
  const auto at = runs_.begin() + static_cast<std::ptrdiff_t>(begin);
  if (begin == end) {
    runs_.insert(at, merged);
    if (runs_.size() > kRunsMax) to_bitmap();
    return length(merged);
  }
  merged.first = std::min(merged.first, runs_[begin].first);
  merged.last = std::max(merged.last, runs_[end - 1].last);
  runs_[begin] = merged;
  runs_.erase(at + 1, runs_.begin() + static_cast<std::ptrdiff_t>(end));
  return length(merged) - held;
}

std::uint32_t SequenceContainer::erase_runs(std::uint32_t first, std::uint32_t last) {
  const std::size_t begin = find_run(first);
  std::uint32_t removed = 0;
  std::size_t end = begin;
  for (; end < runs_.size() && runs_[end].first <= last; ++end) removed += length(runs_[end]);
  if (begin == end) return 0;

  Run rests[2];
  std::size_t rest_count = 0;
  if (runs_[begin].first < first) rests[rest_count++] = {runs_[begin].first, narrow(first - 1)};
  if (runs_[end - 1].last > last) rests[rest_count++] = {narrow(last + 1), runs_[end - 1].last};
  for (std::size_t i = 0; i < rest_count; ++i) removed -= length(rests[i]);

  const auto at = runs_.begin() + static_cast<std::ptrdiff_t>(begin);
  const std::size_t replaced = std::min(rest_count, end - begin);
  std::copy(rests, rests + replaced, at);
  if (replaced < rest_count) {
    runs_.insert(at + static_cast<std::ptrdiff_t>(replaced), rests[replaced]);
    if (runs_.size() > kRunsMax) to_bitmap();
  } else {
    runs_.erase(at + static_cast<std::ptrdiff_t>(replaced),
                runs_.begin() + static_cast<std::ptrdiff_t>(end));
    if (runs_.capacity() > 64 && runs_.size() < runs_.capacity() / 4) runs_.shrink_to_fit();
  }
  return removed;
}

std::uint32_t SequenceContainer::merge_runs(std::span<const Run> runs) {
  const std::vector<Run> before = std::move(runs_);
  std::vector<Run> merged;
  merged.reserve(before.size() + runs.size());
  std::uint32_t count = 0;
  const auto add = [&](Run run) {
    if (!merged.empty() && run.first <= std::uint32_t{merged.back().last} + 1) {
      if (run.last <= merged.back().last) return;
      count += std::uint32_t{run.last} - merged.back().last;
      merged.back().last = run.last;
      return;
    }
    merged.push_back(run);
    count += length(run);
  };
  auto old = before.begin();
  for (const Run run : runs) {
    while (old != before.end() && old->first <= run.first) add(*old++);
    add(run);
  }
  while (old != before.end()) add(*old++);
  runs_ = std::move(merged);
  if (runs_.size() > kRunsMax) to_bitmap();
  return count - count_;
}

std::uint32_t SequenceContainer::subtract_runs(std::span<const Run> runs) {
  std::vector<Run> left;
  left.reserve(runs_.size() + runs.size());
  std::uint32_t count = 0;
  auto out = runs.begin();
  for (const Run run : runs_) {
    std::uint32_t first = run.first;
    while (out != runs.end() && out->last < first) ++out;
    for (auto cut = out; cut != runs.end() && cut->first <= run.last; ++cut) {
      if (first < cut->first) left.push_back({narrow(first), narrow(cut->first - 1U)});
      first = std::uint32_t{cut->last} + 1;
    }
    if (first <= run.last) left.push_back({narrow(first), run.last});
  }
  for (const Run run : left) count += length(run);
  if (left.capacity() > 64 && left.size() < left.capacity() / 4) left.shrink_to_fit();
  runs_ = std::move(left);
  if (runs_.size() > kRunsMax) to_bitmap();
  return count_ - count;
}

std::uint32_t SequenceContainer::change_bits(std::uint32_t first, std::uint32_t last, bool value) {
  // Only runs that begin in [first, last + 1] can come or go.
  const bool left = first > 0 && contains(first - 1);
  const bool right = last + 1 < kSize && contains(last + 1);
  const std::uint32_t runs_before = runs_starting_in(first, std::min(last + 1, kSize - 1));
  const bool begins_run = value ? !left : right;
  const std::uint32_t changed = set_bits(first, last, value);
  bitmap_runs_ = bitmap_runs_ - runs_before + (begins_run ? 1 : 0);
  bits_changed(value, first);
  return changed;
}

std::uint32_t SequenceContainer::change_bits(std::span<const Run> runs, bool value) {
  const std::uint32_t first = runs.front().first;
  const std::uint32_t end = std::min(std::uint32_t{runs.back().last} + 1, kSize - 1);
  const std::uint32_t runs_before = runs_starting_in(first, end);
  std::uint32_t changed = 0;
  for_each_mask(runs, [&](std::size_t word, std::uint64_t mask) {
    changed += ones(mask & (value ? ~words_[word] : words_[word]));
    words_[word] = value ? words_[word] | mask : words_[word] & ~mask;
    return true;
  });
  bitmap_runs_ = bitmap_runs_ - runs_before + runs_starting_in(first, end);
  bits_changed(value, first);
  return changed;
}

std::uint32_t SequenceContainer::set_bits(std::uint32_t first, std::uint32_t last, bool value) {
  std::uint32_t changed = 0;
  for (std::size_t i = first / 64; i <= last / 64; ++i) {
    const std::uint64_t mask = mask_of(i, first, last);
    changed += ones(mask & (value ? ~words_[i] : words_[i]));
    words_[i] = value ? words_[i] | mask : words_[i] & ~mask;
  }
  return changed;
}

void SequenceContainer::bits_changed(bool value, std::uint32_t first) {
  if (value) {
    low_word_ = std::min(low_word_, first / 64);
  } else {
    while (low_word_ < kWords && words_[low_word_] == 0) ++low_word_;
  }
  if (bitmap_runs_ <= kRunsMax / 2) to_runs();
}

std::uint32_t SequenceContainer::runs_starting_in(std::uint32_t first, std::uint32_t last) const {
  std::uint32_t runs = 0;
  for (std::size_t i = first / 64; i <= last / 64; ++i) {
    const std::uint64_t carry = i == 0 ? 0 : words_[i - 1] >> 63;
    runs += ones(words_[i] & ~(words_[i] << 1 | carry) & mask_of(i, first, last));
  }
  return runs;
}

bool SequenceContainer::contains(std::uint32_t value) const {
  if (is_bitmap()) return (words_[value / 64] >> (value % 64) & 1) != 0;
  const std::size_t at = find_run(value);
  return at < runs_.size() && runs_[at].first <= value;
}

bool SequenceContainer::contains_any(std::span<const Run> runs) const {
  if (is_bitmap()) {
    return !for_each_mask(
        runs, [this](std::size_t word, std::uint64_t mask) { return (words_[word] & mask) == 0; });
  }
  if (runs.empty()) return false;
  auto mine = runs_.begin() + static_cast<std::ptrdiff_t>(find_run(runs.front().first));
  for (const Run run : runs) {
    while (mine != runs_.end() && mine->last < run.first) ++mine;
    if (mine == runs_.end()) return false;
    if (mine->first <= run.last) return true;
  }
  return false;
}

bool SequenceContainer::contains_all(std::span<const Run> runs) const {
  if (is_bitmap()) {
    return for_each_mask(runs, [this](std::size_t word, std::uint64_t mask) {
      return (words_[word] & mask) == mask;
    });
  }
  if (runs.empty()) return true;
  auto mine = runs_.begin() + static_cast<std::ptrdiff_t>(find_run(runs.front().first));
  for (const Run run : runs) {
    while (mine != runs_.end() && mine->last < run.first) ++mine;
    if (mine == runs_.end() || run.first < mine->first || mine->last < run.last) return false;
  }
  return true;
}

std::uint32_t SequenceContainer::count_in(std::uint32_t first, std::uint32_t last) const {
  std::uint32_t count = 0;
  if (is_bitmap()) {
    for (std::size_t i = first / 64; i <= last / 64; ++i) {
      count += ones(words_[i] & mask_of(i, first, last));
    }
    return count;
  }
  for (std::size_t i = find_run(first); i < runs_.size() && runs_[i].first <= last; ++i) {
    const std::uint32_t from = std::max<std::uint32_t>(first, runs_[i].first);
    count += std::min<std::uint32_t>(last, runs_[i].last) - from + 1;
  }
  return count;
}

std::uint32_t SequenceContainer::next_in(std::uint32_t from) const {
  if (is_bitmap()) return next_bit(from, true);
  const std::size_t at = find_run(from);
  return at == runs_.size() ? kSize : std::max<std::uint32_t>(from, runs_[at].first);
}

std::uint32_t SequenceContainer::next_not_in(std::uint32_t from) const {
  if (is_bitmap()) return next_bit(from, false);
  const std::size_t at = find_run(from);
  if (at == runs_.size() || runs_[at].first > from) return from;
  return std::uint32_t{runs_[at].last} + 1;
}

std::uint32_t SequenceContainer::last() const {
  CHECK(!empty());
  if (!is_bitmap()) return runs_.back().last;
  std::size_t index = kWords - 1;
  while (words_[index] == 0) --index;
  return static_cast<std::uint32_t>(index * 64 + 63) -
         static_cast<std::uint32_t>(std::countl_zero(words_[index]));
}

void SequenceContainer::to_bitmap() {
  std::vector<Run> runs;
  runs.swap(runs_);
  words_.assign(kWords, 0);
  for (const Run run : runs) {
    for (std::size_t i = run.first / 64U; i <= run.last / 64U; ++i) {
      words_[i] |= mask_of(i, run.first, run.last);
    }
  }
  bitmap_runs_ = static_cast<std::uint32_t>(runs.size());
  low_word_ = runs.front().first / 64U;
}

std::vector<SequenceContainer::Run> SequenceContainer::list_runs() const {
  if (!is_bitmap()) return runs_;
  std::vector<Run> runs;
  runs.reserve(bitmap_runs_);
  std::uint32_t at = next_bit(0, true);
  while (at < kSize) {
    const std::uint32_t end = next_bit(at, false);
    runs.push_back({narrow(at), narrow(end - 1)});
    at = end < kSize ? next_bit(end, true) : kSize;
  }
  return runs;
}

void SequenceContainer::to_runs() {
  runs_ = list_runs();
  words_ = std::vector<std::uint64_t>();
  bitmap_runs_ = 0;
}

std::size_t SequenceContainer::heap_bytes() const {
  return runs_.capacity() * sizeof(Run) + words_.capacity() * sizeof(std::uint64_t);
}

void SequenceContainer::serialize(base::ByteWriter& out) const {
  if (is_bitmap() && bitmap_runs_ > kRunsMax) {
    out.u16(kBitmapMark);
    for (const std::uint64_t word : words_) out.u64(word);
    return;
  }
  // A bitmap that has few runs has not turned into a list yet, so as not to go to and fro.
  const std::vector<Run> runs = list_runs();
  out.u16(narrow(static_cast<std::uint32_t>(runs.size())));
  for (const Run run : runs) {
    out.u16(run.first);
    out.u16(run.last);
  }
}

bool SequenceContainer::deserialize(base::ByteReader& reader) {
  CHECK(empty());
  const std::uint32_t run_count = reader.u16();
  if (run_count == kBitmapMark) {
    if (reader.remaining() < kSize / 8) return false;
    words_.resize(kWords);
    for (std::uint64_t& word : words_) word = reader.u64();
    count_ = count_in(0, kSize - 1);
    bitmap_runs_ = runs_starting_in(0, kSize - 1);
    return bitmap_runs_ > kRunsMax;
  }
  if (run_count == 0 || run_count > kRunsMax || reader.remaining() < run_count * sizeof(Run)) {
    return false;
  }
  runs_.reserve(run_count);
  for (std::uint32_t i = 0; i < run_count; ++i) {
    const Run run{reader.u16(), reader.u16()};
    const bool apart = runs_.empty() || run.first > std::uint32_t{runs_.back().last} + 1;
    if (run.first > run.last || !apart) return false;
    runs_.push_back(run);
    count_ += length(run);
  }
  return !full();
}

bool operator==(const SequenceContainer& a, const SequenceContainer& b) {
  if (a.count_ != b.count_) return false;
  if (a.is_bitmap() && b.is_bitmap()) return a.words_ == b.words_;
  return a.list_runs() == b.list_runs();
}

}  // namespace sluice::storage
