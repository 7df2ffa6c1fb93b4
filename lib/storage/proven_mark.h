#pragma once

#include <algorithm>
#include <vector>

#include "base/ids.h"

namespace sluice::storage {

// How far a log was durable for sure, and what says so: files, which stay, or records, which
// recovery may cut.
class ProvenMark {
 public:
  base::Lsn value() const { return value_; }

  // By a snapshot, a segment's file, a backup. Before all records behind it.
  void by_file(base::Lsn durable) {
    stays_ = std::max(stays_, durable);
    value_ = std::max(value_, durable);
  }
  // By the record that begins there. In order.
  void by_record(base::Lsn record, base::Lsn durable) {
    if (durable <= value_) return;
    proofs_.push_back({record, durable});
    value_ = durable;
    // No log ends below its mark, so what stands below it is not cut: only proofs of what was in
    // flight are kept.
    auto at = proofs_.begin();
    for (; at != proofs_.end() && at->record < value_; ++at) stays_ = std::max(stays_, at->durable);
    proofs_.erase(proofs_.begin(), at);
  }

  // The mark of a log that ends there.
  base::Lsn of_end(base::Lsn end) const {
    base::Lsn proven = stays_;
    for (const Proof& proof : proofs_) {
      if (proof.record < end) proven = std::max(proven, proof.durable);
    }
    return proven;
  }

 private:
  struct Proof {
    base::Lsn record;
    base::Lsn durable;
  };

  base::Lsn value_;
  base::Lsn stays_;  // by what no cut takes
  std::vector<Proof> proofs_;
};

}  // namespace sluice::storage
