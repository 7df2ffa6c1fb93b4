#include "cli/json_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::cli {
namespace {

TEST(JsonText, Utf8IsTextOfWholeCharacters) {
  for (const char* text :
       {"", "plain", "0123456789abcdef", "grün", "€", "\U0001F600", "seven b\xC3\xBC"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* text : {"\x80", "\xC3", "\xC3(", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80",
                           "\xF5\x80\x80\x80", "\xF4\x90\x80\x80", "long enough \xFF, for sure"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

TEST(JsonText, ANulIsText) { EXPECT_TRUE(is_utf8(std::string_view("a\0b", 3))); }

TEST(JsonText, NumbersAreAppended) {
  std::string out = "x";
  append_number(out, 0);
  append_number(out, 18'446'744'073'709'551'615U);
  EXPECT_EQ(out, "x018446744073709551615");
}

}  // namespace
}  // namespace sluice::cli
