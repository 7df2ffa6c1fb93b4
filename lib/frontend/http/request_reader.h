#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "frontend/http/exchange.h"

namespace sluice::frontend::http {

// Finds the requests of one connection in its bytes, however these were cut on their way. Without
// I/O and clock; what it keeps is bounded by its limits. Owned and called by whoever has the
// connection.
class RequestReader {
 public:
  enum class Next : std::uint8_t {
    kBytes,     // add() some more
    kContinue,  // the peer wants to be told to go on before it sends the body
    kRequest,   // asked() is whole; the next call begins with what follows it
    kRefusal,   // what came is no request: refusal() is the last answer of this connection
  };
  struct Asked {
    Request request;
    bool head_only = false;   // a HEAD
    bool keep_alive = false;  // another request may follow
  };

  // Of the request line with the headers, and of a body, which is read and dropped.
  RequestReader(std::uint32_t header_bytes_max, std::uint32_t body_bytes_max);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // So many bytes are taken now: some, whenever next() has asked for more.
  std::size_t room() const;
  // REQUIRES: at most room().
  void add(std::string_view bytes);
  Next next();

  // The headers are complete, and their body is not.
  bool in_body() const;
  // REQUIRES: next() said so. asked() is valid until next() is called again.
  const Asked& asked() const;
  const Response& refusal() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::frontend::http
