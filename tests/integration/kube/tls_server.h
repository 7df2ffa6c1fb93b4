#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

// A small HTTPS server that says exactly the bytes that a test wants, at the pace it wants.
namespace sluice::test {

// All in PEM: an authority, and a certificate of it with its key.
struct Certificates {
  std::string ca;
  std::string certificate;
  std::string key;
};
// For 127.0.0.1 and localhost. Each call makes an authority of its own.
Certificates make_certificates();

struct SeenRequest {
  std::string method;
  std::string target;
  std::string authorization;
  std::string user_agent;
  std::string content_type;
  std::string body;
};

// The way to one peer.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void write(std::string_view bytes) = 0;
  // Returns when the peer has closed the connection.
  virtual void wait_for_close() = 0;

  void answer(int status, std::string_view body, std::string_view headers = "");
  void begin_chunks();
  void chunk(std::string_view bytes);
  void end_chunks() { write("0\r\n\r\n"); }
};

// Called on a thread for each connection; when it returns false the connection is closed without a
// goodbye, else the next request is read.
using TlsHandler = std::function<bool(const SeenRequest& request, Responder& peer)>;

class TlsServer {
 public:
  // Peers must show a certificate of `client_ca`, where that is not empty.
  TlsServer(const Certificates& certificates, const std::string& client_ca, TlsHandler handler);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  std::uint16_t port() const;
  int connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::test
