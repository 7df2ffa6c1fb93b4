#include <map>
#include <set>

#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(Stall, a_lease_that_runs_out_is_a_stall_with_backoff) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  world.take();
  world.sleep(30s);
  EXPECT_EQ(world.stats().stalled, 1U);
  EXPECT_EQ(world.stats().delayed, 1U);
  world.sleep(1s);
  const auto again = world.take();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].stalls, 1);
  EXPECT_EQ(again[0].attempts, 0);
}

TEST(Stall, a_step_of_the_wall_clock_expires_no_lease) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  world.now.wall = world.now.wall + 10 * 3'600'000;
  world.tick();
  EXPECT_EQ(world.stats().in_flight, 1U);
}

TEST(Stall, a_lost_session_stalls_everything_it_held) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  const auto session = world.open(1);
  world.attach(session, queue);
  world.lose(session);
  EXPECT_EQ(world.stats().stalled, 3U);
  EXPECT_EQ(world.stats().in_flight, 0U);
}

TEST(Stall, a_closed_session_releases_uncounted) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  const auto session = world.open(1);
  world.attach(session, queue);
  world.take();
  world.lose(session, SessionEnd::kClosed);
  EXPECT_EQ(world.stats().stalled, 0U);
  world.attach(world.open(2), queue);
  const auto again = world.take();
  EXPECT_EQ(World::sequences(again), numbers(1, 3));
  EXPECT_EQ(again[0].stalls, 0);
}

TEST(Stall, a_lease_whose_delivery_waits_for_the_disk_does_not_run_out) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  world.disk_works = false;
  world.attach(world.open(1), queue);
  for (int i = 0; i < 3; ++i) world.sleep(30s);
  EXPECT_EQ(world.stats().stalled, 0U);
  EXPECT_EQ(world.stats().in_flight, 1U);
  world.disk_works = true;
  world.sleep(29s);
  EXPECT_EQ(world.stats().stalled, 0U);
  world.sleep(1s);
  EXPECT_EQ(world.stats().stalled, 1U);
}

TEST(Stall, a_lost_session_gives_back_uncounted_what_still_waits_for_the_disk) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  world.disk_works = false;
  const auto session = world.open(1);
  world.attach(session, queue);
  world.lose(session);
  EXPECT_EQ(world.stats().stalled, 0U);
  EXPECT_EQ(world.stats().ready, 3U);
}

TEST(Stall, what_was_lost_on_the_way_to_a_session_goes_back_uncounted) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  auto session = world.open(1);
  const auto attachment = world.attach(session, queue, "default", 1).attachment;
  const auto seen = world.take();
  ASSERT_THAT(seen, SizeIs(1));
  world.credit(session, attachment, 3);
  EXPECT_THAT(world.take(), SizeIs(2));  // it never gets there
  session = world.open(1, true);
  Attach again;
  again.origin = {session, RequestId(3)};
  again.queue = queue;
  again.subscription = "default";
  again.messages_limit = 10;
  again.bytes_limit = 1ULL << 40;
  again.last_epoch = seen[0].epoch;
  world.broker->apply(world.now, again);
  world.tick();
  const auto once_more = world.take();
  EXPECT_EQ(World::sequences(once_more), numbers(2, 3));
  EXPECT_EQ(once_more[0].attempts + once_more[0].stalls, 0);
  EXPECT_EQ(world.stats().stalled, 0U);
  // What it had seen is still its own.
  const auto claimed = world.sink.attached.back().effect.attachment;
  const auto settled = world.settle(SettleKind::kAck, session, claimed, {seen[0].receipt()});
  EXPECT_EQ(settled.settled, 1U);
}

TEST(Stall, a_suspect_is_delivered_alone_beside_normal_batches) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  const auto lost = world.open(1);
  world.attach(lost, queue);
  world.take();
  world.lose(lost);
  world.fill(queue, 3);
  world.sleep(1s);
  world.attach(world.open(2), queue);
  const auto got = world.take();
  // One suspect, alone, and the three that never stalled; the other suspect waits.
  EXPECT_THAT(World::sequences(got), ElementsAre(1, 3, 4, 5));
  EXPECT_NE(got[0].epoch, got[1].epoch);
  EXPECT_EQ(got[0].stalls, 1);
  EXPECT_EQ(world.stats().ready, 1U);
}

TEST(Stall, a_session_holds_one_suspect_at_a_time_also_over_subscriptions) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions[0].name = "a";
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "b";
  const auto queue = world.make(config);
  world.fill(queue, 1);
  const auto lost = world.open(1);
  world.attach(lost, queue, "a");
  world.attach(lost, queue, "b");
  world.take();
  world.lose(lost);
  world.sleep(1s);
  const auto session = world.open(2);
  world.attach(session, queue, "a");
  world.attach(session, queue, "b");
  const auto first = world.take();
  ASSERT_THAT(first, SizeIs(1));
  world.ack(first);
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST(Stall, other_sessions_take_the_other_suspects) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  const auto lost = world.open(1);
  world.attach(lost, queue);
  world.take();
  world.lose(lost);
  world.sleep(1s);
  world.attach(world.open(2), queue);
  world.attach(world.open(3), queue);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1, 2));
}

TEST(Stall, only_a_message_that_was_delivered_as_a_suspect_can_reach_the_limit) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.max_stalls = 1;
  const auto queue = world.make(config);
  world.fill(queue, 1);
  const auto first = world.open(1);
  world.attach(first, queue);
  world.lose(first);
  EXPECT_EQ(world.stats().dead_lettered, 0U);  // one stall, but it was no suspect then
  world.sleep(1s);
  const auto second = world.open(2);
  world.attach(second, queue);
  world.lose(second);
  EXPECT_EQ(world.stats().dead_lettered, 1U);
  const auto dead = world.peek(queue, true).messages;
  EXPECT_EQ(dead[0].reason, storage::DeadReason::kStallsExceeded);
  EXPECT_EQ(dead[0].stalls, 2);
  EXPECT_EQ(dead[0].consumer, "pod-2");
}

TEST(Stall, the_last_error_of_a_stalled_message_is_kept) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.max_stalls = 1;
  const auto queue = world.make(config);
  world.fill(queue, 1);
  auto session = world.open(1);
  world.attach(session, queue);
  world.settle(SettleKind::kFail, world.take()[0], "out of cheese");
  for (int i = 0; i < 2; ++i) {
    world.sleep(10s);
    world.lose(session);
    session = world.open(1);
    world.attach(session, queue);
  }
  EXPECT_EQ(world.peek(queue, true).messages.at(0).error, "out of cheese");
}

// One message of 10,000 takes down whoever touches it; consumers prefetch 1,000.
TEST(Stall, a_poison_message_takes_no_innocents_along) {
  World world;
  const auto queue = world.make(plain_queue());
  for (int i = 0; i < 100; ++i) world.fill(queue, 100);
  const base::Sequence poison(5'000);
  std::uint64_t pod = 1;
  std::set<base::Sequence> acked;
  SessionHandle session = world.open(pod);
  AttachmentHandle attachment = world.attach(session, queue, "default", 1'000).attachment;
  std::uint64_t delivered = 0;
  int losses = 0;
  for (int round = 0; round < 100'000 && acked.size() < 9'999; ++round) {
    const auto got = world.take();
    if (got.empty()) world.sleep(1s);
    delivered += got.size();
    for (const Got& one : got) {
      if (one.sequence == poison) {
        world.lose(session);
        session = world.open(++pod);
        attachment = world.attach(session, queue, "default", 1'000).attachment;
        delivered = 0;
        ++losses;
        break;
      }
      EXPECT_EQ(world.ack(one).settled, 1U);
      EXPECT_TRUE(acked.insert(one.sequence).second);
    }
    world.credit(session, attachment, delivered + 1'000);
  }
  for (int i = 0; i < 10; ++i) {  // the poison alone is left
    world.sleep(60s);
    if (world.take().empty()) break;
    world.lose(session);
    session = world.open(++pod);
    world.attach(session, queue, "default", 1'000);
    ++losses;
  }
  EXPECT_EQ(acked.size(), 9'999U);
  EXPECT_LE(losses, 5);
  EXPECT_EQ(world.stats().dead_lettered, 1U);
  const auto dead = world.peek(queue, true).messages;
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].sequence, poison);
  EXPECT_EQ(world.queue_stats().messages, 0U);
}

}  // namespace
}  // namespace sluice::broker
