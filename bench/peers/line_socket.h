#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::bench {

// A blocking TCP connection to loopback for a protocol of CRLF lines. What is written is sent only
// when there is nothing left to read, so that a pipeline costs one call for many commands. Views
// are valid until the next read. One thread at a time.
class LineSocket {
 public:
  explicit LineSocket(std::uint16_t port);
  ~LineSocket();
  LineSocket(const LineSocket&) = delete;
  LineSocket& operator=(const LineSocket&) = delete;

  void write(std::string_view bytes) { out_.append(bytes); }
  void write(std::span<const std::byte> bytes);

  // Up to the next CRLF, without it.
  std::string_view read_line();
  // Exactly `size` bytes and the CRLF that must follow them, without it.
  std::span<const std::byte> read_body(std::size_t size);

 private:
  void flush();
  // Sends what is waiting to be sent and reads at least one byte.
  void fill();

  int fd_ = -1;
  std::string out_;
  std::string in_;
  std::size_t consumed_ = 0;  // of in_
};

}  // namespace sluice::bench
