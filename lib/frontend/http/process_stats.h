#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "broker/stats.h"

// Everything that one broker process tells about itself, as one immutable value. The loop thread
// fills it (at most about once a second) and publishes a shared_ptr<const ProcessStats>; the HTTP
// thread turns the last one into metrics and JSON and touches nothing else of the process.
// Counters count since the start of the process; docs/metrics.md names each as people see it.
namespace sluice::frontend::http {

struct StorageStats {
  std::uint64_t segments = 0;
  std::uint64_t extents = 0;
  std::uint64_t compactions = 0;  // counters: extents made, and their bytes
  std::uint64_t compacted_bytes = 0;
  std::uint64_t log_bytes = 0;        // files of the data folder, recycled segments included
  std::uint64_t log_bytes_limit = 0;  // 0 = the disk alone
  std::uint64_t disk_free_bytes = 0;  // of the file system under the data folder
  std::uint64_t disk_bytes = 0;       // all of that file system
  std::uint64_t low_mark_bytes = 0;   // with less free than this the disk is low
  std::uint64_t reserve_bytes = 0;    // taken for when it is full
  bool disk_low = false;              // publishes are refused with DiskLow
  std::optional<double> snapshot_age_seconds;  // none: no snapshot yet
  std::uint64_t snapshots = 0;                 // counter: written
  std::uint64_t appended_bytes = 0;            // counter: records, without padding
  std::uint64_t fsyncs = 0;                    // counter: fdatasync of segments
  broker::HistogramStats fsync_seconds;
  double recovery_seconds = 0;                // of this start; 0 until recovered
  std::uint64_t recovered_records = 0;        // read by this start
  std::uint64_t corrupt_ranges = 0;           // gauge: ranges of the log that are in quarantine
  std::uint64_t scrub_bytes = 0;              // counter: of the log, read to find damage
  std::uint64_t scrub_findings = 0;           // counter: corrupt ranges found that way
  std::optional<double> scrub_age_seconds;    // since the whole log was read; none: not yet
  std::uint32_t feature_level = 0;            // of the log
  std::uint32_t feature_level_supported = 0;  // by this program
};

struct TransportStats {
  std::uint32_t connections = 0;         // gauge; sessions are in BrokerStats
  std::uint64_t connections_opened = 0;  // counters
  std::uint64_t connections_closed = 0;
  std::uint64_t frames_received = 0;
  std::uint64_t frames_sent = 0;
  std::map<std::uint16_t, std::uint64_t> frames_refused_by_code;  // RefusalCode
  std::uint32_t keys = 0;                                         // gauge: authorized keys
  std::uint32_t server_keys = 0;           // gauge: of the broker's own, each with a socket
  std::uint32_t sessions_to_move = 0;      // gauge: on the key that a rotation leaves
  std::optional<bool> gatekeeper_answers;  // none: nobody has to prove a key
  std::map<std::string, std::uint64_t> denied_by_role;
  // docs/metrics.md has the reasons.
  std::map<std::string, std::uint64_t, std::less<>> handshake_failures_by_reason;
};

// What the operating system says of this process; read_resource_stats() (resource_stats.h) reads
// it.
struct ResourceStats {
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  double cpu_seconds = 0;    // counter: user and system
  double start_seconds = 0;  // since 1970-01-01 UTC
};

struct BuildInfo {
  std::string version;   // "0.1.0"
  std::string revision;  // of the source, or empty
};

struct ProcessStats {
  base::WallTime taken_at;
  broker::BrokerStats broker;
  StorageStats storage;
  TransportStats transport;
  ResourceStats resources;
  BuildInfo build;
};

// The last snapshot; null until there is one. Called on the HTTP thread, so it must be safe there.
using StatsSource = std::function<std::shared_ptr<const ProcessStats>()>;

}  // namespace sluice::frontend::http
