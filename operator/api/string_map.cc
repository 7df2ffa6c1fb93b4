#include "operator/api/string_map.h"

#include <algorithm>

#include "operator/api/field_limits.h"
#include "operator/api/names.h"

namespace sluice::api {

void read_string_map(ObjectReader& reader, std::string_view name, DecodeContext& context,
                     const StringMapRule& rule, std::map<std::string, std::string>& out) {
  const YamlNode* node = reader.names(name, rule.entries_max);
  if (node == nullptr) return;
  for (const auto& [key, value] : node->entries) {
    const std::string path = reader.field_path(name) + "." + path_step(key);
    const bool number = rule.whole_numbers_allowed && value.kind == YamlKind::kInt;
    if (!is_qualified_name(key)) {
      context.problems.add(value.line, path,
                           "the key is not allowed; expected " + std::string(kQualifiedNameForm));
    } else if (value.kind != YamlKind::kString && !number) {
      context.problems.add(value.line, path,
                           "is " + std::string(describe(value.kind)) +
                               "; expected a string (in quotes): " + std::string(rule.form));
    } else if (!rule.accept(value.text)) {
      context.problems.add(
          value.line, path,
          shown(value.text) + " is not allowed; expected " + std::string(rule.form));
    } else {
      out.insert_or_assign(key, value.text);
    }
  }
}

StringMapRule label_rule() {
  return {.entries_max = kLabelsMax,
          .accept = is_label_value,
          .form = kLabelValueForm,
          .whole_numbers_allowed = false};
}

}  // namespace sluice::api
