#include "tests/unit/http/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace sluice::test {
namespace {

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

HttpAnswer parse_head(std::string_view head) {
  HttpAnswer answer;
  std::size_t end = head.find("\r\n");
  const std::string_view first = head.substr(0, end);
  if (first.size() >= 12) {
    std::from_chars(first.data() + 9, first.data() + 12, answer.status);
  }
  while (end != std::string_view::npos) {
    head.remove_prefix(end + 2);
    end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    answer.headers[lower_case(line.substr(0, colon))] = line.substr(colon + 2);
  }
  return answer;
}

}  // namespace

RawPeer::RawPeer(std::uint16_t port, int receive_buffer)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (fd_ < 0) return;
  if (receive_buffer > 0) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const timeval patience{kPatience.count(), 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

RawPeer::~RawPeer() {
  if (fd_ >= 0) close(fd_);
}

bool RawPeer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawPeer::end_sending() { shutdown(fd_, SHUT_WR); }

RawPeer::Read RawPeer::read_more() {
  std::array<char, 65'536> chunk{};
  const ssize_t count = recv(fd_, chunk.data(), chunk.size(), 0);
  if (count > 0) {
    buffer_.append(chunk.data(), static_cast<std::size_t>(count));
    return Read::kBytes;
  }
  const bool timed_out = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  return timed_out ? Read::kNothing : Read::kEnd;
}

std::optional<HttpAnswer> RawPeer::answer(bool head_only) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  std::size_t end = buffer_.find(kEnd);
  while (end == std::string::npos) {
    if (read_more() != Read::kBytes) return std::nullopt;
    end = buffer_.find(kEnd);
  }
  HttpAnswer answer = parse_head(std::string_view(buffer_).substr(0, end));
  buffer_.erase(0, end + kEnd.size());
  std::size_t length = 0;
  const std::string& text = answer.headers["content-length"];
  std::from_chars(text.data(), text.data() + text.size(), length);
  if (head_only) return answer;
  while (buffer_.size() < length) {
    if (read_more() != Read::kBytes) return std::nullopt;
  }
  answer.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return answer;
}

std::optional<std::string> RawPeer::rest() {
  for (;;) {
    const Read result = read_more();
    if (result == Read::kEnd) return buffer_;
    if (result == Read::kNothing) return std::nullopt;
  }
}

bool RawPeer::closed() {
  const auto left = rest();
  return left && left->empty();
}

std::optional<HttpAnswer> ask(std::uint16_t port, std::string_view request) {
  RawPeer peer(port);
  if (!peer.connected() || !peer.send(request)) return std::nullopt;
  return peer.answer();
}

std::optional<HttpAnswer> get(std::uint16_t port, std::string_view path) {
  return ask(port, "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

}  // namespace sluice::test
