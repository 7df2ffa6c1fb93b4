#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration.h"
#include "operator/api/field_limits.h"
#include "operator/api/manifest.h"
#include "operator/api/yaml_reader.h"
#include "tests/unit/api/manifest_files.h"

// The CRD and the reader here say the same of every field. What rules over several fields say is
// compared on a real API server, with the manifests of tests/manifests.
namespace sluice::api {
namespace {

constexpr int kSchemaDepthMax = 64;

using Schemas = std::map<std::string, const YamlNode*>;

const YamlNode* at(const YamlNode& node, std::initializer_list<std::string_view> steps) {
  const YamlNode* found = &node;
  for (const std::string_view step : steps) {
    if (found != nullptr) found = found->find(step);
  }
  return found;
}

void collect(const YamlNode& schema, const std::string& path, Schemas& out) {
  if (!path.empty()) out.emplace(path, &schema);
  if (const YamlNode* items = schema.find("items")) collect(*items, path + "[]", out);
  if (const YamlNode* fields = schema.find("properties")) {
    for (const auto& [name, field] : fields->entries) {
      collect(field, path.empty() ? name : path + "." + name, out);
    }
  }
}

class SchemaTest : public testing::Test {
 protected:
  SchemaTest() {
    Problems problems;
    documents_ = read_yaml(test::read_text(SLUICE_TEST_SOURCE_DIR "/crds/queues.sluice.dev.yaml"),
                           problems, kSchemaDepthMax);
    EXPECT_TRUE(problems.empty());
    const YamlNode& version = at(documents_.at(0), {"spec", "versions"})->items.at(0);
    collect(*at(version, {"schema", "openAPIV3Schema"}), "", schemas_);
  }

  std::string text(const std::string& path, std::string_view field) const {
    const YamlNode* found = schemas_.at(path)->find(field);
    return found != nullptr ? found->text : "";
  }

  // Whether a rule of the field says `words` to who breaks it.
  bool says(const std::string& path, const std::string& words) const {
    const YamlNode* rules = schemas_.at(path)->find("x-kubernetes-validations");
    if (rules == nullptr) return false;
    for (const YamlNode& rule : rules->items) {
      if (rule.find("message")->text.find(words) != std::string::npos) return true;
    }
    return false;
  }

  std::vector<YamlNode> documents_;
  Schemas schemas_;
};

bool is_spec(const std::string& path) { return path.rfind("spec", 0) == 0; }

// What a subscription does not say is taken from the queue, so nothing may stand there by default.
bool is_inherited(const std::string& path) {
  return path.rfind("spec.subscriptions[].delivery", 0) == 0 ||
         path.rfind("spec.subscriptions[].deadLetter", 0) == 0;
}

TEST_F(SchemaTest, HasTheFieldsOfTheReaderAndNoOther) {
  const auto known = manifest_schema();
  for (const auto& [path, info] : known) {
    if (is_spec(path)) {
      EXPECT_EQ(schemas_.count(path), 1U) << path << " is missing in the CRD";
    }
  }
  for (const auto& [path, schema] : schemas_) {
    const bool is_item = path.ends_with("[]");
    if (is_spec(path) && !is_item) {
      EXPECT_EQ(known.count(path), 1U) << path << " is unknown here";
    }
  }
}

TEST_F(SchemaTest, EveryFieldIsDescribed) {
  for (const auto& [path, schema] : schemas_) {
    // That of an API server describes itself.
    if (path.rfind("metadata", 0) == 0) continue;
    EXPECT_GE(text(path, "description").size(), 3U) << path;
  }
}

TEST_F(SchemaTest, EveryTextListAndMapIsBounded) {
  for (const auto& [path, schema] : schemas_) {
    const std::string type = text(path, "type");
    const bool is_enum = schema->find("enum") != nullptr;
    const bool has_form = text(path, "format") == "date-time";
    const bool is_ours = path != "apiVersion" && path != "kind";
    if ((type == "string" || type.empty()) && !is_enum && !has_form && is_ours) {
      EXPECT_NE(text(path, "maxLength"), "") << path;
    }
    if (type == "array") {
      EXPECT_NE(text(path, "maxItems"), "") << path;
    }
    if (schema->find("additionalProperties") != nullptr) {
      EXPECT_NE(text(path, "maxProperties"), "") << path;
    }
    if (type == "integer") {
      EXPECT_NE(text(path, "minimum"), "") << path;
      EXPECT_NE(text(path, "maximum"), "") << path;
    }
  }
}

TEST_F(SchemaTest, BoundsAreThoseOfTheReader) {
  for (const auto& [path, info] : manifest_schema()) {
    if (!is_spec(path)) continue;
    SCOPED_TRACE(path);
    const YamlNode& schema = *schemas_.at(path);
    switch (info.kind) {
      case FieldKind::kInt:
        EXPECT_EQ(text(path, "type"), "integer");
        EXPECT_EQ(text(path, "minimum"), info.min);
        EXPECT_EQ(text(path, "maximum"), info.max);
        break;
      case FieldKind::kDuration:
        EXPECT_EQ(text(path, "maxLength"), std::to_string(kDurationBytesMax));
        EXPECT_TRUE(says(path, "a duration from " + info.min + " to " + info.max + ","));
        break;
      case FieldKind::kSize:
        EXPECT_EQ(text(path, "x-kubernetes-int-or-string"), "true");
        EXPECT_EQ(text(path, "maxLength"), std::to_string(kSizeBytesMax));
        EXPECT_TRUE(says(path, "a size from " + info.min + " to " + info.max + " "));
        break;
      case FieldKind::kDecimal:
        EXPECT_TRUE(says(path, "a decimal number from " + info.min + " to " + info.max + " "));
        break;
      case FieldKind::kChoice: {
        std::vector<std::string> words;
        ASSERT_NE(schema.find("enum"), nullptr);
        for (const YamlNode& word : schema.find("enum")->items) words.push_back(word.text);
        EXPECT_EQ(words, info.words);
        break;
      }
      case FieldKind::kList:
        EXPECT_EQ(text(path, "maxItems"), info.max);
        break;
      case FieldKind::kMap:
        EXPECT_EQ(text(path, "type"), "object");
        EXPECT_EQ(text(path, "maxProperties"), info.max);
        break;
      case FieldKind::kBool:
        EXPECT_EQ(text(path, "type"), "boolean");
        break;
      case FieldKind::kText:
        EXPECT_EQ(text(path, "type"), "string");
        break;
    }
  }
}

TEST_F(SchemaTest, DefaultsAreThoseOfTheReader) {
  // Only with fsync: Interval, and there the reader knows it.
  const std::string conditional = "spec.durability.interval";
  for (const auto& [path, info] : manifest_schema()) {
    if (!is_spec(path) || info.kind == FieldKind::kMap || info.kind == FieldKind::kList) continue;
    SCOPED_TRACE(path);
    std::string expected = info.fallback.value_or("");
    if (is_inherited(path) || path == conditional) expected = "";
    std::string written = text(path, "default");
    if (info.kind == FieldKind::kDuration && !written.empty()) {
      written = base::format_duration(base::parse_duration(written).value());
    }
    EXPECT_EQ(written, expected);
  }
}

// A map that stands there by default holds the defaults of its fields, as the API server wants it.
TEST_F(SchemaTest, DefaultsOfMapsAreThoseOfTheirFields) {
  for (const auto& [path, schema] : schemas_) {
    const YamlNode* fallback = schema->find("default");
    if (fallback == nullptr || fallback->kind != YamlKind::kMap) continue;
    if (path.ends_with("consumers.target")) continue;  // one of three, said in manifest.md
    for (const auto& [name, field] : schema->find("properties")->entries) {
      const YamlNode* of_field = field.find("default");
      const YamlNode* of_map = fallback->find(name);
      ASSERT_EQ(of_field == nullptr, of_map == nullptr) << path << "." << name;
      if (of_field != nullptr) {
        EXPECT_EQ(of_map->text, of_field->text) << path << "." << name;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::api
