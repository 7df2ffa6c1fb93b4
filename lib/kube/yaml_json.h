#pragma once

#include <string>

#include "base/result.h"
#include "kube/json.h"

namespace sluice::kube {

// A YAML document whose values are all taken as text (`true` is "true"); what is empty or `~` is
// null. For the configuration files of kubectl, in which no number counts. InvalidArgument names
// the line.
base::Result<Json> read_yaml_texts(const std::string& text);

}  // namespace sluice::kube
