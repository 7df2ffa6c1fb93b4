#include "frontend/broker_server.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "frontend/http/resource_stats.h"
#include "runtime/posix/random.h"

namespace sluice::frontend {
namespace {

// One router is read for so long before the log gets its group and committed effects leave.
constexpr int kFramesPerRound = 256;
constexpr base::Nanos kTimePerRound{200'000};
constexpr base::Nanos kStatsInterval{1'000'000'000};
// Without a record for so long, memory that only speeds things up is given back.
constexpr base::Nanos kIdleAfter{3'000'000'000};
constexpr long kOutboxPollMs = 1;
// Whoever asked is answered before the sockets close, if it reads.
constexpr int kLingerMs = 500;

}  // namespace

base::Result<std::unique_ptr<BrokerServer>> BrokerServer::open(Parts parts,
                                                               const ServerOptions& options,
                                                               ServerHooks hooks) {
  std::unique_ptr<BrokerServer> server(new BrokerServer(parts, options, std::move(hooks)));
  if (options.keys != nullptr) {
    CHECK(!options.curve_secret.empty());
    ASSIGN_OR_RETURN(server->gatekeeper_, ZmqGatekeeper::open(server->context_, options.keys));
  }
  ASSIGN_OR_RETURN(server->client_,
                   ZmqRouter::open(server->context_, {.port = Port::kClient,
                                                      .endpoint = options.client_endpoint,
                                                      .curve_secret = options.curve_secret}));
  ASSIGN_OR_RETURN(server->control_,
                   ZmqRouter::open(server->context_, {.port = Port::kControl,
                                                      .endpoint = options.control_endpoint,
                                                      .curve_secret = options.curve_secret}));
  BrokerHost& host = parts.host;
  server->dispatch_ = std::make_unique<FrameDispatch>(
      FrameDispatch::Parts{server->sessions_, host, host.gate(), host.messages(), *server->client_,
                           *server->control_},
      server->dispatch_hooks(),
      DispatchOptions{host.incarnation(), options.software, options.keys});
  server->refresh_stats(parts.clock.now());
  return server;
}

BrokerServer::BrokerServer(Parts parts, const ServerOptions& options, ServerHooks hooks)
    : host_(parts.host),
      wake_(parts.wake),
      clock_(parts.clock),
      board_(parts.board),
      options_(options),
      hooks_(std::move(hooks)),
      sessions_(options.sessions, parts.host.incarnation(),
                [] { return base::SessionId(runtime::random_id128()); }),
      posts_(parts.wake),
      keys_(options.keys),
      busy_at_(parts.clock.mono_now()) {}

BrokerServer::~BrokerServer() { posts_.close(); }

DispatchHooks BrokerServer::dispatch_hooks() {
  DispatchHooks hooks;
  hooks.random_id = [] { return runtime::random_id128(); };
  hooks.stat = [this](base::Now now, std::string_view queue) {
    return hooks_.stat(*refresh_stats(now), queue);
  };
  hooks.observe = [this](base::Now now) {
    return DispatchHooks::Observation{host_.revision(), hooks_.observe(*refresh_stats(now))};
  };
  if (hooks_.configure) {
    hooks.configure = [this](base::Now now, std::string_view manifest) {
      return hooks_.configure(host_, now, manifest);
    };
  }
  return hooks;
}

void BrokerServer::request_stop() {
  stopping_.store(true, std::memory_order_release);
  wake_.notify();
}

base::Status BrokerServer::run() {
  while (!stopping_.load(std::memory_order_acquire)) RETURN_IF_ERROR(round());
  return stop();
}

// Everything that came in goes to the log before anything that is committed goes out: so the disk
// works while the answers are made.
base::Status BrokerServer::round() {
  const bool congested = host_.congested();
  const PollResult ready = zmq_wait(congested ? nullptr : client_.get(), control_.get(),
                                    gatekeeper_.get(), wake_.fd(), timeout_ms());
  if (ready.event) {
    wake_.clear();
    RETURN_IF_ERROR(host_.collect());
    posts_.run();
  }
  if (ready.gatekeeper) gatekeeper_->serve();
  if (ready.control) drain(*control_);
  if (ready.client) drain(*client_);
  const base::Now now = clock_.now();
  do_timed_work(now);
  host_.hand_over();
  release(now);
  flush_outboxes(now);
  // Releasing may have appended: what nobody could be given goes back.
  host_.hand_over();
  rest_when_idle(now);
  return {};
}

void BrokerServer::drain(ZmqRouter& router) {
  const base::Now now = clock_.now();
  for (int frames = 0; frames < kFramesPerRound; ++frames) {
    const Inbound inbound = router.receive();
    switch (inbound.kind) {
      case Inbound::Kind::kNone:
        return;
      case Inbound::Kind::kFrame:
        dispatch_->receive(now, inbound.peer, inbound.frame, inbound.user);
        break;
      case Inbound::Kind::kParts:
        dispatch_->receive_junk(inbound.peer, "message: one frame behind the routing id");
        break;
      case Inbound::Kind::kStranger:
        dispatch_->receive_stranger(inbound.peer);
        break;
      case Inbound::Kind::kNobody:
        dispatch_->receive_junk(std::nullopt, "routing id");
        break;
    }
    if (clock_.mono_now() - now.mono >= kTimePerRound.count()) return;
  }
}

void BrokerServer::release(base::Now now) {
  host_.release([&](Effect&& effect) { dispatch_->pass(now, std::move(effect)); });
}

void BrokerServer::do_timed_work(base::Now now) {
  const std::optional<base::MonoTime> sessions_due = dispatch_->next_tick();
  if (sessions_due && *sessions_due <= now.mono) dispatch_->tick(now);
  if (host_.tick_wanted() || !host_due_ || *host_due_ <= now.mono) host_due_ = host_.tick(now);
  if (stats_due_ > now.mono) return;
  refresh_stats(now);
  if (keys_ == nullptr || !hooks_.new_keys) return;
  if (auto keys = hooks_.new_keys()) {
    keys_ = std::move(keys);
    if (gatekeeper_ != nullptr) gatekeeper_->set_ring(keys_);
    dispatch_->set_keys(now, keys_);
  }
}

void BrokerServer::flush_outboxes(base::Now now) {
  for (ZmqRouter* router : {client_.get(), control_.get()}) {
    if (!router->has_waiting()) continue;
    for (const Peer peer : router->flush()) dispatch_->disconnected(now, peer);
  }
}

void BrokerServer::rest_when_idle(base::Now now) {
  if (host_.appended() != busy_end_) {
    busy_end_ = host_.appended();
    busy_at_ = now.mono;
    rested_ = false;
  }
  if (rested_ || now.mono < busy_at_ + kIdleAfter) return;
  rested_ = true;
  host_.trim_memory();
  malloc_trim(0);
}

long BrokerServer::timeout_ms() const {
  if (client_->has_waiting() || control_->has_waiting()) return kOutboxPollMs;
  base::MonoTime due = stats_due_;
  if (host_due_) due = std::min(due, *host_due_);
  if (host_.tick_wanted()) return 0;
  const std::optional<base::MonoTime> sessions_due = dispatch_->next_tick();
  if (sessions_due) due = std::min(due, *sessions_due);
  const std::int64_t wait = due - clock_.mono_now();
  if (wait <= 0) return 0;
  return static_cast<long>(wait / base::kNanosPerMilli + 1);
}

std::shared_ptr<const http::ProcessStats> BrokerServer::refresh_stats(base::Now now) {
  auto stats = std::make_shared<http::ProcessStats>();
  stats->taken_at = now.wall;
  stats->broker = host_.broker_stats(now);
  stats->storage = host_.storage_stats(now);
  stats->transport.connections = sessions_.size();
  stats->transport.frames_received = dispatch_->counters().frames_received;
  stats->transport.frames_sent = client_->frames_sent() + control_->frames_sent();
  stats->transport.frames_refused_by_code = dispatch_->counters().refused_by_code;
  stats->transport.denied_by_role = dispatch_->counters().denied_by_role;
  if (keys_ != nullptr) {
    stats->transport.keys = static_cast<std::uint32_t>(keys_->size());
    auto& failures = stats->transport.handshake_failures_by_reason;
    failures["auth"] = gatekeeper_ != nullptr ? gatekeeper_->refused() : 0;
    failures["unchecked"] = dispatch_->counters().strangers;
  }
  stats->resources = http::read_resource_stats();
  stats->build = options_.build;
  stats_due_ = now.mono + kStatsInterval;
  board_.publish(stats);
  return stats;
}

base::Status BrokerServer::stop() {
  posts_.close();
  do {
    RETURN_IF_ERROR(host_.drain());
    release(clock_.now());
  } while (!host_.gate().empty());
  flush_outboxes(clock_.now());
  client_->close(kLingerMs);
  control_->close(kLingerMs);
  return host_.close();
}

}  // namespace sluice::frontend
