#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace sluice::api {

// Which messages of one delivery are not settled: a bit for each, so that the order in which the
// application settles them costs nothing. Pure.
class Unsettled {
 public:
  // Messages that are not here yet.
  void add(const base::SequenceRange& range);
  // Returns how many of the messages were here.
  std::uint64_t remove(const base::SequenceRange& gone);
  // Messages first + i for each bit i. Returns which of them were here.
  std::uint64_t remove(base::Sequence first, std::uint64_t bits);

  bool empty() const { return count_ == 0; }
  // What is left, in order; rows as one.
  std::vector<base::SequenceRange> ranges() const;

 private:
  struct Run {
    base::SequenceRange range;
    std::size_t first_bit = 0;
  };

  static constexpr std::size_t kWordBits = 64;

  template <typename Use>
  static void for_each_word(std::size_t first, std::size_t last, const Use& use);
  std::uint64_t clear_bits(std::size_t first, std::size_t last);

  std::vector<Run> runs_;  // in order of their messages
  std::vector<std::uint64_t> words_;
  std::size_t bits_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace sluice::api
