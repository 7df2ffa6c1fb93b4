// The small books that the state is made of.

#include <cstdint>
#include <set>

#include "base/prng.h"
#include "broker/agenda.h"
#include "broker/byte_ledger.h"
#include "broker/producer_table.h"
#include "broker/retry_book.h"
#include "broker/sequence_runs.h"
#include "broker/text_index.h"
#include "broker/time_line.h"
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

storage::SubscriptionKey key() {
  return {{base::QueueId(id_of(1)), base::ShardIndex(0)}, base::SubscriptionId(1)};
}

struct Timed {
  storage::MemorySideIndex index;
  TimedRuns runs{index, key().stream, SideTag::kDelays, SideTag::kDelaysByTime};
};

struct Retried {
  storage::MemorySideIndex index;
  BackoffClock clock;
  RetryBook book{index, key(), clock};

  void wait(std::uint64_t sequence, std::uint16_t attempts, std::int64_t due) {
    MessageState state;
    state.attempts = attempts;
    state.due = WallTime(due);
    state.first_failed = WallTime(1);
    book.wait(Sequence(sequence), state);
  }
  std::vector<Sequence> due(base::MonoTime now) {
    std::vector<Sequence> due;
    book.pop_due(now, 100, due);
    return due;
  }
};

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

TEST(SequenceRuns, any_ranges_become_the_runs_of_their_union) {
  base::Prng prng(7);
  for (int round = 0; round < 2'000; ++round) {
    SCOPED_TRACE(round);
    Ranges ranges;
    std::set<std::uint64_t> all;
    const std::uint64_t count = prng.below(8);
    for (std::uint64_t i = 0; i < count; ++i) {
      // Now and then behind the one before, as they usually are.
      const bool follows = !ranges.empty() && prng.chance(0.7);
      const std::uint64_t first =
          (follows ? ranges.back().last.value() : 0) + 1 + prng.below(follows ? 3 : 30);
      const std::uint64_t last = first + prng.below(4);
      ranges.push_back(range(first, last));
      for (std::uint64_t sequence = first; sequence <= last; ++sequence) all.insert(sequence);
    }
    Ranges expected;
    for (const std::uint64_t sequence : all) append_range(expected, range(sequence, sequence));
    normalise(ranges);
    ASSERT_EQ(ranges, expected);
  }
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
  Timed timed;
  timed.runs.add(range(1, 10), WallTime(100));
  timed.runs.add(range(11, 20), WallTime(100));
  timed.runs.add(range(21, 30), WallTime(200));
  EXPECT_EQ(timed.index.size(), 2U * 2);  // by sequence and by time
  EXPECT_EQ(timed.runs.known().count(), 30U);
  EXPECT_EQ(timed.runs.earliest(), WallTime(100));
}

TEST(TimedRuns, each_run_is_due_once_in_the_order_of_time) {
  Timed timed;
  TimedRuns& runs = timed.runs;
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
  EXPECT_EQ(runs.pop_due(WallTime(500), 100), range(20, 29));
}

TEST(TimedRuns, what_joins_a_run_that_was_popped_is_due_by_itself) {
  Timed timed;
  TimedRuns& runs = timed.runs;
  runs.add(range(1, 10), WallTime(100));
  EXPECT_EQ(runs.pop_due(WallTime(100), 100), range(1, 10));
  runs.add(range(11, 12), WallTime(100));
  EXPECT_EQ(timed.index.size(), 2U);
  EXPECT_EQ(runs.pop_due(WallTime(100), 100), range(11, 12));
  EXPECT_EQ(runs.pop_due(WallTime(100), 100), std::nullopt);
}

TEST(TimedRuns, what_is_earlier_than_all_that_was_popped_is_not_missed) {
  Timed timed;
  TimedRuns& runs = timed.runs;
  runs.add(range(1, 10), WallTime(100));
  EXPECT_EQ(runs.pop_due(WallTime(200), 100), range(1, 10));
  runs.add(range(11, 12), WallTime(50));
  EXPECT_EQ(runs.pop_due(WallTime(60), 100), range(11, 12));
}

TEST(TimedRuns, what_is_cut_is_forgotten) {
  Timed timed;
  TimedRuns& runs = timed.runs;
  runs.add(range(1, 10), WallTime(100));
  runs.cut(range(4, 6));
  runs.cut(range(9, 50));
  EXPECT_EQ(runs.known().count(), 5U);
  EXPECT_FALSE(runs.any_in(range(4, 6)));
  EXPECT_EQ(runs.pop_due(WallTime(100), 100), range(1, 3));
  EXPECT_EQ(runs.pop_due(WallTime(100), 100), range(7, 8));
  runs.cut(range(1, 100));
  EXPECT_TRUE(runs.empty());
  EXPECT_EQ(timed.index.size(), 0U);
}

TEST(TimedRuns, random_runs_come_in_the_order_of_time) {
  Timed timed;
  base::Prng prng(5, "timed runs");
  std::map<std::uint64_t, std::int64_t> times;  // of what is to come, by sequence
  std::uint64_t next = 1;
  std::int64_t now = 1'000;
  for (int step = 0; step < 3'000; ++step) {
    const std::uint64_t kind = prng.below(10);
    if (kind < 4) {
      const std::uint64_t count = 1 + prng.below(20);
      const std::int64_t time = now + 1 + static_cast<std::int64_t>(prng.below(50));
      timed.runs.add(range(next, next + count - 1), WallTime(time));
      for (std::uint64_t i = 0; i < count; ++i) times[next + i] = time;
      next += count;
    } else if (kind < 6) {
      const std::uint64_t first = 1 + prng.below(next);
      const std::uint64_t last = first + prng.below(30);
      timed.runs.cut(range(first, last));
      times.erase(times.lower_bound(first), times.upper_bound(last));
    } else {
      now += static_cast<std::int64_t>(prng.below(10));
      while (const auto run = timed.runs.pop_due(WallTime(now), 1 + prng.below(15))) {
        for (Sequence at = run->first; at <= run->last; ++at) {
          ASSERT_TRUE(times.contains(at.value())) << at.value();
          EXPECT_LE(times[at.value()], now);
          times.erase(at.value());
        }
      }
      for (const auto& [sequence, time] : times) ASSERT_GT(time, now) << sequence;
    }
  }
}

TEST(TimedRuns, equal_contents_are_told_equally) {
  Timed timed;
  TimedRuns& runs = timed.runs;
  runs.add(range(1, 20), WallTime(100));
  runs.cut(range(11, 20));
  runs.add(range(11, 15), WallTime(100));
  std::vector<SequenceRange> told;
  runs.for_each_joined_in(range(1, 100), [&](SequenceRange run, WallTime) { told.push_back(run); });
  EXPECT_THAT(told, ElementsAre(range(1, 15)));
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

TEST(ByteLedger, ranges_come_back_with_the_sizes_that_another_ledger_knows) {
  ByteLedger sizes;
  sizes.add(range(1, 10), 100, true);
  sizes.add(range(11, 14), 80, false);
  sizes.add(range(15, 16), 0, true);
  ByteLedger ledger = sizes;
  ledger.remove(range(2, 9));
  ledger.remove(range(11, 16));
  ledger.put_back(range(4, 6), sizes);
  EXPECT_EQ(ledger.messages(), 5U);
  EXPECT_EQ(ledger.bytes(), 50U);
  ledger.put_back(range(11, 16), sizes);
  EXPECT_EQ(ledger.messages(), 11U);
  EXPECT_EQ(ledger.bytes(), 130U);
  ledger.remove(range(4, 6));
  ledger.remove(range(10, 16));
  EXPECT_EQ(ledger.messages(), 1U);
  EXPECT_EQ(ledger.bytes(), 10U);
  ledger.remove(range(1, 1));
  ledger.put_back(range(1, 16), sizes);
  EXPECT_EQ(ledger.messages(), 16U);
  EXPECT_EQ(ledger.bytes(), 180U);
}

TEST(ByteLedger, it_tells_how_many_messages_make_up_so_many_bytes) {
  ByteLedger ledger;
  ledger.add(range(1, 10), 100, true);
  ledger.add(range(11, 14), 80, false);
  ledger.add(range(20, 29), 50, true);
  using Pair = std::pair<std::uint64_t, std::uint64_t>;
  EXPECT_EQ(ledger.messages_with(range(1, 29), 1), Pair(1, 10));
  EXPECT_EQ(ledger.messages_with(range(1, 29), 95), Pair(10, 100));
  EXPECT_EQ(ledger.messages_with(range(1, 29), 101), Pair(14, 180));
  EXPECT_EQ(ledger.messages_with(range(1, 29), 181), Pair(20, 185));
  EXPECT_EQ(ledger.messages_with(range(1, 29), 1'000), Pair(29, 230));
  EXPECT_EQ(ledger.messages_with(range(6, 7), 1'000), Pair(2, 20));
}

TEST(TimeLine, it_tells_which_messages_are_older_than_a_time) {
  TimeLine times;
  for (std::uint64_t i = 0; i < 10; ++i) {
    times.add(Sequence(1 + 10 * i), WallTime(1'000 + 100 * static_cast<std::int64_t>(i)));
  }
  const Sequence next(101);
  EXPECT_EQ(times.end_of(WallTime(999), next), Sequence(1));
  EXPECT_EQ(times.end_of(WallTime(1'000), next), Sequence(11));
  EXPECT_EQ(times.end_of(WallTime(1'100), next), Sequence(21));
  EXPECT_EQ(times.end_of(WallTime(1'199), next), Sequence(21));
  EXPECT_EQ(times.end_of(WallTime(1'900), next), next);
  EXPECT_EQ(times.passed_at(Sequence(1)), WallTime(1'000));
  EXPECT_EQ(times.passed_at(Sequence(15)), WallTime(1'100));
  EXPECT_EQ(times.passed_at(Sequence(95)), WallTime(1'900));
  EXPECT_EQ(times.at(Sequence(25)), WallTime(1'200));
  times.forget(Sequence(35));
  EXPECT_EQ(times.marks().front().end, Sequence(41));
}

TEST(TimeLine, marks_stay_few_and_exact_enough) {
  TimeLine times;
  constexpr std::int64_t kDayMs = 86'400'000;
  std::uint64_t sequence = 1;
  for (std::int64_t at = 1; at < kDayMs; at += 997) times.add(Sequence(sequence++), WallTime(at));
  EXPECT_LE(times.marks().size(), TimeLine::kMarksMax);
  for (std::int64_t at = kDayMs / 2; at < kDayMs; at += kDayMs / 50) {
    const std::uint64_t end = times.end_of(WallTime(at), Sequence(sequence)).value();
    const std::int64_t accepted = 1 + 997 * static_cast<std::int64_t>(end - 2);
    EXPECT_LE(accepted, at);
    EXPECT_LE(at - accepted, kDayMs / 250);
  }
}

TEST(TimeLine, a_burst_before_a_pause_does_not_wait_for_what_comes_behind_it) {
  TimeLine times;
  times.add(Sequence(1), WallTime(1'000));
  times.add(Sequence(2), WallTime(60'000));
  times.add(Sequence(3), WallTime(60'001));
  times.add(Sequence(4), WallTime(90'000));
  EXPECT_EQ(times.passed_at(Sequence(2)), WallTime(60'000));
  EXPECT_EQ(times.passed_at(Sequence(3)), WallTime(60'001));
  EXPECT_EQ(times.end_of(WallTime(60'001), Sequence(5)), Sequence(4));
}

TEST(TimeLine, a_clock_that_goes_back_keeps_the_later_time) {
  TimeLine times;
  times.add(Sequence(1), WallTime(5'000));
  times.add(Sequence(2), WallTime(3'000));
  times.add(Sequence(3), WallTime(6'000));
  EXPECT_EQ(times.end_of(WallTime(4'000), Sequence(4)), Sequence(1));
  EXPECT_EQ(times.at(Sequence(2)), WallTime(5'000));
  EXPECT_EQ(times.end_of(WallTime(6'000), Sequence(4)), Sequence(4));
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

TEST(ProducerTable, a_client_s_id_is_another_one_in_each_queue) {
  const ProducerTable table(10);
  const base::ProducerId client(id_of(1));
  const base::QueueId a(id_of(2));
  const base::QueueId b(id_of(3));
  EXPECT_EQ(table.id_of(a, client), table.id_of(a, client));
  EXPECT_NE(table.id_of(a, client), table.id_of(b, client));
  EXPECT_NE(table.id_of(a, client), client);
  EXPECT_EQ(table.id_of(a, {}), base::ProducerId());
}

TEST(ProducerTable, what_an_older_version_stored_goes_on_under_the_client_s_id) {
  ProducerTable table(10);
  storage::MessagesFact fact;
  fact.producer = base::ProducerId(id_of(1));
  fact.stream.queue = base::QueueId(id_of(2));
  fact.producer_epoch = 1;
  fact.producer_sequence = 1;
  fact.count = 5;
  table.accept(fact, base::Lsn(1));
  EXPECT_EQ(table.id_of(fact.stream.queue, fact.producer), fact.producer);
  EXPECT_NE(table.id_of(base::QueueId(id_of(3)), fact.producer), fact.producer);
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
  Retried retried;
  retried.clock.look({base::MonoTime(1'000), WallTime(4'000)});
  retried.wait(1, 1, 5'000);
  EXPECT_EQ(retried.book.earliest(), base::MonoTime(1'000 + 1'000 * base::kNanosPerMilli));
  // An hour forward: what waited waits as long, and so does what fails now.
  const base::Now later{base::MonoTime(1'000 + 500 * base::kNanosPerMilli), WallTime(3'604'500)};
  retried.clock.look(later);
  retried.wait(2, 1, 3'604'500 + 100);
  EXPECT_THAT(retried.due(later.mono), ElementsAre());
  EXPECT_THAT(retried.due(later.mono + base::Nanos(std::chrono::milliseconds(100))),
              ElementsAre(Sequence(2)));
  EXPECT_THAT(retried.due(later.mono + base::Nanos(std::chrono::milliseconds(499))), ElementsAre());
  EXPECT_THAT(retried.due(later.mono + base::Nanos(std::chrono::milliseconds(500))),
              ElementsAre(Sequence(1)));
  retried.book.forget(range(1, 2));
  EXPECT_EQ(retried.book.earliest(), std::nullopt);
  EXPECT_EQ(retried.index.size(), 0U);
}

TEST(RetryBook, after_a_start_all_that_waits_goes_by_the_wall_clock) {
  Retried retried;
  retried.clock.look({base::MonoTime(0), WallTime(4'000)});
  retried.wait(1, 1, 5'000);
  retried.clock.look({base::MonoTime(0), WallTime(1'004'000)});
  retried.wait(2, 1, 1'005'000);

  BackoffClock clock;
  RetryBook book(retried.index, key(), clock);
  book.restore(retried.book.known(), retried.book.waiting(), retried.book.stalled());
  clock.look({base::MonoTime(0), WallTime(1'004'500)});
  std::vector<Sequence> due;
  EXPECT_EQ(book.pop_due(base::MonoTime(0), 10, due), 1U);
  EXPECT_EQ(book.pop_due(base::MonoTime(500 * base::kNanosPerMilli), 10, due), 1U);
  EXPECT_THAT(due, ElementsAre(Sequence(1), Sequence(2)));
  // What steps now does not mix with what came from the process before.
  clock.look({base::MonoTime(0), WallTime(9'000'000)});
  EXPECT_EQ(clock.generation(), 2U);
}

TEST(RetryBook, each_is_due_once_in_the_order_of_time) {
  Retried retried;
  retried.clock.look({base::MonoTime(0), WallTime(1'000)});
  for (const std::uint64_t sequence : {1U, 2U, 3U, 4U}) {
    retried.wait(sequence, 1, 1'100 - static_cast<std::int64_t>(sequence));
  }
  const base::MonoTime then(100 * base::kNanosPerMilli);
  std::vector<Sequence> due;
  EXPECT_EQ(retried.book.pop_due(then, 3, due), 3U);
  EXPECT_THAT(due, ElementsAre(Sequence(4), Sequence(3), Sequence(2)));
  EXPECT_THAT(retried.due(then), ElementsAre(Sequence(1)));
  EXPECT_THAT(retried.due(then), ElementsAre());
  // Leased, the time is over for good; the counters stay.
  retried.book.leased(range(1, 4));
  EXPECT_EQ(retried.index.size(), 4U);
  EXPECT_EQ(retried.book.find(Sequence(1))->due, WallTime());
  EXPECT_EQ(retried.book.find(Sequence(1))->attempts, 1U);
}

TEST(RetryBook, stretches_of_equal_counters) {
  Retried retried;
  RetryBook& book = retried.book;
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
  storage::MemorySideIndex side;
  TextIndex index(side, key(), SideTag::kDeadTexts);
  index.add(base::Lsn(100));
  index.add(base::Lsn(100));
  index.add(base::Lsn(0));
  index.remove(base::Lsn(100));
  EXPECT_TRUE(index.any_in(base::Lsn(50), base::Lsn(101)));
  EXPECT_FALSE(index.any_in(base::Lsn(50), base::Lsn(100)));
  index.remove(base::Lsn(100));
  EXPECT_FALSE(index.any_in(base::Lsn(0), base::Lsn(1000)));
  EXPECT_EQ(side.size(), 0U);
}

TEST(TextIndex, any_number_of_records) {
  storage::MemorySideIndex side;
  TextIndex index(side, key(), SideTag::kDeadTexts);
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::uint64_t record = 1; record <= 50; ++record) index.add(base::Lsn(record * 8));
  }
  index.flush();
  EXPECT_EQ(side.size(), 50U);
  for (std::uint64_t round = 0; round < 3; ++round) {
    EXPECT_TRUE(index.any_in(base::Lsn(0), base::Lsn(1000)));
    for (std::uint64_t record = 1; record <= 50; ++record) index.remove(base::Lsn(record * 8));
  }
  EXPECT_FALSE(index.any_in(base::Lsn(0), base::Lsn(1000)));
  EXPECT_EQ(side.size(), 0U);
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
