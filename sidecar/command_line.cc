#include "sidecar/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/duration.h"
#include "sidecar/exit_code.h"
#include "sidecar/shard_place.h"
#include "storage/log_format.h"

namespace sluice::sidecar {
namespace {

struct Texts {
  std::string log_level = "info";
  std::string log_format = "auto";
  std::string session_ttl = "10s";
  std::string handshake_timeout = "5s";
  std::string rotate_quiet = "1m";
  std::string rotate_deadline = "24h";
  std::string segment_bytes = "64Mi";
};

CLI::Validator checked(const char* type, std::string (*problem)(const std::string&)) {
  return CLI::Validator([problem](std::string& text) { return problem(text); }, type);
}

std::string duration_problem(const std::string& text) {
  const auto duration = base::parse_duration(text);
  if (!duration.has_value()) return duration.error().message();
  if (*duration < base::Millis(100)) return "at least 100ms";
  return "";
}

std::string bytes_problem(const std::string& text) {
  const auto bytes = base::parse_bytes(text);
  if (!bytes.has_value()) return bytes.error().message();
  if (*bytes < 512U * 1024 || *bytes > (4ULL << 30) || *bytes % 4096 != 0) {
    return "512Ki to 4Gi, a multiple of 4Ki";
  }
  return "";
}

// IPv6 addresses stand in brackets, so the last colon is the one before the port.
std::string address_problem(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return "HOST:PORT expected";
  const std::string_view port = text.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool good = error == std::errc() && end == port.data() + port.size();
  return good ? "" : "a port from 0 to 65535 expected behind the last colon";
}

std::string endpoint_problem(const std::string& text) {
  constexpr std::string_view kScheme = "tcp://";
  if (!text.starts_with(kScheme)) return "tcp://HOST:PORT expected";
  return address_problem(std::string_view(text).substr(kScheme.size()));
}

std::string http_problem(const std::string& text) {
  return text.empty() ? "" : address_problem(text);
}

bool is_loopback(std::string_view endpoint) {
  const std::string_view host = endpoint.substr(0, endpoint.rfind(':'));
  return host == "tcp://localhost" || host == "tcp://[::1]" || host.starts_with("tcp://127.");
}

// Empty = all is well.
std::string plain_text_problem(const BrokerOptions& options) {
  if (!options.keys.empty() || options.insecure_plain_text) return "";
  for (const std::string& endpoint : {options.listen, options.control}) {
    if (!is_loopback(endpoint)) {
      return endpoint +
             ": other machines reach this, and without keys anybody there can do anything: give "
             "--keys DIR, or --insecure-plain-text if that is what you want";
    }
  }
  return "";
}

// Finds out which shard this broker has, where there are several.
std::string shard_problem(BrokerOptions& options) {
  if (options.shards == 1) {
    const bool given = options.shard || !options.shard_endpoints.empty();
    return given ? "--shard and --shard-endpoints: need --shards 2 or more" : "";
  }
  for (const char* variable : {"POD_NAME", "HOSTNAME"}) {
    const char* pod = std::getenv(variable);
    if (!options.shard && pod != nullptr) options.shard = ordinal_of(pod);
  }
  if (!options.shard) {
    return "--shard: which of the shards is this? POD_NAME and HOSTNAME end in no number";
  }
  if (*options.shard >= options.shards) {
    return "--shard: is " + std::to_string(*options.shard) + ", and there are only 0 to " +
           std::to_string(options.shards - 1);
  }
  const auto endpoints = shard_endpoints(options.shard_endpoints, options.shards, 1);
  for (const std::string& endpoint : endpoints) {
    if (const std::string problem = endpoint_problem(endpoint); !problem.empty()) {
      return std::string("--shard-endpoints: ").append(endpoint).append(": ").append(problem);
    }
  }
  if (endpoints.empty()) {
    return "--shard-endpoints: one with {shard} in it is needed, or one for each shard";
  }
  return "";
}

constexpr const char* kFooter =
    "Examples:\n"
    "  sluice-sidecar broker --data ./sluice-data -f examples/orders.yaml\n"
    "  sluice-sidecar broker --data /data --listen tcp://0.0.0.0:7650 \\\n"
    "      --keys /etc/sluice/keys -f /etc/sluice/queues\n"
    "\n"
    "SIGTERM and SIGINT stop it in order, SIGHUP reads manifests and keys again.\n"
    "Exit codes: 0 stopped in order, 2 wrong flags, 65 wrong manifest or data, 74 the disk\n"
    "failed, 75 the folder or an address is in use.";

void add_place_flags(CLI::App& command, BrokerOptions& options) {
  command.add_option("--data", options.data, "Folder of the log; created if missing")
      ->envname("SLUICE_DATA")
      ->type_name("DIR")
      ->capture_default_str();
  command
      .add_option("-f,--file", options.files,
                  "Queue manifest, or a folder of *.yaml; may repeat. Read again on SIGHUP")
      ->envname("SLUICE_FILES")
      ->type_name("FILE|DIR");
  command.add_option("--listen", options.listen, "Where clients connect; port 0 takes a free one")
      ->envname("SLUICE_LISTEN")
      ->check(checked("tcp://HOST:PORT", endpoint_problem))
      ->capture_default_str();
  command.add_option("--control", options.control, "Where the operator connects")
      ->envname("SLUICE_CONTROL")
      ->check(checked("tcp://HOST:PORT", endpoint_problem))
      ->capture_default_str();
  command
      .add_option("--http", options.http,
                  "Where /healthz, /readyz, /metrics and /api/v1 are; empty = nowhere")
      ->envname("SLUICE_HTTP")
      ->check(checked("HOST:PORT", http_problem))
      ->capture_default_str();
  command
      .add_option("--shards", options.shards,
                  "So many brokers have one shard of each queue; 1 = this one has all")
      ->envname("SLUICE_SHARDS")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command
      .add_option("--shard", options.shard,
                  "Which shard this one has; default: the ordinal of POD_NAME or HOSTNAME")
      ->envname("SLUICE_SHARD")
      ->check(CLI::Range(0, 63));
  command
      .add_option("--shard-endpoints", options.shard_endpoints,
                  "Where the shards are: tcp://orders-{shard}.orders-shards.shop.svc:{port}, or a "
                  "list with commas")
      ->envname("SLUICE_SHARD_ENDPOINTS")
      ->type_name("TEMPLATE");
  command.add_option("--keys", options.keys, "Folder with server.key and authorized_keys")
      ->envname("SLUICE_KEYS_DIR")
      ->type_name("DIR");
  command
      .add_flag("--insecure-plain-text", options.insecure_plain_text,
                "Allow ports that other machines reach without --keys: anybody can do anything")
      ->envname("SLUICE_INSECURE_PLAIN_TEXT");
}

void add_connection_flags(CLI::App& command, BrokerOptions& options, Texts& texts) {
  command
      .add_option("--rotate-quiet", texts.rotate_quiet,
                  "The socket of a key that is being left closes when no session was on it so long")
      ->envname("SLUICE_ROTATE_QUIET")
      ->check(checked("DURATION", duration_problem))
      ->capture_default_str();
  command
      .add_option("--rotate-deadline", texts.rotate_deadline, "... and at the latest after this")
      ->envname("SLUICE_ROTATE_DEADLINE")
      ->check(checked("DURATION", duration_problem))
      ->capture_default_str();
  command.add_option("--session-ttl", texts.session_ttl, "A silent session is lost after this")
      ->envname("SLUICE_SESSION_TTL")
      ->check(checked("DURATION", duration_problem))
      ->capture_default_str();
  command.add_option("--sessions-max", options.sessions_max, "Sessions at a time")
      ->envname("SLUICE_SESSIONS_MAX")
      ->check(CLI::Range(1, 65'535))
      ->capture_default_str();
  command
      .add_option("--strangers-max", options.strangers_max,
                  "Connections without a session at a time; over it the oldest of them is cut off")
      ->envname("SLUICE_STRANGERS_MAX")
      ->check(CLI::Range(1, 65'535))
      ->capture_default_str();
  command
      .add_option("--handshake-timeout", texts.handshake_timeout,
                  "A connection has so long for its handshake, and as long again to say hello")
      ->envname("SLUICE_HANDSHAKE_TIMEOUT")
      ->check(checked("DURATION", duration_problem))
      ->capture_default_str();
}

void add_log_flags(CLI::App& command, BrokerOptions& options, Texts& texts) {
  command.add_option("--segment-bytes", texts.segment_bytes, "Of a new log's segments")
      ->envname("SLUICE_SEGMENT_BYTES")
      ->check(checked("BYTES", bytes_problem))
      ->capture_default_str();
  command
      .add_option("--snapshot-every", options.snapshot_every_segments,
                  "Segments between two snapshots")
      ->envname("SLUICE_SNAPSHOT_EVERY")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  command
      .add_option("--log-feature-level", options.log_feature_level,
                  "Raise the log to this level, for good: older versions no longer read it")
      ->envname("SLUICE_LOG_FEATURE_LEVEL")
      ->check(CLI::Range(1U, storage::kFeatureLevelSupported));
  command.add_option("--log-level", texts.log_level, "How much to tell on standard error")
      ->envname("SLUICE_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  command.add_option("--log-format", texts.log_format, "auto = human on a terminal, else json")
      ->envname("SLUICE_LOG_FORMAT")
      ->check(CLI::IsMember({"auto", "human", "json"}))
      ->capture_default_str();
}

// REQUIRES: the texts passed their checks.
void take(const Texts& texts, BrokerOptions& options) {
  options.log_level = *base::parse_log_level(texts.log_level);
  options.log_format = *base::parse_log_format(texts.log_format, isatty(STDERR_FILENO) == 1);
  options.session_ttl = *base::parse_duration(texts.session_ttl);
  options.handshake_timeout = *base::parse_duration(texts.handshake_timeout);
  options.rotate_quiet = *base::parse_duration(texts.rotate_quiet);
  options.rotate_deadline = *base::parse_duration(texts.rotate_deadline);
  options.segment_bytes = *base::parse_bytes(texts.segment_bytes);
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv, std::string_view version) {
  CLI::App app{"The program that runs Sluice's queues, in pods and on laptops.", "sluice-sidecar"};
  app.set_version_flag("--version", "sluice-sidecar " + std::string(version));
  app.require_subcommand(1);
  app.get_formatter()->column_width(36);
  BrokerOptions options;
  options.version = std::string(version);
  Texts texts;
  CLI::App* broker = app.add_subcommand("broker", "Run the queues of some manifests on one log");
  add_place_flags(*broker, options);
  add_connection_flags(*broker, options, texts);
  add_log_flags(*broker, options, texts);
  broker->footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? kExitOk : kExitUsage};
  }
  if (const std::string problem = plain_text_problem(options); !problem.empty()) {
    std::fprintf(stderr, "sluice-sidecar: %s\n", problem.c_str());
    return {std::nullopt, kExitUsage};
  }
  if (const std::string problem = shard_problem(options); !problem.empty()) {
    std::fprintf(stderr, "sluice-sidecar: %s\n", problem.c_str());
    return {std::nullopt, kExitUsage};
  }
  take(texts, options);
  return {std::move(options), kExitOk};
}

}  // namespace sluice::sidecar
