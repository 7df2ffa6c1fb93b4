#include "cli/output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "cli/stop_signal.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kLargeBytes = 64 * 1024;
// Well below half of the shortest lease, 1 s.
constexpr int kWaitMillis = 100;

}  // namespace

Output::~Output() { static_cast<void>(flush()); }

void Output::wait_for_room() {
  pollfd item{fd_, POLLOUT, 0};
  while (poll(&item, 1, kWaitMillis) == 0) while_waiting_();
}

base::Status Output::flush() {
  if (closed_) return base::io_error("writing to standard output", EPIPE);
  if (flushing_) return {};
  flushing_ = true;
  base::Status status;
  while (!text_.empty() && status.has_value()) {
    // The callback may append meanwhile, so what is being written must not lie in text_.
    const std::string text = std::exchange(text_, {});
    status = write_all(text);
  }
  flushing_ = false;
  closed_ = !status.has_value();
  return status;
}

base::Status Output::write_all(std::string_view left) {
  while (!left.empty()) {
    std::size_t bytes = left.size();
    if (while_waiting_) {
      wait_for_room();
      bytes = std::min<std::size_t>(bytes, PIPE_BUF);  // so much never blocks where there is room
    }
    const ssize_t written = write(fd_, left.data(), bytes);
    if (written >= 0) {
      left.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EAGAIN || (errno == EINTR && !stop_requested())) continue;
    return base::io_error("writing to standard output", errno);
  }
  return {};
}

base::Status Output::flush_if_large() {
  if (text_.size() < kLargeBytes) return {};
  return flush();
}

}  // namespace sluice::cli
