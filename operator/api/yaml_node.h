#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::api {

// What a scalar is, as Kubernetes sees it: only true and false are booleans, only decimal numbers
// are numbers, and what stands in quotes is text.
enum class YamlKind : std::uint8_t {
  kNull,
  kString,
  kBool,
  kInt,
  kFloat,
  // Readers of YAML 1.1 and 1.2 disagree about it (yes, 017, 1_000): refused wherever it stands,
  // so that a manifest never means one thing here and another in a cluster.
  kAmbiguous,
  kMap,
  kList,
};

struct YamlEntry;

// A value of a parsed document; plain data, owned by whoever holds the root.
struct YamlNode {
  YamlKind kind = YamlKind::kNull;
  int line = 0;                    // where the value begins, or its key where there is none; from 1
  std::string text;                // scalars: as written, quotes and escapes resolved
  std::vector<YamlEntry> entries;  // kMap: keys are unique
  std::vector<YamlNode> items;     // kList

  // The value of `key`; nullptr where there is none or it is null, which means the same.
  const YamlNode* find(std::string_view key) const;
};

struct YamlEntry {
  std::string key;
  YamlNode value;
};

// The kind of a scalar without quotes.
YamlKind plain_scalar_kind(std::string_view text);

// "a string", "a list": for messages.
std::string_view describe(YamlKind kind);

}  // namespace sluice::api
