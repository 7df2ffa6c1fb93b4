#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

namespace sluice::bench {

// The least that a durable log can do: one thread takes every frame that has come since its last
// write, writes them as one, syncs once and hands them back. The file is written over from the
// start when it is full, as a log does that recycles its segments; it has no name, so nothing is
// left of it. append() and take_durable() are for one thread, the owner's.
class GroupCommit {
 public:
  GroupCommit(const std::string& folder, bool fsync);
  ~GroupCommit();
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  void append(zmq::message_t frame);
  // Readable when take_durable() has something to give.
  int wakeup_fd() const { return wakeup_fd_; }
  std::vector<zmq::message_t> take_durable();

 private:
  void run();
  void write_group(const std::vector<zmq::message_t>& group);

  const bool fsync_;
  int file_fd_ = -1;
  int wakeup_fd_ = -1;
  std::size_t offset_ = 0;         // of the log thread
  std::vector<std::byte> buffer_;  // of the log thread

  std::mutex mutex_;
  std::condition_variable pending_changed_;
  std::vector<zmq::message_t> pending_;  // under mutex_, as the two below
  std::vector<zmq::message_t> durable_;
  bool stopping_ = false;

  std::thread thread_;  // the last member: the others live as long as it runs
};

}  // namespace sluice::bench
