#include "tests/support/status_matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sluice::test {
namespace {

using base::ErrorCode;
using base::Result;
using base::Status;
using testing::DescribeMatcher;
using testing::Not;
using testing::Pointee;
using testing::PrintToString;
using testing::StartsWith;

const Result<std::string> kGood = std::string("orders");
const Result<std::string> kBad = base::not_found("no queue orders");

TEST(StatusMatchers, TellASuccessFromAnError) {
  EXPECT_THAT(Status(), IsOk());
  EXPECT_THAT(kGood, IsOk());
  EXPECT_THAT(Status(base::unavailable("no peer")), Not(IsOk()));
  EXPECT_THAT(kBad, Not(IsOk()));
}

TEST(StatusMatchers, LookIntoTheValue) {
  EXPECT_THAT(kGood, IsOkAndHolds("orders"));
  EXPECT_THAT(kGood, IsOkAndHolds(StartsWith("ord")));
  EXPECT_THAT(kGood, Not(IsOkAndHolds("invoices")));
  EXPECT_THAT(kBad, Not(IsOkAndHolds("orders")));
  EXPECT_THAT(Result<std::unique_ptr<int>>(std::make_unique<int>(7)), IsOkAndHolds(Pointee(7)));
}

TEST(StatusMatchers, CompareTheCode) {
  EXPECT_THAT(kBad, HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(kBad, Not(HasCode(ErrorCode::kIo)));
  EXPECT_THAT(kGood, Not(HasCode(ErrorCode::kNotFound)));
  EXPECT_THAT(Status(), Not(HasCode(ErrorCode::kNotFound)));
}

TEST(StatusMatchers, ShowTheErrorWhenAnExpectationFails) {
  EXPECT_EQ(PrintToString(kBad), "NotFound: no queue orders");
  EXPECT_EQ(PrintToString(kGood), "OK with \"orders\"");
  EXPECT_EQ(PrintToString(Status()), "OK");
  EXPECT_EQ(DescribeMatcher<Status>(HasCode(ErrorCode::kIo)), "is an error with the code Io");
  EXPECT_EQ(DescribeMatcher<Result<std::string>>(IsOkAndHolds("orders")),
            "is OK and holds a value that is equal to \"orders\"");
}

}  // namespace
}  // namespace sluice::test
