#include "kube/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <vector>

#include "runtime/posix/environment.h"
#include "runtime/posix/file_descriptor.h"

namespace sluice::kube {
namespace {

constexpr std::size_t kOutputBytesMax = 1 << 20;
constexpr std::size_t kFileBytesMax = 4ULL << 20;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// The program's process id, its standard output going to `out`.
base::Result<pid_t> spawn(const Program& program, int out) {
  std::vector<std::string> arguments{program.path};
  arguments.insert(arguments.end(), program.arguments.begin(), program.arguments.end());
  std::vector<std::string> variables = runtime::environment_with(program.environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // Ours are blocked for the thread that takes signals; a program expects them open.
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  std::vector<char*> argv = pointers(arguments);
  std::vector<char*> envp = pointers(variables);
  const int problem =
      posix_spawnp(&child, program.path.c_str(), &actions, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (problem != 0) return base::io_error("starting it", problem);
  return child;
}

base::Status read_until_end(int fd, std::chrono::steady_clock::time_point deadline,
                            std::string& output) {
  char buffer[16 * 1024];
  while (true) {
    const auto left = std::chrono::ceil<base::Millis>(deadline - std::chrono::steady_clock::now());
    pollfd ready{fd, POLLIN, 0};
    const int count = left.count() > 0 ? ::poll(&ready, 1, static_cast<int>(left.count())) : 0;
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return base::Error(base::ErrorCode::kDeadlineExceeded, "it did not end in time");
    }
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::io_error("reading its output", errno);
    if (got == 0) return {};
    output.append(buffer, static_cast<std::size_t>(got));
    if (output.size() > kOutputBytesMax) {
      return base::resource_exhausted("it wrote more than 1 MiB");
    }
  }
}

base::Status wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return base::io_error("waiting for it", errno);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFSIGNALED(status)) {
    return base::unavailable("it died of signal " + std::to_string(WTERMSIG(status)));
  }
  return base::unavailable("it ended with exit code " + std::to_string(WEXITSTATUS(status)));
}

}  // namespace

base::Result<std::string> run_program(const Program& program, base::Millis timeout) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::io_error("making a pipe", errno);
  const runtime::FileDescriptor from_child(ends[0]);
  runtime::FileDescriptor to_us(ends[1]);
  ASSIGN_OR_RETURN(const pid_t child, spawn(program, to_us.get()));
  to_us = runtime::FileDescriptor();
  std::string output;
  const base::Status read =
      read_until_end(from_child.get(), std::chrono::steady_clock::now() + timeout, output);
  if (!read.has_value()) ::kill(child, SIGKILL);
  const base::Status ended = wait_for(child);
  RETURN_IF_ERROR(read);
  RETURN_IF_ERROR(ended);
  return output;
}

base::Result<std::string> read_text_file(const std::string& path) {
  const runtime::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return base::io_error("reading " + path, errno);
  std::string text;
  char buffer[16 * 1024];
  while (text.size() <= kFileBytesMax) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::io_error("reading " + path, errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return base::invalid_argument(path + ": at most 4 MiB are read");
}

}  // namespace sluice::kube
