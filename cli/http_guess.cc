#include "cli/http_guess.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>

namespace sluice::cli {
namespace {

constexpr std::string_view kTcp = "tcp://";
constexpr std::string_view kQuestion = "GET /healthz HTTP/1.0\r\n\r\n";
constexpr std::string_view kHttp = "HTTP/";

class Peer {
 public:
  explicit Peer(const addrinfo& to)
      : fd_(::socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC, to.ai_protocol)) {}
  ~Peer() {
    if (fd_ >= 0) ::close(fd_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Of connecting too, on Linux.
  void limit(base::Millis timeout) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    timeval time{};
    time.tv_sec = seconds.count();
    time.tv_usec = std::chrono::microseconds(timeout - seconds).count();
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
  }
  bool ask(const addrinfo& to) const {
    if (fd_ < 0 || ::connect(fd_, to.ai_addr, to.ai_addrlen) != 0) return false;
    if (::send(fd_, kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL) < 0) return false;
    std::array<char, kHttp.size()> answer{};
    const ssize_t got = ::recv(fd_, answer.data(), answer.size(), MSG_WAITALL);
    return got == static_cast<ssize_t>(answer.size()) &&
           std::string_view(answer.data(), answer.size()) == kHttp;
  }

 private:
  int fd_;
};

}  // namespace

bool talks_http(std::string_view endpoint, base::Millis timeout) {
  const std::size_t colon = endpoint.rfind(':');
  const bool is_list = endpoint.find(',') != std::string_view::npos;
  if (is_list || !endpoint.starts_with(kTcp) || colon <= kTcp.size()) return false;
  std::string host(endpoint.substr(kTcp.size(), colon - kTcp.size()));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string port(endpoint.substr(colon + 1));
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &wanted, &found) != 0) return false;
  // `localhost` is two addresses, and the server may listen at the second alone.
  int count = 0;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) ++count;
  bool does = false;
  for (const addrinfo* one = found; one != nullptr && !does; one = one->ai_next) {
    const Peer peer(*one);
    peer.limit(timeout / count);
    does = peer.ask(*one);
  }
  freeaddrinfo(found);
  return does;
}

}  // namespace sluice::cli
