#pragma once

#include "cli/context.h"

namespace CLI {
class App;
}

namespace sluice::cli {

// Each adds one command to `app`. The command runs while `app` parses and leaves its result in
// `exit_code`. `context` and `exit_code` must outlive the parsing.
void add_up_command(CLI::App& app, Context& context, int& exit_code);
void add_pub_command(CLI::App& app, Context& context, int& exit_code);
void add_sub_command(CLI::App& app, Context& context, int& exit_code);
void add_peek_command(CLI::App& app, Context& context, int& exit_code);
void add_stat_command(CLI::App& app, Context& context, int& exit_code);
void add_queue_commands(CLI::App& app, Context& context, int& exit_code);
void add_redrive_command(CLI::App& app, Context& context, int& exit_code);
void add_copy_command(CLI::App& app, Context& context, int& exit_code);
void add_move_command(CLI::App& app, Context& context, int& exit_code);
void add_purge_command(CLI::App& app, Context& context, int& exit_code);
void add_keys_commands(CLI::App& app, Context& context, int& exit_code);
void add_task_commands(CLI::App& app, Context& context, int& exit_code);
// Of `log`.
void add_salvage_command(CLI::App& log, int& exit_code);
void add_log_commands(CLI::App& app, Context& context, int& exit_code);
void add_backup_commands(CLI::App& app, Context& context, int& exit_code);
// `list`, `describe` and `support-bundle`: what a cluster says of its Queues.
void add_cluster_commands(CLI::App& app, Context& context, int& exit_code);
void add_explain_command(CLI::App& app, Context& context, int& exit_code);
void add_simulate_command(CLI::App& app, Context& context, int& exit_code);
void add_bench_command(CLI::App& app, Context& context, int& exit_code);
void add_completion_command(CLI::App& app, Context& context, int& exit_code);

}  // namespace sluice::cli
