#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::test {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// A blocking TCP connection to a server of this process that sends whatever bytes a test wants.
// Every read has a deadline far beyond what a good server needs, so that a bad one fails the test
// instead of hanging it. Not copied; one thread.
class RawPeer {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  // receive_buffer > 0: as small as the system allows, for a peer that reads slowly.
  explicit RawPeer(std::uint16_t port, int receive_buffer = 0);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool connected() const { return connected_; }
  // False when the server has closed.
  bool send(std::string_view bytes);
  // Nothing more will be sent; reading goes on.
  void end_sending();
  // One answer. `head_only`: to HEAD, where the body is told but not sent. nullopt: the connection
  // ended, or nothing came within kPatience.
  std::optional<HttpAnswer> answer(bool head_only = false);
  // All that comes until the server closes; nullopt when it does not.
  std::optional<std::string> rest();
  // True when the server closes (or resets) without sending anything more.
  bool closed();

 private:
  enum class Read { kBytes, kEnd, kNothing };
  Read read_more();

  int fd_ = -1;
  bool connected_ = false;
  std::string buffer_;
};

// Connects, sends `request` (with "\r\n" at its ends of lines) and returns the one answer.
std::optional<HttpAnswer> ask(std::uint16_t port, std::string_view request);
// "GET PATH" with Host: localhost.
std::optional<HttpAnswer> get(std::uint16_t port, std::string_view path);

}  // namespace sluice::test
