#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "operator/api/manifest.h"
#include "tests/unit/api/manifest_files.h"

namespace sluice::api {
namespace {

// What stands between backticks and begins like a path of the manifest.
std::set<std::string> documented_fields(const std::string& text) {
  std::set<std::string> fields;
  std::size_t at = 0;
  while ((at = text.find('`', at)) != std::string::npos) {
    const std::size_t end = text.find('`', at + 1);
    if (end == std::string::npos) break;
    const std::string word = text.substr(at + 1, end - at - 1);
    for (const char* root : {"spec.", "metadata."}) {
      if (word.rfind(root, 0) == 0) fields.insert(word);
    }
    at = end + 1;
  }
  return fields;
}

TEST(ManifestDocs, NameEveryFieldAndNoOther) {
  const std::string text = test::read_text(SLUICE_TEST_SOURCE_DIR "/docs/manifest.md");
  const std::set<std::string> documented = documented_fields(text);
  const std::set<std::string> known = manifest_fields();
  ASSERT_GE(known.size(), 50U);
  for (const std::string& field : known) {
    // Entries of subscriptions are documented once, under spec.
    const bool is_repeated = field.rfind("spec.subscriptions[].delivery.", 0) == 0 ||
                             field.rfind("spec.subscriptions[].deadLetter.", 0) == 0 ||
                             field.rfind("spec.subscriptions[].consumers.", 0) == 0;
    const bool is_top = field.find('.') == std::string::npos;
    EXPECT_TRUE(is_repeated || is_top || documented.count(field) == 1)
        << field << " is missing in docs/manifest.md";
  }
  const std::set<std::string> others = {"metadata.uid", "spec.deduplication", "spec.priorities",
                                        "spec.schedules", "spec.subscriptions[].filter"};
  for (const std::string& field : documented) {
    EXPECT_TRUE(known.count(field) == 1 || others.count(field) == 1)
        << "docs/manifest.md names " << field << ", which does not exist";
  }
}

}  // namespace
}  // namespace sluice::api
