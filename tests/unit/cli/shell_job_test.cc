#include "cli/shell_job.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace sluice::cli {
namespace {

// As main() does: a command that does not read must not end its starter.
class ShellJobTest : public testing::Test {
 protected:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }

  static ShellJobResult run(const std::string& command, std::string_view body = "") {
    ShellJob job;
    job.command = command;
    job.body = body;
    job.environment = {{"SLUICE_KEY", "k 1"}};
    const auto result = run_shell_job(job, [] {});
    EXPECT_TRUE(result.has_value());
    return result.value_or(ShellJobResult());
  }
};

TEST_F(ShellJobTest, HasTheBodyOnItsInput) {
  const std::string body(1'000'000, 'x');  // more than a pipe holds
  EXPECT_EQ(run("test $(wc -c) = 1000000", body).exit_code, 0);
}

TEST_F(ShellJobTest, HasFactsInItsEnvironment) {
  EXPECT_EQ(run("test \"$SLUICE_KEY\" = 'k 1'").exit_code, 0);
  EXPECT_EQ(run("test -n \"$PATH\"").exit_code, 0);
}

TEST_F(ShellJobTest, MayLeaveItsInputUnread) {
  EXPECT_EQ(run("exit 3", std::string(1'000'000, 'x')).exit_code, 3);
}

TEST_F(ShellJobTest, TellsTheSignalThatEndedIt) {
  const ShellJobResult result = run("kill -KILL $$");
  EXPECT_TRUE(result.signalled);
  EXPECT_EQ(result.exit_code, 128 + 9);
}

TEST_F(ShellJobTest, KeepsTheEndOfWhatItComplainedAbout) {
  EXPECT_EQ(run("echo no such order >&2; exit 1").last_error, "no such order");
  const ShellJobResult result = run("yes 0123456 | head -n 10000 >&2; echo last >&2; exit 1");
  EXPECT_LE(result.last_error.size(), 4'096U);
  EXPECT_TRUE(result.last_error.ends_with("0123456\nlast"));
}

TEST_F(ShellJobTest, DoesNotWaitForWhatItLeftBehind) {
  // The sleeper holds stderr open.
  const ShellJobResult result = run("sleep 1000 & echo $! >&2");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(kill(std::stoi(result.last_error), SIGKILL), 0);
}

}  // namespace
}  // namespace sluice::cli
