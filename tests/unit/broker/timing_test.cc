#include "broker/ticking.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

base::Message delayed(const World& world, base::Millis delay) {
  base::Message message = with_body("later");
  message.deliver_at = world.now.wall + delay.count();
  return message;
}
base::Message expiring(const World& world, base::Millis life) {
  base::Message message = with_body("brief");
  message.expires_at = world.now.wall + life.count();
  return message;
}

TEST(Delay, a_message_is_not_delivered_before_its_time) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {with_body("a"), delayed(world, 5s), with_body("b")});
  world.attach(world.open(1), queue);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1, 3));
  EXPECT_EQ(world.stats().delayed, 1U);
  world.sleep(4'999ms);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(1ms);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(2));
}

TEST(Delay, many_that_are_due_at_once_are_leased_over_several_ticks) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, std::vector<base::Message>(3'000, delayed(world, 1s)));
  world.attach(world.open(1), queue);
  world.now.mono = world.now.mono + base::Nanos(1s);
  world.now.wall = world.now.wall + 1'000;
  world.broker->tick(world.now);
  EXPECT_GT(world.stats().in_flight, 0U);
  EXPECT_LE(world.stats().in_flight, 1'024U);
  world.tick();
  EXPECT_EQ(world.stats().in_flight, 3'000U);
}

TEST(Delay, the_tick_says_when_the_next_message_is_due) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {delayed(world, 2s)});
  EXPECT_EQ(world.tick(), world.now.mono + base::Nanos(2s));
  world.send(queue, {delayed(world, 1s)});
  EXPECT_EQ(world.tick(), world.now.mono + base::Nanos(1s));
}

TEST(Delay, the_wall_clock_is_looked_at_again_within_seconds) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {delayed(world, 100'000s)});
  const auto next = world.tick();
  ASSERT_TRUE(next.has_value());
  EXPECT_LE(*next, world.now.mono + base::Nanos(10s));
}

TEST(Delay, a_time_in_the_past_is_due_at_once) {
  World world;
  const auto queue = world.make(plain_queue());
  world.attach(world.open(1), queue);
  world.send(queue, {delayed(world, -1s)});
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST(Delay, a_step_back_delivers_nothing_early_and_a_step_forward_delivers) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {delayed(world, 10s)});
  world.attach(world.open(1), queue);
  world.now.wall = world.now.wall - 60'000;
  world.sleep(10s);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.now.wall = world.now.wall + 60'000;
  world.tick();
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST(Delay, due_messages_are_ordered_by_time) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {delayed(world, 3s), delayed(world, 1s), delayed(world, 2s)});
  world.attach(world.open(1), queue);
  for (const std::uint64_t sequence : {2U, 3U, 1U}) {
    world.sleep(1s);
    EXPECT_THAT(World::sequences(world.take()), ElementsAre(sequence));
  }
}

TEST(Delay, it_survives_a_restart) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {delayed(world, 5s)});
  world.sleep(3s);
  world.restart();
  world.attach(world.open(1), queue);
  world.sleep(1'999ms);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(1ms);
  EXPECT_THAT(world.take(), SizeIs(1));
}

// Its size may be what rotted, so that nobody can walk from one message to the next.
TEST(Delay, a_rotten_message_does_not_hurry_the_others_of_its_batch) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {delayed(world, 5s), delayed(world, 5s), delayed(world, 8s)});
  world.log.rot(world.log.records().size() - 1, 1);
  world.store.damaged = {base::Sequence(2)};
  world.restart();
  world.attach(world.open(1), queue);
  world.sleep(4'999ms);
  EXPECT_THAT(world.take(), SizeIs(0));
  EXPECT_EQ(world.stats().damaged, 1U);
  world.sleep(1ms);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1));
  world.sleep(3s);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(3));
}

TEST(Delay, what_is_due_after_a_restart_waits_for_nothing) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {delayed(world, 5s)});
  world.sleep(6s);
  const auto state = world.broker->snapshot(SnapshotForm::kWhole);
  EXPECT_EQ(state, world.replayed());
  world.restart();
  world.tick();
  world.attach(world.open(1), queue);
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST(Delay, a_released_message_does_not_wait_again) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {delayed(world, 5s)});
  world.attach(world.open(1), queue);
  world.sleep(5s);
  world.settle(SettleKind::kRelease, world.take()[0]);
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST(Delay, every_subscription_waits) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions[0].name = "a";
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "b";
  const auto queue = world.make(config);
  world.send(queue, {delayed(world, 5s)});
  const auto session = world.open(1);
  world.attach(session, queue, "a");
  world.attach(session, queue, "b");
  EXPECT_THAT(world.take(), SizeIs(0));
  // Also one that comes later.
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[2].name = "c";
  world.make(config);
  world.attach(session, queue, "c");
  EXPECT_THAT(world.take(), SizeIs(0));
  world.sleep(5s);
  EXPECT_THAT(world.take(), SizeIs(3));
}

TEST(Expiry, a_message_goes_when_its_time_is_over) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {with_body("a"), expiring(world, 5s), with_body("b")});
  world.sleep(4'999ms);
  EXPECT_EQ(world.stats().ready, 3U);
  world.sleep(1ms);
  EXPECT_EQ(world.stats().ready, 2U);
  EXPECT_EQ(world.stats().expired, 1U);
  EXPECT_EQ(world.queue_stats().messages, 2U);
  world.attach(world.open(1), queue);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1, 3));
}

TEST(Expiry, the_shorter_of_queue_and_message_counts) {
  World world;
  QueueConfig config = plain_queue();
  config.ttl = 10s;
  const auto queue = world.make(config);
  world.send(queue, {expiring(world, 5s), expiring(world, 60s), with_body("plain")});
  world.sleep(5s);
  EXPECT_EQ(world.stats().ready, 2U);
  world.sleep(5s);
  EXPECT_EQ(world.stats().ready, 0U);
  EXPECT_EQ(world.stats().expired, 3U);
}

TEST(Expiry, a_leased_message_expires_only_when_its_lease_ends) {
  World world;
  QueueConfig config = plain_queue();
  config.ttl = 10s;
  const auto queue = world.make(config);
  world.fill(queue, 4);
  const auto session = world.open(1);
  const auto attachment = world.attach(session, queue).attachment;
  const auto got = world.take();
  world.sleep(15s);
  EXPECT_EQ(world.stats().in_flight, 4U);
  EXPECT_EQ(world.ack(got[0]).settled, 1U);
  EXPECT_EQ(world.settle(SettleKind::kRelease, got[1]).settled, 1U);
  EXPECT_EQ(world.settle(SettleKind::kFail, got[2]).settled, 1U);
  EXPECT_EQ(world.stats().expired, 2U);
  world.sleep(15s);  // the last lease runs out
  EXPECT_EQ(world.stats().expired, 3U);
  EXPECT_EQ(world.stats().stalled, 0U);
  EXPECT_EQ(world.queue_stats().messages, 0U);
  EXPECT_THAT(world.take(), SizeIs(0));
  EXPECT_NE(attachment, AttachmentHandle(0));
}

TEST(Expiry, delayed_and_failed_messages_expire_where_they_stand) {
  World world;
  QueueConfig config = plain_queue();
  config.ttl = 10s;
  const auto queue = world.make(config);
  world.send(queue, {delayed(world, 60s), with_body("fails")});
  world.attach(world.open(1), queue);
  world.settle(SettleKind::kFail, world.take()[0], "", 60s);
  world.sleep(10s);
  EXPECT_EQ(world.stats().delayed, 0U);
  EXPECT_EQ(world.stats().expired, 2U);
  EXPECT_EQ(world.tick(), std::nullopt);
}

TEST(Expiry, expired_messages_may_become_dead_letters) {
  World world;
  QueueConfig config = plain_queue();
  config.ttl = 10s;
  config.expiry_action = ExpiryAction::kDeadLetter;
  const auto queue = world.make(config);
  world.fill(queue, 3);
  world.sleep(10s);
  EXPECT_EQ(world.stats().dead_lettered, 3U);
  EXPECT_EQ(world.stats().dead_by_reason[storage::DeadReason::kExpired], 3U);
  EXPECT_EQ(world.peek(queue, true).messages[0].reason, storage::DeadReason::kExpired);
}

TEST(Expiry, a_redriven_message_does_not_expire_again) {
  World world;
  QueueConfig config = plain_queue();
  config.ttl = 10s;
  config.expiry_action = ExpiryAction::kDeadLetter;
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "other";
  const auto queue = world.make(config);
  world.fill(queue, 1);
  world.attach(world.open(1), queue, "other");
  const auto held = world.take();
  world.sleep(10s);
  world.redrive(queue);
  world.tick();
  EXPECT_EQ(world.stats().ready, 1U);
  world.sleep(10s);
  world.attach(world.open(2), queue);
  const auto got = world.take();
  ASSERT_THAT(got, SizeIs(1));
  world.settle(SettleKind::kRelease, got[0]);
  EXPECT_EQ(world.stats().dead_lettered, 0U);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

TEST(Expiry, it_survives_a_restart) {
  World world;
  QueueConfig config = plain_queue();
  config.ttl = 10s;
  const auto queue = world.make(config);
  world.fill(queue, 3);
  world.sleep(5s);
  world.restart();
  world.sleep(5s);
  EXPECT_EQ(world.stats().ready, 0U);
}

TEST(Expiry, millions_of_messages_with_one_time_to_live_expire_in_a_few_ticks) {
  World world;
  QueueConfig config = plain_queue();
  config.ttl = 10s;
  config.limits.messages_max = 1'000'000;
  const auto queue = world.make(config);
  for (int i = 0; i < 50; ++i) world.fill(queue, 4'000);
  world.now.wall = world.now.wall + 10'000;
  int ticks = 1;
  while (world.broker->tick(world.now) == world.now.mono) ++ticks;
  EXPECT_LT(ticks, 10);
  EXPECT_EQ(world.stats().expired, 200'000U);
}

TEST(Tick, work_of_one_tick_is_bounded) {
  World world;
  const auto queue = world.make(plain_queue());
  for (int i = 0; i < 10; ++i) world.fill(queue, 4'000);
  const auto session = world.open(1);
  world.attach(session, queue);
  world.take();
  world.log.sync();
  world.broker->apply(world.now, SessionGone{session, SessionEnd::kLost});
  int ticks = 1;
  while (world.broker->tick(world.now) == world.now.mono) ++ticks;
  EXPECT_GE(ticks, 5);
  EXPECT_EQ(world.stats().stalled, 40'000U);
}

TEST(Expiry, many_messages_that_have_failed_go_in_steps) {
  World world;
  QueueConfig config = plain_queue();
  config.ttl = 60s;
  const auto queue = world.make(config);
  for (int i = 0; i < 2; ++i) world.fill(queue, 10'000);
  const auto session = world.open(1);
  const auto attachment = world.attach(session, queue).attachment;
  world.tick();
  std::vector<Receipt> receipts;
  for (const Got& got : world.take()) {
    if (receipts.empty() || receipts.back().epoch != got.epoch) receipts.push_back(got.receipt());
    receipts.back().range.last = got.sequence;
  }
  world.settle(SettleKind::kFail, session, attachment, receipts, "why", 3600s);
  world.now.mono = world.now.mono + base::Nanos(60s);
  world.now.wall = world.now.wall + 60'000;
  for (std::uint64_t left = 20'000; left > 0;) {
    world.broker->tick(world.now);
    const std::uint64_t now_left = world.queue_stats().messages;
    ASSERT_LT(now_left, left);
    EXPECT_LE(left - now_left, 5'000U);
    left = now_left;
  }
  EXPECT_EQ(world.stats().expired, 20'000U);
}

}  // namespace
}  // namespace sluice::broker
