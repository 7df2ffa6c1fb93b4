#include "broker/sequence_words.h"

#include <bit>
#include <cstdint>
#include <limits>

#include "storage/varint.h"

namespace sluice::broker {

namespace {

using base::Sequence;
using base::SequenceRange;

constexpr std::uint64_t kBits = 64;
constexpr std::uint64_t kFull = ~std::uint64_t{0};
// Behind it no sequence lies.
constexpr std::uint64_t kWordsEnd = std::numeric_limits<std::uint64_t>::max() / kBits;
// A skipped number and a mask, or a skipped number and a count.
constexpr std::size_t kRowBytesMin = 2;

// Words in a row that have the same bits: one, or as many as are full.
struct Row {
  std::uint64_t first = 0;
  std::uint64_t words = 1;
  std::uint64_t mask = kFull;
};

std::uint64_t word_of(Sequence sequence) { return sequence.value() / kBits; }

// Where the row goes on with the one before it, it becomes part of that.
void append_row(std::vector<Row>& rows, const Row& row) {
  if (!rows.empty()) {
    Row& before = rows.back();
    if (before.first == row.first) {
      before.mask |= row.mask;
      return;
    }
    if (before.mask == kFull && row.mask == kFull && before.first + before.words == row.first) {
      before.words += row.words;
      return;
    }
  }
  rows.push_back(row);
}

std::vector<Row> rows_of(const Ranges& ranges) {
  std::vector<Row> parts;
  for (const SequenceRange& range : ranges) {
    const std::uint64_t first = word_of(range.first);
    const std::uint64_t last = word_of(range.last);
    const std::uint64_t from = kFull << (range.first.value() % kBits);
    const std::uint64_t to = kFull >> (kBits - 1 - range.last.value() % kBits);
    if (first == last) {
      append_row(parts, {first, 1, from & to});
      continue;
    }
    append_row(parts, {first, 1, from});
    if (last - first > 1) append_row(parts, {first + 1, last - first - 1, kFull});
    append_row(parts, {last, 1, to});
  }
  // A word may have become full only by its last part.
  std::vector<Row> rows;
  for (const Row& part : parts) append_row(rows, part);
  return rows;
}

void append_ranges(const Row& row, Ranges& ranges) {
  const std::uint64_t base = row.first * kBits;
  if (row.mask == kFull) {
    append_range(ranges, {Sequence(base), Sequence(base + row.words * kBits - 1)});
    return;
  }
  for (std::uint64_t left = row.mask; left != 0;) {
    const int first = std::countr_zero(left);
    const int count = std::countr_one(left >> first);
    const Sequence begin(base + static_cast<std::uint64_t>(first));
    append_range(ranges, {begin, begin + static_cast<std::uint64_t>(count - 1)});
    left &= ~((kFull >> (kBits - static_cast<std::uint64_t>(count))) << first);
  }
}

// The row behind `before`, which is nullptr for the first one; nullopt for what is none.
std::optional<Row> get_row(base::ByteReader& in, const Row* before) {
  const std::uint64_t next = before == nullptr ? 0 : before->first + before->words;
  const std::uint64_t head = storage::get_varint(in);
  const bool full = (head & 1) != 0;
  if (!in.ok() || head / 2 > kWordsEnd - next) return std::nullopt;
  Row row;
  row.first = next + head / 2;
  if (full) {
    const std::uint64_t more = storage::get_varint(in);
    if (!in.ok() || more >= kWordsEnd - row.first) return std::nullopt;
    row.words = more + 1;
  } else {
    row.mask = in.u64();
  }
  const bool possible =
      in.ok() && row.mask != 0 && (full || row.mask != kFull) && row.first + row.words <= kWordsEnd;
  const bool joined = full && before != nullptr && before->mask == kFull && row.first == next;
  if (!possible || joined) return std::nullopt;
  return row;
}

}  // namespace

void put_words(base::ByteWriter& out, const Ranges& ranges) {
  const std::vector<Row> rows = rows_of(ranges);
  out.u32(static_cast<std::uint32_t>(rows.size()));
  std::uint64_t next = 0;
  for (const Row& row : rows) {
    const bool full = row.mask == kFull;
    storage::put_varint(out, (row.first - next) * 2 + (full ? 1 : 0));
    if (full) {
      storage::put_varint(out, row.words - 1);
    } else {
      out.u64(row.mask);
    }
    next = row.first + row.words;
  }
}

std::optional<Ranges> get_words(base::ByteReader& in, std::size_t ranges_max) {
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining() / kRowBytesMin) return std::nullopt;
  Ranges ranges;
  std::optional<Row> before;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::optional<Row> row = get_row(in, before ? &*before : nullptr);
    if (!row) return std::nullopt;
    append_ranges(*row, ranges);
    if (ranges.size() > ranges_max) return std::nullopt;
    before = row;
  }
  return ranges;
}

}  // namespace sluice::broker
