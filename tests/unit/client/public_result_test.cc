#include <gtest/gtest.h>
#include <sluice/result.h>

#include <string>

// What applications see of a Result that is used wrongly.
namespace sluice {
namespace {

Result<std::string> nothing() {
  return Error(ErrorCode::kUnavailable, "no broker at tcp://127.0.0.1:1");
}

TEST(PublicResultDeathTest, AValueThatIsNotThereEndsTheProcessWithTheError) {
  const std::string told = "Unavailable: no broker at tcp://127.0.0.1:1";
  EXPECT_DEATH(static_cast<void>(nothing().value()), told);
  Result<std::string> result = nothing();
  EXPECT_DEATH(static_cast<void>(result.value()), told);
  EXPECT_DEATH(static_cast<void>(result->size()), told);
  const Result<std::string> constant = nothing();
  EXPECT_DEATH(static_cast<void>(*constant), told);
}

TEST(PublicResultDeathTest, AnErrorThatIsNotThereEndsTheProcess) {
  EXPECT_DEATH(static_cast<void>(Result<int>(1).error()), "error\\(\\) of a Result");
  EXPECT_DEATH(static_cast<void>(Status().error()), "error\\(\\) of a Result");
}

}  // namespace
}  // namespace sluice
