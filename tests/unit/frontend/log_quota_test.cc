#include "frontend/log_quota.h"

#include <gtest/gtest.h>

namespace sluice::frontend {
namespace {

base::MonoTime time_after(base::Nanos time) { return base::MonoTime(0) + time; }

TEST(LogQuotaTest, TellsTheFirstOnesOfAnIntervalAndCountsTheRest) {
  LogQuota quota;
  for (std::uint32_t i = 0; i < LogQuota::kEventsMax; ++i) {
    EXPECT_EQ(quota.take(time_after(base::Nanos(1))), 0U);
  }
  EXPECT_FALSE(quota.take(time_after(base::Nanos(2))));
  EXPECT_FALSE(quota.take(time_after(LogQuota::kInterval)));
  EXPECT_EQ(quota.take(time_after(LogQuota::kInterval + base::Nanos(1))), 2U);
  EXPECT_EQ(quota.take(time_after(LogQuota::kInterval + base::Nanos(2))), 0U);
}

}  // namespace
}  // namespace sluice::frontend
