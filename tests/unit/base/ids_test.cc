#include "base/ids.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <unordered_set>

#include "tests/support/status_matchers.h"

namespace sluice::base {
namespace {

using test::HasCode;
using test::IsOkAndHolds;

TEST(Id128Test, hex_and_back) {
  Id128 id;
  for (std::size_t i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::uint8_t>(i * 17);
  EXPECT_EQ(id.to_hex(), "00112233445566778899aabbccddeeff");
  EXPECT_THAT(Id128::from_hex(id.to_hex()), IsOkAndHolds(id));
}

TEST(Id128Test, anything_but_32_lower_case_digits_is_refused) {
  for (const char* text :
       {"", "00", "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeef",
        "00112233445566778899aabbccddeeff0", "0x112233445566778899aabbccddeeff",
        "00112233-4556-6778-899a-abbccddee"}) {
    EXPECT_THAT(Id128::from_hex(text), HasCode(ErrorCode::kInvalidArgument)) << text;
  }
}

TEST(Id128Test, zero_means_none) {
  Id128 id;
  EXPECT_TRUE(id.is_zero());
  id.bytes[15] = 1;
  EXPECT_FALSE(id.is_zero());
}

TEST(Id128Test, equal_ids_hash_equal) {
  std::unordered_set<QueueId> queues;
  QueueId queue;
  queue.bytes[3] = 7;
  queues.insert(queue);
  queues.insert(QueueId(queue));
  EXPECT_EQ(queues.size(), 1U);
}

TEST(Id128Test, ids_of_different_things_do_not_mix) {
  static_assert(!std::is_convertible_v<QueueId, SessionId>);
  static_assert(!std::is_convertible_v<Id128, QueueId>);
  static_assert(!std::is_convertible_v<Sequence, Lsn>);
}

TEST(SequenceRangeTest, both_ends_belong_to_it) {
  const SequenceRange range{Sequence(3), Sequence(5)};
  EXPECT_EQ(range.count(), 3U);
  EXPECT_FALSE(range.contains(Sequence(2)));
  EXPECT_TRUE(range.contains(Sequence(3)));
  EXPECT_TRUE(range.contains(Sequence(5)));
  EXPECT_FALSE(range.contains(Sequence(6)));
}

}  // namespace
}  // namespace sluice::base
