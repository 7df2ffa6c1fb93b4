#include "tests/sim/broker/fiber.h"

#include <cstdint>
#include <utility>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace sluice::sim {
namespace {

constexpr std::size_t kStackBytes = 512 * 1024;

// AddressSanitizer wants to know on which stack the thread is.
void tell_start([[maybe_unused]] void** fake, [[maybe_unused]] const void* bottom,
                [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake, bottom, bytes);
#endif
}

void tell_finish([[maybe_unused]] void* fake, [[maybe_unused]] const void** bottom,
                 [[maybe_unused]] std::size_t* bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, bottom, bytes);
#endif
}

}  // namespace

Fiber::Fiber(std::function<void()> body)
    : body_(std::move(body)), stack_(std::make_unique_for_overwrite<std::byte[]>(kStackBytes)) {
  CHECK(getcontext(&own_) == 0);
  own_.uc_stack.ss_sp = stack_.get();
  own_.uc_stack.ss_size = kStackBytes;
  own_.uc_link = nullptr;
  // makecontext passes ints only.
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&own_, reinterpret_cast<void (*)()>(&Fiber::enter), 2,
              static_cast<unsigned>(self & 0xFFFF'FFFFU), static_cast<unsigned>(self >> 32));
}

Fiber::~Fiber() { CHECK(ended_); }

void Fiber::enter(unsigned low, unsigned high) {
  auto* self = reinterpret_cast<Fiber*>(std::uintptr_t{high} << 32 | low);
  tell_finish(nullptr, &self->outside_stack_, &self->outside_bytes_);
  self->body_();
  self->ended_ = true;
  tell_start(nullptr, self->outside_stack_, self->outside_bytes_);
  swapcontext(&self->own_, &self->outside_);
  CHECK(false);
}

void Fiber::resume() {
  CHECK(!ended_);
  void* fake = nullptr;
  tell_start(&fake, stack_.get(), kStackBytes);
  CHECK(swapcontext(&outside_, &own_) == 0);
  tell_finish(fake, nullptr, nullptr);
}

void Fiber::give_back() {
  tell_start(&fake_stack_, outside_stack_, outside_bytes_);
  CHECK(swapcontext(&own_, &outside_) == 0);
  tell_finish(fake_stack_, &outside_stack_, &outside_bytes_);
}

}  // namespace sluice::sim
