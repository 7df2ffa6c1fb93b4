#include "cli/bench/broker_process.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "access/key_files.h"
#include "base/duration.h"
#include "cli/bench/text_file.h"
#include "cli/sibling_program.h"
#include "cli/stop_signal.h"
#include "client/zmq_keys.h"
#include "runtime/posix/system_clock.h"

namespace sluice::cli::bench {
namespace {

constexpr base::Millis kStartTimeout{30'000};
constexpr base::Millis kStartTurn{5};
constexpr base::Millis kRestTimeout{10'000};
constexpr base::Millis kRestTurn{250};
// The kernel counts in hundredths.
constexpr double kRestSecondsMax = 0.015;
constexpr std::size_t kLogEndBytes = 2'000;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

std::string queue_manifest(const std::string& name, std::uint64_t messages,
                           const Options& options) {
  // Twice what is sent, whatever else may be counted.
  const std::uint64_t bytes = (messages * options.size_bytes * 2 / kGiB + 1) * kGiB;
  return "apiVersion: sluice.dev/v1alpha1\n"
         "kind: Queue\n"
         "metadata: {name: " +
         name +
         "}\n"
         "spec:\n"
         "  durability: {fsync: " +
         options.fsync +
         "}\n"
         "  delivery: {leaseDuration: 5m}\n"
         "  limits: {messages: 1000000000000, bytes: " +
         base::format_bytes(bytes) + "}\n";
}

// The endpoint in the event "ready" of a log of JSON lines.
std::optional<std::string> ready_endpoint(const std::string& log) {
  std::size_t begin = 0;
  for (std::size_t end = log.find('\n'); end != std::string::npos; end = log.find('\n', begin)) {
    const auto line = nlohmann::json::parse(log.begin() + static_cast<std::ptrdiff_t>(begin),
                                            log.begin() + static_cast<std::ptrdiff_t>(end), nullptr,
                                            /*allow_exceptions=*/false);
    begin = end + 1;
    if (!line.is_object() || line.value("event", "") != "ready") continue;
    return line.value("endpoint", "");
  }
  return std::nullopt;
}

constexpr unsigned kSecretMode = 0600;
constexpr unsigned kPublicMode = 0644;

// A broker's folder of keys and that of the one client it knows.
base::Status make_keys(const std::string& broker, const std::string& client) {
  for (const std::string& folder : {broker, client}) {
    if (mkdir(folder.c_str(), 0700) != 0) return base::io_error("making " + folder, errno);
  }
  ASSIGN_OR_RETURN(const client::KeyPair own, client::make_key_pair());
  ASSIGN_OR_RETURN(const client::KeyPair worker, client::make_key_pair());
  RETURN_IF_ERROR(access::write_new_file(broker + "/server.key", own.secret_key, kSecretMode));
  RETURN_IF_ERROR(access::write_new_file(broker + "/authorized_keys",
                                         "bench " + worker.public_key + " produce,consume *\n",
                                         kPublicMode));
  RETURN_IF_ERROR(access::write_new_file(client + "/client.key", worker.secret_key, kSecretMode));
  return access::write_new_file(client + "/broker.pub", own.public_key, kPublicMode);
}

}  // namespace

std::string bench_manifest(const Options& options) {
  std::string manifest = queue_manifest(kQueue, options.messages, options);
  if (options.waiting > 0) {
    manifest += "---\n" + queue_manifest(kWaitingQueue, options.waiting, options);
  }
  return manifest;
}

base::Result<std::unique_ptr<BrokerProcess>> BrokerProcess::start(const Options& options,
                                                                  const std::string& folder) {
  ASSIGN_OR_RETURN(const std::string program, sibling_program("sluice-sidecar"));
  const std::string manifest = folder + "/queues.yaml";
  std::ofstream(manifest) << bench_manifest(options);
  std::vector<std::string> arguments = {program,        "broker",
                                        "--data",       folder + "/data",
                                        "--listen",     "tcp://127.0.0.1:0",
                                        "--control",    "tcp://127.0.0.1:0",
                                        "--http",       "127.0.0.1:0",
                                        "--log-format", "json",
                                        "-f",           manifest};
  std::string keys_folder;
  if (options.encryption == "curve") {
    keys_folder = folder + "/client-keys";
    RETURN_IF_ERROR(make_keys(folder + "/broker-keys", keys_folder));
    arguments.insert(arguments.end(), {"--keys", folder + "/broker-keys"});
  }
  std::string log = folder + "/broker.log";
  ASSIGN_OR_RETURN(auto process, ChildProcess::start(arguments, log));
  auto broker =
      std::unique_ptr<BrokerProcess>(new BrokerProcess(std::move(process), std::move(log)));
  broker->keys_folder_ = std::move(keys_folder);
  RETURN_IF_ERROR(broker->wait_until_ready());
  return broker;
}

base::Status BrokerProcess::wait_until_ready() {
  const runtime::SystemClock clock;
  const base::MonoTime deadline = clock.mono_now() + kStartTimeout;
  while (true) {
    if (const auto endpoint = ready_endpoint(read_text(log_))) {
      endpoint_ = *endpoint;
      return {};
    }
    RETURN_IF_ERROR(check());
    if (stop_requested()) return base::unavailable("stopped");
    if (clock.mono_now() > deadline) return base::unavailable("the broker does not get ready");
    std::this_thread::sleep_for(kStartTurn);
  }
}

base::Status BrokerProcess::wait_for_rest() {
  const runtime::SystemClock clock;
  const base::MonoTime deadline = clock.mono_now() + base::Nanos(kRestTimeout);
  double used_seconds = usage().cpu_seconds;
  while (clock.mono_now() < deadline) {
    std::this_thread::sleep_for(kRestTurn);
    RETURN_IF_ERROR(check());
    if (stop_requested()) return base::unavailable("stopped");
    const double now_seconds = usage().cpu_seconds;
    if (now_seconds - used_seconds < kRestSecondsMax) return {};
    used_seconds = now_seconds;
  }
  return {};
}

base::Status BrokerProcess::check() {
  const std::optional<int> code = process_->exit_code();
  if (!code) return {};
  std::string text = read_text(log_);
  if (text.size() > kLogEndBytes) text.erase(0, text.size() - kLogEndBytes);
  return base::unavailable("the broker ended with exit code " + std::to_string(*code) + ":\n" +
                           text);
}

}  // namespace sluice::cli::bench
