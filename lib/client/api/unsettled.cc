#include "client/api/unsettled.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace sluice::api {

// Calls use(word's index, mask) for each word that bits first..last touch.
template <typename Use>
void Unsettled::for_each_word(std::size_t first, std::size_t last, const Use& use) {
  for (std::size_t word = first / kWordBits; word <= last / kWordBits; ++word) {
    const std::size_t begin = word * kWordBits;
    const std::size_t from = std::max(first, begin) - begin;
    const std::size_t to = std::min(last - begin, kWordBits - 1);
    use(word, (~std::uint64_t{0} >> (kWordBits - 1 - (to - from))) << from);
  }
}

void Unsettled::add(const base::SequenceRange& range) {
  DCHECK(range.first <= range.last);
  const auto after = std::upper_bound(
      runs_.begin(), runs_.end(), range.first,
      [](base::Sequence first, const Run& run) { return first < run.range.first; });
  runs_.insert(after, {range, bits_});
  const std::size_t first = bits_;
  bits_ += range.count();
  words_.resize((bits_ + kWordBits - 1) / kWordBits);
  for_each_word(first, bits_ - 1,
                [this](std::size_t word, std::uint64_t bits) { words_[word] |= bits; });
  count_ += range.count();
}

std::uint64_t Unsettled::clear_bits(std::size_t first, std::size_t last) {
  std::uint64_t cleared = 0;
  for_each_word(first, last, [&](std::size_t word, std::uint64_t bits) {
    cleared += static_cast<std::uint64_t>(std::popcount(words_[word] & bits));
    words_[word] &= ~bits;
  });
  return cleared;
}

std::uint64_t Unsettled::remove(const base::SequenceRange& gone) {
  auto run =
      std::lower_bound(runs_.begin(), runs_.end(), gone.first,
                       [](const Run& one, base::Sequence first) { return one.range.last < first; });
  std::uint64_t removed = 0;
  for (; run != runs_.end() && run->range.first <= gone.last; ++run) {
    const base::Sequence first = std::max(run->range.first, gone.first);
    const base::Sequence last = std::min(run->range.last, gone.last);
    removed += clear_bits(run->first_bit + (first - run->range.first),
                          run->first_bit + (last - run->range.first));
  }
  count_ -= removed;
  return removed;
}

std::uint64_t Unsettled::remove(base::Sequence first, std::uint64_t bits) {
  const auto highest = static_cast<std::uint64_t>(std::bit_width(bits) - 1);
  const bool is_plain = runs_.size() == 1 && runs_.front().range.contains(first) &&
                        runs_.front().range.contains(first + highest);
  std::uint64_t removed = 0;
  if (!is_plain) {
    for (std::uint64_t left = bits; left != 0; left &= left - 1) {
      const auto bit = static_cast<std::uint64_t>(std::countr_zero(left));
      removed |= remove(base::SequenceRange{first + bit, first + bit}) << bit;
    }
    return removed;
  }
  // They lie in one word, or in two that stand together.
  const std::size_t at = first - runs_.front().range.first;
  const std::size_t low = at % kWordBits;
  std::uint64_t& word = words_[at / kWordBits];
  removed = (word >> low) & bits;
  word &= ~(bits << low);
  if (low > 0 && (bits >> (kWordBits - low)) != 0) {
    std::uint64_t& next = words_[at / kWordBits + 1];
    const std::uint64_t wanted = bits >> (kWordBits - low);
    removed |= (next & wanted) << (kWordBits - low);
    next &= ~wanted;
  }
  count_ -= static_cast<std::uint64_t>(std::popcount(removed));
  return removed;
}

std::vector<base::SequenceRange> Unsettled::ranges() const {
  std::vector<base::SequenceRange> ranges;
  for (const Run& run : runs_) {
    for (base::Sequence at = run.range.first; at <= run.range.last; ++at) {
      const std::size_t bit = run.first_bit + (at - run.range.first);
      if ((words_[bit / kWordBits] >> bit % kWordBits & 1) == 0) continue;
      if (!ranges.empty() && ranges.back().last + 1 == at) {
        ranges.back().last = at;
      } else {
        ranges.push_back({at, at});
      }
    }
  }
  return ranges;
}

}  // namespace sluice::api
