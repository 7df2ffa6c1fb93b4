#include "frontend/zmq_wait.h"

#include <zmq.h>

#include <array>
#include <cerrno>

#include "base/check.h"

namespace sluice::frontend {

bool zmq_wait(std::vector<ZmqWaited>& sockets, int event_fd, long timeout_ms) {
  CHECK(sockets.size() <= kZmqWaitedMax);
  std::array<zmq_pollitem_t, kZmqWaitedMax + 1> items;
  items[0] = {nullptr, event_fd, ZMQ_POLLIN, 0};
  std::size_t count = 1;
  for (const ZmqWaited& waited : sockets) items[count++] = {waited.socket, 0, ZMQ_POLLIN, 0};
  if (zmq_poll(items.data(), static_cast<int>(count), timeout_ms) < 0) {
    CHECK(zmq_errno() == EINTR);
    return false;
  }
  for (std::size_t i = 0; i < sockets.size(); ++i) sockets[i].ready = items[i + 1].revents != 0;
  return items[0].revents != 0;
}

}  // namespace sluice::frontend
