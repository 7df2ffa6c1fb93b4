#pragma once

#include <string>

#include "cli/context.h"
#include "cli/selector_flags.h"
#include "client/admin.h"

namespace CLI {
class App;
}

namespace sluice::cli {

// What `redrive`, `purge`, `copy` and `move` have in common.
struct TaskRun {
  client::TaskKind kind = client::TaskKind::kRedrive;
  std::string queue;   // as it was typed: an address
  std::string target;  // of copy and move
  std::string subscription;
  bool dead_letters = false;
  SelectorFlags selector;
  bool dry_run = false;
  std::uint16_t sample = 5;
  std::uint32_t rate = 0;
  bool no_wait = false;
  bool json = false;
};

// "redrove", "would redrive".
struct TaskVerbs {
  std::string did;
  std::string would;
};

// Adds all flags but those that only one command has. `run` must outlive the parsing.
void add_task_flags(CLI::App& command, TaskRun& run);

// Asks the broker for the task and tells how it ended; returns the exit code.
int run_task(const Context& context, const TaskRun& run, const TaskVerbs& verbs);

}  // namespace sluice::cli
