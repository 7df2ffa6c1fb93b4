#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(Restart, waiting_messages_are_there_again) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 5);
  world.restart();
  EXPECT_EQ(world.stats().ready, 5U);
  world.attach(world.open(1), queue);
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 5));
}

TEST(Restart, each_start_is_a_new_incarnation_of_the_same_log) {
  World world;
  world.restart();
  world.restart();
  EXPECT_EQ(world.broker->stats(world.now).incarnation, 3U);
  EXPECT_EQ(world.broker->stats(world.now).log_id, id_of(99));
}

TEST(Restart, recovered_leases_are_held_for_the_session) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  const auto before = world.open(1);
  const auto old = world.attach(before, queue).attachment;
  const auto got = world.take();
  world.restart();
  EXPECT_EQ(world.stats().in_flight, 3U);
  const auto session = world.open(1, true);
  EXPECT_EQ(world.sink.opened.back().effect.leases_kept, 3U);
  const auto attachment = world.attach(session, queue).attachment;
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(15s);  // longer than the sessions' time to live
  const auto reply =
      world.settle(SettleKind::kAck, session, attachment, {got[0].receipt(), got[2].receipt()});
  EXPECT_EQ(reply.settled, 2U);
  EXPECT_NE(old, AttachmentHandle(0));
  EXPECT_EQ(world.stats().in_flight, 1U);
  EXPECT_EQ(world.stats().stalled, 0U);
}

TEST(Restart, what_nobody_comes_back_for_is_released_uncounted) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  world.attach(world.open(1), queue);
  const auto got = world.take();
  world.restart();
  world.attach(world.open(2), queue);
  world.sleep(9'999ms);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(1ms);
  const auto again = world.take();
  EXPECT_EQ(World::sequences(again), numbers(1, 3));
  EXPECT_EQ(again[0].stalls, 0);
  EXPECT_EQ(again[0].attempts, 0);
  // The old receipt is worth nothing now.
  const auto late = world.open(1, true);
  const auto attachment = world.attach(late, queue).attachment;
  EXPECT_EQ(world.settle(SettleKind::kAck, late, attachment, {got[0].receipt()}).refusal.code,
            RefusalCode::kStaleReceipt);
}

TEST(Restart, a_session_that_starts_afresh_gives_its_leases_back) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  world.take();
  world.restart();
  world.attach(world.open(1, false), queue);
  EXPECT_EQ(world.sink.opened.back().effect.leases_kept, 0U);
  world.tick();
  const auto again = world.take();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].stalls, 0);
}

TEST(Restart, a_resumed_session_that_never_attaches_again_loses_nothing_but_time) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  world.take();
  world.restart();
  world.open(1, true);
  world.sleep(30s);
  world.attach(world.open(2), queue);
  const auto again = world.take();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].stalls, 0);
}

TEST(Restart, twenty_restarts_with_leases_out_count_as_nothing) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 100);
  for (int i = 0; i < 20; ++i) {
    world.attach(world.open(static_cast<std::uint64_t>(i) + 1), queue, "default", 50);
    world.sleep(1s);
    world.restart(i % 2 == 0);
    world.sleep(10s);
  }
  const auto session = world.open(500);
  world.attach(session, queue);
  const auto got = world.take();
  EXPECT_THAT(got, SizeIs(100));
  for (const Got& one : got) {
    EXPECT_EQ(one.attempts, 0);
    EXPECT_EQ(one.stalls, 0);
  }
}

TEST(Restart, receipts_from_before_settle_only_their_own_delivery) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  const auto first = world.open(1);
  world.attach(first, queue);
  const auto old = world.take();
  world.settle(SettleKind::kRelease, old[0]);
  const auto current = world.take();
  world.restart();
  const auto session = world.open(1, true);
  const auto attachment = world.attach(session, queue).attachment;
  EXPECT_EQ(world.settle(SettleKind::kAck, session, attachment, {old[0].receipt()}).refusal.code,
            RefusalCode::kStaleReceipt);
  EXPECT_EQ(world.settle(SettleKind::kAck, session, attachment, {current[0].receipt()}).settled,
            1U);
}

TEST(Restart, an_unclean_start_skips_sequences_that_count_nowhere) {
  World world;
  world.options.sequence_jump = 1000;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  world.restart(true);
  EXPECT_EQ(world.queue_stats().next_sequence, 1004U);
  EXPECT_EQ(world.queue_stats().messages, 3U);
  EXPECT_EQ(world.stats().ready, 3U);
  world.fill(queue, 2);
  EXPECT_EQ(world.stats().ready, 5U);
  world.attach(world.open(1), queue);
  const auto got = world.take();
  EXPECT_THAT(World::sequences(got), ElementsAre(1, 2, 3, 1004, 1005));
  world.ack(got);
  EXPECT_EQ(world.queue_stats().messages, 0U);
}

TEST(Restart, a_backoff_goes_on_where_it_was) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  world.settle(SettleKind::kFail, world.take()[0], "", 10s);
  world.sleep(4s);
  world.restart();
  world.attach(world.open(2), queue);
  world.sleep(5'999ms);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(1ms);
  const auto again = world.take();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].attempts, 1);
}

TEST(Restart, a_suspect_stays_one) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  const auto lost = world.open(1);
  world.attach(lost, queue);
  world.lose(lost);
  world.restart();
  world.sleep(1s);
  const auto session = world.open(2);
  const auto attachment = world.attach(session, queue).attachment;
  EXPECT_THAT(world.take(), SizeIs(1));
  // Also while it is out: the session that comes back gets no second one.
  world.restart();
  const auto back = world.open(2, true);
  world.attach(back, queue);
  world.sleep(1s);
  EXPECT_THAT(world.take(), SizeIs(0));
  EXPECT_NE(attachment, AttachmentHandle(0));
}

TEST(Restart, a_session_that_moves_to_another_connection_keeps_its_leases) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  const auto before = world.open(1);
  world.attach(before, queue);
  const auto got = world.take();
  const auto after = world.open(1, true);
  EXPECT_EQ(world.sink.opened.back().effect.leases_kept, 2U);
  const auto attachment = world.attach(after, queue).attachment;
  EXPECT_EQ(world
                .settle(SettleKind::kAck, after, attachment,
                        {{got[0].epoch, {got[0].sequence, got[1].sequence}}})
                .settled,
            2U);
  EXPECT_EQ(world.broker->stats(world.now).sessions, 2U);  // with the one that publishes
}

TEST(Restart, a_restored_copy_keeps_nothing_for_the_sessions_of_its_original) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  world.attach(world.open(1), queue);
  const auto got = world.take();
  const std::uint32_t before = world.broker->stats(world.now).incarnation;
  world.restart(true, 1'000);
  EXPECT_EQ(world.broker->stats(world.now).incarnation, before + 1'001);
  EXPECT_EQ(world.stats().in_flight, 0U);
  EXPECT_EQ(world.stats().ready, 3U);
  const auto session = world.open(1, true);
  EXPECT_EQ(world.sink.opened.back().effect.leases_kept, 0U);
  const auto attachment = world.attach(session, queue).attachment;
  for (const Got& one : got) {
    EXPECT_EQ(world.settle(SettleKind::kAck, session, attachment, {one.receipt()}).refusal.code,
              RefusalCode::kStaleReceipt);
  }
  const auto again = world.take();
  EXPECT_EQ(World::sequences(again), numbers(1, 3));
  EXPECT_EQ(again[0].attempts, 0);
  EXPECT_EQ(again[0].stalls, 0);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

TEST(Restart, a_restored_copy_uses_no_sequence_that_its_original_may_have_used) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  world.restart(true, 1);
  EXPECT_EQ(world.queue_stats().next_sequence, 4U + world.options.sequence_jump_restored);
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  EXPECT_THAT(world.take(), SizeIs(4));
}

TEST(Restart, the_state_is_the_replayed_one) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 10);
  world.attach(world.open(1), queue);
  const auto got = world.take();
  world.ack(got[3]);
  world.settle(SettleKind::kFail, got[5], "x");
  world.settle(SettleKind::kReject, got[6], "y");
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

TEST(Restart, what_was_lost_on_the_way_comes_again_at_once_and_uncounted) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  const auto before = world.open(1);
  const auto handle = world.attach(before, queue, "default", 2).attachment;
  const auto arrived = world.take();
  world.fill(queue, 3);
  world.credit(before, handle, 5);
  EXPECT_THAT(world.take(), SizeIs(3));  // lost
  for (const bool restarts : {false, true}) {
    if (restarts) world.restart();
    const auto session = world.open(1, true);
    const auto attachment =
        world.attach(session, queue, "default", 3, 1U << 20, 0, false, arrived.back().epoch)
            .attachment;
    world.tick();
    const auto again = world.take();
    EXPECT_EQ(World::sequences(again), numbers(3, 5));
    EXPECT_EQ(again.front().stalls, 0);
    EXPECT_EQ(world.stats().in_flight, 5U);
    EXPECT_EQ(world.settle(SettleKind::kRelease, session, attachment, {again[0].receipt()}).settled,
              1U);
    world.credit(session, attachment, 4);
    EXPECT_EQ(World::sequences(world.take()), numbers(3, 3));
    if (restarts) {
      const Receipt first{arrived[0].epoch, {base::Sequence(1), base::Sequence(2)}};
      EXPECT_EQ(world.settle(SettleKind::kAck, session, attachment, {first}).settled, 2U);
    }
  }
  EXPECT_EQ(world.stats().stalled, 0U);
}

TEST(Restart, several_attachments_of_a_session_share_what_it_has_kept) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 4);
  const auto before = world.open(1);
  world.attach(before, queue, "default", 2);
  world.attach(before, queue, "default", 2);
  const auto got = world.take();
  ASSERT_THAT(got, SizeIs(4));
  const auto session = world.open(1, true);
  const base::Epoch last = got.back().epoch;
  world.attach(session, queue, "default", 2, 1U << 20, 0, false, last);
  const auto second = world.attach(session, queue, "default", 2, 1U << 20, 0, false, last);
  EXPECT_THAT(world.take(), SizeIs(0));
  for (const Got& one : got) {
    EXPECT_EQ(world.settle(SettleKind::kAck, session, second.attachment, {one.receipt()}).settled,
              1U);
  }
}

}  // namespace
}  // namespace sluice::broker
