#include "frontend/post_queue.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/support/status_matchers.h"

namespace sluice::frontend {
namespace {

class PostQueueTest : public testing::Test {
 protected:
  std::unique_ptr<runtime::Wakeup> wake_ = std::move(*runtime::Wakeup::create());
};

TEST_F(PostQueueTest, RunsWhatOtherThreadsPost) {
  PostQueue queue(*wake_, 1'000);
  int sum = 0;  // touched by the tasks only, and those run here
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 1; n <= 100; ++n) EXPECT_TRUE(queue.post([&sum, n] { sum += n; }));
    });
  }
  for (std::thread& thread : threads) thread.join();
  queue.run();
  EXPECT_EQ(sum, 4 * 5'050);
}

TEST_F(PostQueueTest, TellsThePosterWhenItIsFull) {
  PostQueue queue(*wake_, 2);
  EXPECT_TRUE(queue.post([] {}));
  EXPECT_TRUE(queue.post([] {}));
  EXPECT_FALSE(queue.post([] {}));
  queue.run();
  EXPECT_TRUE(queue.post([] {}));
}

TEST_F(PostQueueTest, ATaskMayPostTheNext) {
  PostQueue queue(*wake_);
  int runs = 0;
  queue.post([&] {
    ++runs;
    queue.post([&] { ++runs; });
  });
  queue.run();
  EXPECT_EQ(runs, 1);
  queue.run();
  EXPECT_EQ(runs, 2);
}

TEST_F(PostQueueTest, TakesNothingOnceClosed) {
  PostQueue queue(*wake_);
  bool ran = false;
  queue.post([&] { ran = true; });
  queue.close();
  EXPECT_FALSE(queue.post([] {}));
  queue.run();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace sluice::frontend
