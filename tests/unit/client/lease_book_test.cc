#include "client/api/lease_book.h"

#include <gtest/gtest.h>

namespace sluice::api {
namespace {

using base::Millis;
using base::MonoTime;

constexpr base::ShardIndex kShard{0};
constexpr base::Epoch kEpoch{7};
constexpr Millis kLease{1'000};
constexpr MonoTime kBegin{1'000'000'000};

client::Receipt receipt(std::uint64_t first, std::uint64_t last, base::Epoch epoch = kEpoch) {
  return {kShard, epoch, {base::Sequence(first), base::Sequence(last)}};
}

class LeaseBookTest : public testing::Test {
 protected:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> due(Millis after) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const client::Receipt& one : book_.take_due(kBegin + after)) {
      ranges.emplace_back(one.range.first.value(), one.range.last.value());
    }
    return ranges;
  }

  LeaseBook book_{Millis(1'800)};
};

using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

TEST_F(LeaseBookTest, ExtendsAtHalfTime) {
  book_.add({receipt(1, 10)}, kBegin, kLease);
  EXPECT_EQ(book_.next(), kBegin + Millis(500));
  EXPECT_EQ(due(Millis(499)), Ranges());
  EXPECT_EQ(due(Millis(500)), Ranges({{1, 10}}));
  EXPECT_EQ(due(Millis(500)), Ranges());
  EXPECT_EQ(book_.next(), kBegin + Millis(1'000));
}

TEST_F(LeaseBookTest, ExtendsWhatIsNotSettledOnly) {
  book_.add({receipt(1, 10), receipt(20, 29)}, kBegin, kLease);
  book_.settle(receipt(1, 2));
  book_.settle(receipt(5, 5));
  book_.settle(receipt(10, 21));
  book_.settle(receipt(100, 200));
  EXPECT_EQ(due(Millis(500)), Ranges({{3, 4}, {6, 9}, {22, 29}}));
}

TEST_F(LeaseBookTest, ForgetsABatchWithItsLastMessage) {
  book_.add({receipt(1, 3)}, kBegin, kLease);
  book_.add({receipt(4, 6, base::Epoch(8))}, kBegin, kLease);
  book_.settle(receipt(1, 1));
  book_.settle(receipt(2, 3));
  EXPECT_EQ(due(Millis(500)), Ranges({{4, 6}}));
  book_.settle(receipt(4, 6, base::Epoch(8)));
  EXPECT_TRUE(book_.empty());
  EXPECT_EQ(book_.next(), std::nullopt);
}

TEST_F(LeaseBookTest, EndsWithTheTimeAllowed) {
  book_.add({receipt(1, 1)}, kBegin, kLease);
  EXPECT_EQ(due(Millis(500)).size(), 1U);
  EXPECT_EQ(due(Millis(1'000)).size(), 1U);
  EXPECT_EQ(due(Millis(1'500)).size(), 1U);
  EXPECT_EQ(due(Millis(2'000)).size(), 0U);
  EXPECT_EQ(book_.next(), std::nullopt);
}

TEST_F(LeaseBookTest, NeverExtendsWhereNothingIsAllowed) {
  LeaseBook book(Millis(0));
  book.add({receipt(1, 1)}, kBegin, kLease);
  EXPECT_EQ(book.next(), std::nullopt);
  EXPECT_TRUE(book.take_due(kBegin + Millis(900)).empty());
}

TEST_F(LeaseBookTest, CountsWhatIsSettledOnce) {
  book_.add({receipt(1, 10)}, kBegin, kLease);
  EXPECT_EQ(book_.settle(receipt(2, 3)), 2U);
  EXPECT_EQ(book_.settle(receipt(2, 3)), 0U);
  EXPECT_EQ(book_.settle(receipt(1, 4)), 2U);
  EXPECT_EQ(book_.settle(receipt(5, 5, base::Epoch(8))), 0U);
  EXPECT_EQ(book_.settle(receipt(5, 10)), 6U);
}

TEST_F(LeaseBookTest, TellsWhichOfAWordWereHere) {
  book_.add({receipt(1, 70)}, kBegin, kLease);
  book_.hold(receipt(5, 5), kBegin + Millis(2'000));
  book_.settle(receipt(9, 9));
  const client::ReceiptWord odd{kShard, kEpoch, base::Sequence(3), 0x5555555555555555};
  EXPECT_EQ(book_.settle(odd), odd.bits & ~(std::uint64_t{1} << 6));
  EXPECT_EQ(book_.settle(odd), 0U);
  EXPECT_EQ(book_.settle({kShard, base::Epoch(8), base::Sequence(4), 1}), 0U);
  EXPECT_EQ(book_.settle(receipt(1, 70)), 70U - 32U);
  EXPECT_TRUE(book_.empty());
  EXPECT_EQ(book_.next(), std::nullopt);
}

TEST_F(LeaseBookTest, TellsTheRestOfManyWordsByRow) {
  constexpr base::ShardIndex kOther{1};
  const auto word = [](std::uint64_t first, std::uint64_t bits, base::ShardIndex shard = kShard) {
    return client::ReceiptWord{shard, kEpoch, base::Sequence(first), bits};
  };
  book_.add({receipt(5, 6)}, kBegin, kLease);
  std::vector<client::ReceiptWord> acks = {word(1, ~std::uint64_t{0}), word(65, 0b1011),
                                           word(69, 1, kOther)};
  std::vector<std::vector<std::uint64_t>> rows;
  for (const client::Receipt& row : book_.settle(acks)) {
    rows.push_back({row.shard.value(), row.range.first.value(), row.range.last.value()});
  }
  const std::vector<std::vector<std::uint64_t>> expected = {
      {0, 1, 4}, {0, 7, 66}, {0, 68, 68}, {1, 69, 69}};
  EXPECT_EQ(rows, expected);
  ASSERT_EQ(acks.size(), 1U);
  EXPECT_EQ(acks[0].first, base::Sequence(5));
  EXPECT_EQ(acks[0].bits, 0b11U);
  EXPECT_TRUE(book_.empty());
}

TEST_F(LeaseBookTest, DoesNotCutShortWhatTheApplicationExtended) {
  book_.add({receipt(1, 3)}, kBegin, kLease);
  book_.hold(receipt(2, 2), kBegin + Millis(2'000));
  EXPECT_EQ(due(Millis(500)), Ranges({{1, 1}, {3, 3}}));
  EXPECT_EQ(due(Millis(1'000)), Ranges({{1, 1}, {3, 3}}));
  EXPECT_EQ(due(Millis(1'500)), Ranges({{1, 1}, {3, 3}, {2, 2}}));
  book_.hold(receipt(2, 2), kBegin + Millis(9'000));
  book_.hold(receipt(7, 7), kBegin + Millis(9'000));  // not here
  EXPECT_EQ(book_.settle(receipt(1, 3)), 3U);
  EXPECT_TRUE(book_.empty());
}

TEST_F(LeaseBookTest, ForgetsAShard) {
  book_.add({receipt(1, 3)}, kBegin, kLease);
  book_.hold(receipt(2, 2), kBegin + Millis(1'000));
  book_.clear(base::ShardIndex(1));
  EXPECT_FALSE(book_.empty());
  book_.clear(kShard);
  EXPECT_TRUE(book_.empty());
  EXPECT_EQ(book_.next(), std::nullopt);
}

}  // namespace
}  // namespace sluice::api
