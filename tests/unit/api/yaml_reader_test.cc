#include "operator/api/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sluice::api {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::SizeIs;

// The one value of the document `text`.
YamlNode read_one(std::string_view text) {
  Problems problems;
  auto documents = read_yaml(text, problems);
  EXPECT_TRUE(problems.empty()) << problems.list().front().to_string("");
  return documents.empty() ? YamlNode{} : documents.front();
}

YamlKind kind_of(std::string_view scalar) { return plain_scalar_kind(scalar); }

TEST(PlainScalars, AreWhatKubernetesSees) {
  for (const char* text : {"true", "True", "FALSE"}) EXPECT_EQ(kind_of(text), YamlKind::kBool);
  for (const char* text : {"0", "7", "-7", "+7", "123456789012345678901"}) {
    EXPECT_EQ(kind_of(text), YamlKind::kInt) << text;
  }
  for (const char* text : {"1.5", "-.5", "1.", "1e3", "1.5E-3", ".inf", "-.inf", ".nan"}) {
    EXPECT_EQ(kind_of(text), YamlKind::kFloat) << text;
  }
  for (const char* text : {"", "~", "null"}) EXPECT_EQ(kind_of(text), YamlKind::kNull);
  for (const char* text : {"30s", "6Gi", "1.2.3", "tRue", "-", "+", ".", "1e", "e3", "a_b", "--1",
                           "2026-01-01", "0.1.0", "_1"}) {
    EXPECT_EQ(kind_of(text), YamlKind::kString) << text;
  }
}

TEST(PlainScalars, OnWhichReadersDisagreeAreSetApart) {
  for (const char* text : {"yes", "No", "ON", "off", "y", "N", "010", "-010", "0x1F", "0o7", "0b1",
                           "1_000", "1_0.5"}) {
    EXPECT_EQ(kind_of(text), YamlKind::kAmbiguous) << text;
  }
}

TEST(YamlReader, QuotesMakeText) {
  const YamlNode root = read_one("a: \"1\"\nb: 'true'\nc: |\n  null\nd: 1\n");
  EXPECT_EQ(root.find("a")->kind, YamlKind::kString);
  EXPECT_EQ(root.find("b")->kind, YamlKind::kString);
  EXPECT_EQ(root.find("c")->kind, YamlKind::kString);
  EXPECT_EQ(root.find("c")->text, "null\n");
  EXPECT_EQ(root.find("d")->kind, YamlKind::kInt);
}

TEST(YamlReader, KnowsTheLineOfEachValue) {
  const YamlNode root = read_one("# first\na:\n  - x\n  - y: 1\n\nb:\nc: 3\n");
  const YamlNode* list = root.find("a");
  ASSERT_THAT(list->items, SizeIs(2));
  EXPECT_EQ(list->items[0].line, 3);
  EXPECT_EQ(list->items[1].find("y")->line, 4);
  ASSERT_THAT(root.entries, SizeIs(3));
  EXPECT_EQ(root.entries[1].value.line, 6);
  EXPECT_EQ(root.find("c")->line, 7);
  EXPECT_EQ(root.find("b"), nullptr);
  EXPECT_EQ(root.find("nothing"), nullptr);
}

TEST(YamlReader, OfTwoEqualKeysTheFirstStays) {
  Problems problems;
  const auto documents = read_yaml("a: 1\na: {b: [2]}\nc: 3\n", problems);
  ASSERT_THAT(problems.list(), SizeIs(1));
  EXPECT_EQ(problems.list()[0].line, 2);
  ASSERT_THAT(documents, SizeIs(1));
  ASSERT_THAT(documents[0].entries, SizeIs(2));
  EXPECT_EQ(documents[0].find("a")->text, "1");
  EXPECT_EQ(documents[0].find("c")->text, "3");
}

TEST(YamlReader, SyntaxErrorsHaveALine) {
  Problems problems;
  read_yaml("a: 1\nb: [1, 2\nc: 3\n", problems);
  ASSERT_THAT(problems.list(), SizeIs(1));
  EXPECT_GE(problems.list()[0].line, 2);
  EXPECT_THAT(problems.list()[0].text, HasSubstr("no YAML"));
}

TEST(YamlReader, DepthIsBoundedBeforeTheStackIs) {
  std::string staircase;
  for (std::size_t i = 0; i < 1'000; ++i) staircase += std::string(i, ' ') + "a:\n";
  for (const std::string& text :
       {std::string(500'000, '['), std::string(500'000, '{'), staircase}) {
    Problems problems;
    read_yaml(text, problems);
    ASSERT_THAT(problems.list(), SizeIs(1));
    EXPECT_THAT(problems.list()[0].text,
                AnyOf(HasSubstr("at most 16 levels"), HasSubstr("it must be text")));
  }
}

}  // namespace
}  // namespace sluice::api
