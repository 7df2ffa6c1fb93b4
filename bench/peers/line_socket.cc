#include "bench/peers/line_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "bench/load/fail.h"

namespace sluice::bench {
namespace {

constexpr std::string_view kEnd = "\r\n";

}  // namespace

LineSocket::LineSocket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  require(fd_ >= 0, "cannot create a socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  require(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "cannot connect to port " + std::to_string(port));
  const int on = 1;
  require(::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
          "cannot set TCP_NODELAY");
}

LineSocket::~LineSocket() { ::close(fd_); }

void LineSocket::write(std::span<const std::byte> bytes) {
  out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string_view LineSocket::read_line() {
  std::size_t searched = consumed_;
  while (true) {
    const std::size_t end = in_.find(kEnd, searched);
    if (end != std::string::npos) {
      const std::string_view line = std::string_view(in_).substr(consumed_, end - consumed_);
      consumed_ = end + kEnd.size();
      return line;
    }
    const std::size_t unread = in_.size() - consumed_;
    fill();
    // fill() moved what was unread to the front; its last byte may be half of the end.
    searched = unread > 0 ? unread - 1 : 0;
  }
}

std::span<const std::byte> LineSocket::read_body(std::size_t size) {
  while (in_.size() - consumed_ < size + kEnd.size()) fill();
  const std::string_view body = std::string_view(in_).substr(consumed_, size);
  require(std::string_view(in_).substr(consumed_ + size, kEnd.size()) == kEnd,
          "a body has the wrong size");
  consumed_ += size + kEnd.size();
  return std::as_bytes(std::span(body));
}

void LineSocket::flush() {
  std::string_view rest = out_;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    require(sent > 0, "the server is gone");
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  out_.clear();
}

void LineSocket::fill() {
  flush();
  in_.erase(0, consumed_);
  consumed_ = 0;
  std::array<char, std::size_t{64} << 10> buffer;
  const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
  require(size > 0, "the server is gone");
  in_.append(buffer.data(), static_cast<std::size_t>(size));
}

}  // namespace sluice::bench
