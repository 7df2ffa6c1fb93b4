#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cli/cluster/forwarding.h"
#include "runtime/posix/file_descriptor.h"

namespace sluice::cli::cluster {

// One `kubectl port-forward`, in a process group of its own so that ^C is ours alone; it ends when
// this process does, however that ends.
class ForwardProcess {
 public:
  // Unavailable where the program cannot be run.
  static base::Result<ForwardProcess> start(const ForwardTarget& target, std::uint16_t local_port);
  ForwardProcess(ForwardProcess&&) = default;
  ForwardProcess& operator=(ForwardProcess&&) = delete;
  // Ends it: SIGTERM, and SIGKILL two seconds later.
  ~ForwardProcess();

  // Until it listens: its local port. Unavailable with what kubectl said when it ended before,
  // DeadlineExceeded when it takes longer.
  base::Result<std::uint16_t> wait_for_port(base::Millis timeout);
  // Readable once it has ended.
  int process_fd() const { return process_.get(); }

 private:
  ForwardProcess(pid_t pid, runtime::FileDescriptor process, runtime::FileDescriptor said)
      : pid_(pid), process_(std::move(process)), said_(std::move(said)) {}
  std::string said() const;

  pid_t pid_;
  runtime::FileDescriptor process_;
  runtime::FileDescriptor said_;  // a file in memory: a pipe would have to be emptied for ever
};

// A local port that leads to a Service or a pod for as long as this lives: kubectl's forwarding
// ends with the pod, so a thread begins it anew, on the same port. One thread uses it.
class PortForward {
 public:
  static base::Result<std::unique_ptr<PortForward>> open(ForwardTarget target,
                                                         base::Millis timeout);
  // All of them at once, in the order of `targets`. One whose pod is not there has a problem(), and
  // is begun anew until it leads there; where none of them works, the first that failed names its
  // object.
  static base::Result<std::vector<std::unique_ptr<PortForward>>> open_all(
      std::vector<ForwardTarget> targets, base::Millis timeout);
  ~PortForward();
  PortForward(const PortForward&) = delete;
  PortForward& operator=(const PortForward&) = delete;

  std::uint16_t port() const { return port_; }
  // Why it led nowhere when it was opened.
  const std::optional<base::Error>& problem() const { return problem_; }

 private:
  PortForward(ForwardTarget target, std::optional<ForwardProcess> process, std::uint16_t port,
              std::optional<base::Error> problem, runtime::FileDescriptor wake);
  void keep(std::optional<ForwardProcess> running);

  const ForwardTarget target_;
  const std::uint16_t port_;
  const std::optional<base::Error> problem_;
  const runtime::FileDescriptor wake_;  // an eventfd: somebody wants the thread to end
  std::thread keeper_;
};

}  // namespace sluice::cli::cluster
