#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/zmq_connection_events.h"
#include "operator/link/broker_link.h"
#include "operator/link/link_session.h"

namespace sluice::link {

// The sockets of all links, which share one context and so one I/O thread of libzmq.
class ZmqLinkContext {
 public:
  ZmqLinkContext();
  // Waits for what was sent last, half a second at most. REQUIRES: no dealer any more.
  ~ZmqLinkContext();
  ZmqLinkContext(const ZmqLinkContext&) = delete;
  ZmqLinkContext& operator=(const ZmqLinkContext&) = delete;

  void* get() const { return context_; }

 private:
  void* context_;
};

// One connection to one broker. One thread; `context` must outlive it.
class ZmqDealer final : public LinkPort {
 public:
  ZmqDealer(ZmqLinkContext& context, LinkAddress address);
  ~ZmqDealer() override;
  ZmqDealer(const ZmqDealer&) = delete;
  ZmqDealer& operator=(const ZmqDealer&) = delete;

  base::Status connect() override;
  void disconnect() override;
  bool send(base::ByteView frame) override;

  // To be polled for input; null while there is no connection.
  void* socket() const { return socket_; }
  void* monitor() const { return monitor_; }
  // Calls frame(ByteView) for what is here, at most some hundred.
  void receive(const std::function<void(base::ByteView)>& frame);
  // True = the connection is gone.
  bool read_monitor();
  // Why the last connection was none; empty where that is not known.
  std::string_view refusal() const;

 private:
  base::Status use_keys();
  void close(int linger_ms);

  ZmqLinkContext& context_;
  const LinkAddress address_;
  void* socket_ = nullptr;
  void* monitor_ = nullptr;
  client::ConnectionEvents events_;
};

// Waits until a socket has something to read, the descriptor is readable, or the time is over.
void wait_for_input(const std::vector<void*>& sockets, int descriptor, base::Nanos timeout);

}  // namespace sluice::link
