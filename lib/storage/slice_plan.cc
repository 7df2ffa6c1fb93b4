#include "storage/slice_plan.h"

#include <algorithm>
#include <optional>

#include "base/message.h"

namespace sluice::storage {

namespace {

// The block in which message `index` begins; not before block `from`.
std::size_t block_of(const BlockTable& table, std::uint32_t index, std::size_t from = 0) {
  std::size_t found = from;
  for (std::size_t block = from; block < table.blocks(); ++block) {
    if (!table.has_entry(block)) continue;
    if (table.entry_index(block) > index) break;
    found = block;
  }
  return found;
}

// Number of the first message that begins behind `block`; nullopt: none does.
std::optional<std::uint32_t> first_behind(const BlockTable& table, std::size_t block) {
  for (++block; block < table.blocks(); ++block) {
    if (table.has_entry(block)) return table.entry_index(block);
  }
  return std::nullopt;
}

class Planner {
 public:
  explicit Planner(EntryBlocks& blocks)
      : blocks_(blocks), table_(blocks.table()), tail_(blocks.tail()) {}

  // One good message not far behind the last wish, by walking there. False: it is not that simple,
  // and run() is to be asked.
  bool run_near(const SliceWish& wish, SlicePlan& plan) {
    constexpr std::uint32_t kNear = 8;
    if (!walked_ || wish.first != wish.last || wish.first < index_) return false;
    if (wish.first - index_ > kNear) return false;
    limit_.reset();
    while (index_ < wish.first) {
      if (walk() != Step::kDone) return false;
    }
    const std::size_t begin = position_;
    if (walk() != Step::kDone) return false;
    plan = {wish.first, 1, begin, position_ - begin, false};
    return true;
  }

  // REQUIRES: behind the wish before it.
  base::Result<SlicePlan> run(const SliceWish& wish) {
    wish_ = wish;
    limit_.reset();
    if (table_.blocks() == 0) return malformed();
    const std::size_t block = begin_ = block_of(table_, wish_.first, begin_);
    if (!table_.has_entry(block)) return malformed();
    if (!blocks_.good(block)) return damaged_in(block);

    const std::size_t first_begins = table_.block_begin(block) + table_.entry_offset(block);
    if (position_ < first_begins || index_ > wish_.first || !walked_) {
      index_ = table_.entry_index(block);
      position_ = first_begins;
    }
    walked_ = true;
    while (index_ < wish_.first) {
      if (const Step step = walk(); step != Step::kDone) return refused(step);
    }
    const std::size_t begin = position_;
    if (const Step step = walk(); step != Step::kDone) return refused(step);
    limit_ = begin + std::max<std::size_t>(wish_.bytes_max, position_ - begin);
    jump_over_blocks(block);
    while (index_ <= wish_.last) {
      const Step step = walk();
      if (step == Step::kMalformed) return malformed();
      if (step != Step::kDone) break;
    }
    return SlicePlan{wish_.first, index_ - wish_.first, begin, position_ - begin, false};
  }

 private:
  enum class Step { kDone, kDamaged, kTooMuch, kMalformed };

  // Over one message.
  Step walk() {
    const std::size_t size_end = position_ + sizeof(std::uint32_t);
    if (size_end > table_.tail_bytes()) return Step::kMalformed;
    if (!good_between(position_, size_end)) return Step::kDamaged;
    const std::size_t bytes = base::load<std::uint32_t>(tail_ + position_);
    const std::size_t end = position_ + bytes;
    if (bytes < base::kEntryHeaderBytes || end > table_.tail_bytes()) return Step::kMalformed;
    if (limit_ && end > *limit_) return Step::kTooMuch;
    if (!good_between(position_, end)) return Step::kDamaged;
    position_ = end;
    ++index_;
    return Step::kDone;
  }

  // As far as whole blocks of wanted messages go.
  void jump_over_blocks(std::size_t block) {
    for (++block; block < table_.blocks(); ++block) {
      if (!table_.has_entry(block)) continue;
      const std::uint32_t index = table_.entry_index(block);
      const std::size_t begin = table_.block_begin(block) + table_.entry_offset(block);
      if (index <= index_) continue;
      const bool wanted = index <= wish_.last + 1 && begin <= *limit_;
      if (!wanted || !good_between(position_, begin)) return;
      index_ = index;
      position_ = begin;
    }
  }

  bool good_between(std::size_t begin, std::size_t end) {
    for (std::size_t block = begin / kBlockBytes; block <= (end - 1) / kBlockBytes; ++block) {
      if (block == good_) continue;
      if (!blocks_.good(block)) return false;
      good_ = block;
    }
    return true;
  }

  // Everything that begins in a bad block is damaged.
  SlicePlan damaged_in(std::size_t block) const {
    const std::uint32_t behind = first_behind(table_, block).value_or(wish_.last + 1);
    const std::uint32_t last = std::min(wish_.last, std::max(behind, wish_.first + 1) - 1);
    return {wish_.first, last - wish_.first + 1, 0, 0, true};
  }

  base::Result<SlicePlan> refused(Step step) const {
    if (step == Step::kMalformed) return malformed();
    return SlicePlan{wish_.first, 1, 0, 0, true};
  }

  static base::Error malformed() {
    return base::corruption("the entries of a batch do not fit its block table");
  }

  EntryBlocks& blocks_;
  const BlockTable& table_;
  const std::byte* const tail_;
  SliceWish wish_;
  std::size_t begin_ = 0;  // the block in which the wish begins
  std::size_t good_ = ~std::size_t{0};
  bool walked_ = false;
  std::uint32_t index_ = 0;   // the next message
  std::size_t position_ = 0;  // where it begins
  std::optional<std::size_t> limit_;
};

}  // namespace

base::Result<SlicePlan> plan_slice(EntryBlocks& blocks, const SliceWish& wish) {
  return Planner(blocks).run(wish);
}

base::Status plan_slices(EntryBlocks& blocks, std::span<const SliceWish> wishes,
                         std::uint32_t bytes_max, std::vector<SlicePlan>& out) {
  Planner planner(blocks);
  out.reserve(out.size() + wishes.size());
  std::size_t bytes = 0;
  bool is_first = true;
  for (SliceWish wish : wishes) {
    if (!is_first && bytes >= bytes_max) return {};
    wish.bytes_max = static_cast<std::uint32_t>(bytes_max - bytes);
    SlicePlan plan;
    if (!planner.run_near(wish, plan)) {
      ASSIGN_OR_RETURN(plan, planner.run(wish));
    }
    if (!is_first && (plan.damaged || bytes + plan.bytes > bytes_max)) return {};
    out.push_back(plan);
    bytes += plan.bytes;
    is_first = false;
    if (plan.damaged || plan.count < wish.last - wish.first + 1) return {};
  }
  return {};
}

BlockRange blocks_for(const BlockTable& table, const SliceWish& wish) {
  if (table.blocks() == 0) return {};
  const std::size_t first = block_of(table, wish.first);
  // The last wanted message ends in the block where its successor begins, at the latest.
  std::size_t last = block_of(table, wish.last) + 1;
  while (last < table.blocks() && !table.has_entry(last)) ++last;
  const std::size_t enough = first + wish.bytes_max / kBlockBytes + 2;
  return {first, std::min({last, enough, table.blocks() - 1})};
}

}  // namespace sluice::storage
