#include "frontend/work_thread.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "tests/support/status_matchers.h"

namespace sluice::frontend {
namespace {

using test::HasCode;
using test::IsOk;

class RecordingWork final : public storage::LogWork {
 public:
  explicit RecordingWork(base::Status status) : status_(std::move(status)) {}
  base::Status run() override {
    ran_on = std::this_thread::get_id();
    return status_;
  }
  void finish(const base::Status& status) override {
    finished_on = std::this_thread::get_id();
    finished_with_error = !status.has_value();
  }

  std::thread::id ran_on;
  std::thread::id finished_on;
  bool finished_with_error = false;

 private:
  base::Status status_;
};

class WorkThreadTest : public testing::Test {
 protected:
  void wait_for_wake() {
    pollfd item{wake_->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&item, 1, 30'000), 1);
    wake_->clear();
  }

  std::unique_ptr<runtime::Wakeup> wake_ = std::move(*runtime::Wakeup::create());
};

TEST_F(WorkThreadTest, RunsThereAndFinishesHere) {
  WorkThread thread("test", *wake_);
  for (int round = 0; round < 100; ++round) {
    auto work = std::make_shared<RecordingWork>(base::Status());
    EXPECT_TRUE(thread.idle());
    thread.start(work);
    EXPECT_FALSE(thread.idle());
    wait_for_wake();
    EXPECT_THAT(thread.collect(), IsOk());
    EXPECT_TRUE(thread.idle());
    EXPECT_NE(work->ran_on, std::this_thread::get_id());
    EXPECT_EQ(work->finished_on, std::this_thread::get_id());
  }
}

TEST_F(WorkThreadTest, AFailureReachesTheLoopAndTheWork) {
  WorkThread thread("test", *wake_);
  auto work = std::make_shared<RecordingWork>(base::io_error("write", 5));
  thread.start(work);
  EXPECT_THAT(thread.wait(), HasCode(base::ErrorCode::kIo));
  EXPECT_TRUE(work->finished_with_error);
}

TEST_F(WorkThreadTest, NothingToCollectIsFine) {
  WorkThread thread("test", *wake_);
  EXPECT_THAT(thread.collect(), IsOk());
  EXPECT_THAT(thread.wait(), IsOk());
}

TEST_F(WorkThreadTest, EndsWithWorkOut) {
  auto work = std::make_shared<RecordingWork>(base::Status());
  {
    WorkThread thread("test", *wake_);
    thread.start(work);
  }
  EXPECT_NE(work->ran_on, std::thread::id());
  EXPECT_EQ(work->finished_on, std::thread::id());
}

}  // namespace
}  // namespace sluice::frontend
