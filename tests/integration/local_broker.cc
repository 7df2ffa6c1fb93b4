#include "tests/integration/local_broker.h"

#include <cstdlib>
#include <filesystem>
#include <future>
#include <utility>

#include "base/check.h"
#include "frontend/http/queue_json.h"
#include "runtime/posix/random.h"

namespace sluice::test {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = std::filesystem::temp_directory_path().string() + "/sluice-test-XXXXXX";
  CHECK(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

broker::QueueConfig plain_queue(const std::string& name) {
  broker::QueueConfig config;
  config.name = name;
  config.limits.messages_max = 100'000'000;
  config.subscriptions.emplace_back().name = "default";
  return config;
}

LocalBroker::LocalBroker(const std::string& folder, const LocalBrokerOptions& options) {
  auto wake = runtime::Wakeup::create();
  CHECK(wake.has_value());
  wake_ = std::move(*wake);
  std::promise<void> started;
  std::future<void> running = started.get_future();
  thread_ = std::thread([&, this] {
    std::optional<frontend::HostError> error;
    frontend::HostOptions host_options;
    host_options.folder = folder;
    host_options.log.segment_bytes = options.segment_bytes;
    host_options.log.snapshot_every_segments = options.snapshot_every_segments;
    host_options.log.owner = "a test";
    host_options.log.random_id = [] { return runtime::random_id128(); };
    host_options.broker.session_ttl = options.session_ttl;
    host_options.software = "sluice/test";
    host_options.broker.hosted_shard = options.shard;
    host_options.broker.shards = options.shards;
    const auto host = frontend::BrokerHost::open(
        fs_, clock_, host_options, [this] { wake_->notify(); }, error);
    CHECK(host != nullptr);
    unclean_ = host->report().unclean;
    for (const broker::QueueConfig& queue : options.queues) {
      CHECK(host->configure(clock_.now(), queue).has_value());
    }
    CHECK(host->flush().has_value());
    frontend::ServerOptions server_options;
    server_options.client_endpoint = options.client_endpoint;
    server_options.control_endpoint = "tcp://127.0.0.1:0";
    server_options.software = host_options.software;
    server_options.sessions.ttl = options.session_ttl;
    server_options.sessions.sessions_max = options.sessions_max;
    server_options.keys = options.keys;
    server_options.curve_secret = options.curve_secret;
    server_options.rotation = options.rotation;
    server_options.guard = options.guard;
    server_options.handshake_timeout = options.handshake_timeout;
    frontend::ServerHooks hooks;
    hooks.stat = [](const frontend::http::ProcessStats& stats,
                    std::string_view) -> base::Result<std::string> {
      return frontend::http::queues_json(stats);
    };
    hooks.observe = [](const frontend::http::ProcessStats& stats) {
      return frontend::http::queues_json(stats);
    };
    hooks.configure = options.configure;
    if (options.shard_endpoints) {
      hooks.shard_endpoints = [all = options.shard_endpoints](std::uint16_t) { return all(); };
    }
    hooks.open_gatekeeper = options.open_gatekeeper;
    auto server = frontend::BrokerServer::open({*host, *wake_, clock_, board_}, server_options,
                                               std::move(hooks));
    CHECK(server.has_value());
    server_ = server->get();
    endpoint_ = server_->client_endpoint();
    control_endpoint_ = server_->control_endpoint();
    started.set_value();
    result_ = server_->run();
    asked_.get_future().wait();  // whoever asks for the stop still holds the server
  });
  running.wait();
}

LocalBroker::~LocalBroker() {
  if (thread_.joinable()) CHECK(stop().has_value());
}

base::Status LocalBroker::stop() {
  server_->request_stop();
  asked_.set_value();
  thread_.join();
  return result_;
}

base::Status LocalBroker::follow_keys(const std::string& secret,
                                      const std::optional<access::NextKey>& next) {
  std::promise<base::Status> followed;
  CHECK(server_->post([&] {
    base::Status status = server_->follow_keys(clock_.now(), secret, next);
    endpoint_ = server_->client_endpoint();
    control_endpoint_ = server_->control_endpoint();
    followed.set_value(std::move(status));
  }));
  return followed.get_future().get();
}

std::shared_ptr<const frontend::http::ProcessStats> LocalBroker::stats() {
  std::promise<std::shared_ptr<const frontend::http::ProcessStats>> picture;
  auto taken = picture.get_future();
  CHECK(server_->post([&] { picture.set_value(server_->refresh_stats(clock_.now())); }));
  return taken.get();
}

}  // namespace sluice::test
