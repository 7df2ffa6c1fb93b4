#include <gtest/gtest.h>

#include <array>

#include "cli/bench/body.h"

namespace sluice::cli::bench {
namespace {

TEST(BenchBody, CarriesItsStamp) {
  std::array<std::byte, kBodyBytesMin> body{};
  store_stamp(body.data(), {999, (std::uint64_t{1} << kIndexBits) - 1, base::MonoTime(12'345)});
  const BodyStamp stamp = load_stamp(body.data());
  EXPECT_EQ(stamp.producer, 999);
  EXPECT_EQ(stamp.index, (std::uint64_t{1} << kIndexBits) - 1);
  EXPECT_EQ(stamp.sent, base::MonoTime(12'345));
}

}  // namespace
}  // namespace sluice::cli::bench
