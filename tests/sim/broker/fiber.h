#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace sluice::sim {

// A stack of its own for code that waits: the client library's calls block, and all of a simulation
// is one thread. The scheduler resumes a fiber; the fiber gives the thread back when it waits. It
// must have ended before it is destroyed.
class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // From outside any fiber: runs it until it gives the thread back or ends.
  void resume();
  // From inside: back to who resumed it.
  void give_back();
  bool ended() const { return ended_; }

 private:
  static void enter(unsigned low, unsigned high);

  std::function<void()> body_;
  std::unique_ptr<std::byte[]> stack_;
  ucontext_t own_{};
  ucontext_t outside_{};
  void* fake_stack_ = nullptr;  // AddressSanitizer's, of this fiber
  const void* outside_stack_ = nullptr;
  std::size_t outside_bytes_ = 0;
  bool ended_ = false;
};

}  // namespace sluice::sim
