#include "runtime/posix/random.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::runtime {
namespace {

TEST(RandomTest, ids_and_seeds_differ) {
  std::set<base::Id128> ids;
  std::set<std::uint64_t> seeds;
  for (int i = 0; i < 100; ++i) {
    ids.insert(random_id128());
    seeds.insert(random_seed());
  }
  EXPECT_EQ(ids.size(), 100U);
  EXPECT_EQ(seeds.size(), 100U);
  EXPECT_FALSE(ids.contains(base::Id128{}));
}

}  // namespace
}  // namespace sluice::runtime
