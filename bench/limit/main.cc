// How fast the machine lets a durable queue be: one hop of ZeroMQ each way, an append and a sync,
// and nothing that makes it a queue. Sluice is measured against this.

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <exception>
#include <functional>
#include <new>
#include <string>

#include "bench/limit/broker.h"
#include "bench/limit/clients.h"
#include "bench/limit/options.h"
#include "bench/load/fail.h"
#include "bench/load/report.h"

namespace sluice::bench {
namespace {

// A process that runs `client` on the endpoint it is told later, and dies with this one. Must be
// called before the first thread and the first ZeroMQ context.
class ClientProcess {
 public:
  explicit ClientProcess(const std::function<void(const std::string&)>& client) {
    std::array<int, 2> pipe_fds{};
    require(::pipe(pipe_fds.data()) == 0, "cannot create a pipe");
    const pid_t pid = ::fork();
    require(pid >= 0, "cannot fork");
    if (pid > 0) {
      ::close(pipe_fds[0]);
      endpoint_fd_ = pipe_fds[1];
      return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(pipe_fds[1]);
    std::array<char, 256> endpoint{};
    const ssize_t size = ::read(pipe_fds[0], endpoint.data(), endpoint.size());
    require(size > 0, "the broker did not start");
    try {
      client(std::string(endpoint.data(), static_cast<std::size_t>(size)));
    } catch (const std::exception& error) {
      fail(error.what());
    }
    std::_Exit(0);
  }

  void start(const std::string& endpoint) const {
    require(::write(endpoint_fd_, endpoint.data(), endpoint.size()) > 0, "a client is gone");
    ::close(endpoint_fd_);
  }

 private:
  int endpoint_fd_ = -1;
};

Times& shared_times() {
  void* memory =
      ::mmap(nullptr, sizeof(Times), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  require(memory != MAP_FAILED, "no memory");
  return *new (memory) Times();
}

void fail_if_a_client_failed() {
  int status = 0;
  while (::waitpid(-1, &status, WNOHANG) > 0) require(status == 0, "a client failed");
}

void run(const LimitOptions& options, bool as_json) {
  Times& times = shared_times();
  const ClientProcess producer(
      [&](const std::string& endpoint) { run_producer(endpoint, options, times); });
  const ClientProcess consumer(
      [&](const std::string& endpoint) { run_consumer(endpoint, options); });
  {
    Broker broker(options);
    producer.start(broker.endpoint());
    consumer.start(broker.endpoint());
    broker.run(times, fail_if_a_client_failed);
  }
  int status = 0;
  while (::wait(&status) > 0) require(status == 0, "a client failed");
  print(
      Report{
          .system = "limit",
          .setting = "frames of " + std::to_string(options.frame_bytes / 1024) + " KiB, " +
                     std::to_string(options.load.window) + " in flight",
          .load = options.load,
          .fsync = options.fsync,
          .publish_ns = times.last_durable_ns - times.first_sent_ns,
          .end_to_end_ns = times.last_settled_ns - times.first_sent_ns,
      },
      as_json);
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::bench::LimitOptions options;
  std::string fsync = "yes";
  bool as_json = false;
  CLI::App app{"The limit: ZeroMQ, an append and a sync, without a queue"};
  app.add_option("--messages", options.load.messages, "How many to send")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--size", options.load.size_bytes, "Bytes in a message")
      ->check(CLI::Range(sluice::bench::kMinSizeBytes, 16U << 20))
      ->capture_default_str();
  app.add_option("--frame-bytes", options.frame_bytes, "Bytes in a frame of messages")
      ->check(CLI::Range(1U, 16U << 20))
      ->capture_default_str();
  app.add_option("--window", options.load.window, "Frames in flight")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--fsync", fsync, "Sync before a frame is acknowledged")
      ->check(CLI::IsMember({"yes", "no"}))
      ->capture_default_str();
  app.add_option("--dir", options.folder, "Where the log lies")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_flag("--json", as_json, "Print one JSON object");
  CLI11_PARSE(app, argc, argv);
  options.fsync = fsync == "yes";
  try {
    sluice::bench::run(options, as_json);
  } catch (const std::exception& error) {
    sluice::bench::fail(error.what());
  }
}
