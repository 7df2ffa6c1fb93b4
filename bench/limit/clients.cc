#include "bench/limit/clients.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>
#include <zmq.hpp>

#include "bench/limit/frame.h"
#include "bench/load/fail.h"

namespace sluice::bench {
namespace {

zmq::socket_t connect(zmq::context_t& context, const std::string& endpoint, FrameKind hello) {
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  // The windows bound what is under way; a second limit would only hide them.
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.connect(endpoint);
  socket.send(control_frame(hello), zmq::send_flags::none);
  return socket;
}

// The next frame; without `wait` an empty one when there is none.
zmq::message_t receive(zmq::socket_t& socket, bool wait) {
  zmq::message_t frame;
  const auto flags = wait ? zmq::recv_flags::none : zmq::recv_flags::dontwait;
  const bool received = socket.recv(frame, flags).has_value();
  require(received || !wait, "the broker is gone");
  return frame;
}

// Copies every message on its own, as a client must that gets them one by one.
zmq::message_t messages_frame(std::uint64_t first, std::uint64_t count,
                              std::span<std::byte> message) {
  zmq::message_t frame(sizeof(FrameHeader) + count * message.size());
  const FrameHeader header{FrameKind::kMessages, first, count};
  std::memcpy(frame.data(), &header, sizeof header);
  std::byte* out = frame.data<std::byte>() + sizeof header;
  for (std::uint64_t number = first; number < first + count; ++number) {
    stamp(message, number);
    std::memcpy(out, message.data(), message.size());
    out += message.size();
  }
  return frame;
}

}  // namespace

void run_producer(const std::string& endpoint, const LimitOptions& options, Times& times) {
  zmq::context_t context;
  zmq::socket_t socket = connect(context, endpoint, FrameKind::kProducerHello);
  require(header_of(receive(socket, true)).kind == FrameKind::kGo, "expected a go");

  std::vector<std::byte> message(options.load.size_bytes, std::byte{'s'});
  std::uint64_t sent = 0;
  std::uint64_t frames_under_way = 0;
  times.first_sent_ns = now_ns();
  while (sent < options.load.messages || frames_under_way > 0) {
    const bool may_send = sent < options.load.messages && frames_under_way < options.load.window;
    const zmq::message_t answer = receive(socket, !may_send);
    if (answer.size() > 0) frames_under_way -= header_of(answer).count;
    if (!may_send) continue;
    const std::uint64_t count =
        std::min(options.messages_per_frame(), options.load.messages - sent);
    socket.send(messages_frame(sent, count, message), zmq::send_flags::none);
    sent += count;
    ++frames_under_way;
  }
  times.last_durable_ns = now_ns();
}

void run_consumer(const std::string& endpoint, const LimitOptions& options) {
  zmq::context_t context;
  zmq::socket_t socket = connect(context, endpoint, FrameKind::kConsumerHello);
  std::uint64_t next = 0;
  while (true) {
    const zmq::message_t frame = receive(socket, true);
    const FrameHeader header = header_of(frame);
    if (header.kind == FrameKind::kStop) return;
    std::span<const std::byte> body{frame.data<std::byte>(), frame.size()};
    body = body.subspan(sizeof(FrameHeader));
    require(body.size() == header.count * options.load.size_bytes, "a frame has the wrong size");
    for (; !body.empty(); body = body.subspan(options.load.size_bytes)) {
      require(number_of(body) == next, "a message is lost, repeated or out of order");
      ++next;
    }
    socket.send(control_frame(FrameKind::kSettle, header.first, header.count),
                zmq::send_flags::none);
  }
}

}  // namespace sluice::bench
