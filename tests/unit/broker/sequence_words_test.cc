#include "broker/sequence_words.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "storage/varint.h"

namespace sluice::broker {
namespace {

using base::Sequence;

constexpr std::size_t kAny = 1U << 20;

Ranges ranges_of(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& list) {
  Ranges ranges;
  for (const auto& [first, last] : list) ranges.push_back({Sequence(first), Sequence(last)});
  return ranges;
}

std::vector<std::byte> words_of(const Ranges& ranges) {
  std::vector<std::byte> bytes;
  base::ByteWriter out(bytes);
  put_words(out, ranges);
  return bytes;
}

std::optional<Ranges> read(const std::vector<std::byte>& bytes, std::size_t ranges_max = kAny) {
  base::ByteReader in(bytes);
  auto ranges = get_words(in, ranges_max);
  if (!in.ok() || in.remaining() > 0) return std::nullopt;
  return ranges;
}

TEST(SequenceWords, what_is_written_is_read) {
  const std::vector<Ranges> all = {
      {},
      ranges_of({{1, 1}}),
      ranges_of({{0, 63}}),
      ranges_of({{0, 64}}),
      ranges_of({{63, 64}}),
      ranges_of({{5, 700}}),
      ranges_of({{1, 1}, {3, 3}, {63, 63}, {65, 70}, {128, 1'000'000}}),
      ranges_of({{std::uint64_t{1} << 62, (std::uint64_t{1} << 62) + 1000}}),
  };
  for (const Ranges& ranges : all) EXPECT_EQ(read(words_of(ranges)), ranges);
}

TEST(SequenceWords, any_ranges_are_read_as_they_were) {
  base::Prng prng(5, "words");
  for (int round = 0; round < 500; ++round) {
    Ranges ranges;
    std::uint64_t at = prng.below(200);
    const std::uint64_t stretch = 1 + prng.below(300);
    for (std::uint64_t i = prng.below(60); i > 0; --i) {
      const std::uint64_t last = at + prng.below(stretch);
      ranges.push_back({Sequence(at), Sequence(last)});
      at = last + 2 + prng.below(stretch);
    }
    ASSERT_EQ(read(words_of(ranges)), ranges) << round;
  }
}

TEST(SequenceWords, ranges_that_touch_give_the_bytes_of_one) {
  EXPECT_EQ(words_of(ranges_of({{1, 100}, {101, 300}})), words_of(ranges_of({{1, 300}})));
  EXPECT_EQ(words_of(ranges_of({{0, 30}, {31, 63}, {64, 127}})), words_of(ranges_of({{0, 127}})));
}

TEST(SequenceWords, every_second_sequence_costs_two_bits) {
  Ranges ranges;
  for (std::uint64_t at = 1; at < 128'000; at += 2) ranges.push_back({Sequence(at), Sequence(at)});
  EXPECT_EQ(words_of(ranges).size(), 4 + 2000 * 9U);
}

// `mask` = 0: a row of full words, whose number less one is `words`.
struct Row {
  std::uint64_t head = 0;
  std::uint64_t mask = 0;
  std::uint64_t words = 0;
};
std::vector<std::byte> rows(std::uint32_t count, const std::vector<Row>& list) {
  std::vector<std::byte> bytes;
  base::ByteWriter out(bytes);
  out.u32(count);
  for (const Row& row : list) {
    storage::put_varint(out, row.head);
    if ((row.head & 1) == 0) {
      out.u64(row.mask);
    } else {
      storage::put_varint(out, row.words);
    }
  }
  return bytes;
}

TEST(SequenceWords, what_could_not_be_written_is_refused) {
  constexpr std::uint64_t kFull = ~std::uint64_t{0};
  EXPECT_EQ(read(rows(1, {{0, 5}})), ranges_of({{0, 0}, {2, 2}}));
  EXPECT_EQ(read(rows(2, {{0, 5}, {3, 0, 0}})), ranges_of({{0, 0}, {2, 2}, {128, 191}}));
  EXPECT_FALSE(read(rows(2, {{0, 5}}))) << "cut";
  EXPECT_FALSE(read(rows(1, {{0, 0}}))) << "an empty word";
  EXPECT_FALSE(read(rows(1, {{0, kFull}}))) << "a full word that is not said to be one";
  EXPECT_FALSE(read(rows(2, {{1, 0, 0}, {1, 0, 0}}))) << "two rows that are one";
  EXPECT_FALSE(read(rows(1, {{1, 0, kFull}}))) << "behind the last sequence";
  EXPECT_FALSE(read(rows(1, {{kFull - 1, 5}}))) << "behind the last sequence";
  EXPECT_FALSE(read(rows(1, {{0, 5}}), 1)) << "more ranges than are allowed";
}

TEST(SequenceWords, bytes_that_are_cut_are_refused) {
  const auto bytes = words_of(ranges_of({{1, 1}, {3, 400}, {1000, 1000}}));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(read({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
  }
}

}  // namespace
}  // namespace sluice::broker
