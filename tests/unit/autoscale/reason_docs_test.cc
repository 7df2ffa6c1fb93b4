#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "operator/autoscale/reason.h"

namespace sluice::autoscale {
namespace {

TEST(ReasonDocs, EveryReasonAndLimitIsExplained) {
  std::ifstream in(SLUICE_TEST_SOURCE_DIR "/docs/autoscaling.md");
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const std::size_t reasons = text.find("### Reasons");
  ASSERT_NE(reasons, std::string::npos);
  const auto explained = [&](std::string_view name) {
    return text.find("`" + std::string(name) + "`", reasons) != std::string::npos;
  };
  for (const Reason reason : kReasons)
    EXPECT_TRUE(explained(to_string(reason))) << to_string(reason);
  for (const LimitedBy limit : kLimits) {
    if (limit == LimitedBy::kNothing) continue;
    EXPECT_TRUE(explained(to_string(limit))) << to_string(limit);
  }
}

}  // namespace
}  // namespace sluice::autoscale
