#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/manifest.h"
#include "tests/unit/api/manifest_files.h"

// tests/manifests is a table that a test against an API server reads too; its README has the form.
namespace sluice::api {
namespace {

using testing::HasSubstr;

std::vector<std::string> expected_parts(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  std::vector<std::string> parts;
  for (const std::string_view mark : {"# error: ", "# error (here only): "}) {
    if (line.compare(0, mark.size(), mark) != 0) continue;
    std::string rest = line.substr(mark.size());
    constexpr std::string_view kBetween = " | ";
    for (;;) {
      const std::size_t end = rest.find(kBetween);
      parts.push_back(rest.substr(0, end));
      if (end == std::string::npos) return parts;
      rest.erase(0, end + kBetween.size());
    }
  }
  return parts;
}

TEST(ManifestTable, GoodOnesAreTaken) {
  const auto files = test::yaml_files("tests/manifests/good");
  ASSERT_GE(files.size(), 10U);
  for (const auto& file : files) {
    const Manifest manifest = parse_manifest(test::read_text(file));
    EXPECT_EQ(manifest.describe_problems(file.filename().string()), "");
    EXPECT_FALSE(manifest.queues.empty()) << file;
  }
}

TEST(ManifestTable, BadOnesAreRefusedInTheWordsOfTheirFirstLine) {
  const auto files = test::yaml_files("tests/manifests/bad");
  ASSERT_GE(files.size(), 100U);
  for (const auto& file : files) {
    const std::string text = test::read_text(file);
    const std::vector<std::string> parts = expected_parts(text);
    EXPECT_FALSE(parts.empty()) << file << " does not say what is wrong with it";
    const Manifest manifest = parse_manifest(text);
    EXPECT_FALSE(manifest.ok()) << file;
    for (const std::string& part : parts) {
      EXPECT_THAT(manifest.describe_problems(file.filename().string()), HasSubstr(part)) << file;
    }
    // A file with one fault gets one answer: nothing is reported as a consequence.
    EXPECT_EQ(manifest.problems.size(), parts.size())
        << manifest.describe_problems(file.filename().string());
  }
}

// What is wrong, then what is allowed.
TEST(ManifestTable, EveryProblemSaysWhatIsAllowed) {
  for (const auto& file : test::yaml_files("tests/manifests/bad")) {
    for (const Problem& problem : parse_manifest(test::read_text(file)).problems) {
      const bool is_syntax = problem.text.find("no YAML") != std::string::npos;
      EXPECT_TRUE(is_syntax || problem.text.find("; ") != std::string::npos)
          << file << ": " << problem.text;
    }
  }
}

}  // namespace
}  // namespace sluice::api
