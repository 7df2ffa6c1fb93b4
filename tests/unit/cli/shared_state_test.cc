#include "cli/bench/shared_state.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "cli/bench/options.h"

namespace sluice::cli::bench {
namespace {

TEST(SharedState, IsTheSameForAllWhoAttach) {
  const auto parent = SharedState::create(3, 1'000);
  ASSERT_TRUE(parent.has_value());
  const auto child = SharedState::attach(dup((*parent)->fd()));
  ASSERT_TRUE(child.has_value());
  EXPECT_FALSE((*child)->go());
  (*parent)->set_go();
  EXPECT_TRUE((*child)->go());
  (*child)->worker(2).confirmed.store(7);
  (*child)->worker(2).latency.add(base::Nanos(5));
  EXPECT_EQ((*parent)->worker(2).confirmed, 7U);
  EXPECT_EQ((*parent)->worker(2).latency.count(), 1U);
  EXPECT_EQ((*parent)->worker(1).confirmed, 0U);
  EXPECT_EQ((*child)->messages(), 1'000U);
}

TEST(SharedState, NoticesAMessageThatComesTwice) {
  const auto state = SharedState::create(1, 130);
  ASSERT_TRUE(state.has_value());
  for (const std::uint64_t number : {0U, 63U, 64U, 129U}) EXPECT_FALSE((*state)->mark(number));
  EXPECT_TRUE((*state)->mark(64));
  EXPECT_EQ((*state)->marked(), 4U);
}

TEST(SharedState, OtherFilesAreRefused) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  EXPECT_FALSE(SharedState::attach(ends[0]).has_value());
  close(ends[0]);
  close(ends[1]);
}

TEST(BenchShare, AddsUpToTheWhole) {
  for (const std::uint64_t total : {1U, 7U, 10U, 1'000'003U}) {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < 3; ++i) sum += share_of(total, i, 3);
    EXPECT_EQ(sum, total);
    EXPECT_GE(share_of(total, 0, 3), share_of(total, 2, 3));
  }
}

}  // namespace
}  // namespace sluice::cli::bench
