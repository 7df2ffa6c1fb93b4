// The small books that the state is made of.

#include "base/prng.h"
#include "broker/agenda.h"
#include "broker/byte_ledger.h"
#include "broker/producer_table.h"
#include "broker/retry_book.h"
#include "broker/sequence_runs.h"
#include "broker/text_index.h"
#include "broker/timed_runs.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using base::Sequence;
using base::SequenceRange;
using base::WallTime;
using testing::ElementsAre;

SequenceRange range(std::uint64_t first, std::uint64_t last) {
  return {Sequence(first), Sequence(last)};
}

TEST(SequenceRuns, neighbours_are_joined) {
  Ranges ranges;
  append_range(ranges, range(1, 3));
  append_range(ranges, range(4, 5));
  append_range(ranges, range(7, 7));
  EXPECT_THAT(ranges, ElementsAre(range(1, 5), range(7, 7)));
  ranges = {range(9, 9), range(1, 4), range(3, 6), range(8, 8)};
  normalise(ranges);
  EXPECT_THAT(ranges, ElementsAre(range(1, 6), range(8, 9)));
  EXPECT_EQ(count_messages(ranges), 8U);
}

TEST(SequenceRuns, a_cut_leaves_what_is_beside_it) {
  const auto cut = [](Ranges ranges, SequenceRange out, std::uint64_t removed) {
    EXPECT_EQ(cut_range(ranges, out), removed);
    return ranges;
  };
  const Ranges all{range(10, 20), range(30, 40)};
  EXPECT_THAT(cut(all, range(10, 20), 11), ElementsAre(range(30, 40)));
  EXPECT_THAT(cut(all, range(12, 14), 3), ElementsAre(range(10, 11), range(15, 20), range(30, 40)));
  EXPECT_THAT(cut(all, range(15, 35), 12), ElementsAre(range(10, 14), range(36, 40)));
  EXPECT_THAT(cut(all, range(1, 50), 22), ElementsAre());
  EXPECT_THAT(cut(all, range(21, 29), 0), ElementsAre(range(10, 20), range(30, 40)));
  EXPECT_THAT(cut(all, range(5, 10), 1), ElementsAre(range(11, 20), range(30, 40)));
  EXPECT_THAT(cut(all, range(40, 99), 1), ElementsAre(range(10, 20), range(30, 39)));
  EXPECT_THAT(cut({}, range(1, 2), 0), ElementsAre());
}

TEST(TimedRuns, neighbours_of_one_time_cost_one_entry) {
  TimedRuns runs;
  runs.add(range(1, 10), WallTime(100));
  runs.add(range(11, 20), WallTime(100));
  runs.add(range(21, 30), WallTime(200));
  EXPECT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs.pending(), 30U);
  EXPECT_EQ(runs.earliest(), WallTime(100));
}

TEST(TimedRuns, each_run_is_due_once_in_the_order_of_time) {
  TimedRuns runs;
  runs.add(range(1, 10), WallTime(300));
  runs.add(range(20, 29), WallTime(100));
  EXPECT_EQ(runs.pop_due(WallTime(99), 100), std::nullopt);
  EXPECT_EQ(runs.pop_due(WallTime(100), 4), range(20, 23));
  EXPECT_EQ(runs.pop_due(WallTime(500), 100), range(24, 29));
  EXPECT_EQ(runs.pop_due(WallTime(500), 100), range(1, 10));
  EXPECT_EQ(runs.pop_due(WallTime(500), 100), std::nullopt);
  EXPECT_EQ(runs.earliest(), std::nullopt);
  EXPECT_TRUE(runs.any_in(range(5, 5)));
  runs.rearm();
  EXPECT_EQ(runs.pending(), 20U);
}

TEST(TimedRuns, what_is_cut_is_forgotten) {
  TimedRuns runs;
  runs.add(range(1, 10), WallTime(100));
  runs.cut(range(4, 6));
  runs.cut(range(9, 50));
  EXPECT_EQ(runs.pending(), 5U);
  EXPECT_FALSE(runs.any_in(range(4, 6)));
  EXPECT_EQ(runs.pop_due(WallTime(100), 100), range(1, 3));
  EXPECT_EQ(runs.pop_due(WallTime(100), 100), range(7, 8));
  runs.cut(range(1, 100));
  EXPECT_TRUE(runs.empty());
}

TEST(TimedRuns, equal_contents_are_told_equally) {
  TimedRuns popped;
  popped.add(range(1, 10), WallTime(100));
  popped.pop_due(WallTime(100), 3);
  std::vector<SequenceRange> told;
  popped.for_each([&](SequenceRange run, WallTime) { told.push_back(run); });
  EXPECT_THAT(told, ElementsAre(range(1, 10)));
}

TEST(ByteLedger, bodies_of_one_size_are_one_run_and_exact) {
  ByteLedger ledger;
  for (std::uint64_t i = 0; i < 1000; ++i) ledger.add(range(i * 10 + 1, i * 10 + 10), 1000, true);
  EXPECT_EQ(ledger.runs().size(), 1U);
  EXPECT_EQ(ledger.bytes(), 1'000'000U);
  ledger.remove(range(17, 17));
  ledger.remove(range(100, 199));
  EXPECT_EQ(ledger.bytes(), 1'000'000U - 101 * 100);
  EXPECT_EQ(ledger.messages(), 10'000U - 101);
  EXPECT_EQ(ledger.size_of(Sequence(5)), 100U);
}

TEST(ByteLedger, a_mixed_batch_counts_whole_until_its_last_message) {
  ByteLedger ledger;
  ledger.add(range(1, 4), 100, false);
  EXPECT_EQ(ledger.size_of(Sequence(2)), 25U);
  ledger.remove(range(1, 3));
  EXPECT_EQ(ledger.bytes(), 100U);
  EXPECT_EQ(ledger.size_of(Sequence(4)), 25U);
  ledger.remove(range(4, 4));
  EXPECT_EQ(ledger.bytes(), 0U);
  EXPECT_TRUE(ledger.runs().empty());
}

TEST(ByteLedger, what_comes_back_counts_again) {
  ByteLedger ledger;
  ledger.add(range(1, 2), 20, true);
  ledger.add(range(3, 4), 30, false);
  ledger.remove(range(1, 1));
  ledger.put_back(Sequence(1), 10);
  EXPECT_EQ(ledger.bytes(), 50U);
  ledger.remove(range(3, 4));
  ledger.put_back(Sequence(3), 15);
  EXPECT_EQ(ledger.bytes(), 35U);
  EXPECT_EQ(ledger.messages(), 3U);
}

TEST(ByteLedger, the_number_of_runs_is_bounded_and_messages_stay_exact) {
  ByteLedger ledger;
  base::Prng prng(3, "ledger");
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 1; i <= 100'000; ++i) {
    const std::uint64_t size = 1 + prng.below(1000);
    bytes += size;
    ledger.add(range(i, i), size, true);
    EXPECT_LE(ledger.runs().size(), ByteLedger::kRunsMax);
  }
  EXPECT_EQ(ledger.messages(), 100'000U);
  EXPECT_EQ(ledger.bytes(), bytes);
  for (std::uint64_t i = 1; i <= 100'000; i += 2) ledger.remove(range(i, i));
  EXPECT_EQ(ledger.messages(), 50'000U);
  for (std::uint64_t i = 2; i <= 100'000; i += 2) ledger.remove(range(i, i));
  EXPECT_EQ(ledger.bytes(), 0U);
}

TEST(ProducerTable, the_one_used_longest_ago_is_forgotten) {
  ProducerTable table(2);
  const base::ProducerId a(id_of(1));
  const base::ProducerId b(id_of(2));
  const base::ProducerId c(id_of(3));
  table.take_epoch(a, 5, base::Lsn(100));
  table.take_epoch(b, 1, base::Lsn(200));
  table.take_epoch(a, 6, base::Lsn(300));
  table.take_epoch(c, 1, base::Lsn(400));
  EXPECT_EQ(table.find(b), nullptr);
  EXPECT_NE(table.find(a), nullptr);
  EXPECT_EQ(table.next_epoch(a), 7U);
  EXPECT_EQ(table.next_epoch(b), 2U);
}

TEST(RetryBook, a_wall_clock_that_steps_moves_no_timer) {
  RetryBook book;
  MessageState state;
  state.attempts = 1;
  state.due = WallTime(5'000);
  book.wait(Sequence(1), state);
  book.arm({base::MonoTime(1'000), WallTime(4'000)});
  EXPECT_EQ(book.earliest(), base::MonoTime(1'000 + 1'000 * base::kNanosPerMilli));
  EXPECT_EQ(book.waiting(), 1U);
  book.forget(range(1, 1));
  EXPECT_EQ(book.waiting(), 0U);
  EXPECT_EQ(book.earliest(), std::nullopt);
}

TEST(RetryBook, stretches_of_equal_counters) {
  RetryBook book;
  MessageState one;
  one.attempts = 1;
  for (const std::uint64_t sequence : {3U, 4U, 6U}) book.wait(Sequence(sequence), one);
  EXPECT_EQ(book.same_counters_until(Sequence(1), Sequence(9)), Sequence(2));
  EXPECT_EQ(book.same_counters_until(Sequence(3), Sequence(9)), Sequence(4));
  EXPECT_EQ(book.same_counters_until(Sequence(3), Sequence(3)), Sequence(3));
  EXPECT_EQ(book.same_counters_until(Sequence(5), Sequence(9)), Sequence(5));
  EXPECT_EQ(book.same_counters_until(Sequence(7), Sequence(9)), Sequence(9));
}

TEST(TextIndex, a_record_is_needed_until_its_last_message_is_gone) {
  TextIndex index;
  index.add(base::Lsn(100));
  index.add(base::Lsn(100));
  index.add(base::Lsn(0));
  index.remove(base::Lsn(100));
  EXPECT_TRUE(index.any_in(base::Lsn(50), base::Lsn(101)));
  EXPECT_FALSE(index.any_in(base::Lsn(50), base::Lsn(100)));
  index.remove(base::Lsn(100));
  EXPECT_FALSE(index.any_in(base::Lsn(0), base::Lsn(1000)));
}

struct Owner {
  std::uint64_t n = 0;
  std::uint64_t number() const { return n; }
};

TEST(Agenda, each_owner_has_one_time) {
  Agenda<WallTime, Owner> agenda;
  Owner a{1};
  Owner b{2};
  agenda.set(b, WallTime(10));
  agenda.set(a, WallTime(10));
  EXPECT_EQ(agenda.due(WallTime(9)), nullptr);
  EXPECT_EQ(agenda.due(WallTime(10)), &a);
  agenda.set(a, WallTime(30));
  EXPECT_EQ(agenda.due(WallTime(10)), &b);
  agenda.set(b, std::nullopt);
  EXPECT_EQ(agenda.earliest(), WallTime(30));
  agenda.set(a, std::nullopt);
  EXPECT_TRUE(agenda.empty());
}

}  // namespace
}  // namespace sluice::broker
