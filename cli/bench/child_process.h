#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace sluice::cli::bench {

// A process of the bench. It never outlives this one, however that ends.
class ChildProcess {
 public:
  // `log` empty = its output is ours; else it goes to that file. Descriptors without close-on-exec
  // are inherited.
  static base::Result<std::unique_ptr<ChildProcess>> start(std::vector<std::string> arguments,
                                                           const std::string& log);
  // Kills it where it still runs, and waits for its end.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Its exit code, 128 + signal where one ended it; nothing while it runs. Does not wait.
  std::optional<int> exit_code();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_;
  std::optional<int> exit_code_;
};

// What the kernel says of a process that runs; zeros where it says nothing.
struct ProcessUsage {
  std::uint64_t rss_bytes = 0;
  std::uint64_t rss_peak_bytes = 0;
  double cpu_seconds = 0;
};
ProcessUsage process_usage(pid_t pid);

}  // namespace sluice::cli::bench
