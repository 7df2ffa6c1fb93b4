#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "client/publish_lane.h"
#include "tests/unit/client/lane_samples.h"

namespace sluice::client {
namespace {

using wire::Code;

// A broker with the rules of docs/protocol.md, at the far end of a line that loses what is on it.
// The messages of a named producer have numbers that the program counts, and the broker's disk may
// lose the last ones.
class LaneAgainstModel {
 public:
  LaneAgainstModel(std::uint64_t seed, bool named) : prng_(seed), named_(named) {
    if (named) lane_.end_on_refusal();
  }

  void run() {
    for (int step = 0; step < 2'000; ++step) {
      switch (prng_.below(8)) {
        case 0:
        case 1:
          add();
          break;
        case 2:
        case 3:
          send();
          break;
        case 4:
          if (prng_.below(10) == 0) lose();
          break;
        default:
          answer();
      }
    }
    calm_ = true;
    while (lane_.pending() > 0) {
      send();
      answer();
    }
    collect();
  }

  void check() const {
    // Every batch has one outcome, and exactly those told as stored are there, once, in order.
    ASSERT_EQ(outcomes_.size(), added_);
    std::vector<std::uint32_t> told;
    for (const auto& [count, stored] : outcomes_) {
      if (stored) told.push_back(count);
    }
    if (!named_) {
      ASSERT_EQ(told, stored_);
    }
    // Its batches are stored in order from the first on, but for what the end left unanswered.
    for (std::size_t i = 0; named_ && i < stored_.size(); ++i) {
      ASSERT_EQ(stored_[i], i + 1);
    }
  }
  wire::Code failure() const { return lane_.failure(); }

 private:
  struct OnLine {
    std::uint64_t request = 0;
    std::uint64_t sequence = 0;
    std::uint32_t count = 0;
  };

  // Counts are unique, so that they tell the batches apart.
  void add() { lane_.add(batch_of(++added_)); }
  void send() {
    if (lane_.phase() == PublishLane::Phase::kClosed) {
      lane_.on_opening(++request_);
      lane_.on_opened(kNow, opened(last_, 1'000'000'000));
      collect();
    }
    while (const PendingBatch* batch = lane_.next(kNow)) {
      line_.push_back({++request_, batch->producer_sequence, batch->count});
      lane_.on_sent(request_);
      if (prng_.below(3) == 0) break;
    }
  }
  void lose() {
    // Some of what was on the line still arrives; no answer does.
    for (std::uint64_t n = prng_.below(line_.size() + 1); n > 0; --n) take();
    line_.clear();
    if (named_ && prng_.below(8) == 0) rot();
    lane_.on_session_lost();
  }
  void rot() {
    for (std::uint64_t n = prng_.below(3); n > 0 && !stored_.empty(); --n) {
      last_ -= stored_.back();
      stored_.pop_back();
    }
  }
  wire::Published take() {
    const OnLine frame = line_.front();
    line_.pop_front();
    wire::Published published;
    if (frame.sequence != last_ + 1) {
      published.code = static_cast<std::uint16_t>(Code::kProducerGap);
      published.expected_sequence = last_ + 1;
    } else if (!calm_ && prng_.below(named_ ? 500 : 5) == 0) {
      published.code = static_cast<std::uint16_t>(Code::kQueueFull);
    } else {
      last_ += frame.count;
      stored_.push_back(frame.count);
    }
    return published;
  }
  void answer() {
    if (line_.empty()) return;
    const std::uint64_t request = line_.front().request;
    lane_.on_published(kNow, request, take());
    collect();
  }
  void collect() {
    for (const FinishedBatch& finished : lane_.take_finished()) {
      outcomes_.emplace_back(finished.batch.count, finished.code == Code::kNone);
    }
  }

  base::Prng prng_;
  const bool named_;
  PublishLane lane_;
  std::deque<OnLine> line_;
  std::uint64_t request_ = 0;
  std::uint32_t added_ = 0;
  bool calm_ = false;
  std::uint64_t last_ = 0;
  std::vector<std::uint32_t> stored_;
  std::vector<std::pair<std::uint32_t, bool>> outcomes_;
};

TEST(PublishLaneModel, StoresEveryBatchOnceWhateverIsLostAndRefused) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    LaneAgainstModel model(seed, false);
    model.run();
    model.check();
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(PublishLaneModel, AMessageOfANamedProducerIsStoredUnderItsNumberOnlyWhateverTheDiskLoses) {
  std::map<Code, int> ends;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    LaneAgainstModel model(seed, true);
    model.run();
    model.check();
    if (testing::Test::HasFatalFailure()) return;
    ++ends[model.failure()];
  }
  EXPECT_GT(ends[Code::kProducerGap], 30);
  EXPECT_GT(ends[Code::kQueueFull], 30);
}

}  // namespace
}  // namespace sluice::client
