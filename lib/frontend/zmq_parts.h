#pragma once

#include <string>
#include <zmq.hpp>

#include "base/error.h"
#include "frontend/zmq_context.h"

// What the adapters of ZeroMQ share; for zmq_*.cc only.
namespace sluice::frontend {

class ZmqContext::Impl {
 public:
  Impl() : context(1) {}
  zmq::context_t context;
};

// InvalidArgument where the address can never be one, else Unavailable.
base::Error zmq_error(const std::string& what, int code);

}  // namespace sluice::frontend
