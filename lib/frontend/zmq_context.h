#pragma once

#include <memory>

namespace sluice::frontend {

// One ZeroMQ context with one I/O thread. Outlives the sockets that are made in it.
class ZmqContext {
 public:
  ZmqContext();
  ~ZmqContext();
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;

  class Impl;  // zmq_parts.h
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::frontend
