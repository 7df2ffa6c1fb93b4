#include "tests/sim/broker/hostile_peer.h"

#include <algorithm>
#include <variant>
#include <vector>

#include "tests/sim/broker/guard.h"
#include "wire/frame_codec.h"

namespace sluice::sim {
namespace {

// What would be lawful from anybody who may, and would change what the model knows.
bool is_powerful(wire::FrameType type) {
  switch (type) {
    case wire::FrameType::kHello:
    case wire::FrameType::kOpenPublisher:
    case wire::FrameType::kPublish:
    case wire::FrameType::kRedrive:
    case wire::FrameType::kPurge:
    case wire::FrameType::kDeleteQueue:
    case wire::FrameType::kStartTask:
    case wire::FrameType::kStartShardTask:
    case wire::FrameType::kSeek:
      return true;
    default:
      return false;
  }
}

}  // namespace

void HostilePeer::act() {
  if (!link_) {
    session_ = 0;
    // With somebody's key, which a hostile one may have stolen, or with none.
    const Who who = prng_.chance(0.5) ? Who::kConsumer : Who::kStranger;
    link_ = network_.connect(*this, Guard::key_of(who));
  }
  for (std::uint64_t count = 1 + prng_.below(12); count > 0 && link_; --count) {
    switch (prng_.below(6)) {
      case 0:
        send_hello();
        break;
      case 1:
      case 2:
        send_noise();
        break;
      default:
        send_altered();
        break;
    }
  }
  if (prng_.chance(0.1)) leave();
}

void HostilePeer::leave() {
  if (link_) network_.close(*link_);
  link_.reset();
}

void HostilePeer::on_frame(Bytes frame) {
  const auto decoded = wire::decode_frame(*frame);
  if (!decoded.has_value()) return;
  if (const auto* welcome = std::get_if<wire::Welcome>(&decoded->body)) {
    session_ = welcome->session;
    epoch_ = welcome->session_epoch;
  }
}

void HostilePeer::send_hello() {
  wire::Hello hello;
  hello.client = "hostile";
  hello.version_max = static_cast<std::uint16_t>(prng_.below(3));
  std::vector<std::byte> bytes;
  wire::encode_frame({}, hello, bytes);
  network_.send_to_broker(*link_, bytes);
}

void HostilePeer::send_noise() {
  std::vector<std::byte> bytes(prng_.below(200));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(prng_.below(256));
  if (!bytes.empty() && prng_.chance(0.7)) bytes[0] = std::byte{1};
  network_.send_to_broker(*link_, bytes);
}

// Somebody's frame, cut or with other bytes, as of this peer's session where it has one.
void HostilePeer::send_altered() {
  const std::deque<Bytes>& recent = network_.recent();
  if (recent.empty()) return;
  std::vector<std::byte> bytes = *recent[prng_.below(recent.size())];
  const auto header = wire::decode_header(bytes);
  if (!header.has_value() || is_powerful(header->type)) return;
  if (session_ != 0 && prng_.chance(0.7)) {
    base::store(bytes.data() + 4, epoch_);
    base::store(bytes.data() + 8, session_);
  }
  for (std::uint64_t count = prng_.below(4); count > 0; --count) {
    if (bytes.size() <= wire::kHeaderBytes) break;
    const std::uint64_t at = wire::kHeaderBytes + prng_.below(bytes.size() - wire::kHeaderBytes);
    bytes[at] = static_cast<std::byte>(prng_.below(256));
  }
  if (prng_.chance(0.2)) bytes.resize(prng_.below(bytes.size() + 1));
  network_.send_to_broker(*link_, bytes);
}

}  // namespace sluice::sim
