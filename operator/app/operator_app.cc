#include "operator/app/operator_app.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "client/zmq_keys.h"
#include "frontend/http/http_address.h"
#include "frontend/http/prometheus_text.h"
#include "frontend/http/resource_stats.h"
#include "frontend/http/router.h"
#include "frontend/http/server.h"
#include "kube/cpprest_transport.h"
#include "kube/elector.h"
#include "kube/event_recorder.h"
#include "kube/http_api.h"
#include "operator/app/cluster_access.h"
#include "operator/app/controller.h"
#include "operator/app/counted_api.h"
#include "operator/app/exit_code.h"
#include "operator/app/heap_trim.h"
#include "operator/autoscale/reason.h"
#include "operator/link/zmq_links.h"
#include "operator/scaler/scaler.h"
#include "runtime/posix/random.h"
#include "runtime/posix/signal_thread.h"
#include "runtime/posix/system_clock.h"

namespace sluice::op {
namespace {

namespace http = frontend::http;

// A worker that is at one broker for longer than this hangs; calls end by themselves long before.
constexpr base::Nanos kHang = std::chrono::minutes(10);

class CurveKeyMaker final : public reconcile::KeyMaker {
 public:
  reconcile::KeyPair make() override {
    const auto pair = client::make_key_pair();
    CHECK(pair.has_value());  // fails only where libzmq has no CURVE
    return {pair->public_key, pair->secret_key};
  }
  std::optional<std::string> public_key_of(const std::string& secret_key) override {
    auto key = client::public_key_of(secret_key);
    return key.has_value() ? std::optional(*std::move(key)) : std::nullopt;
  }
};

// Waits that a stop cuts short.
class StopFlag {
 public:
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  // False = stopped.
  bool wait(base::Millis time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [this] { return stopped_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
};

// What main waits for, posted by other threads.
class Mailbox {
 public:
  enum class Kind : std::uint8_t { kStop, kSynced, kLeading, kLost };
  void post(Kind kind) {
    const std::lock_guard lock(mutex_);
    switch (kind) {
      case Kind::kStop:
        stop_ = true;
        break;
      case Kind::kSynced:
        synced_ = true;
        break;
      case Kind::kLeading:
        leading_ = true;
        break;
      case Kind::kLost:
        lost_ = true;
        break;
    }
    changed_.notify_all();
  }
  // Until this process leads; false: it is to end.
  bool wait_for_lead() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stop_ || lost_ || leading_; });
    return !stop_ && !lost_;
  }
  // The same, until everything was listed.
  bool wait_for_lists() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stop_ || lost_ || synced_; });
    return !stop_ && !lost_;
  }
  // False: not within this time.
  bool wait_for_end(base::Millis time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return stop_ || lost_; });
  }
  bool lost() {
    const std::lock_guard lock(mutex_);
    return lost_;
  }
  bool leading() {
    const std::lock_guard lock(mutex_);
    return leading_ && !lost_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  bool synced_ = false;
  bool leading_ = false;
  bool lost_ = false;
};

// The operator and everything around it, from the first connection to the orderly stop. Members
// stand in the order in which they start; they stop the other way round.
class App {
 public:
  explicit App(const OperatorOptions& options) : options_(options) {}

  int run();

 private:
  int fail(int code, std::string_view event, const base::Error& error) {
    base::log_error(event, {{"error", error.message()}, {"exit_code", code}});
    return code;
  }
  base::Status connect();
  base::Result<std::unique_ptr<kube::HttpTransport>> make_transport(base::Millis deadline);
  kube::HttpApiSeams api_seams(kube::HttpTransport& transport);
  void make_controller();
  ScalingResults scaling_of(const std::string& key);
  void cordon(const std::string& key, std::size_t shard, const std::string& pod, base::Millis lease,
              std::function<void(base::Result<std::uint64_t>)> done);
  void fill_scaling(OperatorStats& stats) const;
  void elect();
  std::optional<std::uint64_t> epoch();
  void met_epoch(std::uint64_t epoch);
  std::optional<int> serve();
  std::string metrics_page();
  void work();
  void shut_down();

  const OperatorOptions& options_;
  runtime::SystemClock clock_;
  StopFlag stopping_;
  Mailbox mailbox_;
  OperatorCounters counters_;
  CurveKeyMaker keys_;
  std::string api_host_;
  std::string own_namespace_;
  std::unique_ptr<kube::HttpTransport> transport_;
  std::unique_ptr<kube::HttpTransport> election_transport_;
  std::unique_ptr<kube::HttpApi> http_api_;
  std::unique_ptr<kube::HttpApi> election_api_;
  std::mutex own_epoch_mutex_;                 // guards own_epoch_
  std::uint64_t own_epoch_ = 0;                // without election
  std::atomic<std::uint64_t> passed_over_{0};  // the epoch that was told of last
  std::unique_ptr<kube::Elector> elector_;
  std::unique_ptr<CountedApi> api_;
  std::unique_ptr<kube::EventRecorder> recorder_;
  std::unique_ptr<link::BrokerLinks> links_;
  // It outlives the controller, whose links tell it what they hear.
  std::unique_ptr<Scaler> scaler_;
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<http::Server> server_;
};

base::Result<std::unique_ptr<kube::HttpTransport>> App::make_transport(base::Millis deadline) {
  ASSIGN_OR_RETURN(kube::ClusterAccess access, open_cluster(options_, clock_));
  const std::size_t scheme = access.server.find("://");
  api_host_ = access.server.substr(scheme == std::string::npos ? 0 : scheme + 3);
  own_namespace_ = access.name_space;
  kube::TransportOptions transport;
  transport.user_agent = "sluice-operator/" + options_.version;
  transport.call_deadline = deadline;
  transport.call_idle = std::min(transport.call_idle, deadline);
  return kube::make_cpprest_transport(std::move(access), transport);
}

kube::HttpApiSeams App::api_seams(kube::HttpTransport& transport) {
  return {transport,
          clock_,
          [this](base::Millis time) { return stopping_.wait(time); },
          [this](std::string_view method, int status, base::Millis taken) {
            counters_.request(method, status, taken);
          },
          {}};
}

base::Status App::connect() {
  ASSIGN_OR_RETURN(transport_, make_transport(base::Millis(30'000)));
  // A renewal that hangs costs the lease, and what is late is asked again by the election itself.
  ASSIGN_OR_RETURN(election_transport_, make_transport(base::Millis(4'000)));
  kube::HttpApiSeams seams = api_seams(*transport_);
  // The election exists before the first write; without one, this process is the only one.
  seams.may_write = [this] { return elector_ == nullptr ? base::Status() : elector_->may_write(); };
  http_api_ = std::make_unique<kube::HttpApi>(std::move(seams));
  kube::RetryOptions once;
  once.tries_max = 1;
  election_api_ = std::make_unique<kube::HttpApi>(api_seams(*election_transport_), once);
  return {};
}

std::optional<std::uint64_t> App::epoch() {
  if (elector_ != nullptr) return elector_->epoch();
  const std::lock_guard lock(own_epoch_mutex_);
  return own_epoch_;
}

void App::met_epoch(std::uint64_t epoch) {
  if (elector_ != nullptr ? !elector_->met_epoch(epoch)
                          : !kube::is_credible_epoch(epoch, clock_.wall_now())) {
    // Its broker will refuse all calls; the others must not.
    if (passed_over_.exchange(epoch) != epoch) {
      base::log_warn("epoch_passed_over", {{"epoch", epoch}});
    }
    return;
  }
  if (elector_ != nullptr) return;
  const std::lock_guard lock(own_epoch_mutex_);
  if (epoch > own_epoch_) own_epoch_ = epoch + 1;
}

void App::elect() {
  if (!options_.leader_elect) {
    own_epoch_ = static_cast<std::uint64_t>(clock_.wall_now().value()) / 1'000;
    mailbox_.post(Mailbox::Kind::kLeading);
    return;
  }
  kube::ElectionOptions election;
  election.name_space =
      options_.lease_namespace.empty() ? own_namespace_ : options_.lease_namespace;
  election.lease_name = options_.lease_name;
  // Another process of the same pod is another one.
  election.identity = options_.identity + "_" + std::to_string(runtime::random_seed());
  kube::ElectorHooks hooks;
  hooks.on_leading = [this](std::uint64_t epoch) {
    base::log_info("leading", {{"epoch", epoch}});
    mailbox_.post(Mailbox::Kind::kLeading);
  };
  hooks.on_lost = [this] { mailbox_.post(Mailbox::Kind::kLost); };
  hooks.on_epoch = [](std::uint64_t epoch) { base::log_info("epoch_raised", {{"epoch", epoch}}); };
  hooks.on_problem = [](const std::string& problem) {
    base::log_warn("election_trouble", {{"error", problem}});
  };
  elector_ = std::make_unique<kube::Elector>(*election_api_, std::move(election), clock_,
                                             runtime::random_seed(), std::move(hooks));
}

void App::make_controller() {
  api_ = std::make_unique<CountedApi>(*http_api_, options_.exit_after_calls);
  recorder_ = std::make_unique<kube::EventRecorder>(
      *api_, kube::EventSource{"sluice.dev/operator", options_.identity}, clock_,
      [](const base::Error& error) {
        base::log_debug("event_lost", {{"error", error.message()}});
      });
  // Callbacks run on the links' thread: the book of links lets them in from any.
  links_ = link::make_zmq_links(clock_, [](const std::function<void()>& call) { call(); });
  ControllerOptions controller;
  controller.workers = options_.workers;
  controller.cluster_rights = options_.name_space.empty();
  controller.reconcile.image = options_.broker_image;
  controller.reconcile.version = options_.broker_version;
  controller.reconcile.image_pull_policy = options_.image_pull_policy;
  controller.reconcile.upgrade_brokers = options_.upgrade_brokers;
  controller.reconcile.operator_namespace = own_namespace_;
  controller_ = std::make_unique<Controller>(
      ControllerSeams{*api_, *links_, clock_, keys_, counters_,
                      [this](kube::EventNote note) { recorder_->record(std::move(note)); },
                      [this] { return epoch(); }, [this](std::uint64_t epoch) { met_epoch(epoch); },
                      [this](const std::string& key) { return scaling_of(key); },
                      [this](const std::string& key, std::size_t /*shard*/,
                             const std::shared_ptr<const link::BrokerObservation>& /*told*/) {
                        scaler_->observed(key);
                      }},
      std::move(controller));
  scaler_ = std::make_unique<Scaler>(ScalerSeams{
      *api_, clock_, [this](kube::EventNote note) { recorder_->record(std::move(note)); },
      [this](const std::string& key) { return controller_->links().shards(key); },
      [this](const std::string& key, std::size_t shard, const std::string& pod, base::Millis lease,
             std::function<void(base::Result<std::uint64_t>)> done) {
        cordon(key, shard, pod, lease, std::move(done));
      },
      [this](const std::string& key) { controller_->work().add(key); },
      [this](const ScalingStatus& status, base::Nanos latency) {
        counters_.scaled(status.name_space, status.queue, status.subscription,
                         std::string(autoscale::to_string(status.reason)));
        counters_.scaling_latency(latency);
      }});
}

// A plan is about to be made: the scaler learns which Queues there are, and says how it stands.
ScalingResults App::scaling_of(const std::string& key) {
  scaler_->follow(key, controller_->view().queues(key));
  scaler_->observed(key);
  return scaler_->results(key);
}

void App::cordon(const std::string& key, std::size_t shard, const std::string& pod,
                 base::Millis lease, std::function<void(base::Result<std::uint64_t>)> done) {
  const auto link = controller_->links().link(key, shard);
  const auto leads = epoch();
  if (link == nullptr || !leads) {
    done(base::unavailable("no link to the broker, or no lease"));
    return;
  }
  link->cordon(*leads, pod, lease, std::move(done));
}

void App::fill_scaling(OperatorStats& stats) const {
  const base::MonoTime now = clock_.mono_now();
  for (const ScalingStatus& status : scaler_->statuses()) {
    ScalingSeries& series = stats.scaling.emplace_back();
    series.name_space = status.name_space;
    series.queue = status.queue;
    series.subscription = status.subscription;
    if (status.current) series.current = *status.current;
    if (status.desired) series.desired = *status.desired;
    series.min = status.min;
    series.max = status.max;
    series.limited_by = autoscale::to_string(status.limited_by);
    if (autoscale::is_held(status.reason)) series.held_reason = autoscale::to_string(status.reason);
    if (status.told_at) {
      series.observation_age_seconds = static_cast<double>(now - *status.told_at) / 1e9;
    }
  }
}

std::string App::metrics_page() {
  OperatorStats stats;
  controller_->fill(stats);
  counters_.fill(stats);
  fill_scaling(stats);
  stats.api_host = api_host_;
  stats.lease_name = options_.lease_name;
  stats.leads = mailbox_.leading();
  stats.epoch = stats.leads ? epoch().value_or(0) : 0;
  stats.resources = http::read_resource_stats();
  stats.version = options_.version;
  stats.revision = options_.revision;
  if (!stats.leads) stats.queues_by_state.clear();
  return http::to_prometheus_text(operator_metrics(stats));
}

std::optional<int> App::serve() {
  if (options_.listen_http.empty()) return std::nullopt;
  const auto address = http::parse_http_address(options_.listen_http);
  CHECK(address.has_value());  // the command line was checked
  auto router = std::make_shared<http::Router>();
  router->get("/metrics", [this](const http::Request&) {
    return http::text_response(200, http::kPrometheusType, metrics_page());
  });
  router->get("/healthz", [this](const http::Request&) {
    if (controller_->work().stats().longest_running > kHang) {
      return http::error_response(503, "a worker has not come back from one broker for 10 minutes");
    }
    return http::text_response(200, http::kJsonType, "{\"status\":\"ok\"}\n");
  });
  router->get("/readyz", [this](const http::Request&) {
    // One that waits to lead has nothing to list yet.
    if (mailbox_.leading() && !controller_->view().synced()) {
      return http::error_response(503, "the cluster's objects are being listed");
    }
    return http::text_response(200, http::kJsonType, "{\"status\":\"ok\"}\n");
  });
  http::ServerOptions server;
  server.host = address->host;
  server.port = address->port;
  auto started = http::Server::start(
      server, [router](const http::Request& request) { return router->handle(request); });
  if (!started.has_value()) {
    return fail(kExitTemporary, "http_failed", started.error().with_prefix("--listen-http"));
  }
  server_ = std::move(*started);
  return std::nullopt;
}

void App::work() {
  kube::ReflectorHooks hooks;
  hooks.observe = [this](std::string_view method, int status) {
    counters_.request(method, status);
  };
  hooks.on_synced = [this] { mailbox_.post(Mailbox::Kind::kSynced); };
  hooks.on_problem = [](const std::string& problem) {
    if (!problem.empty()) base::log_warn("watch_trouble", {{"error", problem}});
  };
  base::log_info("started", {{"version", options_.version},
                             {"api_server", api_host_},
                             {"namespace", options_.name_space},
                             {"http", server_ == nullptr ? 0 : int{server_->port()}}});
  if (!mailbox_.wait_for_lead()) return;
  // Only now, so that everything that is known is from after the last word of whoever led before:
  // what was seen earlier could be a past in which a Queue is missing.
  controller_->view().start(*transport_, clock_, options_.name_space, runtime::random_seed(),
                            hooks);
  if (!mailbox_.wait_for_lists()) return;
  base::log_info("working", {{"queues", controller_->view().all_queues().size()}});
  scaler_->start();
  controller_->start_workers();
  HeapTrim trim;
  while (!mailbox_.wait_for_end(HeapTrim::kLookEach)) {
    if (!trim.is_due(controller_->work().stats(), clock_.mono_now())) continue;
    controller_->forget_counts();
    malloc_trim(0);
  }
}

void App::shut_down() {
  stopping_.stop();
  if (server_ != nullptr) server_->stop();
  scaler_->stop();
  controller_->stop_workers();
  controller_->hand_over();
  controller_->view().stop();
  // After the last write: whoever takes the lease now meets nobody.
  recorder_.reset();
  if (elector_ != nullptr) elector_->release();
}

int App::run() {
  if (const base::Status status = connect(); !status.has_value()) {
    return fail(kExitConfig, "no_cluster", status.error());
  }
  elect();
  make_controller();
  if (const auto code = serve()) return *code;
  {
    const runtime::SignalThread signals([this](int signal) {
      if (signal == SIGHUP) return;
      base::log_info("stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
      stopping_.stop();
      mailbox_.post(Mailbox::Kind::kStop);
    });
    work();
    shut_down();
  }
  if (mailbox_.lost()) {
    return fail(kExitTemporary, "lease_lost",
                base::unavailable("the lease could not be renewed in time; another replica takes "
                                  "over, and this process begins anew"));
  }
  base::log_info("stopped");
  return kExitOk;
}

}  // namespace

int run_operator(const OperatorOptions& options) {
  runtime::SignalThread::block();
  const runtime::SystemClock clock;
  base::LogOptions log;
  log.level = options.log_level;
  log.format = options.log_format;
  log.clock = [clock] { return clock.wall_now(); };
  base::process_logger().configure(std::move(log));
  return App(options).run();
}

}  // namespace sluice::op
