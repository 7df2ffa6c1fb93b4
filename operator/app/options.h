#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/log.h"

namespace sluice::op {

// What `sluice-operator` is started with. Plain values.
struct OperatorOptions {
  std::string name_space;  // empty = all
  std::string kubeconfig;  // empty = the service account of this pod
  std::string context;     // of the kubeconfig; empty = its current one
  std::string broker_image = "sluice";
  std::string broker_version;  // empty = our own
  std::string image_pull_policy = "IfNotPresent";
  bool upgrade_brokers = false;
  std::string listen_http = "0.0.0.0:8080";  // empty = nowhere
  bool leader_elect = true;
  std::string lease_name = "sluice-operator";
  std::string lease_namespace;  // empty = that of the pod or of the kubeconfig
  std::string identity;         // who holds the lease, for people; empty = the host's name
  std::size_t workers = 4;
  std::uint64_t exit_after_calls = 0;  // 0 = never
  base::LogLevel log_level = base::LogLevel::kInfo;
  base::LogFormat log_format = base::LogFormat::kHuman;
  std::string version = "0.0.0";
  std::string revision;  // of the source; empty = unknown
};

}  // namespace sluice::op
