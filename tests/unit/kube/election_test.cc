#include "kube/election.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "tests/unit/kube/script_transport.h"

namespace sluice::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A Lease on a server, and processes that want it; each has a clock of its own for the wall, and
// may be cut off.
class ElectionTest : public testing::Test {
 protected:
  struct Process {
    Election election;
    std::int64_t wall_offset_ms = 0;
    bool cut_off = false;
    bool answers_lost = false;
  };

  Process& process(const std::string& name) {
    auto& slot = processes[name];
    if (slot == nullptr) {
      ElectionOptions options;
      options.name_space = "sys";
      options.lease_name = "op";
      options.identity = name;
      slot = std::make_unique<Process>(Process{Election(options, processes.size()), 0});
    }
    return *slot;
  }
  base::Now now_of(const Process& process) const {
    return {clock.mono, clock.wall + process.wall_offset_ms};
  }

  base::Result<Json> carry_out(const Election::Step& step) {
    if (step.kind == Election::Kind::kRead) {
      if (lease.is_null()) return base::not_found("no lease");
      return lease;
    }
    if (step.kind == Election::Kind::kCreate) {
      if (!lease.is_null()) return base::Error(base::ErrorCode::kAlreadyExists, "there is one");
    } else {
      if (lease.is_null()) return base::not_found("no lease");
      if (resource_version_of(step.lease) != resource_version_of(lease)) {
        return base::Error(base::ErrorCode::kConflict, "changed");
      }
    }
    lease = step.lease;
    lease["metadata"]["resourceVersion"] = std::to_string(++version);
    return lease;
  }

  void turn(Process& process) {
    for (int calls = 0; calls < 5; ++calls) {
      const Election::Step step = process.election.next(now_of(process));
      if (step.kind == Election::Kind::kWait) return;
      base::Result<Json> answer =
          process.cut_off ? base::Result<Json>(base::unavailable("cut off")) : carry_out(step);
      if (process.answers_lost) answer = base::unavailable("lost");
      process.election.answered(answer, now_of(process));
    }
  }
  void run(base::Nanos time) {
    const base::MonoTime end = clock.mono + time;
    while (clock.mono < end) {
      clock.advance(milliseconds(100));
      int leaders = 0;
      for (auto& [name, one] : processes) {
        turn(*one);
        leaders += one->election.may_write(clock.mono) ? 1 : 0;
      }
      ASSERT_LE(leaders, 1) << "two may write at once";
    }
  }
  std::string leader() {
    std::string who;
    for (auto& [name, one] : processes) {
      if (one->election.leads(clock.mono)) who += name;
    }
    return who;
  }

  TestClock clock;
  Json lease;
  int version = 0;
  std::map<std::string, std::unique_ptr<Process>> processes;
};

TEST_F(ElectionTest, one_leads_and_goes_on_leading) {
  process("a");
  run(seconds(1));
  EXPECT_EQ(leader(), "a");
  const std::uint64_t epoch = process("a").election.epoch();
  process("b");
  run(seconds(120));
  EXPECT_EQ(leader(), "a");
  EXPECT_EQ(process("a").election.epoch(), epoch);
}

TEST_F(ElectionTest, a_new_lease_starts_at_the_seconds_of_unix_time) {
  process("a");
  run(seconds(1));
  EXPECT_GE(process("a").election.epoch(), 1'790'000'000U);
  EXPECT_EQ(lease["spec"]["leaseTransitions"], process("a").election.epoch());
  EXPECT_EQ(lease["spec"]["leaseDurationSeconds"], 15);
  EXPECT_EQ(lease["spec"]["renewTime"].get<std::string>().size(), 27U);
}

TEST_F(ElectionTest, who_is_cut_off_stops_before_the_next_one_begins) {
  process("a");
  run(seconds(1));
  process("b");
  run(seconds(5));
  const std::uint64_t epoch = process("a").election.epoch();
  process("a").cut_off = true;
  run(seconds(10));
  EXPECT_EQ(leader(), "");
  run(seconds(10));
  EXPECT_EQ(leader(), "b");
  EXPECT_EQ(process("b").election.epoch(), epoch + 1);
}

TEST_F(ElectionTest, no_write_begins_in_the_last_two_seconds) {
  process("a");
  run(seconds(1));
  process("a").cut_off = true;
  const base::MonoTime end = process("a").election.write_until();
  EXPECT_TRUE(process("a").election.may_write(end + base::Nanos(-1)));
  EXPECT_FALSE(process("a").election.may_write(end));
  EXPECT_TRUE(process("a").election.leads(end));
  EXPECT_FALSE(process("a").election.leads(end + seconds(2)));
}

TEST_F(ElectionTest, wall_clocks_that_differ_by_a_day_do_not_matter) {
  process("a").wall_offset_ms = -86'400'000;
  run(seconds(1));
  process("b").wall_offset_ms = 86'400'000;
  run(seconds(60));
  EXPECT_EQ(leader(), "a");
  process("a").cut_off = true;
  run(seconds(20));
  EXPECT_EQ(leader(), "b");
}

TEST_F(ElectionTest, a_lease_that_was_given_back_is_taken_at_once) {
  process("a");
  run(seconds(1));
  process("b");
  run(seconds(3));
  const std::uint64_t epoch = process("a").election.epoch();
  const auto released = process("a").election.release(now_of(process("a")));
  ASSERT_TRUE(released.has_value());
  EXPECT_EQ((*released)["spec"]["holderIdentity"], "");
  ASSERT_TRUE(carry_out({Election::Kind::kUpdate, {}, *released}).has_value());
  processes.erase("a");
  run(seconds(3));
  EXPECT_EQ(leader(), "b");
  EXPECT_EQ(process("b").election.epoch(), epoch + 1);
}

TEST_F(ElectionTest, a_lease_that_was_deleted_does_not_take_the_epoch_back) {
  process("a");
  run(seconds(1));
  const std::uint64_t epoch = process("a").election.epoch();
  lease = nullptr;
  run(seconds(5));
  EXPECT_EQ(leader(), "a");
  EXPECT_GT(process("a").election.epoch(), epoch);
}

TEST_F(ElectionTest, a_deleted_lease_is_left_to_its_leader_while_that_may_still_write) {
  process("a");
  run(seconds(1));
  process("b");
  run(seconds(3));
  process("a").cut_off = true;
  lease = nullptr;
  run(seconds(9));
  EXPECT_NE(leader(), "b");
  run(seconds(8));
  EXPECT_EQ(leader(), "b");
}

TEST_F(ElectionTest, a_higher_epoch_that_was_met_is_surpassed) {
  process("a").wall_offset_ms = -1'000'000'000;  // its clock is 11 days behind
  run(seconds(1));
  const std::uint64_t met = process("a").election.epoch() + 500'000;
  EXPECT_TRUE(process("a").election.met_epoch(met, now_of(process("a")).wall));
  run(seconds(3));
  EXPECT_EQ(leader(), "a");
  EXPECT_EQ(process("a").election.epoch(), met + 1);
  EXPECT_EQ(lease["spec"]["leaseTransitions"], met + 1);
}

TEST_F(ElectionTest, an_absurd_epoch_does_not_end_the_count) {
  process("a");
  run(seconds(1));
  const std::uint64_t epoch = process("a").election.epoch();
  // The second one just fits a Lease: all leaders after it would have the same number.
  for (const std::uint64_t absurd : {~0ULL, (1ULL << 31) - 2, epoch + 400ULL * 86'400}) {
    EXPECT_FALSE(process("a").election.met_epoch(absurd, clock.wall));
    run(seconds(5));
    EXPECT_EQ(process("a").election.epoch(), epoch);
  }
}

TEST_F(ElectionTest, an_absurd_number_in_the_lease_does_not_end_the_count) {
  process("a");
  run(seconds(1));
  const std::uint64_t epoch = process("a").election.epoch();
  lease["spec"]["leaseTransitions"] = (1ULL << 31) - 1;
  lease["metadata"]["resourceVersion"] = std::to_string(++version);
  run(seconds(5));
  EXPECT_EQ(leader(), "a");
  EXPECT_GE(process("a").election.epoch(), epoch);
  const std::uint64_t now_epoch = process("a").election.epoch();
  EXPECT_LT(now_epoch, epoch + 3'600);
  process("b");
  process("a").cut_off = true;
  run(seconds(30));
  EXPECT_EQ(leader(), "b");
  EXPECT_GT(process("b").election.epoch(), now_epoch);
}

TEST_F(ElectionTest, a_write_whose_answer_was_lost_is_found_again) {
  process("a").answers_lost = true;
  run(seconds(5));
  EXPECT_EQ(leader(), "");
  process("a").answers_lost = false;
  run(seconds(5));
  EXPECT_EQ(leader(), "a");
  EXPECT_EQ(process("a").election.epoch(), lease["spec"]["leaseTransitions"].get<std::uint64_t>());
}

TEST_F(ElectionTest, whatever_is_cut_off_when_never_two_may_write) {
  base::Prng prng(7);
  for (const char* name : {"a", "b", "c"}) process(name);
  int led = 0;
  for (int i = 0; i < 300; ++i) {
    for (auto& [name, one] : processes) {
      one->cut_off = prng.chance(0.3);
      one->answers_lost = prng.chance(0.2);
    }
    run(milliseconds(100 + static_cast<std::int64_t>(prng.below(8'000))));
    if (HasFatalFailure()) return;
    led += leader().empty() ? 0 : 1;
  }
  EXPECT_GT(led, 50);
}

}  // namespace
}  // namespace sluice::kube
