#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "cli/bench/latency_histogram.h"

namespace sluice::cli::bench {

// What a worker tells its parent while it runs. Written by the worker only.
struct alignas(64) WorkerState {
  std::atomic<std::uint32_t> ready;       // connected, waits for `go`
  std::atomic<std::uint32_t> finished;    // its part is done, the histogram is complete
  std::atomic<std::uint64_t> confirmed;   // messages stored, or settled, as the broker said
  std::atomic<std::uint64_t> refused;     // publishes
  std::atomic<std::uint64_t> duplicated;  // messages that somebody had before
  std::atomic<std::uint64_t> foreign;     // messages that nobody here has sent
  std::atomic<std::int64_t> begin_ns;     // first message
  std::atomic<std::int64_t> end_ns;       // last confirmation
  LatencyHistogram latency;               // to the acknowledgement, or from end to end
};

// Memory that the bench and its workers share: states of the workers, and one bit for each message
// that some consumer has had. Made by the parent, inherited by descriptor, gone with the last
// process.
class SharedState {
 public:
  static base::Result<std::unique_ptr<SharedState>> create(std::uint32_t workers,
                                                           std::uint64_t messages);
  static base::Result<std::unique_ptr<SharedState>> attach(int fd);
  ~SharedState();
  SharedState(const SharedState&) = delete;
  SharedState& operator=(const SharedState&) = delete;

  int fd() const { return fd_; }
  WorkerState& worker(std::uint32_t index) { return workers_[index]; }

  // The parent's two orders; workers look at them.
  void set_go() { header_->go.store(1); }
  void set_stop() { header_->stop.store(1); }
  bool go() const { return header_->go.load(std::memory_order_relaxed) != 0; }
  bool stop() const { return header_->stop.load(std::memory_order_relaxed) != 0; }

  std::uint64_t messages() const { return header_->messages; }
  // Marks message `number` as had; true = it was before. REQUIRES: number < messages().
  bool mark(std::uint64_t number) {
    const std::uint64_t bit = std::uint64_t{1} << (number % 64);
    std::atomic<std::uint64_t>& word = bits_[number / 64];
    return (word.fetch_or(bit, std::memory_order_relaxed) & bit) != 0;
  }
  std::uint64_t marked() const;

 private:
  struct Header {
    std::atomic<std::uint32_t> go;
    std::atomic<std::uint32_t> stop;
    std::uint32_t workers;
    std::uint64_t messages;
  };

  SharedState(int fd, void* memory, std::size_t bytes);
  static std::size_t bytes_for(std::uint32_t workers, std::uint64_t messages);
  void lay_out();

  int fd_;
  void* memory_;
  std::size_t bytes_;
  Header* header_;
  WorkerState* workers_ = nullptr;
  std::atomic<std::uint64_t>* bits_ = nullptr;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "processes share no locks");

}  // namespace sluice::cli::bench
