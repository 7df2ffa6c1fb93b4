#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::api {

enum class FieldKind : std::uint8_t {
  kMap,  // fields, or names that are not known in advance
  kList,
  kInt,
  kBool,
  kDuration,
  kSize,
  kDecimal,
  kText,
  kChoice,
};

// What the decoder knows about one field, for the CRD's schema to be checked against. Values are
// written as in a manifest, in their shortest form.
struct FieldInfo {
  FieldKind kind = FieldKind::kMap;
  std::string min;  // inclusive; of a list and a map of names: max only
  std::string max;
  std::vector<std::string> words;       // kChoice: those that this version takes
  std::optional<std::string> fallback;  // what an absent field means, where that can be written
};

}  // namespace sluice::api
