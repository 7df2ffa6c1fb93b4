#include "cli/line_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cli/stop_signal.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

}  // namespace

LineReader::LineReader(int fd, std::size_t line_bytes_max)
    : fd_(fd), line_bytes_max_(line_bytes_max), buffer_(line_bytes_max + kReadBytes) {}

std::optional<LineReader::Line> LineReader::next() {
  while (true) {
    const char* const data = buffer_.data();
    const void* const found = std::memchr(data + scanned_, '\n', end_ - scanned_);
    std::size_t line_end = end_;
    std::size_t after = end_;
    if (found != nullptr) {
      line_end = static_cast<std::size_t>(static_cast<const char*>(found) - data);
      after = line_end + 1;
    }
    const std::string_view text(data + begin_, line_end - begin_);
    if (skipping_) {
      begin_ = scanned_ = after;
      if (found == nullptr) return std::nullopt;
      skipping_ = false;
      continue;
    }
    if (found == nullptr && (text.empty() || (!at_end_ && text.size() <= line_bytes_max_))) {
      scanned_ = end_;
      return std::nullopt;
    }
    begin_ = scanned_ = after;
    if (text.size() <= line_bytes_max_) return Line{text, false};
    skipping_ = found == nullptr;
    return Line{text.substr(0, line_bytes_max_), true};
  }
}

base::Result<bool> LineReader::fill() {
  if (at_end_) return false;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  scanned_ -= begin_;
  begin_ = 0;
  while (true) {
    const ssize_t bytes = read(fd_, buffer_.data() + end_, buffer_.size() - end_);
    if (bytes > 0) {
      end_ += static_cast<std::size_t>(bytes);
      return true;
    }
    if (bytes < 0 && errno == EINTR && !stop_requested()) continue;
    if (bytes < 0 && errno == EAGAIN) return true;
    at_end_ = true;
    if (bytes < 0 && errno != EINTR) return base::io_error("reading standard input", errno);
    return false;
  }
}

}  // namespace sluice::cli
