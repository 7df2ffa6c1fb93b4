#include "frontend/zmq_context.h"

#include <cerrno>

#include "frontend/zmq_parts.h"

namespace sluice::frontend {

ZmqContext::ZmqContext() : impl_(std::make_unique<Impl>()) {}
ZmqContext::~ZmqContext() = default;

base::Error zmq_error(const std::string& what, int code) {
  const std::string text = what + ": " + zmq_strerror(code);
  if (code == EINVAL || code == EPROTONOSUPPORT || code == ENODEV) {
    return base::invalid_argument(text);
  }
  return base::unavailable(text);
}

}  // namespace sluice::frontend
