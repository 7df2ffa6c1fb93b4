#include "cli/cluster/port_forward.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include "cli/stop_signal.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli::cluster {
namespace {

constexpr std::size_t kSaidMax = 4096;
constexpr int kTurnMillis = 20;
constexpr int kEndMillis = 2'000;
constexpr int kPauseMillis = 500;
constexpr int kPauseMaxMillis = 4'000;

// True when one of them is readable within that time; passes over -1.
bool wait_readable(int first, int second, int millis) {
  std::array<pollfd, 2> items{pollfd{first, POLLIN, 0}, pollfd{second, POLLIN, 0}};
  return poll(items.data(), items.size(), millis) > 0;
}

bool is_readable(int fd) { return wait_readable(fd, -1, 0); }

// One that nobody listens on now: what leads nowhere yet has to keep its port.
base::Result<std::uint16_t> free_port() {
  const runtime::FileDescriptor bound(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (!bound.valid() || bind(bound.get(), any, size) != 0 ||
      getsockname(bound.get(), any, &size) != 0) {
    return base::io_error("looking for a free port", errno);
  }
  return ntohs(address.sin_port);
}

// What kubectl is called with, as exec() wants it.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void become(char* const* command, int output, pid_t parent) {
  // Only async-signal-safe calls: the parent may have threads.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  const int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (none >= 0) dup2(none, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  reset_signals_for_child();
  execvp(command[0], command);
  _exit(127);
}

}  // namespace

base::Result<ForwardProcess> ForwardProcess::start(const ForwardTarget& target,
                                                   std::uint16_t local_port) {
  std::vector<std::string> words = forward_command(target, local_port);
  const std::vector<char*> command = pointers_to(words);
  runtime::FileDescriptor said(memfd_create("port-forward", MFD_CLOEXEC));
  if (!said.valid()) return base::io_error("making a file in memory", errno);
  // Two writers share it, so that each has to write at its end.
  fcntl(said.get(), F_SETFL, O_APPEND);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return base::io_error("starting " + target.program, errno);
  if (pid == 0) become(command.data(), said.get(), parent);
  runtime::FileDescriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) {
    const int cause = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return base::io_error("watching " + target.program, cause);
  }
  return ForwardProcess(pid, std::move(process), std::move(said));
}

ForwardProcess::~ForwardProcess() {
  // One that was moved from has no descriptor; one that has ended is only taken note of.
  if (!process_.valid()) return;
  if (!is_readable(process_.get())) {
    kill(pid_, SIGTERM);
    if (!wait_readable(process_.get(), -1, kEndMillis)) kill(pid_, SIGKILL);
  }
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::string ForwardProcess::said() const {
  std::array<char, kSaidMax> text{};
  const ssize_t count = pread(said_.get(), text.data(), text.size(), 0);
  return {text.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
}

base::Result<std::uint16_t> ForwardProcess::wait_for_port(base::Millis timeout) {
  const runtime::SystemClock clock;
  const base::MonoTime until = clock.mono_now() + timeout;
  for (;;) {
    const bool ended = wait_readable(process_.get(), -1, kTurnMillis);
    std::string text = said();
    if (!ended) {
      if (const auto port = forwarded_port(text)) return *port;
    }
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (ended) {
      return base::unavailable("kubectl port-forward ended" +
                               (text.empty() ? ": is kubectl installed?" : ": " + text));
    }
    if (clock.mono_now() >= until || stop_requested()) {
      return base::Error(
          base::ErrorCode::kDeadlineExceeded,
          "kubectl port-forward does not begin" + (text.empty() ? std::string() : ": " + text));
    }
  }
}

base::Result<std::unique_ptr<PortForward>> PortForward::open(ForwardTarget target,
                                                             base::Millis timeout) {
  std::vector<ForwardTarget> targets;
  targets.push_back(std::move(target));
  ASSIGN_OR_RETURN(auto opened, open_all(std::move(targets), timeout));
  return std::move(opened.front());
}

base::Result<std::vector<std::unique_ptr<PortForward>>> PortForward::open_all(
    std::vector<ForwardTarget> targets, base::Millis timeout) {
  std::vector<ForwardProcess> processes;
  processes.reserve(targets.size());
  for (const ForwardTarget& target : targets) {
    ASSIGN_OR_RETURN(ForwardProcess process, ForwardProcess::start(target, 0));
    processes.push_back(std::move(process));
  }
  std::vector<base::Result<std::uint16_t>> ports;
  std::optional<base::Error> failed;
  bool any = false;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    ports.push_back(processes[i].wait_for_port(timeout));
    any = any || ports.back().has_value();
    if (!failed && !ports.back()) failed = ports.back().error().with_prefix(targets[i].object);
  }
  if (!any && failed) return *failed;
  std::vector<std::unique_ptr<PortForward>> opened;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    runtime::FileDescriptor wake(eventfd(0, EFD_CLOEXEC));
    if (!wake.valid()) return base::io_error("making an eventfd", errno);
    std::optional<ForwardProcess> process;
    std::optional<base::Error> problem;
    if (ports[i]) {
      process.emplace(std::move(processes[i]));
    } else {
      problem = ports[i].error().with_prefix(targets[i].object);
      ports[i] = free_port();
      if (!ports[i]) return ports[i].error();
    }
    opened.push_back(std::unique_ptr<PortForward>(
        new PortForward(std::move(targets[i]), std::move(process), *ports[i], std::move(problem),
                        std::move(wake))));
  }
  return opened;
}

PortForward::PortForward(ForwardTarget target, std::optional<ForwardProcess> process,
                         std::uint16_t port, std::optional<base::Error> problem,
                         runtime::FileDescriptor wake)
    : target_(std::move(target)),
      port_(port),
      problem_(std::move(problem)),
      wake_(std::move(wake)) {
  keeper_ = std::thread([this, kept = std::move(process)]() mutable { keep(std::move(kept)); });
}

PortForward::~PortForward() {
  eventfd_write(wake_.get(), 1);
  keeper_.join();
}

void PortForward::keep(std::optional<ForwardProcess> running) {
  const runtime::SystemClock clock;
  int pause = kPauseMillis;
  for (;;) {
    const base::MonoTime begun = clock.mono_now();
    if (running) wait_readable(running->process_fd(), wake_.get(), -1);
    running.reset();
    // One that ended at once has no pod to lead to, and begins anew more and more rarely.
    const bool lasted = clock.mono_now() >= begun + base::Millis(kPauseMaxMillis);
    if (lasted) pause = kPauseMillis;
    if (wait_readable(wake_.get(), -1, pause)) return;
    pause = std::min(2 * pause, kPauseMaxMillis);
    if (auto next = ForwardProcess::start(target_, port_)) running.emplace(std::move(*next));
  }
}

}  // namespace sluice::cli::cluster
