#include "cli/shell_job.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "cli/stop_signal.h"
#include "runtime/posix/environment.h"
#include "runtime/posix/file_descriptor.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kErrorBytesMax = 4 * 1024;
constexpr int kTurnMillis = 250;
constexpr int kTurnsUntilKilled = 5;

struct Pipe {
  runtime::FileDescriptor read;
  runtime::FileDescriptor write;
};

base::Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return base::io_error("making a pipe", errno);
  return Pipe{runtime::FileDescriptor(ends[0]), runtime::FileDescriptor(ends[1])};
}

class RunningJob {
 public:
  RunningJob(const ShellJob& job, const std::function<void()>& while_running)
      : job_(job), left_(job.body), while_running_(while_running) {}

  base::Result<ShellJobResult> run();

 private:
  base::Status start();
  void feed();
  bool take_errors();
  void serve();
  void look_at_time();
  ShellJobResult finish();

  const ShellJob& job_;
  std::string_view left_;  // of the body
  const std::function<void()>& while_running_;
  pid_t pid_ = -1;
  runtime::FileDescriptor process_;
  runtime::FileDescriptor input_;
  runtime::FileDescriptor errors_;
  std::string last_error_;
  int turns_out_of_time_ = 0;
};

base::Status RunningJob::start() {
  ASSIGN_OR_RETURN(Pipe input, make_pipe());
  ASSIGN_OR_RETURN(Pipe errors, make_pipe());
  std::vector<std::string> environment = runtime::environment_with(job_.environment);
  std::vector<char*> pointers;
  pointers.reserve(environment.size() + 1);
  for (std::string& entry : environment) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) return base::io_error("starting a process", errno);
  if (pid_ == 0) {
    // Only async-signal-safe calls: libzmq has threads.
    dup2(input.read.get(), STDIN_FILENO);
    dup2(errors.write.get(), STDERR_FILENO);
    reset_signals_for_child();
    execle("/bin/sh", "sh", "-c", job_.command.c_str(), nullptr, pointers.data());
    _exit(127);
  }
  process_ = runtime::FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  input_ = std::move(input.write);
  errors_ = std::move(errors.read);
  fcntl(input_.get(), F_SETFL, O_NONBLOCK);
  fcntl(errors_.get(), F_SETFL, O_NONBLOCK);
  return {};
}

// A command that does not read its input is no error.
void RunningJob::feed() {
  while (!left_.empty()) {
    const ssize_t written = write(input_.get(), left_.data(), left_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) break;
    left_.remove_prefix(static_cast<std::size_t>(written));
  }
  left_ = {};
  input_ = runtime::FileDescriptor();
}

// False when there is nothing more for now.
bool RunningJob::take_errors() {
  std::array<char, 4096> bytes{};
  const ssize_t count = read(errors_.get(), bytes.data(), bytes.size());
  if (count < 0) return errno == EINTR;
  if (count == 0) {
    errors_ = runtime::FileDescriptor();
    return false;
  }
  const std::string_view text(bytes.data(), static_cast<std::size_t>(count));
  [[maybe_unused]] const ssize_t shown = write(STDERR_FILENO, text.data(), text.size());
  last_error_ += text;
  if (last_error_.size() > kErrorBytesMax) {
    last_error_.erase(0, last_error_.size() - kErrorBytesMax);
  }
  return true;
}

void RunningJob::serve() {
  feed();
  while (true) {
    // A closed descriptor is -1, which poll() passes over.
    std::array<pollfd, 3> items{pollfd{process_.get(), POLLIN, 0}, pollfd{input_.get(), POLLOUT, 0},
                                pollfd{errors_.get(), POLLIN, 0}};
    const int ready = poll(items.data(), items.size(), kTurnMillis);
    if (ready == 0) {
      while_running_();
      look_at_time();
    }
    if (ready <= 0) continue;
    if (items[1].revents != 0) feed();
    if (items[2].revents != 0) take_errors();
    if (items[0].revents != 0) return;
  }
}

void RunningJob::look_at_time() {
  if (!job_.out_of_time || !job_.out_of_time()) return;
  ++turns_out_of_time_;
  if (turns_out_of_time_ == 1) kill(pid_, SIGTERM);
  if (turns_out_of_time_ == kTurnsUntilKilled) kill(pid_, SIGKILL);
}

ShellJobResult RunningJob::finish() {
  // What it left in the pipe; not what a process that it left behind may write some day.
  while (errors_.valid() && take_errors()) {
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ShellJobResult result;
  result.signalled = WIFSIGNALED(status);
  result.was_stopped = turns_out_of_time_ > 0;
  result.exit_code = result.signalled ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  last_error_.erase(last_error_.find_last_not_of(" \r\n\t") + 1);
  result.last_error = std::move(last_error_);
  return result;
}

base::Result<ShellJobResult> RunningJob::run() {
  RETURN_IF_ERROR(start());
  if (process_.valid()) serve();
  return finish();
}

}  // namespace

base::Result<ShellJobResult> run_shell_job(const ShellJob& job,
                                           const std::function<void()>& while_running) {
  return RunningJob(job, while_running).run();
}

}  // namespace sluice::cli
