#include "kube/work_queue.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "tests/unit/kube/script_transport.h"

namespace sluice::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkQueueTest : public testing::Test {
 protected:
  std::string take() {
    const auto taken = queue.take(now);
    return taken ? taken->key : "-";
  }
  base::Nanos due_in() { return base::Nanos(queue.next_due().value_or(now) - now); }

  WorkQueueCore queue;
  base::MonoTime now{1'000'000'000'000};
};

TEST_F(WorkQueueTest, a_key_waits_once) {
  queue.add("a", now);
  queue.add("b", now);
  queue.add("a", now);
  EXPECT_EQ(take(), "a");
  EXPECT_EQ(take(), "b");
  EXPECT_EQ(take(), "-");
}

TEST_F(WorkQueueTest, a_key_in_work_is_not_given_out_again_before_it_is_done) {
  queue.add("a", now);
  EXPECT_EQ(take(), "a");
  queue.add("a", now);
  queue.add("a", now);
  EXPECT_EQ(take(), "-");
  now = now + seconds(3);
  EXPECT_EQ(queue.stats(now).longest_running, seconds(3));
  EXPECT_EQ(queue.done("a", now), seconds(3));
  EXPECT_EQ(take(), "a");
  queue.done("a", now);
  EXPECT_EQ(take(), "-");
}

TEST_F(WorkQueueTest, failures_of_a_key_wait_longer_each_time_until_it_goes_well) {
  for (const int wait_ms : {5, 10, 20, 40}) {
    queue.add_rate_limited("a", now);
    EXPECT_EQ(due_in(), milliseconds(wait_ms));
    now = *queue.next_due();
    EXPECT_EQ(take(), "a");
    queue.done("a", now);
  }
  queue.forget("a");
  queue.add_rate_limited("a", now);
  EXPECT_EQ(due_in(), milliseconds(5));
  for (int i = 0; i < 100; ++i) {
    queue.add("a", now);  // takes the waiting one's place
    EXPECT_EQ(take(), "a");
    queue.done("a", now);
    now = now + seconds(1);
    queue.add_rate_limited("a", now);
  }
  EXPECT_EQ(due_in(), seconds(1'000));
}

TEST_F(WorkQueueTest, many_failing_keys_do_not_make_a_storm) {
  for (int i = 0; i < 200; ++i) queue.add_rate_limited("k" + std::to_string(i), now);
  now = now + milliseconds(5);
  int at_once = 0;
  while (take() != "-") ++at_once;
  EXPECT_EQ(at_once, 100);
  now = now + seconds(1);
  int in_a_second = 0;
  while (take() != "-") ++in_a_second;
  EXPECT_EQ(in_a_second, 10);
}

TEST_F(WorkQueueTest, of_two_times_the_earlier_counts) {
  queue.add_at("a", now + seconds(10));
  queue.add_at("a", now + seconds(3));
  queue.add_at("a", now + seconds(20));
  EXPECT_EQ(due_in(), seconds(3));
  queue.add("a", now);
  EXPECT_EQ(take(), "a");
  queue.done("a", now);
  EXPECT_FALSE(queue.next_due().has_value());
}

TEST(WorkQueueShellTest, what_is_due_is_taken_without_waiting) {
  TestClock clock;
  WorkQueue queue(clock);
  EXPECT_FALSE(queue.take_due().has_value());
  queue.add_after("later", seconds(5));
  queue.add("now");
  ASSERT_TRUE(queue.take_due().has_value());
  EXPECT_FALSE(queue.take_due().has_value());
  clock.advance(seconds(5));
  const auto taken = queue.take_due();
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->key, "later");
}

// Whoever waits already is woken by done(), for a key that was added while it was in work.
TEST(WorkQueueShellTest, a_key_that_was_added_while_in_work_goes_to_whoever_waits) {
  const TestClock clock;
  for (int round = 0; round < 200; ++round) {
    WorkQueue queue(clock);
    std::stop_source stop;
    queue.add("a");
    ASSERT_TRUE(queue.take(stop.get_token()).has_value());
    queue.add("a");
    std::promise<void> begun;
    std::promise<std::optional<WorkQueueCore::Taken>> taken;
    auto got = taken.get_future();
    const std::jthread waiter([&] {
      begun.set_value();
      taken.set_value(queue.take(stop.get_token()));
    });
    begun.get_future().wait();
    std::this_thread::yield();
    queue.done("a");
    const bool came = got.wait_for(seconds(10)) == std::future_status::ready;
    stop.request_stop();
    ASSERT_TRUE(came);
    EXPECT_TRUE(got.get().has_value());
  }
}

TEST_F(WorkQueueTest, it_counts) {
  queue.add("a", now);
  queue.add("b", now);
  EXPECT_EQ(queue.stats(now).depth, 2U);
  now = now + seconds(2);
  EXPECT_EQ(queue.take(now)->waited, seconds(2));
  EXPECT_EQ(queue.stats(now).processing, 1U);
  EXPECT_EQ(queue.stats(now).adds, 2U);
}

}  // namespace
}  // namespace sluice::kube
