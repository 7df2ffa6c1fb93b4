#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/log_verify.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"
#include "tests/unit/storage/side_harness.h"

// The side index as a part of the log's snapshots.
namespace sluice::storage {
namespace {

using base::as_bytes;
using sluice::test::IsOk;
using test::LogHarness;
using test::side_key;

class SideSnapshot : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(harness_.open(), IsOk());
    harness_.log().set_feature_level(kSideIndexFeatureLevel);
  }

  FileSideIndex& side() { return harness_.opened().side_index(); }
  // Entries, and a record, so that no two snapshots are at one position.
  void put(std::uint64_t first, std::uint64_t end, std::string_view value) {
    for (std::uint64_t i = first; i < end; ++i) side().put(as_bytes(side_key(i)), as_bytes(value));
    harness_.append_fact(first);
    ASSERT_THAT(harness_.log().flush(), IsOk());
  }
  std::string value_of(std::uint64_t number) {
    const auto found = side().find(as_bytes(side_key(number)));
    return found ? std::string(base::as_text(*found)) : "none";
  }
  void flip(std::uint64_t offset) {
    harness_.fs().flip_bit(side_file(LogHarness::kFolder), offset, 3);
  }

  LogHarness harness_;
};

TEST_F(SideSnapshot, ComesBackWithTheSnapshot) {
  put(0, 10'000, "one");
  ASSERT_THAT(harness_.snapshot("a"), IsOk());
  put(5'000, 6'000, "later");
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_EQ(side().entries(), 10'000U);
  EXPECT_EQ(value_of(5'500), "one");  // replay puts the rest back
}

TEST_F(SideSnapshot, ABadPageTakesTheOlderSnapshot) {
  put(0, 3'000, "one");
  ASSERT_THAT(harness_.snapshot("a"), IsOk());
  put(3'000, 6'000, "two");
  ASSERT_THAT(harness_.snapshot("b"), IsOk());
  ASSERT_THAT(verify_log(harness_.fs(), LogHarness::kFolder), IsOk());
  EXPECT_TRUE(verify_log(harness_.fs(), LogHarness::kFolder)->ok());
  const auto bytes = harness_.fs().contents(side_file(LogHarness::kFolder));
  ASSERT_THAT(bytes, IsOk());
  flip(bytes->size() - kSidePageBytes + 200);  // the last page belongs to the newer one
  EXPECT_FALSE(verify_log(harness_.fs(), LogHarness::kFolder)->ok());
  harness_.close();
  ASSERT_THAT(harness_.open(), IsOk());
  for (std::uint64_t i = 0; i < 6'000; ++i) value_of(i);
  const bool bad_leaf = !side().status();
  if (bad_leaf) {
    harness_.close();
    ASSERT_THAT(harness_.open(), IsOk());
  }
  EXPECT_EQ(base::as_text(harness_.opened().broker_state()), "a");
  EXPECT_EQ(side().entries(), 3'000U);
  EXPECT_EQ(value_of(2'999), "one");
  EXPECT_EQ(harness_.report().bad_snapshots.size(), 1U);
  EXPECT_FALSE(harness_.fs().contents(side_damage_file(LogHarness::kFolder)).has_value());
}

}  // namespace
}  // namespace sluice::storage
