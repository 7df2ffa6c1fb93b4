#include "bench/limit/broker.h"

#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "bench/load/fail.h"

namespace sluice::bench {

Broker::Broker(const LimitOptions& options)
    : options_(options),
      socket_(context_, zmq::socket_type::router),
      log_(options.folder, options.fsync) {
  socket_.set(zmq::sockopt::sndhwm, 0);
  socket_.set(zmq::sockopt::rcvhwm, 0);
  socket_.set(zmq::sockopt::router_mandatory, true);
  socket_.bind("tcp://127.0.0.1:*");
}

void Broker::run(Times& times, const std::function<void()>& check_clients) {
  std::array<zmq::pollitem_t, 2> items{
      {{socket_.handle(), 0, ZMQ_POLLIN, 0}, {nullptr, log_.wakeup_fd(), ZMQ_POLLIN, 0}}};
  while (settled_ < options_.load.messages) {
    const int ready = zmq::poll(items.data(), items.size(), std::chrono::seconds(1));
    if (ready == 0) check_clients();
    if ((items[1].revents & ZMQ_POLLIN) != 0) on_durable();
    if ((items[0].revents & ZMQ_POLLIN) != 0) receive_all();
  }
  times.last_settled_ns = now_ns();
  send(consumer_, control_frame(FrameKind::kStop));
}

void Broker::receive_all() {
  zmq::message_t peer;
  // Bounded, so that frames which became durable meanwhile do not wait for all that comes.
  for (int i = 0; i < 64 && socket_.recv(peer, zmq::recv_flags::dontwait); ++i) {
    zmq::message_t frame;
    require(socket_.recv(frame).has_value(), "half a message came");
    on_frame(std::move(peer), std::move(frame));
    peer = zmq::message_t();
  }
}

void Broker::on_frame(zmq::message_t peer, zmq::message_t frame) {
  const FrameHeader header = header_of(frame);
  switch (header.kind) {
    case FrameKind::kProducerHello:
      producer_ = std::move(peer);
      break;
    case FrameKind::kConsumerHello:
      consumer_ = std::move(peer);
      break;
    case FrameKind::kMessages:
      log_.append(std::move(frame));
      return;
    case FrameKind::kSettle:
      settled_ += header.count;
      --unsettled_frames_;
      deliver();
      return;
    default:
      fail("an unexpected frame came");
  }
  if (producer_.size() > 0 && consumer_.size() > 0) {
    send(producer_, control_frame(FrameKind::kGo));
  }
}

void Broker::on_durable() {
  std::vector<zmq::message_t> frames = log_.take_durable();
  if (frames.empty()) return;
  send(producer_, control_frame(FrameKind::kDurable, 0, frames.size()));
  for (zmq::message_t& frame : frames) ready_.push_back(std::move(frame));
  deliver();
}

void Broker::deliver() {
  while (!ready_.empty() && unsettled_frames_ < options_.load.window) {
    send(consumer_, std::move(ready_.front()));
    ready_.pop_front();
    ++unsettled_frames_;
  }
}

void Broker::send(zmq::message_t& peer, zmq::message_t frame) {
  const auto flags = zmq::send_flags::dontwait;
  zmq::message_t id;
  id.copy(peer);
  require(socket_.send(id, flags | zmq::send_flags::sndmore).has_value(), "a client is gone");
  require(socket_.send(frame, flags).has_value(), "a client is gone");
}

}  // namespace sluice::bench
