#include "tests/sim/broker/client_process.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::sim {
namespace {

// What a killed process takes for each wait, so that its loops end.
constexpr std::int64_t kRunAwayMinNs = 1'000'000;
constexpr base::Nanos kLookTakes{1'000};

}  // namespace

ClientProcess::ClientProcess(Scheduler& scheduler, Network& network, std::string name,
                             std::string key, std::uint64_t seed, Body body)
    : scheduler_(scheduler),
      network_(network),
      name_(std::move(name)),
      key_(std::move(key)),
      prng_(seed, name_),
      alive_(std::make_shared<bool>(true)) {
  fiber_ = std::make_unique<Fiber>([this, body = std::move(body)] { body(*this); });
  scheduler_.after(base::Nanos(0), [this, alive = alive_] {
    if (*alive && !fiber_->done()) fiber_->resume();
  });
}

ClientProcess::~ClientProcess() {
  kill();
  *alive_ = false;
}

void ClientProcess::kill() {
  killed_ = true;
  // Nothing waits any more, so it runs to its end.
  if (!fiber_->done()) fiber_->resume();
  CHECK(fiber_->done());
}

void ClientProcess::pause_until(base::MonoTime until) {
  paused_until_ = std::max(paused_until_, until);
}

base::MonoTime ClientProcess::now() const { return scheduler_.now() + run_away_ns_; }

void ClientProcess::rest(base::Nanos time) {
  const base::MonoTime until = now() + time;
  while (now() < until) wait_until(until);
}

void ClientProcess::wait_until(base::MonoTime until) {
  if (killed_) {
    run_away_ns_ += std::max(until - now(), kRunAwayMinNs);
    return;
  }
  const std::uint64_t wait = ++waits_;
  scheduler_.at(until, [this, wait, alive = alive_] {
    if (*alive && waiting_ && waits_ == wait) resume();
  });
  waiting_ = true;
  Fiber::suspend();
  waiting_ = false;
}

void ClientProcess::wake() {
  if (!waiting_) return;
  const std::uint64_t wait = waits_;
  scheduler_.after(base::Nanos(0), [this, wait, alive = alive_] {
    if (*alive && waiting_ && waits_ == wait) resume();
  });
}

void ClientProcess::resume() {
  if (scheduler_.now() < paused_until_) {
    const std::uint64_t wait = waits_;
    scheduler_.at(paused_until_, [this, wait, alive = alive_] {
      if (*alive && waiting_ && waits_ == wait) resume();
    });
    return;
  }
  fiber_->resume();
}

std::unique_ptr<client::Connection> ClientProcess::connect() {
  client::ConnectionOptions options;
  options.client_name = name_;
  options.connect_timeout = base::Millis(60'000);
  options.prng_seed = prng_.next();
  auto opened = client::Connection::open(options, std::make_unique<SimTransport>(*this));
  return opened.has_value() ? std::move(*opened) : nullptr;
}

// --- Transport.

SimTransport::~SimTransport() {
  if (link_) process_.network_.close(*link_);
}

base::Status SimTransport::connect(std::size_t /*turn*/) {
  if (link_) process_.network_.close(*link_);
  link_.reset();
  inbox_.clear();
  lost_ = process_.killed();
  if (!lost_) link_ = process_.network_.connect(*this, process_.key_);
  return {};
}

bool SimTransport::send(base::ByteView frame) {
  if (!link_ || process_.killed()) return false;
  return process_.network_.send_to_broker(*link_, frame);
}

std::optional<client::InboundFrame> SimTransport::receive() {
  if (inbox_.empty() || process_.killed()) return std::nullopt;
  Bytes frame = std::move(inbox_.front());
  inbox_.pop_front();
  const base::ByteView bytes(*frame);
  return client::InboundFrame(std::move(frame), bytes);
}

client::Transport::Event SimTransport::wait(base::Nanos timeout) {
  // To look takes time too: who does nothing else would stop the world.
  const base::MonoTime until = now() + std::max(timeout, kLookTakes);
  for (;;) {
    if (!inbox_.empty() && !process_.killed()) return Event::kFrames;
    if (std::exchange(lost_, false)) return Event::kLost;
    if (std::exchange(interrupted_, false)) return Event::kInterrupted;
    if (now() >= until) return Event::kTimeout;
    process_.wait_until(until);
  }
}

void SimTransport::on_frame(Bytes frame) {
  inbox_.push_back(std::move(frame));
  process_.wake();
}

void SimTransport::on_lost() {
  link_.reset();
  lost_ = true;
  process_.wake();
}

}  // namespace sluice::sim
