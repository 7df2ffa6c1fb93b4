#include "runtime/posix/wakeup.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "tests/support/status_matchers.h"

namespace sluice::runtime {
namespace {

bool readable(const Wakeup& wakeup, int timeout_ms) {
  pollfd item{wakeup.fd(), POLLIN, 0};
  return ::poll(&item, 1, timeout_ms) == 1;
}

TEST(WakeupTest, it_is_readable_from_notify_to_clear) {
  auto wakeup = Wakeup::create();
  ASSERT_THAT(wakeup, test::IsOk());
  EXPECT_FALSE(readable(**wakeup, 0));
  (*wakeup)->notify();
  (*wakeup)->notify();
  EXPECT_TRUE(readable(**wakeup, 0));
  EXPECT_TRUE(readable(**wakeup, 0));
  (*wakeup)->clear();
  EXPECT_FALSE(readable(**wakeup, 0));
  (*wakeup)->clear();
  (*wakeup)->notify();
  EXPECT_TRUE(readable(**wakeup, 0));
}

TEST(WakeupTest, another_thread_wakes_the_loop) {
  auto wakeup = Wakeup::create();
  ASSERT_THAT(wakeup, test::IsOk());
  std::thread other([&] { (*wakeup)->notify(); });
  EXPECT_TRUE(readable(**wakeup, -1));
  other.join();
}

}  // namespace
}  // namespace sluice::runtime
