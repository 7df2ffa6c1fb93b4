#include "cli/message_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace sluice::cli {
namespace {

nlohmann::json json_of(const base::MessageAttributes& attributes, std::string_view body) {
  std::string out = "{";
  append_message_json(out, attributes, body);
  return nlohmann::json::parse(out + "}");
}

TEST(MessageText, ABodyOfTextStandsAsText) {
  base::MessageAttributes attributes;
  attributes.key = "k\"1";
  attributes.headers = {{"a", "1"}, {"b", "zwei"}};
  const auto json = json_of(attributes, "line\nbreak, grün");
  EXPECT_EQ(json["key"], "k\"1");
  EXPECT_EQ(json["headers"], nlohmann::json({{"a", "1"}, {"b", "zwei"}}));
  EXPECT_EQ(json["body"], "line\nbreak, grün");
  EXPECT_FALSE(json.contains("bodyBase64"));
}

TEST(MessageText, ADelayedMessageTellsWhenItWasWanted) {
  base::MessageAttributes attributes;
  attributes.deliver_at = base::WallTime(1'234);
  EXPECT_EQ(json_of(attributes, "b")["deliverAtMs"], 1'234);
  EXPECT_FALSE(json_of({}, "b").contains("deliverAtMs"));
}

TEST(MessageText, OtherBytesStandAsBase64) {
  const auto json = json_of({}, "\xFF\xFE");
  EXPECT_EQ(json["bodyBase64"], "//4=");
  EXPECT_FALSE(json.contains("body"));
}

TEST(MessageText, ARepeatedHeaderHasAllItsValuesInOrder) {
  base::MessageAttributes attributes;
  attributes.headers = {{"a", "1"}, {"b", "2"}, {"a", "3"}};
  std::string out;
  append_message_json(out, attributes, "");
  EXPECT_EQ(out, R"("key":"","headers":{"a":["1","3"],"b":"2"},"body":"")");
}

TEST(MessageText, APreviewIsShortAndDrivesNoTerminal) {
  EXPECT_EQ(body_preview("short", 10), "short");
  EXPECT_EQ(body_preview("\033[31mred\n", 20), ".[31mred.");
  EXPECT_EQ(body_preview("grün und blau", 4), "grün…");
  EXPECT_EQ(body_preview("\xFF\xFE", 10), "(2 bytes, not text)");
}

}  // namespace
}  // namespace sluice::cli
