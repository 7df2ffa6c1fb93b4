#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace sluice::sim {

// A function with a stack of its own: it may stop in the middle, and go on later. All fibers run on
// the thread that resumes them, one at a time; so code that waits for an answer runs in a
// simulation as it is.
class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  // REQUIRES: done().
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs it until it suspends or ends. Not from inside of a fiber.
  void resume();
  // Ends it where it is: its stack is unwound, and all that is on it destroyed.
  void kill();
  bool done() const { return done_; }

  // The one that runs; nullptr = none.
  static Fiber* current();
  // Back to whoever resumed it. Only from inside.
  static void suspend();

 private:
  struct Killed {};

  static void enter();
  void run();
  void switch_in();
  void switch_out();

  std::function<void()> body_;
  std::byte* stack_ = nullptr;
  ucontext_t own_{};
  ucontext_t caller_{};
  const void* caller_stack_ = nullptr;  // for AddressSanitizer
  std::size_t caller_stack_bytes_ = 0;
  void* fake_stack_ = nullptr;
  bool started_ = false;
  bool done_ = false;
  bool killed_ = false;
};

}  // namespace sluice::sim
