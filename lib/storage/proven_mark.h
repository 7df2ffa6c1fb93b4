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
  void by_file(base::Lsn durable) { by_files_ = std::max(by_files_, durable), rise(durable); }
  // By the record that begins there. In order.
  void by_record(base::Lsn record, base::Lsn durable) {
    if (durable > value_) proofs_.push_back({record, durable});
    rise(durable);
  }

  // The mark of a log that ends there.
  base::Lsn of_end(base::Lsn end) const {
    base::Lsn proven = by_files_;
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

  void rise(base::Lsn durable) { value_ = std::max(value_, durable); }

  base::Lsn value_;
  base::Lsn by_files_;
  std::vector<Proof> proofs_;
};

}  // namespace sluice::storage
