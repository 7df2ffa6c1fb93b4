#include "sidecar/broker_app.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "access/key_files.h"
#include "base/log.h"
#include "frontend/broker_host.h"
#include "frontend/broker_server.h"
#include "frontend/http/queue_json.h"
#include "frontend/http/server.h"
#include "frontend/stats_board.h"
#include "operator/api/manifest.h"
#include "runtime/posix/machine_name.h"
#include "runtime/posix/posix_file_system.h"
#include "runtime/posix/random.h"
#include "runtime/posix/signal_thread.h"
#include "runtime/posix/system_clock.h"
#include "runtime/posix/wakeup.h"
#include "sidecar/exit_code.h"
#include "sidecar/http_side.h"
#include "sidecar/manifest_files.h"
#include "sidecar/queue_config.h"
#include "sidecar/shard_place.h"
#include "wire/manifest_revision.h"

namespace sluice::sidecar {
namespace {

using frontend::BrokerHost;
using frontend::BrokerServer;

// Sessions are connections; the system's default of 1,024 descriptors is less than our limit.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::string describe_owner(const runtime::Clock& clock) {
  return "process " + std::to_string(getpid()) + " on " + runtime::machine_name() + " since " +
         std::to_string(clock.wall_now().value() / 1000);
}

// Who set one of these meant something by it, or a newer schema gave it as a default.
void tell_passed_over(const api::Queue& queue) {
  std::string fields;
  for (const std::string& field : queue.passed_over) {
    fields += (fields.empty() ? "" : ", ") + field;
  }
  if (fields.empty()) return;
  base::log_warn("fields_passed_over", {{"queue", queue.metadata.name}, {"fields", fields}});
}

frontend::HostOptions host_options(const BrokerOptions& options, const runtime::Clock& clock) {
  frontend::HostOptions host;
  host.folder = options.data;
  host.log.segment_bytes = options.segment_bytes;
  host.log.snapshot_every_segments = options.snapshot_every_segments;
  host.log.feature_level = options.log_feature_level;
  host.log.owner = describe_owner(clock);
  host.log.random_id = [] { return runtime::random_id128(); };
  host.broker.session_ttl = options.session_ttl;
  host.broker.prng_seed = runtime::random_seed();
  if (options.shard) host.broker.hosted_shard = base::ShardIndex(*options.shard);
  host.broker.shards = options.shards;
  host.software = "sluice/" + options.version;
  return host;
}

// The broker and everything around it, from the open folder to the orderly stop.
class App {
 public:
  explicit App(const BrokerOptions& options) : options_(options) {}

  int run();

 private:
  int fail(int code, std::string_view event, const base::Error& error) {
    base::log_error(event, {{"error", error.message()}, {"exit_code", code}});
    return code;
  }
  std::optional<int> start_http();
  std::string http_url() const;
  std::optional<int> open_host();
  std::optional<int> open_server();
  base::Status apply(const std::vector<LoadedQueue>& queues);
  void reload();
  base::Status read_keys();
  std::shared_ptr<const access::KeyRing> new_keys();
  void tell_keys_problem(const std::string& text);
  frontend::ServerHooks hooks();

  const BrokerOptions& options_;
  runtime::SystemClock clock_;
  runtime::PosixFileSystem fs_;
  std::unique_ptr<runtime::Wakeup> wake_;
  frontend::StatsBoard board_;
  std::atomic<bool> ready_{false};
  std::shared_ptr<const access::KeyRing> keys_;
  std::string curve_secret_;
  std::string listen_;  // of the folder of keys; empty = as the flags say
  std::string control_;
  std::optional<access::NextKey> next_key_;  // at the start
  std::string keys_problem_;                 // of the last look, so that it is told once
  // In the order in which they start; they stop the other way round.
  std::unique_ptr<frontend::http::Server> http_;
  std::unique_ptr<BrokerHost> host_;
  std::unique_ptr<BrokerServer> server_;
};

int App::run() {
  auto wake = runtime::Wakeup::create();
  if (!wake.has_value()) return fail(kExitIo, "start_failed", wake.error());
  wake_ = std::move(*wake);
  // First, so that a wrong file is told at once and leaves no folder behind.
  const auto queues = load_manifests(options_.files);
  if (!queues.has_value()) return fail(kExitData, "manifest_refused", queues.error());
  if (const base::Status status = read_keys(); !status.has_value()) {
    return fail(kExitData, "keys_refused", status.error());
  }
  if (const auto code = start_http()) return *code;
  if (const auto code = open_host()) return *code;
  if (const base::Status status = apply(*queues); !status.has_value()) {
    return fail(kExitData, "manifest_refused", status.error());
  }
  if (const base::Status status = host_->flush(); !status.has_value()) {
    return fail(kExitIo, "log_failed", status.error());
  }
  if (const auto code = open_server()) return *code;
  ready_.store(true);
  base::log_info("ready", {{"endpoint", server_->client_endpoint()},
                           {"control", server_->control_endpoint()},
                           {"http", http_url()},
                           {"data", options_.data}});
  base::Status status;
  {
    const runtime::SignalThread signals([this](int signal) {
      if (signal == SIGHUP) {
        server_->post([this] { reload(); });
        return;
      }
      base::log_info("stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
      server_->request_stop();
    });
    status = server_->run();
  }
  ready_.store(false);
  if (!status.has_value()) return fail(kExitIo, "log_failed", status.error());
  base::log_info("stopped");
  return kExitOk;
}

std::optional<int> App::start_http() {
  if (options_.http.empty()) return std::nullopt;
  auto server = serve_http(options_.http, board_, ready_, clock_);
  if (!server.has_value()) {
    const bool flags = server.error().code() == base::ErrorCode::kInvalidArgument;
    return fail(flags ? kExitUsage : kExitTemporary, "listen_failed", server.error());
  }
  http_ = std::move(*server);
  return std::nullopt;
}

std::string App::http_url() const {
  if (http_ == nullptr) return "";
  const std::string host = options_.http.substr(0, options_.http.rfind(':'));
  return "http://" + host + ":" + std::to_string(http_->port());
}

std::optional<int> App::open_host() {
  std::optional<frontend::HostError> error;
  host_ = BrokerHost::open(
      fs_, clock_, host_options(options_, clock_), [this] { wake_->notify(); }, error);
  if (host_ != nullptr) return std::nullopt;
  switch (error->kind) {
    case frontend::OpenFailure::kLocked:
      return fail(kExitTemporary, "locked", error->error);
    case frontend::OpenFailure::kData:
      return fail(kExitData, "recovery_failed", error->error);
    case frontend::OpenFailure::kIo:
      break;
  }
  return fail(kExitIo, "recovery_failed", error->error);
}

std::optional<int> App::open_server() {
  frontend::ServerOptions options;
  options.client_endpoint = listen_.empty() ? options_.listen : listen_;
  options.control_endpoint = control_.empty() ? options_.control : control_;
  options.sessions.ttl = options_.session_ttl;
  options.sessions.sessions_max = options_.sessions_max;
  options.software = "sluice/" + options_.version;
  options.build.version = options_.version;
  options.build.revision = options_.revision;
  options.keys = keys_;
  options.curve_secret = curve_secret_;
  options.guard.strangers_max = options_.strangers_max;
  // As long again for the HELLO behind the handshake.
  options.guard.hello_timeout = 2 * options_.handshake_timeout;
  options.handshake_timeout = options_.handshake_timeout;
  options.rotation.quiet = options_.rotate_quiet;
  options.rotation.deadline = options_.rotate_deadline;
  auto server = BrokerServer::open({*host_, *wake_, clock_, board_}, options, hooks());
  if (!server.has_value()) {
    const bool flags = server.error().code() == base::ErrorCode::kInvalidArgument;
    return fail(flags ? kExitUsage : kExitTemporary, "listen_failed", server.error());
  }
  server_ = std::move(*server);
  if (!next_key_) return std::nullopt;
  // A rotation that was under way when the broker stopped goes on.
  const base::Status followed = server_->follow_keys(clock_.now(), curve_secret_, next_key_);
  if (!followed.has_value()) return fail(kExitTemporary, "listen_failed", followed.error());
  return std::nullopt;
}

// All of them or, where one cannot be, none: what runs is what some set of files says.
base::Status App::apply(const std::vector<LoadedQueue>& queues) {
  std::vector<broker::QueueConfig> configs;
  std::string problems;
  std::size_t new_ones = 0;
  for (const LoadedQueue& loaded : queues) {
    tell_passed_over(loaded.queue);
    auto config = to_queue_config(loaded.queue, options_.shards);
    base::Status fits = config.has_value() ? host_->check_configure(*config, new_ones)
                                           : base::Status(config.error());
    if (!fits.has_value()) {
      if (!problems.empty()) problems += '\n';
      problems += loaded.place() + ": " + fits.error().message();
      continue;
    }
    if (!host_->find_queue(config->name)) ++new_ones;
    configs.push_back(*std::move(config));
  }
  if (!problems.empty()) return base::failed_precondition(problems);
  for (std::size_t i = 0; i < queues.size(); ++i) {
    const LoadedQueue& loaded = queues[i];
    const auto queue = host_->configure(clock_.now(), configs[i]);
    if (!queue.has_value()) return queue.error().with_prefix(loaded.place());
    host_->note_manifest(*queue, loaded.revision);
    base::log_debug("queue_configured",
                    {{"queue", loaded.queue.metadata.name}, {"id", queue->to_hex()}});
  }
  return {};
}

base::Status App::read_keys() {
  if (options_.keys.empty()) {
    if (options_.insecure_plain_text) {
      base::log_warn("insecure_plain_text", {{"listen", options_.listen}});
    }
    return {};
  }
  ASSIGN_OR_RETURN(access::BrokerKeys keys, access::read_broker_keys(options_.keys));
  keys_ = std::make_shared<const access::KeyRing>(std::move(keys.ring));
  curve_secret_ = std::move(keys.secret);
  next_key_ = std::move(keys.next);
  listen_ = std::move(keys.listen);
  control_ = std::move(keys.control);
  base::log_info("keys_read", {{"keys", keys_->size()}});
  return {};
}

// On the loop thread, once a second: a mounted folder changes without a word. A folder that is
// wrong leaves the keys as they are.
std::shared_ptr<const access::KeyRing> App::new_keys() {
  auto keys = access::read_broker_keys(options_.keys);
  if (!keys.has_value()) {
    tell_keys_problem(keys.error().message());
    return nullptr;
  }
  const base::Status followed = server_->follow_keys(clock_.now(), keys->secret, keys->next);
  tell_keys_problem(followed.has_value() ? "" : followed.error().message());
  if (keys->ring == *keys_) return nullptr;
  keys_ = std::make_shared<const access::KeyRing>(std::move(keys->ring));
  base::log_info("keys_read", {{"keys", keys_->size()}});
  return keys_;
}

// Each problem once; an empty text = there is none any more.
void App::tell_keys_problem(const std::string& text) {
  if (keys_problem_ == text) return;
  keys_problem_ = text;
  if (!text.empty()) base::log_error("keys_refused", {{"error", keys_problem_}});
}

// On the loop thread. What cannot be applied leaves the broker as it is.
void App::reload() {
  server_->look_at_keys(clock_.now());
  const auto queues = load_manifests(options_.files);
  const base::Status status = queues.has_value() ? apply(*queues) : queues.error();
  if (status.has_value()) {
    base::log_info("manifests_applied");
  } else {
    base::log_error("manifest_refused", {{"error", status.error().message()}});
  }
}

frontend::ServerHooks App::hooks() {
  frontend::ServerHooks hooks;
  hooks.stat = [](const frontend::http::ProcessStats& stats,
                  std::string_view queue) -> base::Result<std::string> {
    if (queue.empty()) return frontend::http::queues_json(stats);
    auto json = frontend::http::queue_json(stats, queue);
    if (json) return std::move(*json);
    return base::not_found("queue: there is none named \"" + std::string(queue) + "\"");
  };
  if (keys_ != nullptr) hooks.new_keys = [this] { return new_keys(); };
  hooks.observe = [](const frontend::http::ProcessStats& stats) {
    return frontend::http::queues_json(stats);
  };
  if (options_.shards > 1) {
    hooks.shard_endpoints = [this](std::uint16_t port) {
      return shard_endpoints(options_.shard_endpoints, options_.shards, port);
    };
  }
  hooks.configure = [this](BrokerHost& host, base::Now now,
                           std::string_view text) -> base::Result<base::QueueId> {
    ASSIGN_OR_RETURN(const std::vector<api::Queue> queues, api::parse_queues("manifest", text));
    if (queues.size() != 1) return base::invalid_argument("manifest: one Queue is expected");
    tell_passed_over(queues.front());
    ASSIGN_OR_RETURN(const broker::QueueConfig config,
                     to_queue_config(queues.front(), options_.shards));
    ASSIGN_OR_RETURN(const base::QueueId queue, host.configure(now, config));
    host.note_manifest(queue, wire::manifest_revision(text));
    return queue;
  };
  return hooks;
}

}  // namespace

int run_broker(const BrokerOptions& options) {
  base::LogOptions log;
  log.level = options.log_level;
  log.format = options.log_format;
  const runtime::SystemClock clock;
  log.clock = [clock] { return clock.wall_now(); };
  base::process_logger().configure(std::move(log));
  runtime::SignalThread::block();
  raise_descriptor_limit();
  return App(options).run();
}

}  // namespace sluice::sidecar
