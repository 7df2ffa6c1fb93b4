#include "cli/task_output.h"

#include <nlohmann/json.hpp>

#include "cli/exit_code.h"
#include "cli/format.h"

namespace sluice::cli {

std::string task_json(const client::TaskStatus& task) {
  const nlohmann::ordered_json json = {{"task", task.task.to_hex()},
                                       {"state", client::to_string(task.state)},
                                       {"matched", task.matched},
                                       {"done", task.done}};
  return json.dump() + "\n";
}

std::string task_sentence(const client::TaskStatus& task, const std::string& verb) {
  std::string text = verb + " " + format_count(task.done);
  if (task.done != task.matched) text += " of " + format_count(task.matched);
  text += task.done == 1 && task.done == task.matched ? " message" : " messages";
  if (task.state == client::TaskState::kRunning) {
    return text + " so far; the broker goes on (task " + task.task.to_hex() + ")";
  }
  if (task.state == client::TaskState::kCompleted) return text;
  return text + "; the task was " +
         (task.state == client::TaskState::kCancelled ? "cancelled" : "given up");
}

int exit_code_of(const client::TaskStatus& task) {
  const bool well =
      task.state == client::TaskState::kCompleted || task.state == client::TaskState::kRunning;
  return well ? kExitOk : kExitFailure;
}

}  // namespace sluice::cli
