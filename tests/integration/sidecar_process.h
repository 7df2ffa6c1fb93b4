#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/bench/child_process.h"

namespace sluice::test {

// `sluice-sidecar broker` as a process of its own on free ports, with whatever sanitizers this
// build has. Killed at the end at the latest. One thread.
class SidecarProcess {
 public:
  // CHECKs that it is ready. `folder` gets its data, its manifest and its log.
  // `flags` are added to its command line.
  SidecarProcess(const std::string& folder, const std::string& manifest,
                 const std::vector<std::string>& flags = {});

  const std::string& endpoint() const { return endpoint_; }
  const std::string& control_endpoint() const { return control_endpoint_; }
  std::uint16_t http_port() const { return http_port_; }
  bool running() { return !process_->exit_code().has_value(); }
  std::uint64_t rss_bytes() const;
  // What it has told so far.
  std::string log() const;
  // Asks it to stop in order; its exit code.
  int stop();

 private:
  bool find_ready();

  std::string log_path_;
  std::unique_ptr<cli::bench::ChildProcess> process_;
  std::string endpoint_;
  std::string control_endpoint_;
  std::uint16_t http_port_ = 0;
};

}  // namespace sluice::test
