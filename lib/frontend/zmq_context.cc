#include "frontend/zmq_context.h"

#include <cerrno>
#include <cstdlib>

#include "frontend/zmq_parts.h"
#include "runtime/posix/random.h"

namespace sluice::frontend {

// libzmq counts routing ids on from the first numbers of rand(), which are the same in every
// process that nobody has seeded. A peer may choose its routing id, and libzmq aborts when one that
// it draws is taken: so where it begins must not be known. (Who has chosen one is cut off at its
// first frame, and who is silent soon: ConnectionGuard.)
ZmqContext::ZmqContext() {
  std::srand(static_cast<unsigned>(runtime::random_seed()));
  impl_ = std::make_unique<Impl>();
}
ZmqContext::~ZmqContext() = default;

base::Error zmq_error(const std::string& what, int code) {
  const std::string text = what + ": " + zmq_strerror(code);
  if (code == EINVAL || code == EPROTONOSUPPORT || code == ENODEV) {
    return base::invalid_argument(text);
  }
  return base::unavailable(text);
}

}  // namespace sluice::frontend
