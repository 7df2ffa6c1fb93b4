#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sluice::cli {

// A shell command that works on one message: the body on its stdin, facts in its environment. Its
// stdout and stderr are ours too.
struct ShellJob {
  std::string command;
  std::string_view body;
  std::vector<std::pair<std::string, std::string>> environment;
  // True = it has no more time: it gets SIGTERM, and SIGKILL a second later. May be empty. Asked
  // about four times a second.
  std::function<bool()> out_of_time;
};

struct ShellJobResult {
  int exit_code = 0;  // 128 + signal where one ended it
  bool signalled = false;
  bool was_stopped = false;  // it had no more time
  std::string last_error;    // the end of what it wrote to stderr, at most 4 KiB
};

// Returns when the command has ended. `while_running` is called about four times a second.
base::Result<ShellJobResult> run_shell_job(const ShellJob& job,
                                           const std::function<void()>& while_running);

}  // namespace sluice::cli
