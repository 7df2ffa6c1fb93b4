#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "kube/exec_plugin.h"

namespace sluice::kube {

// The real RunProgram: no standard input, standard error is ours. At most `timeout`, and 1 MiB of
// output; a program that goes beyond is killed.
base::Result<std::string> run_program(const Program& program, base::Millis timeout);

// The real ReadFile: at most 4 MiB.
base::Result<std::string> read_text_file(const std::string& path);

}  // namespace sluice::kube
