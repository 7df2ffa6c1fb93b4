#include "bench/limit/group_commit.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "bench/load/fail.h"

namespace sluice::bench {
namespace {

constexpr std::size_t kFileBytes = std::size_t{256} << 20;

void write_all(int fd, const std::byte* data, std::size_t size, std::size_t offset) {
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, data, size, static_cast<off_t>(offset));
    require(written > 0, "cannot write the log");
    data += written;
    size -= static_cast<std::size_t>(written);
    offset += static_cast<std::size_t>(written);
  }
}

// Space that was only reserved would cost a change of metadata at every sync.
int open_zero_written(const std::string& folder) {
  std::string path = folder + "/bench-limit-XXXXXX";
  const int fd = ::mkstemp(path.data());
  require(fd >= 0, "cannot create a file in " + folder);
  ::unlink(path.c_str());
  const std::vector<std::byte> zeros(std::size_t{1} << 20);
  for (std::size_t offset = 0; offset < kFileBytes; offset += zeros.size()) {
    write_all(fd, zeros.data(), zeros.size(), offset);
  }
  require(::fdatasync(fd) == 0, "cannot sync the log");
  return fd;
}

}  // namespace

GroupCommit::GroupCommit(const std::string& folder, bool fsync)
    : fsync_(fsync),
      file_fd_(open_zero_written(folder)),
      wakeup_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  require(wakeup_fd_ >= 0, "cannot create an eventfd");
  thread_ = std::thread([this] { run(); });
}

GroupCommit::~GroupCommit() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  pending_changed_.notify_one();
  thread_.join();
  ::close(file_fd_);
  ::close(wakeup_fd_);
}

void GroupCommit::append(zmq::message_t frame) {
  {
    const std::lock_guard lock(mutex_);
    pending_.push_back(std::move(frame));
  }
  pending_changed_.notify_one();
}

std::vector<zmq::message_t> GroupCommit::take_durable() {
  std::uint64_t count = 0;
  // Nothing to read is no error here: a wakeup may have been taken with the one before it.
  [[maybe_unused]] const ssize_t size = ::read(wakeup_fd_, &count, sizeof count);
  const std::lock_guard lock(mutex_);
  return std::exchange(durable_, {});
}

void GroupCommit::run() {
  std::vector<zmq::message_t> group;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      pending_changed_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
      if (pending_.empty()) return;
      group.swap(pending_);
    }
    write_group(group);
    {
      const std::lock_guard lock(mutex_);
      std::move(group.begin(), group.end(), std::back_inserter(durable_));
    }
    group.clear();
    const std::uint64_t one = 1;
    require(::write(wakeup_fd_, &one, sizeof one) == sizeof one, "cannot wake the broker");
  }
}

void GroupCommit::write_group(const std::vector<zmq::message_t>& group) {
  buffer_.clear();
  for (const zmq::message_t& frame : group) {
    const std::byte* data = frame.data<std::byte>();
    buffer_.insert(buffer_.end(), data, data + frame.size());
  }
  require(buffer_.size() <= kFileBytes, "a group is larger than the log: use a smaller window");
  if (offset_ + buffer_.size() > kFileBytes) offset_ = 0;
  write_all(file_fd_, buffer_.data(), buffer_.size(), offset_);
  offset_ += buffer_.size();
  if (fsync_) require(::fdatasync(file_fd_) == 0, "cannot sync the log");
}

}  // namespace sluice::bench
