#include "broker/dead_order.h"

#include <algorithm>

namespace sluice::broker {

std::optional<DeadLetters::Oldest> DeadOrder::next(const DeadLetters& dead, std::uint64_t& looks) {
  std::optional<DeadLetters::Oldest> found;
  if (at_end_) return found;
  bool out_of_looks = looks == 0;
  dead.for_each_from(place_.first, place_.second,
                     [&](base::Sequence sequence, const DeadLetter& letter) {
                       if (looks == 0) {
                         out_of_looks = true;
                         return false;
                       }
                       --looks;
                       if (!dead.leased().contains(sequence) && !resting_.contains(sequence) &&
                           !resting_next_.contains(sequence) && !unreadable_.contains(sequence) &&
                           !skipped_.contains(sequence)) {
                         found = DeadLetters::Oldest{sequence, letter};
                         return false;
                       }
                       place_ = {letter.record, sequence + 1};
                       return true;
                     });
  at_end_ = !found && !out_of_looks;
  return found;
}

void DeadOrder::pass(const DeadLetters::Oldest& letter) {
  place_ = {letter.letter.record, letter.sequence + 1};
}

void DeadOrder::skip(const DeadLetters::Oldest& letter) {
  const Place place{letter.letter.record, letter.sequence};
  first_skipped_ = skipped_.empty() ? place : std::min(first_skipped_, place);
  skipped_.insert(letter.sequence);
}

void DeadOrder::look_again() {
  if (skipped_.empty()) return;
  skipped_ = {};
  place_ = std::min(place_, first_skipped_);
  at_end_ = false;
}

void DeadOrder::give_back(const DeadLetters& dead, base::SequenceRange range) {
  for (auto at = dead.next(range.first); at && *at <= range.last; at = dead.next(*at + 1)) {
    const auto letter = dead.find(*at);
    if (letter) place_ = std::min(place_, Place{letter->record, *at});
  }
  at_end_ = false;
}

void DeadOrder::rest(base::SequenceRange range, base::MonoTime due) {
  if (resting_.empty()) {
    resting_.insert(range);
    due_ = due;
    return;
  }
  resting_next_.insert(range);
  due_next_ = std::max(due_next_, due);
}

bool DeadOrder::wake(base::MonoTime now) {
  bool any = false;
  while (!resting_.empty() && due_ <= now) {
    resting_ = std::exchange(resting_next_, {});
    due_ = std::exchange(due_next_, {});
    any = true;
  }
  if (!any) return false;
  // Where in the order they stand nobody wrote down.
  place_ = {};
  at_end_ = false;
  return true;
}

std::optional<base::MonoTime> DeadOrder::earliest() const {
  if (resting_.empty()) return std::nullopt;
  return due_;
}

}  // namespace sluice::broker
