#include "broker/time_line.h"

#include <algorithm>
#include <utility>

namespace sluice::broker {

namespace {

constexpr std::int64_t kMarksPerSpan = 512;

}  // namespace

void TimeLine::add(base::Sequence first, base::WallTime accepted_at) {
  const base::WallTime before = newest_;
  newest_ = std::max(newest_, accepted_at);
  if (before == base::WallTime()) return;
  if (!marks_.empty()) {
    if (marks_.back().at == before) {
      marks_.back().end = first;
      return;
    }
    // What gets no mark is passed with the next one, which must not be much later.
    const std::int64_t span_ms = newest_ - marks_.front().at;
    if (newest_ - marks_.back().at <= span_ms / kMarksPerSpan) return;
  }
  marks_.push_back({first, before});
  if (marks_.size() <= kMarksMax) return;
  // Every second one; the last stays.
  std::deque<Mark> thinned;
  for (std::size_t i = marks_.size() % 2 == 0 ? 1 : 0; i < marks_.size(); i += 2) {
    thinned.push_back(marks_[i]);
  }
  marks_ = std::move(thinned);
}

void TimeLine::forget(base::Sequence first) {
  while (!marks_.empty() && marks_.front().end <= first) marks_.pop_front();
}

base::Sequence TimeLine::end_of(base::WallTime time, base::Sequence next) const {
  if (newest_ != base::WallTime() && newest_ <= time) return next;
  const auto above =
      std::upper_bound(marks_.begin(), marks_.end(), time,
                       [](base::WallTime wanted, const Mark& mark) { return wanted < mark.at; });
  return above == marks_.begin() ? base::Sequence(1) : std::prev(above)->end;
}

base::WallTime TimeLine::passed_at(base::Sequence from) const {
  const auto above =
      std::upper_bound(marks_.begin(), marks_.end(), from,
                       [](base::Sequence wanted, const Mark& mark) { return wanted < mark.end; });
  return above == marks_.end() ? newest_ : above->at;
}

void TimeLine::restore(std::deque<Mark> marks, base::WallTime newest) {
  marks_ = std::move(marks);
  newest_ = newest;
}

}  // namespace sluice::broker
