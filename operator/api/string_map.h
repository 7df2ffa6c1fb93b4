#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "operator/api/object_reader.h"

namespace sluice::api {

// What the values of a map of strings may be.
struct StringMapRule {
  std::size_t entries_max = 0;
  std::function<bool(std::string_view)> accept;
  std::string_view form;               // says what `accept` takes
  bool whole_numbers_allowed = false;  // cpu: 2
};

// Reads the map at the field `name` of `reader`, whose keys are not known in advance.
void read_string_map(ObjectReader& reader, std::string_view name, DecodeContext& context,
                     const StringMapRule& rule, std::map<std::string, std::string>& out);

// A map of labels: values as Kubernetes allows them.
StringMapRule label_rule();

}  // namespace sluice::api
