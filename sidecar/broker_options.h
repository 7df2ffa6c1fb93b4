#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/time.h"

namespace sluice::sidecar {

// What `sluice-sidecar broker` is started with. Plain values.
struct BrokerOptions {
  std::string data = "./sluice-data";
  std::string listen = "tcp://127.0.0.1:7650";
  std::string control = "tcp://127.0.0.1:7651";
  std::string http = "127.0.0.1:7652";  // empty = none
  std::vector<std::string> files;
  // One shard of each queue of several brokers': which, of how many, and where each of them is (see
  // shard_place.h). One shard = all are here.
  std::optional<std::uint16_t> shard;
  std::uint16_t shards = 1;
  std::string shard_endpoints;
  std::string keys;  // a folder; empty = plain text
  bool insecure_plain_text = false;
  // When the socket of a key that is being left closes.
  base::Millis rotate_quiet{60'000};
  base::Millis rotate_deadline{24LL * 3'600'000};
  base::LogLevel log_level = base::LogLevel::kInfo;
  base::LogFormat log_format = base::LogFormat::kHuman;
  base::Millis session_ttl{10'000};
  std::uint32_t sessions_max = 10'000;
  std::uint32_t strangers_max = 1'000;  // connections without a session
  base::Millis handshake_timeout{5'000};
  std::uint64_t segment_bytes = 64ULL << 20;
  std::uint32_t snapshot_every_segments = 4;
  std::uint32_t log_feature_level = 0;  // 0 = as it is; the highest for a new log
  std::string version = "0.0.0";
  std::string revision;  // of the source; empty = unknown
};

}  // namespace sluice::sidecar
