#include "frontend/log_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::frontend {
namespace {

using sluice::test::IsOk;
using storage::Appended;
using storage::StreamId;
using storage::test::bytes_of;
using storage::test::LogHarness;
using storage::test::stream_number;

// What an eventfd is to the frontend.
class Bell {
 public:
  void ring() {
    const std::lock_guard<std::mutex> lock(mutex_);
    rung_ = true;
    changed_.notify_one();
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

TEST(LogThread, CommitsWhileTheLoopGoesOnAppendingAndReading) {
  LogHarness harness(256 * 1024);
  ASSERT_THAT(harness.open(), IsOk());
  Bell bell;
  LogThread thread([&bell] { bell.ring(); });
  const StreamId stream = stream_number(1);
  std::uint64_t next = 1;
  bool clean = false;
  while (!clean || !harness.housekeeper().idle() ||
         harness.log().positions().durable < harness.log().positions().appended) {
    for (int i = 0; i < 40 && next <= 4'000; ++i) harness.publish(stream, next++, 1, 300);
    if (next > 4'000 && !clean && !harness.housekeeper().snapshot_under_way()) {
      harness.housekeeper().mark_clean(bytes_of("end"));
      clean = true;
    } else if (harness.housekeeper().snapshot_due()) {
      harness.housekeeper().begin_snapshot(bytes_of("state"));
    }
    if (!clean) {
      const std::uint64_t live = next > 1'000 ? next - 1'000 : 1;
      harness.housekeeper().drop_dead_segments([live](const StreamId&, base::SequenceRange range) {
        return range.last.value() >= live;
      });
    }
    bool busy = false;
    if (auto group = harness.log().take_group()) {
      thread.submit(LogThread::Lane::kGroups, group);
      busy = true;
    }
    if (auto work = harness.housekeeper().take_background()) {
      thread.submit(LogThread::Lane::kBackground, work);
      busy = true;
    }
    const auto seen = harness.consume(stream, next > 50 ? next - 50 : 1, next - 1);
    EXPECT_EQ(seen.size(), std::min<std::uint64_t>(50, next - 1));
    if (thread.run_completions() == 0 && busy) {
      bell.wait();
      thread.run_completions();
    }
    ASSERT_THAT(harness.log().status(), IsOk());
  }
  thread.stop();
  thread.run_completions();
  harness.close();
  harness.fs().crash(runtime::CrashPlan::lose_unsynced());
  ASSERT_THAT(harness.open(), IsOk());
  EXPECT_FALSE(harness.report().unclean);
  EXPECT_TRUE(harness.report().corrupt.empty());
  EXPECT_EQ(harness.consume(stream, 3'001, 4'000).size(), 1'000U);
}

TEST(LogThread, StopCarriesOutWhatWasSubmitted) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  LogThread thread([] {});
  const Appended record = harness.append_fact(1);
  thread.submit(LogThread::Lane::kGroups, harness.log().take_group());
  thread.stop();
  EXPECT_LT(harness.log().positions().durable, record.end);
  EXPECT_EQ(thread.run_completions(), 1U);
  EXPECT_EQ(harness.log().positions().durable, record.end);
}

TEST(LogThread, AFailureArrivesAtTheLoop) {
  LogHarness harness;
  ASSERT_THAT(harness.open(), IsOk());
  Bell bell;
  LogThread thread([&bell] { bell.ring(); });
  harness.fs().fail({runtime::FileOperation::kSync, 1, EIO, "", 0});
  harness.append_fact(1);
  thread.submit(LogThread::Lane::kGroups, harness.log().take_group());
  bell.wait();
  EXPECT_EQ(thread.run_completions(), 1U);
  EXPECT_THAT(harness.log().status(), testing::Not(IsOk()));
}

}  // namespace
}  // namespace sluice::frontend
