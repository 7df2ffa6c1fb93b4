#pragma once

#include <optional>
#include <string_view>

#include "operator/app/options.h"

namespace sluice::op {

struct CommandLine {
  // Set when the operator is to run; otherwise the process ends with `exit_code`, and what there is
  // to say was printed.
  std::optional<OperatorOptions> options;
  int exit_code = 0;
};

// Flags win over SLUICE_OPERATOR_* variables, these over defaults.
CommandLine parse_command_line(int argc, const char* const* argv, std::string_view version);

}  // namespace sluice::op
