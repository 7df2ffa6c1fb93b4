#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::frontend {

// What ZeroMQ tells about the connections of a socket that listens.
struct SocketEvent {
  enum class Kind : std::uint8_t {
    kAccepted,
    kEnded,            // also after a handshake that failed
    kHandshakeFailed,  // that of some connection; which one, ZeroMQ does not say
    kAcceptFailed,     // no descriptor left, for instance
  };
  Kind kind = Kind::kAccepted;
  int fd = -1;              // kAccepted, kEnded
  std::string_view reason;  // kHandshakeFailed, as in docs/metrics.md
};

// Watches one socket, from before it is bound. Keys that the gatekeeper refused are not told: it
// counts them itself. Loop thread only.
class ZmqMonitor {
 public:
  // `context` and `socket` are ZeroMQ's own and outlive the monitor. `name` is nobody else's.
  ZmqMonitor(void* context, void* socket, const std::string& name);
  ~ZmqMonitor();
  ZmqMonitor(const ZmqMonitor&) = delete;
  ZmqMonitor& operator=(const ZmqMonitor&) = delete;

  // In order; nothing = none waits.
  std::optional<SocketEvent> next();
  void* handle() { return pair_; }

 private:
  void* const socket_;
  void* pair_ = nullptr;
};

}  // namespace sluice::frontend
