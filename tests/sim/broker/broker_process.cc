#include "tests/sim/broker/broker_process.h"

#include <algorithm>

#include "base/check.h"
#include "wire/frame_codec.h"

namespace sluice::sim {
namespace {

constexpr const char* kFolder = "/data";
// As BrokerServer: one round reads so many frames before the log gets its group.
constexpr std::size_t kFramesPerRound = 256;
// What a round takes of the processor.
constexpr base::Nanos kRoundTakes{20'000};

}  // namespace

BrokerProcess::BrokerProcess(Parts parts, BrokerSettings settings, std::uint64_t seed)
    : parts_(parts),
      settings_(std::move(settings)),
      prng_(seed, "broker"),
      fs_(std::make_unique<SimFileSystem>(parts.disk, parts.lies, seed)),
      alive_(std::make_shared<bool>(true)) {}

BrokerProcess::~BrokerProcess() { kill(); }

base::Status BrokerProcess::start(std::optional<std::uint64_t> die_after) {
  if (die_after) fs_->die_after(*die_after);
  frontend::HostOptions options;
  options.folder = kFolder;
  options.log = settings_.log;
  options.log.owner = "the simulation";
  options.log.random_id = [this] { return prng_.id128(); };
  options.broker = settings_.broker;
  options.broker.session_ttl = settings_.session_ttl;
  options.broker.prng_seed = prng_.next();
  options.software = "sim";
  options.workers = [this](std::function<void()> wake) {
    return std::make_unique<SimWorkers>(parts_.scheduler, parts_.pace, prng_.next(),
                                        std::move(wake));
  };
  std::optional<frontend::HostError> error;
  host_ = frontend::BrokerHost::open(
      *fs_, parts_.clock, options,
      [this] {
        collect_wanted_ = true;
        wake();
      },
      error);
  if (host_ == nullptr) return error->error;
  const base::Now now = parts_.clock.now();
  for (const broker::QueueConfig& queue : settings_.queues) {
    if (!settings_.configures) break;
    const auto made = host_->configure(now, queue);
    if (!made.has_value()) return made.error();
  }
  RETURN_IF_ERROR(host_->flush());
  sessions_ = std::make_unique<frontend::SessionTable>(
      frontend::SessionOptions{settings_.session_ttl, 1'000}, host_->incarnation(),
      [this] { return base::SessionId(prng_.id128()); });
  dispatch_ = std::make_unique<frontend::FrameDispatch>(
      frontend::FrameDispatch::Parts{*sessions_, *host_, host_->gate(), host_->messages(), *this,
                                     *this},
      dispatch_hooks(),
      frontend::DispatchOptions{host_->incarnation(), "sim",
                                parts_.guard == nullptr ? nullptr : parts_.guard->ring()});
  parts_.network.set_broker(this);
  wake();
  return {};
}

frontend::DispatchHooks BrokerProcess::dispatch_hooks() {
  frontend::DispatchHooks hooks;
  hooks.random_id = [this] { return prng_.id128(); };
  hooks.stat = [](base::Now, std::string_view) -> base::Result<std::string> {
    return std::string("{}");
  };
  hooks.observe = [this](base::Now) {
    return frontend::DispatchHooks::Observation{host_->revision(), "{}"};
  };
  hooks.picture = [this](base::Now now) { return host_->control_picture(now); };
  hooks.show_epoch = [this](std::uint64_t epoch) { return host_->leader_epoch().show(epoch); };
  hooks.configure = [this](base::Now now, std::string_view manifest) {
    return host_->configure(now, parts_.read_manifest(manifest));
  };
  return hooks;
}

std::optional<base::Status> BrokerProcess::stop_in_order() {
  const auto stop = [&]() -> base::Status {
    do {
      RETURN_IF_ERROR(host_->drain());
      release(parts_.clock.now());
    } while (!host_->gate().empty());
    return host_->close();
  };
  std::optional<base::Status> status = stop();
  if (is_dead()) status.reset();
  kill();
  return status;
}

void BrokerProcess::kill() {
  *alive_ = false;
  dead_ = true;
  fs_->die();
  if (dispatch_ != nullptr) parts_.network.set_broker(nullptr);
  dispatch_.reset();
  sessions_.reset();
  host_.reset();
}

void BrokerProcess::pause_until(base::MonoTime until) {
  paused_until_ = std::max(paused_until_, until);
}

base::Status BrokerProcess::configure(const broker::QueueConfig& config) {
  const auto made = host_->configure(parts_.clock.now(), config);
  wake();
  if (!made.has_value()) return made.error();
  return {};
}

void BrokerProcess::change_keys() {
  dispatch_->set_keys(parts_.clock.now(), parts_.guard->ring());
  wake();
}

void BrokerProcess::on_frame(frontend::Peer peer, Bytes frame) {
  inbox_.emplace_back(peer, std::move(frame));
  wake();
}

// --- The loop.

void BrokerProcess::schedule_round(base::MonoTime at) {
  at = std::max(at, paused_until_);
  if (next_round_ && *next_round_ <= at) return;
  next_round_ = at;
  parts_.scheduler.at(at, [this, at, alive = alive_] {
    if (!*alive || next_round_ != at) return;
    next_round_.reset();
    if (parts_.scheduler.now() < paused_until_) return schedule_round(paused_until_);
    round();
  });
}

void BrokerProcess::round() {
  if (is_dead()) return;
  if (std::exchange(collect_wanted_, false)) {
    failure_ = host_->collect();
    if (!failure_.has_value()) {
      dead_ = true;
      return;
    }
  }
  base::Now now = parts_.clock.now();
  const bool congested = host_->congested();
  Bytes before;  // its copy fares as it did
  const auto more = [&](std::size_t done) {
    return !inbox_.empty() && (done < kFramesPerRound || inbox_.front().second == before);
  };
  for (std::size_t i = 0; !congested && more(i); ++i) {
    const auto [peer, frame] = std::move(inbox_.front());
    inbox_.pop_front();
    before = frame;
    const std::string& key = parts_.network.keys().at(peer);
    // Of what has no effect nobody needs to know.
    const auto header = wire::decode_header(*frame);
    const bool is_lawful = parts_.guard == nullptr || !header.has_value() ||
                           parts_.guard->is_lawful(key, header->type);
    if (is_lawful) parts_.tap.received(now, peer, *frame);
    dispatch_->receive(now, peer, *frame, key);
  }
  const std::optional<base::MonoTime> sessions_due = dispatch_->next_tick();
  if (sessions_due && *sessions_due <= now.mono) dispatch_->tick(now);
  const bool due = !host_due_ || *host_due_ <= now.mono;
  if (host_->tick_wanted() || (due && !settings_.forgets_timers)) host_due_ = host_->tick(now);
  host_->hand_over();
  release(now);
  dispatch_->send_pieces(now);
  host_->hand_over();
  plan_next(now);
}

void BrokerProcess::release(base::Now now) {
  parts_.tap.releasing(now, host_->positions());
  host_->release([&](frontend::Effect&& effect) { dispatch_->pass(now, std::move(effect)); });
}

void BrokerProcess::plan_next(base::Now now) {
  const base::MonoTime soon = now.mono + kRoundTakes;
  if (!inbox_.empty() || host_->tick_wanted() || dispatch_->has_pieces()) schedule_round(soon);
  if (const auto due = dispatch_->next_tick()) schedule_round(std::max(*due, soon));
  if (settings_.forgets_timers) return;
  schedule_round(host_due_ ? std::max(*host_due_, soon) : soon + base::Nanos(1'000'000'000));
}

// --- What leaves.

frontend::SendResult BrokerProcess::pass_on(frontend::Peer peer, Bytes frame) {
  if (sends_left_) {
    if (*sends_left_ == 0) {
      dead_ = true;
      fs_->die();
    } else {
      --*sends_left_;
    }
  }
  // Who is dead has sent nothing; what the rest of this round believes does not matter.
  if (is_dead()) return frontend::SendResult::kSent;
  switch (parts_.network.send_to_client(peer, frame)) {
    case Network::Sent::kNoPeer:
      parts_.tap.not_sent(peer);
      return frontend::SendResult::kNoPeer;
    case Network::Sent::kOverflow:
      parts_.tap.not_sent(peer);
      return frontend::SendResult::kOverflow;
    case Network::Sent::kSent:
      break;
  }
  const auto header = wire::decode_header(*frame);
  if (parts_.guard != nullptr && header.has_value() &&
      !parts_.guard->may_have(parts_.network.keys().at(peer), header->type)) {
    complaint_ = "messages went to somebody whose key may not consume";
  }
  parts_.tap.sent(parts_.clock.now(), peer, *frame);
  return frontend::SendResult::kSent;
}

frontend::SendResult BrokerProcess::send(frontend::Peer peer, base::ByteView frame) {
  return pass_on(peer, copy_bytes(frame));
}

frontend::SendResult BrokerProcess::send(frontend::Peer peer, std::size_t bytes, const Fill& fill) {
  auto frame = std::make_shared<std::vector<std::byte>>(bytes);
  if (!fill(*frame).has_value()) return frontend::SendResult::kFailed;
  return pass_on(peer, std::move(frame));
}

void BrokerProcess::send_or_drop(frontend::Peer peer, base::ByteView frame) {
  (void)pass_on(peer, copy_bytes(frame));
}

}  // namespace sluice::sim
