#include "cli/task_output.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "cli/exit_code.h"
#include "cli/format.h"

namespace sluice::cli {

std::string task_json(const client::TaskStatus& task) {
  nlohmann::ordered_json json = {{"task", task.task.to_hex()},
                                 {"state", client::to_string(task.state)},
                                 {"matched", task.matched},
                                 {"done", task.done}};
  if (!task.waits_for.empty()) json["waitsFor"] = task.waits_for;
  for (const client::TaskSample& sample : task.samples) {
    json["sample"].push_back(
        {{"shard", sample.shard.value()}, {"sequence", sample.sequence.value()}});
  }
  return json.dump() + "\n";
}

std::string dry_run_sentence(const client::TaskStatus& task, const std::string& would,
                             std::uint16_t shards) {
  std::string text =
      would + " " + format_count(task.matched) + (task.matched == 1 ? " message" : " messages");
  std::string_view before = task.samples.size() < task.matched ? ", among them " : ": ";
  for (const client::TaskSample& sample : task.samples) {
    text += std::exchange(before, ",");
    if (shards > 1) text += std::to_string(sample.shard.value()) + ":";
    text += std::to_string(sample.sequence.value());
  }
  return text;
}

std::string task_sentence(const client::TaskStatus& task, const std::string& verb) {
  std::string text = verb + " " + format_count(task.done);
  if (task.done != task.matched) text += " of " + format_count(task.matched);
  text += task.done == 1 && task.done == task.matched ? " message" : " messages";
  if (task.state == client::TaskState::kRunning) {
    if (!task.waits_for.empty())
      text += " so far, and waits: " + task.waits_for;
    else
      text += " so far";
    return text + "; the broker goes on (task " + task.task.to_hex() + ")";
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
