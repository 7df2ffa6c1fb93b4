#include "base/json_string.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/prng.h"

namespace sluice::base {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonStringTest, plain_text_gets_quotes) {
  EXPECT_EQ(as_json(""), "\"\"");
  EXPECT_EQ(as_json("orders"), "\"orders\"");
  EXPECT_EQ(as_json("grüße €𝄞"), "\"grüße €𝄞\"");
}

TEST(JsonStringTest, what_json_reserves_is_escaped) {
  EXPECT_EQ(as_json("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(as_json("a\nb\rc\td"), R"("a\nb\rc\td")");
  EXPECT_EQ(as_json(std::string_view("\0\x1F\x7F", 3)), R"("\u0000\u001f\u007f")");
}

TEST(JsonStringTest, bytes_that_are_no_utf_8_are_replaced) {
  constexpr const char* kReplaced = "\"a\xEF\xBF\xBDz\"";
  EXPECT_EQ(as_json("a\x80z"), kReplaced);
  EXPECT_EQ(as_json("a\xFFz"), kReplaced);
  EXPECT_EQ(as_json("a\xC3z"), kReplaced) << "cut short";
  EXPECT_EQ(as_json("\xE2\x82"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"") << "cut short at the end";
  const std::string twice = "\"\xEF\xBF\xBD\xEF\xBF\xBD\"";
  EXPECT_EQ(as_json("\xC0\xAF"), twice) << "longer than needed";
  for (const char* text : {"\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF", "\xF4\x90\x80"}) {
    EXPECT_EQ(as_json(text), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  }
}

TEST(JsonStringTest, any_bytes_give_a_string_that_a_parser_takes) {
  Prng prng(11);
  for (int round = 0; round < 5'000; ++round) {
    std::string text;
    for (std::uint64_t i = prng.below(12); i > 0; --i) {
      text += static_cast<char>(prng.chance(0.5) ? 0xC0 + prng.below(64) : prng.below(256));
    }
    ASSERT_TRUE(nlohmann::json::parse(as_json(text), nullptr, false).is_string());
  }
}

}  // namespace
}  // namespace sluice::base
