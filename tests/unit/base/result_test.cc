#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/status_matchers.h"

namespace sluice::base {
namespace {

using test::HasCode;
using test::IsOk;
using test::IsOkAndHolds;

Result<int> half(int value) {
  if (value % 2 != 0) return invalid_argument(std::to_string(value) + " is odd");
  return value / 2;
}

Result<int> quarter(int value) {
  ASSIGN_OR_RETURN(const int first, half(value));
  ASSIGN_OR_RETURN(const int second, half(first));
  return second;
}

Status check_even(int value) {
  RETURN_IF_ERROR(half(value));
  return {};
}

TEST(ResultTest, it_holds_a_value_or_an_error) {
  EXPECT_THAT(half(4), IsOkAndHolds(2));
  EXPECT_THAT(half(3), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_EQ(half(3).error().message(), "3 is odd");
  EXPECT_EQ(half(4).value_or(9), 2);
  EXPECT_EQ(half(3).value_or(9), 9);
  EXPECT_TRUE(static_cast<bool>(half(4)));
}

TEST(ResultTest, assign_or_return_passes_errors_on) {
  EXPECT_THAT(quarter(8), IsOkAndHolds(2));
  EXPECT_THAT(quarter(6), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_EQ(quarter(6).error().message(), "3 is odd");
}

TEST(ResultTest, return_if_error_takes_any_result) {
  EXPECT_THAT(check_even(2), IsOk());
  EXPECT_THAT(check_even(1), HasCode(ErrorCode::kInvalidArgument));
}

TEST(ResultTest, values_that_only_move_can_be_taken_out) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 5);
}

TEST(ResultTest, a_result_of_a_string_is_no_error) {
  const Result<std::string> text("fine");
  ASSERT_THAT(text, IsOk());
  EXPECT_EQ(text->size(), 4U);
}

TEST(StatusTest, it_is_ok_until_told_otherwise) {
  const Status ok;
  EXPECT_THAT(ok, IsOk());
  const Status failed = unavailable("gone");
  EXPECT_THAT(failed, HasCode(ErrorCode::kUnavailable));
  EXPECT_EQ(failed.error().message(), "gone");
}

TEST(ResultDeathTest, asking_for_what_is_not_there_is_a_bug) {
  EXPECT_DEATH(static_cast<void>(half(3).value()), "CHECK");
  EXPECT_DEATH(static_cast<void>(half(4).error()), "CHECK");
  EXPECT_DEATH(static_cast<void>(Status().error()), "CHECK");
}

}  // namespace
}  // namespace sluice::base
