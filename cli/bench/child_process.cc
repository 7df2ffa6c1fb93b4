#include "cli/bench/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "cli/bench/text_file.h"
#include "cli/stop_signal.h"
#include "runtime/posix/file_descriptor.h"

namespace sluice::cli::bench {
namespace {

int code_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// "VmRSS:     1234 kB" in the text of /proc/PID/status.
std::uint64_t status_bytes(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n" + name + ":");
  if (at == std::string::npos) return 0;
  return std::strtoull(text.c_str() + at + name.size() + 2, nullptr, 10) * 1024;
}

}  // namespace

base::Result<std::unique_ptr<ChildProcess>> ChildProcess::start(std::vector<std::string> arguments,
                                                                const std::string& log) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  runtime::FileDescriptor output;
  if (!log.empty()) {
    output =
        runtime::FileDescriptor(open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!output.valid()) return base::io_error("creating " + log, errno);
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return base::io_error("starting " + arguments[0], errno);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // it died between the two
    if (output.valid()) {
      dup2(output.get(), STDOUT_FILENO);
      dup2(output.get(), STDERR_FILENO);
    }
    reset_signals_for_child();
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid));
}

ChildProcess::~ChildProcess() {
  if (exit_code()) return;
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
}

std::optional<int> ChildProcess::exit_code() {
  if (exit_code_) return exit_code_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) exit_code_ = code_of(status);
  return exit_code_;
}

ProcessUsage process_usage(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  ProcessUsage usage;
  const std::string status = read_text(folder + "/status");
  usage.rss_bytes = status_bytes(status, "VmRSS");
  usage.rss_peak_bytes = status_bytes(status, "VmHWM");
  // The name, in parentheses, may hold spaces; user and system time are fields 14 and 15.
  const std::string stat = read_text(folder + "/stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return usage;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  fields >> user >> system;
  usage.cpu_seconds =
      static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return usage;
}

}  // namespace sluice::cli::bench
