#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <zmq.hpp>

#include "bench/limit/frame.h"
#include "bench/limit/group_commit.h"
#include "bench/limit/options.h"

namespace sluice::bench {

// A broker without a queue: what a producer sends goes to the log, and when it is durable, the same
// frame goes to the consumer. One thread owns it; only the log has a second one.
class Broker {
 public:
  explicit Broker(const LimitOptions& options);

  std::string endpoint() const { return socket_.get(zmq::sockopt::last_endpoint); }
  // Returns when every message is settled. `check_clients` is called about once a second while
  // nothing happens, so that a dead client does not make it wait for ever.
  void run(Times& times, const std::function<void()>& check_clients);

 private:
  void receive_all();
  void on_frame(zmq::message_t peer, zmq::message_t frame);
  void on_durable();
  void deliver();
  void send(zmq::message_t& peer, zmq::message_t frame);

  const LimitOptions& options_;
  zmq::context_t context_;
  zmq::socket_t socket_;
  GroupCommit log_;
  zmq::message_t producer_;
  zmq::message_t consumer_;
  std::deque<zmq::message_t> ready_;
  std::size_t unsettled_frames_ = 0;
  std::uint64_t settled_ = 0;
};

}  // namespace sluice::bench
