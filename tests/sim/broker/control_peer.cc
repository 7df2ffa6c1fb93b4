#include "tests/sim/broker/control_peer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/sim/broker/guard.h"
#include "wire/frame_codec.h"

namespace sluice::sim {
namespace {

constexpr std::uint64_t kCordonEveryMs = 5'000;

}  // namespace

ControlPeer::ControlPeer(Scheduler& scheduler, Network& network, std::uint64_t seed)
    : scheduler_(scheduler),
      network_(network),
      prng_(seed, "control"),
      alive_(std::make_shared<bool>(true)) {
  link::LinkEvents events;
  events.observed = [this](std::shared_ptr<const link::BrokerObservation> observation) {
    observed(std::move(observation));
  };
  events.status_changed = [this](const link::LinkStatus& status) { connected_ = status.connected; };
  session_ =
      std::make_unique<link::LinkSession>(link::LinkOptions(), static_cast<link::LinkPort&>(*this),
                                          std::move(events), base::Prng(seed, "link"));
}

ControlPeer::~ControlPeer() {
  *alive_ = false;
  session_.reset();
  disconnect();
}

void ControlPeer::begin() {
  step();
  schedule_cordon();
}

bool ControlPeer::sees_nothing_left() const {
  if (!connected_ || seen_ == nullptr) return false;
  const auto& queues = seen_->queues;
  return std::all_of(queues.begin(), queues.end(), [](const link::QueueObservation& queue) {
    const auto& all = queue.subscriptions;
    return std::all_of(all.begin(), all.end(), [](const link::SubscriptionObservation& one) {
      return one.ready + one.in_flight + one.delayed + one.dead == 0;
    });
  });
}

void ControlPeer::observed(std::shared_ptr<const link::BrokerObservation> observation) {
  if (seen_ != nullptr && observation->incarnation < seen_->incarnation) {
    complaint_ = "the control port shows an incarnation again";
  }
  if (observation->leader_epoch < answered_epoch_) {
    complaint_ = "the control port shows a lower leader epoch than one whose call was answered";
  }
  seen_ = std::move(observation);
}

void ControlPeer::step() {
  const base::MonoTime next = session_->step(scheduler_.now());
  const std::uint64_t number = ++steps_;
  scheduler_.at(std::max(next, scheduler_.now() + base::Nanos(1'000'000)),
                [this, number, alive = alive_] {
                  if (*alive && number == steps_) step();
                });
}

void ControlPeer::schedule_cordon() {
  const base::Millis wait(1 + prng_.below(kCordonEveryMs));
  scheduler_.after(base::Nanos(wait), [this, alive = alive_] {
    if (!*alive || calm_) return;
    cordon();
    schedule_cordon();
  });
}

// Somebody's consumers, for longer or shorter, or not any more.
void ControlPeer::cordon() {
  if (seen_ == nullptr) return;
  std::vector<std::string> names;
  for (const link::QueueObservation& queue : seen_->queues) {
    for (const link::SubscriptionObservation& one : queue.subscriptions) {
      for (const link::ConsumerObservation& consumer : one.consumers) {
        names.push_back(consumer.name);
      }
    }
  }
  if (names.empty()) return;
  if (prng_.chance(0.1)) ++epoch_;
  const std::string name = names[prng_.below(names.size())];
  const auto lease_ms = static_cast<std::uint32_t>(prng_.chance(0.3) ? 0 : prng_.below(8'000));
  session_->call(
      scheduler_.now(),
      [epoch = epoch_, name, lease_ms](const wire::FrameHeader& header,
                                       std::vector<std::byte>& out) {
        wire::Cordon cordon;
        cordon.leader_epoch = epoch;
        cordon.lease_ms = lease_ms;
        cordon.consumer = name;
        wire::encode_frame(header, cordon, out);
      },
      [this, epoch = epoch_](const base::Result<const wire::Frame*>& answer) {
        if (!answer.has_value()) return;
        const auto* const cordoned = std::get_if<wire::Cordoned>(&(*answer)->body);
        if (cordoned == nullptr || cordoned->code != 0) return;
        answered_epoch_ = std::max(answered_epoch_, epoch);
      });
  step();
}

// Tells what a call of that epoch came to.
template <typename Reply>
link::LinkSession::Answer ControlPeer::teller(std::uint64_t epoch, Told told) {
  return [this, epoch, told = std::move(told)](const base::Result<const wire::Frame*>& answer) {
    const auto* const body = answer.has_value() ? std::get_if<Reply>(&(*answer)->body) : nullptr;
    if (body == nullptr) return told(std::nullopt, "");
    if (body->code == 0) answered_epoch_ = std::max(answered_epoch_, epoch);
    told(static_cast<wire::Code>(body->code), std::string(body->message));
  };
}

void ControlPeer::configure(std::string manifest, std::uint64_t epochs_ago, Told told) {
  const std::uint64_t epoch = epoch_ - epochs_ago;
  session_->call(
      scheduler_.now(),
      [epoch, manifest = std::move(manifest)](const wire::FrameHeader& header,
                                              std::vector<std::byte>& out) {
        wire::encode_frame(header, wire::Configure{epoch, manifest}, out);
      },
      teller<wire::Configured>(epoch, std::move(told)));
  step();
}

void ControlPeer::remove(std::string queue, bool if_empty, Told told) {
  session_->call(
      scheduler_.now(),
      [epoch = epoch_, queue = std::move(queue), if_empty](const wire::FrameHeader& header,
                                                           std::vector<std::byte>& out) {
        wire::encode_frame(header, wire::RemoveQueue{epoch, queue, if_empty}, out);
      },
      teller<wire::QueueRemoved>(epoch_, std::move(told)));
  step();
}

// --- The network under it.

void ControlPeer::on_frame(Bytes frame) {
  session_->on_frame(scheduler_.now(), *frame);
  step();
}

void ControlPeer::on_lost() {
  link_.reset();
  session_->on_lost(scheduler_.now(), "");
  step();
}

base::Status ControlPeer::connect() {
  disconnect();
  link_ = network_.connect(*this, Guard::key_of(Who::kOperator), frontend::Port::kControl);
  return {};
}

void ControlPeer::disconnect() {
  if (link_) network_.close(*link_);
  link_.reset();
}

bool ControlPeer::send(base::ByteView frame) {
  return link_ && network_.send_to_broker(*link_, frame);
}

}  // namespace sluice::sim
