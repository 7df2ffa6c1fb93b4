#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "broker/text_index.h"
#include "storage/fact.h"

namespace sluice::broker {

// A message that a subscription gave up on. Body and error text stay in the log.
struct DeadLetter {
  storage::DeadReason reason = storage::DeadReason::kRejected;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  base::WallTime first_failed;
  base::WallTime died_at;
  base::Lsn record;         // of the death: gives the order of deaths
  base::Lsn text;           // the record with the last error
  std::uint64_t bytes = 0;  // of the body, as ByteLedger knows it
};

// The dead letters of one subscription over one stream.
class DeadLetters {
 public:
  using BySequence = std::map<base::Sequence, DeadLetter>;

  // REQUIRES: not dead yet.
  void add(base::Sequence sequence, const DeadLetter& letter);
  // REQUIRES: dead.
  void erase(base::Sequence sequence);

  const DeadLetter* find(base::Sequence sequence) const;
  bool any_in(base::SequenceRange range) const;
  std::uint64_t count_in(base::SequenceRange range) const;
  // The one that died first; nullopt when there is none.
  std::optional<base::Sequence> oldest() const;

  // Calls fn(sequence, letter) -> bool in the order of death, until it returns false. It must not
  // change anything.
  template <typename Fn>
  void for_each_oldest(Fn&& fn) const {
    for (const auto& [record, sequence] : order_) {
      if (!fn(sequence, letters_.at(sequence))) return;
    }
  }

  // True when a record in [begin, end) has a text of one of them.
  bool has_text_in(base::Lsn begin, base::Lsn end) const { return texts_.any_in(begin, end); }
  std::uint64_t count() const { return letters_.size(); }
  std::uint64_t bytes() const { return bytes_; }
  const BySequence& by_sequence() const { return letters_; }

 private:
  BySequence letters_;
  std::set<std::pair<base::Lsn, base::Sequence>> order_;  // of death
  TextIndex texts_;
  std::uint64_t bytes_ = 0;
};

}  // namespace sluice::broker
