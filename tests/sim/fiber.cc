#include "tests/sim/fiber.h"

#include <sys/mman.h>

#include <exception>
#include <utility>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace sluice::sim {
namespace {

// Pages that are never touched cost nothing.
constexpr std::size_t kStackBytes = std::size_t{1} << 20U;

Fiber* running = nullptr;

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  void* memory = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(memory != MAP_FAILED);
  stack_ = static_cast<std::byte*>(memory);
}

Fiber::~Fiber() {
  CHECK(done_ || !started_);
  ::munmap(stack_, kStackBytes);
}

Fiber* Fiber::current() { return running; }

void Fiber::enter() {
  Fiber* self = running;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &self->caller_stack_, &self->caller_stack_bytes_);
#endif
  self->run();
}

void Fiber::run() {
  try {
    if (!killed_) body_();
  } catch (const Killed&) {
    // Everything on the stack is destroyed.
  }
  body_ = nullptr;
  done_ = true;
  switch_out();
}

void Fiber::switch_in() {
  running = this;
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, stack_, kStackBytes);
#endif
  CHECK(::swapcontext(&caller_, &own_) == 0);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
  running = nullptr;
}

void Fiber::switch_out() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(done_ ? nullptr : &fake_stack_, caller_stack_,
                                 caller_stack_bytes_);
#endif
  CHECK(::swapcontext(&own_, &caller_) == 0);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, &caller_stack_, &caller_stack_bytes_);
#endif
}

void Fiber::resume() {
  CHECK(running == nullptr && !done_);
  if (!started_) {
    started_ = true;
    CHECK(::getcontext(&own_) == 0);
    own_.uc_stack.ss_sp = stack_;
    own_.uc_stack.ss_size = kStackBytes;
    own_.uc_link = nullptr;
    ::makecontext(&own_, &Fiber::enter, 0);
  }
  switch_in();
}

void Fiber::kill() {
  if (done_) return;
  killed_ = true;
  if (!started_) {
    body_ = nullptr;
    done_ = true;
    return;
  }
  resume();
  CHECK(done_);
}

void Fiber::suspend() {
  Fiber* self = running;
  CHECK(self != nullptr);
  // A destructor on a stack that is being unwound waits for nothing.
  if (self->killed_ && std::uncaught_exceptions() > 0) return;
  if (!self->killed_) self->switch_out();
  if (self->killed_) throw Killed();
}

}  // namespace sluice::sim
