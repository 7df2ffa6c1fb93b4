#include "cli/bench/shared_state.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>

namespace sluice::cli::bench {
namespace {

constexpr std::size_t kHeaderBytes = 64;

std::uint64_t words_for(std::uint64_t messages) { return (messages + 63) / 64; }

base::Result<void*> map(int fd, std::size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return base::io_error("mapping shared memory", errno);
  return memory;
}

}  // namespace

std::size_t SharedState::bytes_for(std::uint32_t workers, std::uint64_t messages) {
  return kHeaderBytes + workers * sizeof(WorkerState) + words_for(messages) * 8;
}

// Zeros are a valid state of everything in it, and the kernel gives zeros.
base::Result<std::unique_ptr<SharedState>> SharedState::create(std::uint32_t workers,
                                                               std::uint64_t messages) {
  const std::size_t bytes = bytes_for(workers, messages);
  const int fd = memfd_create("sluice-bench", 0);  // inherited by the workers
  if (fd < 0) return base::io_error("making shared memory", errno);
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    const int failure = errno;
    close(fd);
    return base::io_error("making shared memory", failure);
  }
  auto memory = map(fd, bytes);
  if (!memory) {
    close(fd);
    return memory.error();
  }
  auto state = std::unique_ptr<SharedState>(new SharedState(fd, *memory, bytes));
  state->header_->workers = workers;
  state->header_->messages = messages;
  state->lay_out();
  return state;
}

base::Result<std::unique_ptr<SharedState>> SharedState::attach(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0 || static_cast<std::size_t>(status.st_size) < kHeaderBytes) {
    return base::invalid_argument("--shared-fd is no shared memory of a bench");
  }
  const auto bytes = static_cast<std::size_t>(status.st_size);
  ASSIGN_OR_RETURN(void* const memory, map(fd, bytes));
  auto state = std::unique_ptr<SharedState>(new SharedState(fd, memory, bytes));
  if (bytes != bytes_for(state->header_->workers, state->header_->messages)) {
    return base::invalid_argument("--shared-fd is no shared memory of a bench");
  }
  state->lay_out();
  return state;
}

SharedState::SharedState(int fd, void* memory, std::size_t bytes)
    : fd_(fd), memory_(memory), bytes_(bytes), header_(static_cast<Header*>(memory)) {
  static_assert(sizeof(Header) <= kHeaderBytes);
}

void SharedState::lay_out() {
  auto* const begin = static_cast<std::byte*>(memory_);
  void* const workers = begin + kHeaderBytes;
  void* const bits = begin + kHeaderBytes + header_->workers * sizeof(WorkerState);
  workers_ = static_cast<WorkerState*>(workers);
  bits_ = static_cast<std::atomic<std::uint64_t>*>(bits);
}

SharedState::~SharedState() {
  munmap(memory_, bytes_);
  close(fd_);
}

std::uint64_t SharedState::marked() const {
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < words_for(header_->messages); ++i) {
    count += static_cast<std::uint64_t>(std::popcount(bits_[i].load(std::memory_order_relaxed)));
  }
  return count;
}

}  // namespace sluice::cli::bench
