#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/config.h"
#include "frontend/broker_host.h"
#include "frontend/broker_server.h"
#include "runtime/posix/posix_file_system.h"
#include "runtime/posix/system_clock.h"
#include "runtime/posix/wakeup.h"

namespace sluice::test {

// A folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct LocalBrokerOptions {
  std::vector<broker::QueueConfig> queues;
  base::Millis session_ttl{10'000};
  std::uint64_t segment_bytes = 4U << 20;
  std::uint32_t snapshot_every_segments = 4;
  std::uint32_t sessions_max = 1'000;
  std::string client_endpoint = "tcp://127.0.0.1:0";
  std::shared_ptr<const access::KeyRing> keys;
  std::string curve_secret;
  frontend::RotationOptions rotation;
  frontend::GuardOptions guard;
  base::Millis handshake_timeout{5'000};
  // In place of the broker's own gatekeeper; null = that one.
  decltype(frontend::ServerHooks::open_gatekeeper) open_gatekeeper;
  // One shard of each queue only, of so many, and where they all are.
  std::optional<base::ShardIndex> shard;
  std::uint16_t shards = 1;
  std::function<std::vector<std::string>()> shard_endpoints;
  // For manifests from the control port.
  decltype(frontend::ServerHooks::configure) configure;
};

// A queue with one subscription, as a manifest without settings gives it.
broker::QueueConfig plain_queue(const std::string& name);

// A broker on a real folder and real sockets, with its loop on a thread of this process.
class LocalBroker {
 public:
  // CHECKs that it starts.
  LocalBroker(const std::string& folder, const LocalBrokerOptions& options);
  // Stops in order, unless stop() was called.
  ~LocalBroker();
  LocalBroker(const LocalBroker&) = delete;
  LocalBroker& operator=(const LocalBroker&) = delete;

  const std::string& endpoint() const { return endpoint_; }
  const std::string& control_endpoint() const { return control_endpoint_; }
  std::shared_ptr<const frontend::http::ProcessStats> stats();
  base::Status stop();
  // As when the folder of keys had changed; the endpoint of the clients is another then.
  base::Status follow_keys(const std::string& secret, const std::optional<access::NextKey>& next);
  bool unclean() const { return unclean_; }

 private:
  runtime::PosixFileSystem fs_;
  runtime::SystemClock clock_;
  std::unique_ptr<runtime::Wakeup> wake_;
  frontend::StatsBoard board_;
  std::string endpoint_;
  std::string control_endpoint_;
  bool unclean_ = false;
  frontend::BrokerServer* server_ = nullptr;  // lives on the thread's stack
  std::promise<void> asked_;
  base::Status result_;
  std::thread thread_;
};

}  // namespace sluice::test
