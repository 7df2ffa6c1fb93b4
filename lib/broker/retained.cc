#include "broker/retained.h"

#include <utility>

#include "broker/sequence_runs.h"

namespace sluice::broker {

void Retained::add(base::SequenceRange range, std::uint64_t body_bytes, bool uniform,
                   base::WallTime accepted_at) {
  sizes_.add(range, body_bytes, uniform);
  // 0: a damaged record, whose time nobody knows.
  if (accepted_at != base::WallTime()) times_.add(range.first, accepted_at);
}

void Retained::drop(base::SequenceRange range) {
  Ranges kept;
  dropped_.for_each_gap(range.first, range.last, [&](base::SequenceRange gap) {
    kept.push_back(gap);
    return true;
  });
  for (const base::SequenceRange& part : kept) sizes_.remove(part);
  dropped_.insert(range);
  if (sizes_.messages() == 0) {
    times_ = TimeLine();
  } else {
    times_.forget(dropped_.floor());
  }
}

void Retained::restore(storage::SequenceSet dropped, ByteLedger sizes, TimeLine times) {
  dropped_ = std::move(dropped);
  sizes_ = std::move(sizes);
  times_ = std::move(times);
}

}  // namespace sluice::broker
