#include "tests/unit/client/fake_transport.h"

#include <utility>

#include "base/check.h"

namespace sluice::client {
namespace {

constexpr int kWaitsInVainMax = 100'000;

}  // namespace

base::Status FakeTransport::connect(std::size_t turn) {
  ++connects_;
  turns.push_back(turn);
  inbox_.clear();
  lost_ = refuse_connections || turn < nobody_at_first;
  connected_ = !lost_;
  return {};
}

bool FakeTransport::send(base::ByteView frame) {
  if (!connected_) return false;
  broker_.on_frame(static_cast<std::uint64_t>(connects_), frame);
  if (broker_.take_cut()) cut();
  return true;
}

void FakeTransport::cut() {
  connected_ = false;
  lost_ = true;
  inbox_.clear();
}

void FakeTransport::fetch() {
  for (FakeBroker::Sent& sent : broker_.take_sent()) {
    if (connected_ && sent.connection == static_cast<std::uint64_t>(connects_)) {
      inbox_.push_back(std::move(sent.frame));
    }
  }
}

std::optional<InboundFrame> FakeTransport::receive() {
  fetch();
  if (inbox_.empty()) return std::nullopt;
  auto frame = std::make_shared<std::vector<std::byte>>(std::move(inbox_.front()));
  inbox_.pop_front();
  const base::ByteView bytes(*frame);
  return InboundFrame(std::move(frame), bytes);
}

Transport::Event FakeTransport::wait(base::Nanos timeout) {
  fetch();
  if (!inbox_.empty()) return Event::kFrames;
  if (std::exchange(lost_, false)) return Event::kLost;
  if (std::exchange(interrupted_, false)) return Event::kInterrupted;
  // Here time passes only while somebody waits: who does not wait would never end.
  waits_in_vain_ = timeout.count() > 0 ? 0 : waits_in_vain_ + 1;
  CHECK(waits_in_vain_ < kWaitsInVainMax);
  now_ = now_ + timeout;
  return Event::kTimeout;
}

}  // namespace sluice::client
