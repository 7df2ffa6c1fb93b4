#include "storage/slice_plan.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/message.h"
#include "base/prng.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ByteView;
using test::batch_from;

// A batch as a record, some of whose blocks are bad.
class FakeBlocks final : public EntryBlocks {
 public:
  explicit FakeBlocks(const std::vector<std::byte>& entries) : record_(encode(entries)) {
    header_ = *parse_record_header(record_, base::Lsn(4096), std::nullopt);
    table_ = block_table(header_, record_);
  }

  const BlockTable& table() const override { return table_; }
  const std::byte* tail() const override { return record_.data() + header_.tail_offset(); }
  bool good(std::size_t block) override {
    asked_.insert(block);
    return !bad_.contains(block);
  }

  // Its bytes become nonsense, so that a plan that uses them is found out.
  void spoil(std::size_t block) {
    bad_.insert(block);
    std::byte* const at = record_.data() + header_.tail_offset() + table_.block_begin(block);
    std::fill(at, at + table_.block_bytes(block), std::byte{0xFD});
  }
  const std::set<std::size_t>& bad() const { return bad_; }
  const std::set<std::size_t>& asked() const { return asked_; }

 private:
  static std::vector<std::byte> encode(const std::vector<std::byte>& entries) {
    const std::vector<std::byte> head(kMessagesHeadBytes);
    std::vector<std::byte> record(record_bytes(head.size(), entries.size()));
    encode_record(RecordType::kMessages, head, entries, {1, base::Lsn(4096), base::Lsn(0)},
                  record.data());
    return record;
  }

  std::vector<std::byte> record_;
  RecordHeader header_;
  BlockTable table_;
  std::set<std::size_t> bad_;
  std::set<std::size_t> asked_;
};

// Where each message lies: n + 1 offsets.
std::vector<std::size_t> offsets_of(const std::vector<std::byte>& entries) {
  std::vector<std::size_t> offsets{0};
  ByteView left = entries;
  while (!left.empty()) {
    base::take_entry(left);
    offsets.push_back(entries.size() - left.size());
  }
  return offsets;
}

// Batches with messages of all sizes.
std::vector<std::byte> random_batch(base::Prng& prng) {
  std::vector<std::byte> entries;
  const std::uint64_t sizes = prng.below(4);
  while (entries.size() < 60'000) {
    const std::size_t body = sizes == 0   ? prng.below(64)
                             : sizes == 1 ? prng.below(600)
                             : sizes == 2 ? prng.below(12'000)
                                          : 4088;
    base::append_entry(std::vector<std::byte>(body), entries);
  }
  return entries;
}

TEST(SlicePlan, IsTheLongestThatWasAskedFor) {
  base::Prng prng(1);
  for (int round = 0; round < 2'000; ++round) {
    const auto entries = random_batch(prng);
    const auto offsets = offsets_of(entries);
    const auto count = static_cast<std::uint32_t>(offsets.size() - 1);
    FakeBlocks blocks(entries);
    SliceWish wish;
    wish.first = static_cast<std::uint32_t>(prng.below(count));
    wish.last = wish.first + static_cast<std::uint32_t>(prng.below(count - wish.first));
    wish.bytes_max = static_cast<std::uint32_t>(prng.below(70'000));
    const auto plan = plan_slice(blocks, wish);
    ASSERT_TRUE(plan);
    EXPECT_FALSE(plan->damaged);
    EXPECT_EQ(plan->first, wish.first);
    EXPECT_EQ(plan->offset, offsets[wish.first]);
    const std::uint32_t end = plan->first + plan->count;
    ASSERT_LE(end, wish.last + 1);
    EXPECT_EQ(plan->bytes, offsets[end] - offsets[plan->first]);
    EXPECT_TRUE(plan->bytes <= wish.bytes_max || plan->count == 1);
    const bool could_be_longer =
        end <= wish.last && offsets[end + 1] - offsets[plan->first] <= wish.bytes_max;
    EXPECT_FALSE(could_be_longer);
  }
}

TEST(SlicePlan, LooksAtNoBlockThatWasNotAnnounced) {
  base::Prng prng(2);
  for (int round = 0; round < 1'000; ++round) {
    const auto entries = random_batch(prng);
    const auto count = static_cast<std::uint32_t>(offsets_of(entries).size() - 1);
    FakeBlocks blocks(entries);
    SliceWish wish;
    wish.first = static_cast<std::uint32_t>(prng.below(count));
    wish.last = wish.first + static_cast<std::uint32_t>(prng.below(count - wish.first));
    wish.bytes_max = static_cast<std::uint32_t>(prng.below(30'000));
    ASSERT_TRUE(plan_slice(blocks, wish));
    const BlockRange announced = blocks_for(blocks.table(), wish);
    // A single message may be larger than the wish.
    const bool large =
        offsets_of(entries)[wish.first + 1] - offsets_of(entries)[wish.first] > wish.bytes_max;
    for (const std::size_t block : blocks.asked()) {
      EXPECT_GE(block, announced.first);
      if (!large) {
        EXPECT_LE(block, announced.last);
      }
    }
  }
}

TEST(SlicePlan, ABadBlockCostsTheMessagesThatTouchItAndNoOther) {
  base::Prng prng(3);
  for (int round = 0; round < 1'500; ++round) {
    const auto entries = random_batch(prng);
    const auto offsets = offsets_of(entries);
    const auto count = static_cast<std::uint32_t>(offsets.size() - 1);
    FakeBlocks blocks(entries);
    for (std::uint64_t spoiled = 1 + prng.below(3); spoiled > 0; --spoiled) {
      blocks.spoil(prng.below(blocks.table().blocks()));
    }
    const auto touches_bad = [&](std::uint32_t index) {
      for (std::size_t b = offsets[index] / kBlockBytes;
           b <= (offsets[index + 1] - 1) / kBlockBytes; ++b) {
        if (blocks.bad().contains(b)) return true;
      }
      return false;
    };
    const auto bytes_max = static_cast<std::uint32_t>(prng.below(40'000));
    for (std::uint32_t next = 0; next < count;) {
      const auto plan = plan_slice(blocks, {next, count - 1, bytes_max});
      ASSERT_TRUE(plan);
      ASSERT_GE(plan->count, 1U);
      for (std::uint32_t i = next; i < next + plan->count; ++i) {
        EXPECT_EQ(plan->damaged, touches_bad(i)) << "message " << i;
      }
      if (!plan->damaged) {
        EXPECT_EQ(plan->offset, offsets[next]);
        EXPECT_EQ(plan->bytes, offsets[next + plan->count] - offsets[next]);
      }
      next += plan->count;
    }
  }
}

TEST(SlicePlan, ManyWishesAtOnceArePlannedAsOneByOne) {
  base::Prng prng(4);
  for (int round = 0; round < 1'500; ++round) {
    const auto entries = random_batch(prng);
    const auto count = static_cast<std::uint32_t>(offsets_of(entries).size() - 1);
    FakeBlocks blocks(entries);
    if (prng.chance(0.3)) blocks.spoil(prng.below(blocks.table().blocks()));
    std::vector<SliceWish> wishes;
    const std::uint32_t step = 1 + static_cast<std::uint32_t>(prng.below(30));
    std::uint32_t next = static_cast<std::uint32_t>(prng.below(count));
    while (next < count) {
      const auto last = std::min(count - 1, next + static_cast<std::uint32_t>(prng.below(step)));
      wishes.push_back({next, last, 0});
      next = last + 1 + static_cast<std::uint32_t>(prng.below(step));
    }
    const auto bytes_max = static_cast<std::uint32_t>(prng.below(40'000));
    std::vector<SlicePlan> plans;
    ASSERT_TRUE(plan_slices(blocks, wishes, bytes_max, plans));
    ASSERT_FALSE(plans.empty());
    ASSERT_LE(plans.size(), wishes.size());
    std::uint32_t left = bytes_max;
    for (std::size_t i = 0; i < wishes.size(); ++i) {
      const auto alone = plan_slice(blocks, {wishes[i].first, wishes[i].last, left});
      ASSERT_TRUE(alone);
      const bool ends = i > 0 && (left == 0 || alone->damaged || alone->bytes > left);
      ASSERT_EQ(plans.size() <= i, ends) << "wish " << i;
      if (ends) break;
      EXPECT_EQ(plans[i].first, alone->first);
      EXPECT_EQ(plans[i].count, alone->count);
      EXPECT_EQ(plans[i].offset, alone->offset);
      EXPECT_EQ(plans[i].bytes, alone->bytes);
      EXPECT_EQ(plans[i].damaged, alone->damaged);
      if (alone->damaged || alone->count < wishes[i].last - wishes[i].first + 1) {
        EXPECT_EQ(plans.size(), i + 1);
        break;
      }
      left -= static_cast<std::uint32_t>(std::min<std::size_t>(left, alone->bytes));
      if (left == 0 && i + 1 == plans.size()) break;
    }
  }
}

TEST(SlicePlan, GoodBlocksThatHoldNonsenseAreCorruption) {
  auto entries = batch_from(1, 20, 100);
  for (const std::uint32_t length : {0U, 7U, 0xFFFFFFFFU}) {
    base::store(entries.data() + 5 * 108, length);
    FakeBlocks blocks(entries);
    EXPECT_TRUE(plan_slice(blocks, {0, 4, 1U << 20}));
    EXPECT_FALSE(plan_slice(blocks, {0, 7, 1U << 20}));
    EXPECT_FALSE(plan_slice(blocks, {10, 10, 1U << 20}));
  }
}

}  // namespace
}  // namespace sluice::storage
