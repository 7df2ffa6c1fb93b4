#pragma once

#include <optional>
#include <string_view>

#include "sidecar/broker_options.h"

namespace sluice::sidecar {

struct CommandLine {
  // Set when the command is to be carried out; otherwise the process ends with `exit_code`, and
  // what there is to say was printed.
  std::optional<BrokerOptions> broker;
  int exit_code = 0;
};

// Flags win over SLUICE_* variables, these over defaults.
CommandLine parse_command_line(int argc, const char* const* argv, std::string_view version);

}  // namespace sluice::sidecar
