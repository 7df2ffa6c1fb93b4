#include "broker/dead_letters.h"

#include <iterator>

#include "base/check.h"

namespace sluice::broker {

void DeadLetters::add(base::Sequence sequence, const DeadLetter& letter) {
  CHECK(letters_.emplace(sequence, letter).second);
  order_.emplace(letter.record, sequence);
  texts_.add(letter.record);
  texts_.add(letter.text);
  bytes_ += letter.bytes;
}

void DeadLetters::erase(base::Sequence sequence) {
  const auto found = letters_.find(sequence);
  CHECK(found != letters_.end());
  texts_.remove(found->second.record);
  texts_.remove(found->second.text);
  bytes_ -= found->second.bytes;
  order_.erase({found->second.record, sequence});
  letters_.erase(found);
}

const DeadLetter* DeadLetters::find(base::Sequence sequence) const {
  const auto found = letters_.find(sequence);
  return found == letters_.end() ? nullptr : &found->second;
}

bool DeadLetters::any_in(base::SequenceRange range) const {
  const auto found = letters_.lower_bound(range.first);
  return found != letters_.end() && found->first <= range.last;
}

std::uint64_t DeadLetters::count_in(base::SequenceRange range) const {
  if (letters_.empty()) return 0;
  return static_cast<std::uint64_t>(
      std::distance(letters_.lower_bound(range.first), letters_.upper_bound(range.last)));
}

std::optional<base::Sequence> DeadLetters::oldest() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->second;
}

}  // namespace sluice::broker
