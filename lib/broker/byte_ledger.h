#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace sluice::broker {

// How many messages of a stream, and how many bytes of bodies, somebody still waits for. Kept in
// runs, because 100 million messages must not cost an entry each:
//  - messages whose bodies have the same size form one run, however many batches they came in, and
//    are counted to the byte;
//  - a batch of mixed sizes is one run and counts whole until its last message has left;
//  - above kRunsMax runs, neighbours are joined in pairs, which makes the second rule coarser.
// The number of messages is always exact. The content depends on the calls alone, so that a replay
// of the same facts gives the same ledger.
class ByteLedger {
 public:
  static constexpr std::size_t kRunsMax = 4096;
  struct Run {
    base::Sequence last;
    std::uint64_t live = 0;   // messages that have not left
    std::uint64_t bytes = 0;  // what the run counts for
    bool uniform = false;     // every body has bytes / live
    std::uint64_t total = 0;  // of a mixed run: the messages that `bytes` are of; else 0
  };
  using Runs = std::map<base::Sequence, Run>;

  // A batch came in behind everything known. `uniform`: all bodies have the same size.
  void add(base::SequenceRange range, std::uint64_t bytes, bool uniform);
  // Nobody waits for these any more. REQUIRES: each was counted.
  void remove(base::SequenceRange range);
  // REQUIRES: ascending.
  void remove(const std::vector<base::SequenceRange>& ranges);
  // A message that had left is waited for again (a redriven dead letter).
  void put_back(base::Sequence sequence, std::uint64_t bytes);
  // The same for messages that are counted in `sizes`, which may be counted here already or not.
  void put_back(base::SequenceRange range, const ByteLedger& sizes);
  // How many messages from range.first on (at least 1) have bodies of `bytes` together, and how
  // many bytes less that would count; all of the range where it has not so many.
  std::pair<std::uint64_t, std::uint64_t> messages_with(base::SequenceRange range,
                                                        std::uint64_t bytes) const;
  // What would still count if only the messages of `ranges` were left. REQUIRES: each is counted;
  // ascending, disjoint.
  std::uint64_t bytes_while(const std::vector<base::SequenceRange>& ranges) const;
  // A body's size: exact in uniform runs, else the mean of its run; 0 when it is not counted.
  std::uint64_t size_of(base::Sequence sequence) const;

  // How many messages of the range count, and their bodies' bytes, as far as size_of() knows them.
  std::pair<std::uint64_t, std::uint64_t> sum_of(base::SequenceRange range) const;

  std::uint64_t messages() const { return messages_; }
  std::uint64_t bytes() const { return bytes_; }

  // For snapshots. REQUIRES of restore(): ascending, disjoint.
  const Runs& runs() const { return runs_; }
  void restore(base::Sequence first, const Run& run);

 private:
  void insert_run(base::Sequence first, const Run& run);
  Runs::iterator find(base::Sequence sequence);
  Runs::iterator first_at(base::Sequence sequence);
  void take(Run& run, std::uint64_t left);
  Runs::iterator remove_from(Runs::iterator at, base::SequenceRange range);
  void join_neighbours();

  Runs runs_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace sluice::broker
