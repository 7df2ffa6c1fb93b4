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
constexpr base::Nanos kDoorsInterval{1'000'000'000};
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
    const auto& open = server->hooks_.open_gatekeeper;
    ASSIGN_OR_RETURN(server->gatekeeper_,
                     open ? open(server->context_, options.keys)
                          : ZmqGatekeeper::open(server->context_, options.keys));
    server->probe_.emplace(server->context_);
  }
  Doors& doors = server->doors_;
  RETURN_IF_ERROR(doors.open(Port::kClient, options.client_endpoint, options.curve_secret));
  RETURN_IF_ERROR(doors.open(Port::kControl, options.control_endpoint, options.curve_secret));
  BrokerHost& host = parts.host;
  server->dispatch_ = std::make_unique<FrameDispatch>(
      FrameDispatch::Parts{server->sessions_, host, host.gate(), host.messages(), doors, doors},
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
      doors_(context_, options.rotation, options.handshake_timeout),
      sessions_(options.sessions, parts.host.incarnation(),
                [] { return base::SessionId(runtime::random_id128()); }),
      watch_(doors_, sessions_, options.guard),
      posts_(parts.wake),
      keys_(options.keys),
      busy_at_(parts.clock.mono_now()) {}

BrokerServer::~BrokerServer() { posts_.close(); }

DispatchHooks BrokerServer::dispatch_hooks() {
  DispatchHooks hooks;
  hooks.admitted = [this](base::Now now, Peer peer) {
    if (receiving_ != nullptr) watch_.admit(now, *receiving_, peer);
  };
  hooks.random_id = [] { return runtime::random_id128(); };
  hooks.stat = [this](base::Now now, std::string_view queue) {
    return hooks_.stat(*refresh_stats(now), queue);
  };
  hooks.observe = [this](base::Now now) {
    return DispatchHooks::Observation{host_.revision(), hooks_.observe(*refresh_stats(now))};
  };
  hooks.picture = [this](base::Now now) {
    const base::MonoTime begin = clock_.mono_now();
    ControlPicture picture = host_.control_picture(now);
    if (keys_ != nullptr) {
      picture.server_keys = doors_.keys();
      picture.sessions_to_move = doors_.sessions_to_move();
    }
    picture.cost = base::Nanos(clock_.mono_now() - begin);
    return picture;
  };
  if (hooks_.shard_endpoints) {
    hooks.shard_endpoints = [this](Peer peer) {
      return hooks_.shard_endpoints(doors_.port_number(peer));
    };
  }
  hooks.show_epoch = [this](std::uint64_t epoch) { return host_.leader_epoch().show(epoch); };
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
  RETURN_IF_ERROR(receive());
  const base::Now now = clock_.now();
  do_timed_work(now);
  host_.hand_over();
  release(now);
  dispatch_->send_pieces(now);
  flush_outboxes(now);
  // Releasing may have appended: what nobody could be given goes back.
  host_.hand_over();
  rest_when_idle(now);
  return {};
}

base::Status BrokerServer::receive() {
  const bool congested = host_.congested();
  waited_.clear();
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    if (congested && doors_.port(i) == Port::kClient) continue;
    waited_.push_back({doors_.router(i).handle()});
  }
  watch_.add_to(waited_);
  const std::size_t others = waited_.size();
  if (gatekeeper_ != nullptr) waited_.push_back({gatekeeper_->handle()});
  if (zmq_wait(waited_, wake_.fd(), timeout_ms())) {
    wake_.clear();
    RETURN_IF_ERROR(host_.collect());
    // May open and close doors.
    posts_.run();
  }
  const base::Now now = clock_.now();
  if (waited_.size() > others && waited_.back().ready) gatekeeper_->serve(now.mono);
  watch_.look(now);
  // The control port first: what it asks for is little.
  for (const Port port : {Port::kControl, Port::kClient}) {
    for (std::size_t i = 0; i < doors_.size(); ++i) {
      if (doors_.port(i) != port || !is_ready(doors_.router(i))) continue;
      receiving_ = &doors_.router(i);
      drain(*receiving_);
      receiving_ = nullptr;
    }
  }
  return {};
}

bool BrokerServer::is_ready(ZmqRouter& router) const {
  return std::any_of(waited_.begin(), waited_.end(), [&](const ZmqWaited& waited) {
    return waited.ready && waited.socket == router.handle();
  });
}

void BrokerServer::drain(ZmqRouter& router) {
  const base::Now now = clock_.now();
  for (int frames = 0; frames < kFramesPerRound; ++frames) {
    const Inbound inbound = router.receive();
    switch (inbound.kind) {
      case Inbound::Kind::kNone:
        return;
      case Inbound::Kind::kFrame:
        if (watch_.refuses(now, router, inbound.peer, inbound.frame.size())) {
          dispatch_->receive_junk(inbound.peer, "frame: too large before a hello");
          break;
        }
        dispatch_->receive(now, inbound.peer, inbound.frame, inbound.user);
        break;
      case Inbound::Kind::kParts:
        dispatch_->receive_junk(inbound.peer, "message: one frame behind the routing id");
        break;
      case Inbound::Kind::kStranger:
        dispatch_->receive_stranger(inbound.peer);
        break;
      case Inbound::Kind::kNobody:
        refuse_chosen_id(now, router, inbound.user);
        break;
    }
    if (clock_.mono_now() - now.mono >= kTimePerRound.count()) return;
  }
}

void BrokerServer::refuse_chosen_id(base::Now now, ZmqRouter& router, std::string_view user) {
  const bool untold = watch_.refuses_chosen_id(now, router, key_id(user));
  const base::ByteView error = dispatch_->receive_nobody();
  if (untold) router.answer_or_drop(error);
}

std::string_view BrokerServer::key_id(std::string_view user) const {
  const auto grant = keys_ == nullptr ? nullptr : keys_->find(user);
  return grant == nullptr ? std::string_view() : std::string_view(grant->id);
}

void BrokerServer::release(base::Now now) {
  host_.release([&](Effect&& effect) { dispatch_->pass(now, std::move(effect)); });
}

void BrokerServer::do_timed_work(base::Now now) {
  const std::optional<base::MonoTime> sessions_due = dispatch_->next_tick();
  if (sessions_due && *sessions_due <= now.mono) dispatch_->tick(now);
  if (host_.tick_wanted() || !host_due_ || *host_due_ <= now.mono) host_due_ = host_.tick(now);
  if (stats_due_ <= now.mono) refresh_stats(now);
  // On a clock of its own: whoever asks for statistics puts the next ones off.
  if (doors_due_ > now.mono) return;
  doors_due_ = now.mono + kDoorsInterval;
  look_at_keys(now);
  if (probe_) probe_->tick();
  doors_.tick(now, sessions_);
  forget_closed_doors(now);
  watch_.tick(now);
}

void BrokerServer::look_at_keys(base::Now now) {
  if (keys_ == nullptr || !hooks_.new_keys) return;
  if (auto keys = hooks_.new_keys()) {
    keys_ = std::move(keys);
    if (gatekeeper_ != nullptr) gatekeeper_->set_ring(keys_);
    dispatch_->set_keys(now, keys_);
  }
}

base::Status BrokerServer::follow_keys(base::Now now, const std::string& secret,
                                       const std::optional<access::NextKey>& next) {
  CHECK(keys_ != nullptr);
  base::Status status = doors_.follow(now, secret, next);
  forget_closed_doors(now);
  return status;
}

void BrokerServer::forget_closed_doors(base::Now now) {
  for (const std::uint8_t door : doors_.take_closed()) {
    for (const Peer peer : sessions_.peers_of(door)) dispatch_->disconnected(now, peer);
    watch_.closed(door);
  }
}

void BrokerServer::flush_outboxes(base::Now now) {
  for (const Peer peer : doors_.flush()) dispatch_->disconnected(now, peer);
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
  if (doors_.has_waiting()) return kOutboxPollMs;
  base::MonoTime due = std::min(stats_due_, doors_due_);
  if (host_due_) due = std::min(due, *host_due_);
  if (host_.tick_wanted() || dispatch_->has_pieces()) return 0;
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
  stats->transport.connections = static_cast<std::uint32_t>(watch_.guard().connections());
  stats->transport.connections_opened = watch_.guard().opened();
  stats->transport.connections_closed = watch_.guard().closed();
  stats->transport.frames_received = dispatch_->counters().frames_received;
  stats->transport.frames_sent = doors_.frames_sent();
  stats->transport.frames_refused_by_code = dispatch_->counters().refused_by_code;
  stats->transport.denied_by_role = dispatch_->counters().denied_by_role;
  if (keys_ != nullptr) {
    stats->transport.keys = static_cast<std::uint32_t>(keys_->size());
    stats->transport.server_keys = doors_.keys();
    stats->transport.sessions_to_move = doors_.sessions_to_move();
    stats->transport.gatekeeper_answers = probe_->answers();
  }
  auto& failures = stats->transport.handshake_failures_by_reason;
  failures = watch_.failures();
  if (keys_ != nullptr) {
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
  doors_.close(kLingerMs);
  return host_.close();
}

}  // namespace sluice::frontend
