#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "storage/segment_header.h"
#include "tests/support/status_matchers.h"
#include "tests/support/thinning.h"
#include "tests/unit/storage/log_harness.h"

// Random work, faults and crashes against a model that knows what must be there. Repeat a run with
// --gtest_random_seed=N.
namespace sluice::storage {
namespace {

using base::Lsn;
using base::Sequence;
using runtime::CrashPlan;
using runtime::FileOperation;
using sluice::test::IsOk;
using test::LogHarness;
using test::stream_number;

constexpr unsigned kStreams = 3;
constexpr std::uint64_t kFuzzSegmentBytes = 64 * 1024;

struct Published {
  std::uint64_t sequence = 0;
  std::size_t body_bytes = 0;
  Lsn end;  // of the record
};
struct Dropped {
  unsigned stream = 0;
  base::SequenceRange range;
  Lsn end;  // of the record that says so
};

class LogFuzz {
 public:
  explicit LogFuzz(std::uint64_t seed) : prng_(seed), harness_(kFuzzSegmentBytes, seed + 1) {
    harness_.reserve_segments_max = seed % 2 == 0 ? 0 : 4;
  }

  void run() {
    ASSERT_THAT(harness_.open(), IsOk());
    for (int life = 0; life < 8 && !testing::Test::HasFatalFailure(); ++life) {
      for (std::uint64_t steps = 20 + prng_.below(120); steps > 0; --steps) {
        step();
        if (!harness_.log().status()) break;
      }
      end_life();
      if (testing::Test::HasFailure()) return;
    }
  }

 private:
  void step() {
    const std::uint64_t kind = prng_.below(100);
    if (kind < 45) return publish();
    if (kind < 55) return take_group();
    if (kind < 65) return finish_group();
    if (kind < 70) return harness_.log().request_sync();
    if (kind < 74) return snapshot();
    if (kind < 78) return drop();
    if (kind < 86) return background();
    if (kind < 90) return harness_.opened().trim_memory();
    if (kind < 91) return fault();
    return check(true);
  }

  void publish() {
    const auto which = static_cast<unsigned>(prng_.below(kStreams));
    std::uint64_t& next = next_[which];
    if (prng_.chance(0.05)) next += prng_.below(1'000);  // a jump
    const auto count = static_cast<std::uint32_t>(1 + prng_.below(5));
    const std::size_t body = 20 + prng_.below(prng_.chance(0.1) ? 6'000 : 300);
    const Appended record =
        harness_.publish(stream_number(which), next, count, body, prng_.chance(0.5));
    for (std::uint32_t i = 0; i < count; ++i) {
      published_[which].push_back({next + i, body, record.end});
    }
    next += count;
  }

  void take_group() {
    if (!group_) group_ = harness_.log().take_group();
  }
  void finish_group() {
    if (!group_) return;
    group_->finish(group_->run());
    group_ = nullptr;
  }
  void background() {
    if (!piece_) {
      piece_ = harness_.housekeeper().take_background();
      return;
    }
    piece_->finish(piece_->run());
    piece_ = nullptr;
  }
  void snapshot() {
    if (harness_.housekeeper().snapshot_under_way()) return;
    harness_.housekeeper().begin_snapshot(test::bytes_of("state"));
  }

  void drop() {
    for (unsigned which = 0; which < kStreams; ++which) {
      const std::uint64_t floor = next_[which] - std::min<std::uint64_t>(next_[which], 200);
      live_from_[which] = std::max(live_from_[which], floor);
    }
    std::map<std::uint64_t, std::vector<MessageIndex::SegmentRange>> before;
    const MessageIndex& index = harness_.messages().message_index();
    for (const std::uint64_t number : index.segments()) before[number] = index.ranges(number);
    harness_.housekeeper().drop_dead_segments(
        [this](const StreamId& stream, base::SequenceRange range) {
          return range.last.value() >= live_from_[stream.queue.bytes[0]];
        });
    for (const std::uint64_t number : index.segments()) before.erase(number);
    for (const auto& [number, ranges] : before) {
      for (const auto& range : ranges) {
        dropped_.push_back(
            {range.stream.queue.bytes[0], range.range, harness_.log().positions().appended});
      }
    }
  }

  void fault() {
    const FileOperation operations[] = {FileOperation::kWrite, FileOperation::kSync,
                                        FileOperation::kRename, FileOperation::kSyncFolder,
                                        FileOperation::kCreate};
    harness_.fs().fail({operations[prng_.below(5)], 1 + prng_.below(20),
                        prng_.chance(0.5) ? EIO : ENOSPC, "", prng_.below(5'000)});
  }

  bool is_dropped(unsigned which, std::uint64_t sequence, Lsn durable) const {
    return std::ranges::any_of(dropped_, [&](const Dropped& one) {
      return one.stream == which && one.range.contains(Sequence(sequence)) && one.end <= durable;
    });
  }

  // What a consumer sees is what was published; nothing that lives is missing.
  void check(bool running) {
    const Lsn all = running ? harness_.log().positions().appended : Lsn();
    for (unsigned which = 0; which < kStreams; ++which) {
      const auto seen = harness_.consume(stream_number(which), 1, next_[which] + 10'000,
                                         static_cast<std::uint32_t>(1 + prng_.below(20'000)));
      std::map<std::uint64_t, std::string> bodies;
      for (const auto& one : seen) {
        ASSERT_FALSE(one.damaged);
        ASSERT_TRUE(bodies.emplace(one.sequence, one.body).second);
      }
      for (const Published& one : published_[which]) {
        const auto found = bodies.find(one.sequence);
        const bool gone = is_dropped(which, one.sequence, running ? all : survived_);
        if (found == bodies.end()) {
          const bool may_be_gone = is_dropped(which, one.sequence, Lsn(~0ULL));
          EXPECT_TRUE(gone || may_be_gone) << "lost " << one.sequence << " of " << which;
          continue;
        }
        EXPECT_FALSE(gone) << "came back: " << one.sequence << " of " << which;
        EXPECT_EQ(found->second, test::body_of(one.sequence, one.body_bytes));
        bodies.erase(found);
      }
      EXPECT_TRUE(bodies.empty()) << "never published: " << bodies.begin()->first;
    }
  }

  void end_life() {
    const std::uint64_t kind = prng_.below(10);
    if (kind < 2 && harness_.log().status()) return stop_in_order();
    // A run that has begun may or may not get to its end.
    if (group_ && prng_.chance(0.5)) {
      const auto status = group_->run();
      if (prng_.chance(0.5)) group_->finish(status);
    }
    if (piece_ && prng_.chance(0.5)) {
      const auto status = piece_->run();
      if (prng_.chance(0.5)) piece_->finish(status);
    }
    const LogPositions positions = harness_.log().positions();
    group_ = nullptr;
    piece_ = nullptr;
    if (kind < 4) {
      harness_.close();
      harness_.fs().kill();
      return recover(positions.written);
    }
    const CrashPlan plan = harness_.fs().draw_crash_plan(prng_);
    harness_.close();
    harness_.fs().crash(plan);
    recover(positions.durable);
  }

  void stop_in_order() {
    finish_group();
    if (piece_) background();
    ASSERT_TRUE(harness_.housekeeper().run_inline() || !harness_.log().status());
    if (!harness_.log().status()) {
      const Lsn written = harness_.log().positions().written;
      harness_.close();
      harness_.fs().kill();
      return recover(written);
    }
    const bool clean = harness_.snapshot("end", true).has_value();
    const Lsn end = harness_.log().positions().durable;
    harness_.close();
    harness_.fs().crash(CrashPlan::lose_unsynced());
    recover(end);
    if (clean) {
      EXPECT_FALSE(harness_.report().unclean);
    }
  }

  // Everything that ends at or before `promised` must be there; what is beyond may be, in order.
  void recover(Lsn promised) {
    ASSERT_THAT(harness_.open(), IsOk());
    const RecoveryReport& report = harness_.report();
    EXPECT_TRUE(report.corrupt.empty())
        << report.corrupt.front().file << ' ' << report.corrupt.front().reason;
    EXPECT_TRUE(report.bad_snapshots.empty()) << report.bad_snapshots.front();
    ASSERT_GE(report.end, promised);
    survived_ = report.end;
    for (unsigned which = 0; which < kStreams; ++which) {
      std::erase_if(published_[which], [&](const Published& one) { return one.end > survived_; });
    }
    std::erase_if(dropped_, [&](const Dropped& one) { return one.end > survived_; });
    check(false);
    // Nothing that was recovered may depend on what is not on the disk.
    if (prng_.chance(0.3)) {
      harness_.close();
      harness_.fs().crash(CrashPlan::lose_unsynced());
      ASSERT_THAT(harness_.open(), IsOk());
      EXPECT_EQ(harness_.report().end, survived_);
      check(false);
    }
    for (std::uint64_t& next : next_) next += 1'000;
  }

  base::Prng prng_;
  LogHarness harness_;
  std::shared_ptr<LogWork> group_;
  std::shared_ptr<LogWork> piece_;
  std::vector<Published> published_[kStreams];
  std::uint64_t next_[kStreams] = {1, 1, 1};
  std::uint64_t live_from_[kStreams] = {0, 0, 0};
  std::vector<Dropped> dropped_;
  Lsn survived_;
};

TEST(LogFuzz, RandomWorkAndCrashesLoseNothingThatWasPromised) {
  const auto base = static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed)) * 1'000;
  for (std::uint64_t seed = base; seed < base + 60 / sluice::test::kThinning; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    LogFuzz(seed).run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace sluice::storage
