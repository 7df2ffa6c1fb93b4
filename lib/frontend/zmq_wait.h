#pragma once

#include <cstddef>
#include <vector>

namespace sluice::frontend {

// A socket that the loop waits for.
struct ZmqWaited {
  void* socket = nullptr;  // of handle()
  bool ready = false;
};

// Waits for sockets and for an event descriptor, and marks what is ready; true = the event is.
// Returns at once where something is ready; otherwise at the latest after `timeout_ms` (-1 = no
// limit). Loop thread only. REQUIRES: at most kZmqWaitedMax sockets.
inline constexpr std::size_t kZmqWaitedMax = 31;
bool zmq_wait(std::vector<ZmqWaited>& sockets, int event_fd, long timeout_ms);

}  // namespace sluice::frontend
