#include "cli/progress_bar.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(ProgressBar, FillsUp) {
  EXPECT_EQ(render_progress("settled", 0, 10),
            "settled [>                             ]   0 %  0 of 10");
  EXPECT_EQ(render_progress("settled", 1'500, 3'000),
            "settled [===============>              ]  50 %  1,500 of 3,000");
  EXPECT_EQ(render_progress("settled", 10, 10),
            "settled [==============================] 100 %  10 of 10");
}

TEST(ProgressBar, NeverLeavesItsFrame) {
  EXPECT_EQ(render_progress("x", 20, 10), "x [==============================] 100 %  20 of 10");
}

TEST(ProgressBar, CountsWhereTheEndIsUnknown) {
  EXPECT_EQ(render_progress("read", 1'000, 0), "read  1,000");
}

}  // namespace
}  // namespace sluice::cli
