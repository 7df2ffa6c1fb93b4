#include "cli/task_run.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "cli/exit_code.h"
#include "cli/flag_checks.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "cli/queue_address.h"
#include "cli/session.h"
#include "cli/shard_brokers.h"
#include "cli/task_output.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli {
namespace {

base::Result<client::TaskStatus> start(const ShardBroker& broker, const TaskRun& run,
                                       const client::Selector& selector,
                                       const std::function<void(std::uint64_t)>& progress) {
  client::Admin admin(*broker.connection);
  const QueueAddress address = parse_queue_address(run.queue);
  client::TaskOptions options;
  options.queue = broker.queue.id;
  if (!run.target.empty()) {
    ASSIGN_OR_RETURN(const client::QueueInfo target, admin.resolve(run.target));
    options.target = target.id;
  }
  options.kind = run.kind;
  options.subscription = run.subscription.empty() ? address.subscription : run.subscription;
  options.dead_letters = run.dead_letters || address.dead_letters;
  options.selector = selector;
  options.dry_run = run.dry_run;
  options.samples_max = run.dry_run ? run.sample : std::uint16_t{0};
  options.rate_per_second_max = run.rate;
  return admin.start_task(options, run.no_wait ? base::Millis(0) : kForever,
                          [&](const client::TaskStatus& task) { progress(task.done); });
}

// One task a broker, one after the other, told as one: with the id of the last, whose state is the
// first that is not Completed.
base::Result<client::TaskStatus> start(client::Connection& connection, const TaskRun& run,
                                       const client::Selector& wanted, const TaskVerbs& verbs,
                                       std::vector<MissingShard>& missing, std::uint16_t& shards) {
  ASSIGN_OR_RETURN(
      ShardBrokers brokers,
      reachable_brokers_of(connection, parse_queue_address(run.queue).queue, wanted.shard));
  shards = brokers.there.front().queue.shards;
  client::Selector selector = wanted;
  // The only one needs no task of one shard, which older brokers and logs do not know.
  if (shards == 1) selector.shard.reset();
  missing = std::move(brokers.missing);
  // Nobody knows how many will match, so it shows the count only.
  ProgressBar bar(verbs.did, 0);
  client::TaskStatus all;
  all.state = client::TaskState::kCompleted;
  for (const ShardBroker& broker : brokers.there) {
    ASSIGN_OR_RETURN(
        const client::TaskStatus one,
        start(broker, run, selector, [&](std::uint64_t done) { bar.show(all.done + done); }));
    all.task = one.task;
    all.matched += one.matched;
    all.done += one.done;
    all.waits_for = one.waits_for;
    all.samples.insert(all.samples.end(), one.samples.begin(), one.samples.end());
    if (all.state == client::TaskState::kCompleted) all.state = one.state;
  }
  if (all.samples.size() > run.sample) all.samples.resize(run.sample);
  return all;
}

}  // namespace

void add_task_flags(CLI::App& command, TaskRun& run) {
  add_selector_flags(command, run.selector);
  command.add_flag("--dry-run", run.dry_run, "Only count them, and name some");
  command
      .add_option("--sample", run.sample, "How many a dry run names: SEQUENCE, or SHARD:SEQUENCE")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command.add_option("--rate", run.rate, "At most so many a second (default: no limit)")
      ->check(at_least_one());
  command.add_flag("--no-wait", run.no_wait, "Return when the task has begun");
  command.add_flag("--json", run.json, "Print task, state, matched and done as JSON");
}

int run_task(const Context& context, const TaskRun& run, const TaskVerbs& verbs) {
  const auto selector = selector_from(run.selector, runtime::SystemClock().wall_now());
  if (!selector) {
    print_error(selector.error());
    return kExitUsage;
  }
  auto connection = connect(context, run.queue);
  if (!connection) return fail(connection.error());
  std::vector<MissingShard> missing;
  std::uint16_t shards = 1;
  const auto task = start(**connection, run, *selector, verbs, missing, shards);
  if (!task) return fail(task.error());
  Output output;
  if (run.json) {
    output << task_json(*task);
  } else {
    output << (run.dry_run ? dry_run_sentence(*task, verbs.would, shards)
                           : task_sentence(*task, verbs.did))
           << "\n";
  }
  const base::Status written = output.flush();
  if (!written.has_value()) return fail(written.error());
  const base::Status complete = check_complete(missing);
  return complete.has_value() ? exit_code_of(*task) : fail(complete.error());
}

}  // namespace sluice::cli
