#include "frontend/tcp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::frontend {

std::string peer_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
  return std::string(reinterpret_cast<const char*>(&storage),
                     std::min<std::size_t>(size, sizeof storage));
}

std::string address_text(const std::string& address) {
  sockaddr_storage storage{};
  std::memcpy(&storage, address.data(), std::min(address.size(), sizeof storage));
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    sockaddr_in peer{};
    std::memcpy(&peer, &storage, sizeof peer);
    inet_ntop(AF_INET, &peer.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(ntohs(peer.sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 peer{};
    std::memcpy(&peer, &storage, sizeof peer);
    inet_ntop(AF_INET6, &peer.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(peer.sin6_port));
  }
  return "";
}

bool cut_off(int fd, const std::string& address) {
  if (address.empty() || peer_address(fd) != address) return false;
  return shutdown(fd, SHUT_RDWR) == 0;
}

}  // namespace sluice::frontend
