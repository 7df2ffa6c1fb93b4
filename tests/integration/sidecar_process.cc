#include "tests/integration/sidecar_process.h"

#include <signal.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "cli/bench/text_file.h"

namespace sluice::test {
namespace {

constexpr std::chrono::milliseconds kTurn{5};
constexpr std::chrono::seconds kStartPatience{60};

template <typename Condition>
bool wait_until(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kStartPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kTurn);
  }
  return true;
}

}  // namespace

SidecarProcess::SidecarProcess(const std::string& folder, const std::string& manifest,
                               const std::vector<std::string>& flags)
    : log_path_(folder + "/broker.log") {
  const std::string manifest_path = folder + "/queue.yaml";
  std::ofstream(manifest_path) << manifest;
  std::vector<std::string> command = {SLUICE_TEST_BIN_DIR "/sluice-sidecar",
                                      "broker",
                                      "--data",
                                      folder + "/data",
                                      "--listen",
                                      "tcp://127.0.0.1:0",
                                      "--control",
                                      "tcp://127.0.0.1:0",
                                      "--http",
                                      "127.0.0.1:0",
                                      "-f",
                                      manifest_path};
  command.insert(command.end(), flags.begin(), flags.end());
  auto process = cli::bench::ChildProcess::start(command, log_path_);
  CHECK(process.has_value());
  process_ = std::move(*process);
  CHECK(wait_until([this] { return find_ready() || !running(); }));
  CHECK(http_port_ != 0);
}

bool SidecarProcess::find_ready() {
  std::istringstream lines(log());
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!event.is_object() || event.value("event", "") != "ready") continue;
    endpoint_ = event.value("endpoint", "");
    control_endpoint_ = event.value("control", "");
    const std::string http = event.value("http", "");
    http_port_ = static_cast<std::uint16_t>(std::stoi(http.substr(http.rfind(':') + 1)));
    return true;
  }
  return false;
}

std::uint64_t SidecarProcess::rss_bytes() const {
  return cli::bench::process_usage(process_->pid()).rss_bytes;
}

std::string SidecarProcess::log() const { return cli::bench::read_text(log_path_); }

int SidecarProcess::stop() {
  kill(process_->pid(), SIGTERM);
  CHECK(wait_until([this] { return !running(); }));
  return *process_->exit_code();
}

}  // namespace sluice::test
