#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "frontend/http/exchange.h"

namespace sluice::frontend::http {

struct ServerOptions {
  std::string host = "127.0.0.1";  // an IP address, or "localhost"
  std::uint16_t port = 0;          // 0 = any free one
  // Over it, a connection is answered with 503 and closed.
  std::size_t connections_max = 256;
  std::uint32_t header_bytes_max = 8 * 1024;  // request line and headers: 431
  std::uint32_t body_bytes_max = 64 * 1024;   // 413; bodies are read and dropped
  // Each for itself: waiting for a request with all its headers, reading a body, writing an answer.
  base::Millis timeout{10'000};
  // Pause of accepting when the process has no file descriptor left.
  base::Millis accept_pause{100};
};

// Numbers of the server itself, since its start.
struct ServerStats {
  std::uint64_t accepted = 0;
  std::uint64_t turned_away = 0;      // over connections_max
  std::uint64_t accept_failures = 0;  // no file descriptor left, for instance
  std::uint64_t requests = 0;         // answered by the handler
  std::uint64_t bad_requests = 0;     // answered with 4xx by the server itself, or dropped
  std::uint64_t timeouts = 0;
};

// An HTTP/1.1 server for questions of people, probes and Prometheus: GET and HEAD, keep-alive,
// pipelined requests answered in order, every size and wait bounded. Not for data: one own thread
// does everything, also the handler, which therefore must not block.
//
// Its peers are taken to be hostile: what is no HTTP, or two readers could understand differently,
// is refused and the connection closed.
class Server {
 public:
  // Listens and starts the thread. Fails where the address cannot be bound, naming it.
  static base::Result<std::unique_ptr<Server>> start(const ServerOptions& options, Handler handler);
  // Stops, if need be.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port that it listens on. Any thread.
  std::uint16_t port() const;
  // Any thread.
  ServerStats stats() const;
  // Closes the listener and all connections, unfinished answers included, and ends the thread; the
  // handler is not called any more when this returns. Any thread but the server's own; once or
  // more.
  void stop();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::frontend::http
