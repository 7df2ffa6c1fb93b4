#include "tests/sim/operator/loop.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::sim {
namespace {

using std::chrono::seconds;

class LoopTest : public testing::Test {
 protected:
  void run_for(base::Nanos time) { loop.run_until(loop.now() + time); }

  Loop loop;
  std::vector<std::string> seen;
};

TEST_F(LoopTest, what_is_due_at_one_time_happens_in_the_order_in_which_it_was_posted) {
  loop.post(0, seconds(2), [this] { seen.emplace_back("later"); });
  loop.post(0, seconds(1), [this] { seen.emplace_back("first"); });
  loop.post(0, seconds(1), [this] { seen.emplace_back("second"); });
  run_for(seconds(3));
  EXPECT_EQ(seen, (std::vector<std::string>{"first", "second", "later"}));
}

TEST_F(LoopTest, fibers_take_turns_where_they_wait) {
  for (const char* name : {"a", "b"}) {
    loop.spawn(loop.new_process(), [this, name] {
      for (int i = 0; i < 2; ++i) {
        seen.emplace_back(name + std::to_string(i));
        loop.linger(seconds(1));
      }
    });
  }
  run_for(seconds(5));
  EXPECT_EQ(seen, (std::vector<std::string>{"a0", "b0", "a1", "b1"}));
}

TEST_F(LoopTest, a_signal_wakes_who_waits_and_is_kept_for_who_does_not_yet) {
  Signal signal(loop);
  signal.notify();
  loop.spawn(0, [&] {
    const base::MonoTime late = loop.now() + std::chrono::hours(1);
    seen.emplace_back(loop.wait(signal, late) ? "kept" : "timeout");
    seen.emplace_back(loop.wait(signal, loop.now() + seconds(1)) ? "told" : "timeout");
    seen.emplace_back(loop.wait(signal, late) ? "told" : "timeout");
  });
  loop.post(0, seconds(5), [&] { signal.notify(); });
  run_for(seconds(10));
  EXPECT_EQ(seen, (std::vector<std::string>{"kept", "timeout", "told"}));
}

TEST_F(LoopTest, who_is_killed_destroys_what_is_on_its_stack_and_does_nothing_more) {
  struct Leaves {
    ~Leaves() { seen.emplace_back("left"); }
    std::vector<std::string>& seen;
  };
  const ProcessId process = loop.new_process();
  loop.spawn(process, [this] {
    const Leaves leaves{seen};
    loop.linger(seconds(10));
    seen.emplace_back("woke up");
  });
  loop.post(process, seconds(10), [this] { seen.emplace_back("posted"); });
  loop.post(0, seconds(1), [this, process] { loop.kill(process); });
  run_for(seconds(20));
  EXPECT_EQ(seen, std::vector<std::string>{"left"});
}

TEST_F(LoopTest, what_a_paused_process_misses_happens_when_it_goes_on) {
  const ProcessId process = loop.new_process();
  base::MonoTime woke;
  loop.spawn(process, [&] {
    loop.linger(seconds(1));
    woke = loop.now();
  });
  const base::MonoTime begin = loop.now();
  loop.pause(process, seconds(30));
  run_for(seconds(60));
  EXPECT_EQ(woke, begin + seconds(31));
}

TEST_F(LoopTest, the_hash_knows_of_everything_that_was_noted) {
  Loop other;
  loop.note("one");
  other.note("one");
  EXPECT_EQ(loop.hash(), other.hash());
  other.note("two");
  EXPECT_NE(loop.hash(), other.hash());
}

}  // namespace
}  // namespace sluice::sim
