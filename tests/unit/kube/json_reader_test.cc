#include "kube/json_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace sluice::kube {
namespace {

using base::ErrorCode;
using test::HasCode;
using test::IsOkAndHolds;

TEST(JsonReaderTest, it_keeps_every_kind_of_value) {
  const std::string text =
      R"({"a":[1,-2,18446744073709551615,1.5,true,false,null,"\u00e9\n"],"o":{"k":{}}})";
  EXPECT_THAT(read_json(text), IsOkAndHolds(Json::parse(text)));
  EXPECT_THAT(read_json("7"), IsOkAndHolds(Json(7)));
}

TEST(JsonReaderTest, numbers_are_of_the_types_that_other_documents_have) {
  const auto read = read_json("[1,-1,0.5]");
  ASSERT_TRUE(read.has_value());
  const Json other = Json::parse("[1,-1,0.5]");
  for (std::size_t i = 0; i < other.size(); ++i) EXPECT_EQ((*read)[i].type(), other[i].type());
}

TEST(JsonReaderTest, of_keys_that_come_twice_the_last_one_counts) {
  EXPECT_THAT(read_json(R"({"a":1,"a":2})"), IsOkAndHolds(Json{{"a", 2}}));
}

TEST(JsonReaderTest, it_refuses_what_is_no_document) {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\"}", "nul", "{} {}", "\"\x80\"", "01"}) {
    EXPECT_THAT(read_json(text), HasCode(ErrorCode::kInvalidArgument)) << text;
  }
}

TEST(JsonReaderTest, length_and_depth_are_bounded) {
  EXPECT_THAT(read_json("[1,2,3]", {.bytes_max = 6}), HasCode(ErrorCode::kInvalidArgument));
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  EXPECT_TRUE(read_json(deep).has_value());
  EXPECT_THAT(read_json(deep, {.depth_max = 32}), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(read_json(std::string(1'000'000, '[')), HasCode(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace sluice::kube
