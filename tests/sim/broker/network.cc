#include "tests/sim/broker/network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "wire/frame_codec.h"

namespace sluice::sim {
namespace {

// How long it takes to learn that nobody listens.
constexpr base::Nanos kRefusedAfter{300'000};
constexpr std::size_t kRecentFrames = 32;

frontend::Peer peer_of(Network::LinkId link, frontend::Port port) {
  std::byte id[frontend::kRoutingIdBytes]{};
  base::store(id, link);
  id[4] = std::byte{1};
  return frontend::make_peer(port, id);
}

}  // namespace

Bytes copy_bytes(base::ByteView bytes) {
  return std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
}

void Network::set_broker(BrokerEnd* broker) {
  broker_ = broker;
  if (broker != nullptr) return;
  for (auto& [id, link] : links_) {
    link.ways[0].frames.clear();
    std::deque<Frame>& sent = link.ways[1].frames;
    sent.resize(std::min<std::size_t>(sent.size(), prng_.below(sent.size() + 1)));
    link.broker_gone = true;
    if (sent.empty()) {
      scheduler_.after(draw_delay(), [this, gone = id] { lose(gone); });
    }
  }
}

Network::LinkId Network::connect(ClientEnd& end, const std::string& key, frontend::Port port) {
  const LinkId id = ++last_link_;
  Link& link = links_[id];
  link.end = &end;
  link.peer = peer_of(id, port);
  keys_[link.peer] = key;
  if (broker_ == nullptr) {
    link.broker_gone = true;
    scheduler_.after(kRefusedAfter, [this, id] { lose(id); });
  }
  return id;
}

void Network::close(LinkId link) { links_.erase(link); }

base::Nanos Network::draw_delay() {
  const auto width = static_cast<std::uint64_t>(pace_.delay_max_ns - pace_.delay_min_ns + 1);
  return base::Nanos(pace_.delay_min_ns + static_cast<std::int64_t>(prng_.below(width)));
}

bool Network::send_to_broker(LinkId id, base::ByteView frame) {
  const auto found = links_.find(id);
  if (found == links_.end() || found->second.broker_gone) return false;
  if (found->second.ways[0].frames.size() >= pace_.frames_max) return false;
  const Bytes bytes = copy_bytes(frame);
  const auto header = wire::decode_header(frame);
  const bool publishes = header.has_value() && header->type == wire::FrameType::kPublish;
  const bool repeats = publishes && prng_.chance(pace_.repeat_publish);
  const bool at_once = repeats && prng_.chance(0.5);
  push(id, Way::kToBroker, bytes, at_once ? Copy::kAtOnce : Copy::kNone);
  if (repeats && !at_once) push(id, Way::kToBroker, bytes, Copy::kOfStored);
  return true;
}

Network::Sent Network::send_to_client(frontend::Peer peer, Bytes frame) {
  std::byte routing_id[frontend::kRoutingIdBytes];
  frontend::store_routing_id(peer, routing_id);
  const auto id = base::load<LinkId>(routing_id);
  const auto found = links_.find(id);
  if (found == links_.end() || found->second.broker_gone) return Sent::kNoPeer;
  if (found->second.ways[1].frames.size() >= pace_.frames_max) return Sent::kOverflow;
  note_answer(found->second, *frame);
  push(id, Way::kToClient, std::move(frame));
  return Sent::kSent;
}

void Network::note_answer(Link& link, base::ByteView bytes) const {
  if (pace_.repeat_publish == 0) return;
  const auto header = wire::decode_header(bytes);
  if (!header.has_value() || header->type != wire::FrameType::kPublished) return;
  const auto frame = wire::decode_frame(bytes);
  if (!frame.has_value()) return;
  if (std::get<wire::Published>(frame->body).code == 0) link.stored.insert(header->request);
}

void Network::push(LinkId id, Way way, Bytes frame, Copy copy) {
  Direction& direction = links_.at(id).ways[static_cast<std::size_t>(way)];
  direction.last_due = std::max(direction.last_due, scheduler_.now() + draw_delay());
  direction.frames.push_back({std::move(frame), direction.last_due, copy});
  schedule_pump(id, way);
}

void Network::schedule_pump(LinkId id, Way way) {
  Direction& direction = links_.at(id).ways[static_cast<std::size_t>(way)];
  if (direction.pumping || direction.frames.empty()) return;
  direction.pumping = true;
  const base::MonoTime due = std::max(direction.frames.front().due, direction.clogged_until);
  scheduler_.at(due, [this, id, way] { pump(id, way); });
}

void Network::pump(LinkId id, Way way) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  Direction& direction = found->second.ways[static_cast<std::size_t>(way)];
  direction.pumping = false;
  if (direction.frames.empty()) return;
  if (direction.clogged_until > scheduler_.now()) return schedule_pump(id, way);
  const Bytes frame = std::move(direction.frames.front().bytes);
  const Copy copy = direction.frames.front().copy;
  direction.frames.pop_front();
  schedule_pump(id, way);
  if (copy == Copy::kOfStored) {
    const auto header = wire::decode_header(*frame);
    if (!found->second.stored.contains(header->request)) return;
  }
  scheduler_.note(way == Way::kToBroker ? "in" : "out", *frame);
  if (way == Way::kToBroker) {
    recent_.push_back(frame);
    if (recent_.size() > kRecentFrames) recent_.pop_front();
    if (broker_ == nullptr || found->second.broker_gone) return;
    const frontend::Peer peer = found->second.peer;
    broker_->on_frame(peer, frame);
    if (copy == Copy::kAtOnce) broker_->on_frame(peer, frame);
    return;
  }
  const bool last = found->second.broker_gone && direction.frames.empty();
  found->second.end->on_frame(frame);
  if (last) lose(id);
}

void Network::lose(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  ClientEnd* const end = found->second.end;
  links_.erase(found);
  end->on_lost();
}

void Network::cut(LinkId link) { lose(link); }

void Network::clog(LinkId id, Way way, base::MonoTime until) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  Direction& direction = found->second.ways[static_cast<std::size_t>(way)];
  direction.clogged_until = std::max(direction.clogged_until, until);
}

void Network::heal() {
  for (auto& [id, link] : links_) {
    for (Direction& direction : link.ways) direction.clogged_until = {};
  }
}

std::vector<Network::LinkId> Network::links() const {
  std::vector<LinkId> ids;
  for (const auto& [id, link] : links_) ids.push_back(id);
  return ids;
}

}  // namespace sluice::sim
