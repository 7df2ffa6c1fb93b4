#include "broker/returning.h"
#include "broker/settling.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class SettleTest : public testing::Test {
 protected:
  void begin(std::uint64_t messages, const QueueConfig& config = plain_queue()) {
    queue = world.make(config);
    world.fill(queue, messages);
    session = world.open(1);
    attachment = world.attach(session, queue).attachment;
    got = world.take();
  }
  Receipt receipt(std::uint64_t first, std::uint64_t last) const {
    return {got.front().epoch, {base::Sequence(first), base::Sequence(last)}};
  }
  SettleReply settle(SettleKind kind, std::vector<Receipt> receipts) {
    return world.settle(kind, session, attachment, std::move(receipts));
  }

  // A receipt for each message that was got.
  std::vector<Receipt> each() const {
    std::vector<Receipt> receipts;
    for (const Got& one : got) receipts.push_back(one.receipt());
    return receipts;
  }
  // One receipt for the first `messages`.
  std::vector<Receipt> parts(std::uint64_t messages) const { return {receipt(1, messages)}; }
  static Settle command(SettleKind kind, SessionHandle from, AttachmentHandle to,
                        std::vector<Receipt> receipts) {
    Settle command;
    command.origin = {from, RequestId(7)};
    command.attachment = to;
    command.kind = kind;
    command.receipts = std::move(receipts);
    return command;
  }

  World world;
  base::QueueId queue;
  SessionHandle session;
  AttachmentHandle attachment;
  std::vector<Got> got;
};

TEST_F(SettleTest, an_ack_is_answered_when_its_record_is_committed) {
  begin(3);
  const auto reply = settle(SettleKind::kAck, {receipt(1, 3)});
  EXPECT_EQ(reply.settled, 3U);
  EXPECT_EQ(reply.stale, 0U);
  EXPECT_EQ(world.log.records().back().type, storage::RecordType::kSettled);
  EXPECT_EQ(world.sink.settled.back().wait.lsn, world.log.records().back().at.end);
  EXPECT_EQ(world.stats().acked, 3U);
  EXPECT_EQ(world.stats().in_flight, 0U);
  EXPECT_EQ(world.queue_stats().messages, 0U);
}

TEST_F(SettleTest, a_receipt_may_cover_a_part_of_its_batch) {
  begin(10);
  EXPECT_EQ(settle(SettleKind::kAck, {receipt(3, 5)}).settled, 3U);
  EXPECT_EQ(settle(SettleKind::kAck, {receipt(8, 8), receipt(1, 1)}).settled, 2U);
  EXPECT_EQ(world.stats().in_flight, 5U);
  EXPECT_EQ(settle(SettleKind::kAck, {receipt(1, 10)}).settled, 10U);
  EXPECT_EQ(world.stats().acked, 10U);
}

TEST_F(SettleTest, failing_very_many_is_done_in_steps_and_answered_at_the_end) {
  begin(10'000);
  ASSERT_THAT(got, SizeIs(10'000));
  const Settle all_fail = command(SettleKind::kFail, session, attachment, each());
  const std::size_t answers = world.sink.settled.size();
  world.broker->apply(world.now, all_fail);
  EXPECT_EQ(world.stats().failed, kSettledPerStep);
  EXPECT_EQ(world.sink.settled.size(), answers);
  // Others are served meanwhile, and what was given back is stale when its turn comes.
  EXPECT_EQ(settle(SettleKind::kRelease, {got.back().receipt()}).settled, 1U);
  world.tick();
  EXPECT_EQ(world.stats().failed, 9'999U);
  const SettleReply reply = world.sink.settled.back().effect;
  EXPECT_EQ(reply.origin.request, RequestId(7));
  EXPECT_EQ(reply.settled, 9'999U);
  EXPECT_EQ(reply.stale, 1U);
}

TEST_F(SettleTest, who_leaves_has_failed_all_that_it_said) {
  begin(10'000);
  ASSERT_THAT(got, SizeIs(10'000));
  const Settle all_fail = command(SettleKind::kFail, session, attachment, each());
  world.broker->apply(world.now, all_fail);
  world.broker->apply(world.now, SessionGone{session, SessionEnd::kClosed});
  EXPECT_EQ(world.stats().failed, 10'000U);
  EXPECT_EQ(world.stats().released, 0U);
}

TEST_F(SettleTest, what_was_said_in_time_wins_over_the_end_of_the_lease) {
  begin(18'000);
  ASSERT_THAT(got, SizeIs(18'000));
  world.sleep(29'999ms);
  std::vector<Receipt> receipts;
  for (const Got& one : got) receipts.push_back(one.receipt());
  world.broker->apply(world.now, command(SettleKind::kReject, session, attachment, receipts));
  world.sleep(1s);
  EXPECT_EQ(world.stats().dead_lettered, 18'000U);
  EXPECT_EQ(world.stats().stalled, 0U);
  EXPECT_EQ(world.sink.settled.back().effect.settled, 18'000U);
}

TEST_F(SettleTest, the_rest_of_a_lease_ends_when_what_was_said_of_it_is_done) {
  begin(10'000);
  world.sleep(29'999ms);
  world.broker->apply(world.now, command(SettleKind::kFail, session, attachment, parts(9'000)));
  world.sleep(1ms);
  EXPECT_EQ(world.stats().failed, 9'000U);
  EXPECT_EQ(world.stats().stalled, 1'000U);
}

TEST_F(SettleTest, claims_of_what_was_never_lent_keep_nobody_waiting) {
  begin(5'000);
  const auto liar = world.open(2);
  const auto own = world.attach(liar, queue).attachment;
  const Receipt lie{base::Epoch(999), {base::Sequence(1), base::Sequence(1U << 20)}};
  const std::vector<Receipt> lies(4'096, lie);
  world.broker->apply(world.now, command(SettleKind::kFail, liar, own, lies));
  // Answered at once: nothing of it is left to do.
  ASSERT_THAT(world.sink.settled, SizeIs(1));
  EXPECT_EQ(world.sink.settled.back().effect.stale, std::uint64_t{4'096} << 20);
  EXPECT_EQ(world.stats().stale_receipts, std::uint64_t{4'096} << 20);
  world.broker->apply(world.now, command(SettleKind::kFail, session, attachment, parts(5'000)));
  world.broker->tick(world.now);
  ASSERT_THAT(world.sink.settled, SizeIs(2));
  EXPECT_EQ(world.sink.settled.back().effect.settled, 5'000U);
}

TEST_F(SettleTest, a_message_waits_for_its_settle_once_however_often_it_is_named) {
  begin(10'000);
  std::vector<Receipt> twice = parts(10'000);
  twice.push_back(twice.front());
  world.broker->apply(world.now, command(SettleKind::kFail, session, attachment, twice));
  EXPECT_THAT(world.sink.settled, SizeIs(0));
  for (std::size_t i = 1; i <= 3; ++i) {
    world.broker->apply(world.now, command(SettleKind::kReject, session, attachment, twice));
    ASSERT_THAT(world.sink.settled, SizeIs(i));
    EXPECT_EQ(world.sink.settled.back().effect.stale, 20'000U);
  }
  world.tick();
  EXPECT_EQ(world.sink.settled.back().effect.settled, 10'000U);
  EXPECT_EQ(world.sink.settled.back().effect.stale, 10'000U);
  EXPECT_EQ(world.stats().failed, 10'000U);
  EXPECT_EQ(world.stats().rejected, 0U);
}

TEST_F(SettleTest, an_answer_waits_for_its_steps_also_when_the_queue_is_gone_before_the_last) {
  begin(5'000);
  world.broker->apply(world.now, command(SettleKind::kFail, session, attachment, parts(5'000)));
  ASSERT_EQ(world.stats().failed, kSettledPerStep);
  const base::Lsn recorded = world.log.records().back().at.end;
  DeleteQueue remove;
  remove.queue = queue;
  world.broker->apply(world.now, remove);
  world.tick();
  ASSERT_THAT(world.sink.settled, SizeIs(1));
  EXPECT_EQ(world.sink.settled.back().effect.settled, kSettledPerStep);
  EXPECT_GE(world.sink.settled.back().wait.lsn, recorded);
}

TEST_F(SettleTest, an_ack_without_wish_for_a_reply_gets_none) {
  begin(1);
  Settle command;
  command.origin = {session, RequestId(1)};
  command.attachment = attachment;
  command.receipts = {receipt(1, 1)};
  command.wants_reply = false;
  world.broker->apply(world.now, command);
  EXPECT_THAT(world.sink.settled, SizeIs(0));
  EXPECT_EQ(world.stats().acked, 1U);
}

TEST_F(SettleTest, a_repeated_ack_counts_as_settled) {
  begin(2);
  settle(SettleKind::kAck, {receipt(1, 2)});
  const auto again = settle(SettleKind::kAck, {receipt(1, 2)});
  EXPECT_FALSE(again.refusal.refused());
  EXPECT_EQ(again.settled, 2U);
  EXPECT_EQ(again.stale, 0U);
  // It shows what the first one wrote, so it waits for that.
  EXPECT_EQ(world.sink.settled.back().wait.lsn, world.log.records().back().at.end);
}

TEST_F(SettleTest, a_message_named_twice_in_one_ack_is_settled_once) {
  begin(4);
  const auto reply = settle(SettleKind::kAck, {receipt(1, 3), receipt(2, 4)});
  EXPECT_EQ(reply.settled, 6U);
  EXPECT_EQ(world.stats().acked, 4U);
}

TEST_F(SettleTest, a_stale_receipt_is_counted_and_changes_nothing) {
  begin(2);
  world.sleep(30s);  // the lease runs out
  const auto late = settle(SettleKind::kAck, {receipt(1, 2)});
  EXPECT_EQ(late.refusal.code, RefusalCode::kStaleReceipt);
  EXPECT_EQ(late.stale, 2U);
  EXPECT_EQ(world.stats().stale_receipts, 2U);
  EXPECT_EQ(world.queue_stats().messages, 2U);
}

TEST_F(SettleTest, the_old_owner_cannot_settle_what_somebody_else_has_now) {
  begin(1);
  settle(SettleKind::kRelease, {receipt(1, 1)});
  const auto second = world.take();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(settle(SettleKind::kAck, {receipt(1, 1)}).refusal.code, RefusalCode::kStaleReceipt);
  EXPECT_EQ(settle(SettleKind::kFail, {receipt(1, 1)}).refusal.code, RefusalCode::kStaleReceipt);
  EXPECT_EQ(world.ack(second[0]).settled, 1U);
}

TEST_F(SettleTest, another_session_cannot_use_the_receipt) {
  begin(1);
  const auto thief = world.open(2);
  const auto own = world.attach(thief, queue).attachment;
  EXPECT_EQ(world.settle(SettleKind::kAck, thief, own, {receipt(1, 1)}).refusal.code,
            RefusalCode::kStaleReceipt);
  EXPECT_EQ(world.settle(SettleKind::kAck, thief, attachment, {receipt(1, 1)}).refusal.code,
            RefusalCode::kUnknownHandle);
}

TEST_F(SettleTest, a_part_of_the_receipts_may_be_stale) {
  begin(4);
  settle(SettleKind::kRelease, {receipt(2, 2)});
  const auto reply = settle(SettleKind::kAck, {receipt(1, 4)});
  EXPECT_FALSE(reply.refusal.refused());
  EXPECT_EQ(reply.settled, 3U);
  EXPECT_EQ(reply.stale, 1U);
}

TEST_F(SettleTest, impossible_receipts_are_refused) {
  begin(2);
  EXPECT_EQ(settle(SettleKind::kAck, {receipt(2, 1)}).refusal.code, RefusalCode::kInvalidArgument);
  EXPECT_EQ(settle(SettleKind::kAck, {receipt(0, 1)}).refusal.code, RefusalCode::kInvalidArgument);
  EXPECT_EQ(settle(SettleKind::kAck, {receipt(1, ~std::uint64_t{0})}).refusal.code,
            RefusalCode::kInvalidArgument);
  EXPECT_EQ(settle(SettleKind::kAck, {receipt(500, 600)}).refusal.code, RefusalCode::kStaleReceipt);
}

TEST_F(SettleTest, a_released_message_is_ready_at_once_and_not_counted) {
  begin(2);
  EXPECT_EQ(settle(SettleKind::kRelease, {receipt(1, 2)}).settled, 2U);
  const auto again = world.take();
  ASSERT_THAT(again, SizeIs(2));
  EXPECT_EQ(again[0].attempts, 0);
  EXPECT_EQ(again[0].stalls, 0);
  EXPECT_EQ(world.stats().released, 2U);
}

TEST_F(SettleTest, a_failed_message_comes_back_after_its_backoff) {
  begin(1);
  settle(SettleKind::kFail, {receipt(1, 1)});
  EXPECT_EQ(world.stats().delayed, 1U);
  world.sleep(999ms);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(1ms);
  const auto again = world.take();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].attempts, 1);
  // Twice as long the second time.
  world.settle(SettleKind::kFail, again[0]);
  world.sleep(1999ms);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(1ms);
  EXPECT_EQ(world.take()[0].attempts, 2);
}

TEST_F(SettleTest, the_backoff_is_jittered_downwards_and_bounded) {
  base::Prng prng(7, "test");
  BackoffConfig config;
  config.max = base::Millis(3000);
  for (int i = 0; i < 1000; ++i) {
    const auto first = backoff_delay(config, 1, prng);
    EXPECT_GE(first, 800ms);
    EXPECT_LE(first, 1000ms);
    const auto late = backoff_delay(config, 60'000, prng);
    EXPECT_GE(late, 2400ms);
    EXPECT_LE(late, 3000ms);
  }
  config.jitter = 0;
  EXPECT_EQ(backoff_delay(config, 2, prng), 2000ms);
}

TEST_F(SettleTest, an_explicit_delay_wins_over_the_backoff) {
  begin(2);
  world.settle(SettleKind::kFail, session, attachment, {receipt(1, 1)}, "", 0ms);
  world.tick();
  EXPECT_THAT(world.take(), SizeIs(1));
  world.settle(SettleKind::kFail, session, attachment, {receipt(2, 2)}, "", 7s);
  world.sleep(6999ms);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(1ms);
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST_F(SettleTest, a_step_of_the_wall_clock_neither_shortens_nor_stretches_a_backoff) {
  begin(1);
  settle(SettleKind::kFail, {receipt(1, 1)});
  world.now.wall = world.now.wall + 3'600'000;
  world.tick();
  EXPECT_THAT(world.take(), SizeIs(0));
  world.now.wall = world.now.wall - 7'200'000;
  world.sleep(1000ms);
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST_F(SettleTest, too_many_failures_make_a_dead_letter) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.max_attempts = 3;
  begin(1, config);
  for (int attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_THAT(got, SizeIs(1));
    world.settle(SettleKind::kFail, got[0], "no " + std::to_string(attempt));
    world.sleep(10s);
    got = world.take();
  }
  EXPECT_THAT(got, SizeIs(0));
  EXPECT_EQ(world.stats().dead_lettered, 1U);
  EXPECT_EQ(world.stats().failed, 3U);
  EXPECT_EQ(world.stats().dead_by_reason[storage::DeadReason::kAttemptsExceeded], 1U);
  const auto dead = world.peek(queue, true).messages;
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].attempts, 3);
  EXPECT_EQ(dead[0].error, "no 3");
  EXPECT_EQ(dead[0].consumer, "pod-1");
}

TEST_F(SettleTest, without_a_limit_a_message_may_fail_for_ever) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.max_attempts = 0;
  begin(1, config);
  for (int attempt = 1; attempt <= 20; ++attempt) {
    ASSERT_THAT(got, SizeIs(1));
    world.settle(SettleKind::kFail, got[0], "", 0ms);
    world.tick();
    got = world.take();
  }
  EXPECT_EQ(got[0].attempts, 20);
}

TEST_F(SettleTest, a_rejected_message_is_dead_at_once) {
  begin(2);
  world.settle(SettleKind::kReject, got[0], "broken");
  EXPECT_EQ(world.stats().dead_lettered, 1U);
  EXPECT_EQ(world.stats().rejected, 1U);
  const auto dead = world.peek(queue, true).messages;
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].reason, storage::DeadReason::kRejected);
  EXPECT_EQ(dead[0].error, "broken");
  EXPECT_EQ(dead[0].died_at, world.now.wall);
}

TEST_F(SettleTest, an_error_text_is_cut_at_4_kib) {
  begin(1);
  world.settle(SettleKind::kReject, got[0], std::string(10'000, 'e'));
  EXPECT_EQ(world.peek(queue, true).messages[0].error.size(), 4096U);
}

TEST_F(SettleTest, an_ack_of_a_dead_letter_is_stale) {
  begin(1);
  world.settle(SettleKind::kReject, got[0]);
  EXPECT_EQ(world.ack(got[0]).refusal.code, RefusalCode::kStaleReceipt);
}

TEST_F(SettleTest, a_whole_batch_fails_in_many_records) {
  begin(10'000);
  std::vector<Receipt> receipts;
  for (const Got& one : got) receipts.push_back(one.receipt());
  EXPECT_EQ(settle(SettleKind::kFail, receipts).settled, 10'000U);
  EXPECT_EQ(world.stats().delayed, 10'000U);
  EXPECT_GT(world.log.count(storage::RecordType::kFailed), 1U);
  world.sleep(1s);
  EXPECT_THAT(world.take(), SizeIs(10'000));
}

TEST_F(SettleTest, extend_counts_from_now) {
  begin(2);
  world.sleep(20s);
  EXPECT_EQ(world.extend(session, attachment, false, {receipt(1, 1)}, 30s).extended, 2U);
  world.sleep(29s);
  EXPECT_EQ(world.stats().in_flight, 2U);
  world.sleep(1s);
  EXPECT_EQ(world.stats().in_flight, 0U);
}

TEST_F(SettleTest, extend_all_takes_every_lease_of_the_attachment) {
  begin(2);
  world.fill(queue, 1);
  world.sleep(20s);
  EXPECT_EQ(world.extend(session, attachment, true, {}, 0ms).extended, 3U);
  world.sleep(29s);
  EXPECT_EQ(world.stats().in_flight, 3U);
}

TEST_F(SettleTest, no_lease_lasts_longer_than_the_longest) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.max_lease = 60s;
  begin(1, config);
  for (int i = 0; i < 5; ++i) {
    world.sleep(10s);
    world.extend(session, attachment, true, {}, 30s);
  }
  world.sleep(9s);
  EXPECT_EQ(world.stats().in_flight, 1U);
  world.sleep(1s);
  EXPECT_EQ(world.stats().in_flight, 0U);
  EXPECT_EQ(world.extend(session, attachment, false, {receipt(1, 1)}, 30s).refusal.code,
            RefusalCode::kStaleReceipt);
}

TEST_F(SettleTest, extend_needs_no_record) {
  begin(1);
  const std::size_t records = world.log.records().size();
  world.extend(session, attachment, true, {}, 30s);
  EXPECT_EQ(world.log.records().size(), records);
  EXPECT_EQ(world.sink.extended.back().wait.lsn, base::Lsn(0));
}

TEST_F(SettleTest, detach_releases_uncounted) {
  begin(3);
  world.ack(got[0]);
  EXPECT_FALSE(world.detach(session, attachment).refusal.refused());
  world.attach(world.open(2), queue);
  const auto again = world.take();
  EXPECT_THAT(World::sequences(again), ElementsAre(2, 3));
  EXPECT_EQ(again[0].stalls, 0);
  EXPECT_EQ(world.ack(got[1]).refusal.code, RefusalCode::kUnknownHandle);
}

// 10,000 messages in leases of 2,000.
class ManyHeldTest : public SettleTest {
 protected:
  ManyHeldTest() {
    queue = world.make(plain_queue());
    session = world.open(1);
    attachment = world.attach(session, queue, "default", 2'000).attachment;
    for (std::uint64_t limit = 4'000; limit <= 12'000; limit += 2'000) {
      world.fill(queue, 2'000);
      world.credit(session, attachment, limit);
    }
    got = world.take();
    EXPECT_EQ(world.stats().in_flight, 10'000U);
  }
  void detach() { world.broker->apply(world.now, Detach{{session, RequestId(4)}, attachment}); }
  void tick_until_all_is_back() {
    for (int ticks = 0; world.stats().in_flight > 0; ++ticks) {
      ASSERT_LT(ticks, 100);
      world.broker->tick(world.now);
    }
  }
};

TEST_F(ManyHeldTest, who_detaches_stops_nobody_and_is_answered_when_all_is_back) {
  detach();
  EXPECT_EQ(world.stats().in_flight, 6'000U);
  EXPECT_TRUE(world.sink.detached.empty());
  EXPECT_EQ(world.ack(got.back()).refusal.code, RefusalCode::kUnknownHandle);
  tick_until_all_is_back();
  ASSERT_EQ(world.sink.detached.size(), 1U);
  EXPECT_FALSE(world.sink.detached[0].effect.refusal.refused());
  EXPECT_EQ(world.sink.detached[0].wait.lsn, world.log.records().back().at.end);
  EXPECT_EQ(world.stats().ready, 10'000U);
  EXPECT_EQ(world.stats().released, 10'000U);
  EXPECT_EQ(world.stats().stalled, 0U);
}

TEST_F(ManyHeldTest, who_detaches_and_attaches_again_gets_all_as_new) {
  detach();
  world.attach(session, queue);
  for (int ticks = 0; ticks < 20; ++ticks) world.broker->tick(world.now);
  EXPECT_EQ(world.sink.detached.size(), 1U);
  const auto again = world.take();
  EXPECT_EQ(World::sequences(again), numbers(1, 10'000));
  EXPECT_TRUE(
      std::all_of(again.begin(), again.end(), [](const Got& one) { return one.stalls == 0; }));
}

TEST_F(ManyHeldTest, a_session_that_ends_while_it_detaches_is_not_answered) {
  detach();
  world.lose(session);
  tick_until_all_is_back();
  EXPECT_TRUE(world.sink.detached.empty());
  EXPECT_EQ(world.stats().stalled, 0U);
}

TEST_F(ManyHeldTest, a_queue_that_goes_while_somebody_detaches) {
  detach();
  world.broker->apply(world.now, DeleteQueue{{session, RequestId(1)}, queue});
  world.broker->tick(world.now);
  ASSERT_EQ(world.sink.detached.size(), 1U);
}

TEST_F(SettleTest, a_lease_of_0_seconds_is_over_at_the_next_tick) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.lease = 0ms;
  begin(1, config);
  EXPECT_EQ(world.stats().in_flight, 1U);
  world.log.sync();
  EXPECT_EQ(world.broker->tick(world.now), world.now.mono + base::Nanos(1s));
  EXPECT_EQ(world.stats().in_flight, 0U);
}

}  // namespace
}  // namespace sluice::broker
