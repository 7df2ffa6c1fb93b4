#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Dead letters of messages that died before their deliver-at came.
class DeadDelayTest : public testing::Test {
 protected:
  // Message 1 is to be delivered in ten seconds; it overflows into the dead letters at once.
  void overflow() {
    config.limits.overflow = Overflow::kDeadLetterOldest;
    config.limits.messages_max = 2;
    queue = world.make(config);
    base::Message later = with_body("later");
    later.deliver_at = world.now.wall + 10'000;
    world.send(queue, {later});
    world.fill(queue, 2);
    EXPECT_EQ(world.stats().dead_lettered, 1U);
  }
  void redrive(const std::string& subscription = "default") {
    world.redrive(queue, {}, false, 0, subscription);
    world.tick();
  }
  std::vector<std::uint64_t> attach(const std::string& subscription = "default") {
    world.attach(world.open(++sessions), queue, subscription);
    return World::sequences(world.take());
  }
  std::vector<std::uint64_t> taken() { return World::sequences(world.take()); }
  void expect_replayable() {
    EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
  }
  void add_subscription(const std::string& name) {
    config.subscriptions.push_back(config.subscriptions[0]);
    config.subscriptions.back().name = name;
  }

  World world;
  QueueConfig config = plain_queue();
  base::QueueId queue;
  std::uint64_t sessions = 0;
};

TEST_F(DeadDelayTest, a_redriven_letter_waits_for_its_deliver_at) {
  overflow();
  redrive();
  expect_replayable();
  EXPECT_EQ(world.stats().delayed, 1U);
  EXPECT_THAT(attach(), ElementsAre(2, 3));
  world.sleep(9'999ms);
  EXPECT_THAT(taken(), IsEmpty());
  world.sleep(1ms);
  EXPECT_THAT(taken(), ElementsAre(1));
  EXPECT_EQ(world.index->size(), 0U);  // nobody waits any more
  expect_replayable();
}

TEST_F(DeadDelayTest, a_letter_whose_deliver_at_came_meanwhile_is_ready_at_once) {
  overflow();
  world.sleep(10s);
  EXPECT_EQ(world.stats().ready, 2U);  // a dead letter does not come by itself
  redrive();
  EXPECT_EQ(world.stats().ready, 3U);
  expect_replayable();
  EXPECT_THAT(attach(), ElementsAre(1, 2, 3));
  EXPECT_EQ(world.index->size(), 0U);
}

TEST_F(DeadDelayTest, it_waits_through_restarts_dead_and_redriven) {
  overflow();
  const std::size_t dead = world.log.records().size();
  const auto whole_dead = world.broker->snapshot(SnapshotForm::kWhole);
  const auto beside_dead = world.broker->snapshot(SnapshotForm::kBesideIndex);
  const storage::MemorySideIndex index_dead = *world.index;
  redrive();
  const std::size_t redriven = world.log.records().size();
  const auto beside_redriven = world.broker->snapshot(SnapshotForm::kBesideIndex);
  const storage::MemorySideIndex index_redriven = *world.index;
  const auto expect_waiting = [&] {
    EXPECT_EQ(world.stats().ready, 2U);
    EXPECT_EQ(world.stats().delayed, 1U);
    expect_replayable();
  };
  world.restart();
  expect_waiting();
  world.restart_from(whole_dead, dead);
  expect_waiting();
  world.restart_from(beside_dead, index_dead, dead);
  expect_waiting();
  world.restart_from(beside_redriven, index_redriven, redriven);
  expect_waiting();
  world.sleep(10s);
  EXPECT_THAT(attach(), ElementsAre(1, 2, 3));
}

TEST_F(DeadDelayTest, a_letter_that_dies_and_is_redriven_again_still_waits) {
  overflow();
  redrive();
  world.fill(queue, 1);  // there is no room for the oldest one, again
  EXPECT_EQ(world.stats().delayed, 0U);
  redrive();
  EXPECT_EQ(world.stats().delayed, 1U);
  world.sleep(10s);
  EXPECT_EQ(world.stats().delayed, 0U);
  expect_replayable();
}

TEST_F(DeadDelayTest, one_that_expired_before_it_was_due_waits_too) {
  config.expiry_action = ExpiryAction::kDeadLetter;
  queue = world.make(config);
  base::Message later = with_body("later");
  later.deliver_at = world.now.wall + 10'000;
  later.expires_at = world.now.wall + 1'000;
  world.send(queue, {later});
  world.sleep(1s);
  EXPECT_EQ(world.stats().dead_lettered, 1U);
  redrive();
  EXPECT_THAT(attach(), IsEmpty());
  world.sleep(9s);
  EXPECT_THAT(taken(), ElementsAre(1));
  expect_replayable();
}

TEST_F(DeadDelayTest, whoever_consumes_the_dead_letters_does_not_wait) {
  overflow();
  const AttachReply attached = world.attach(world.open(++sessions), queue, "default/dlq");
  EXPECT_FALSE(attached.refusal.refused()) << attached.refusal.message;
  const std::vector<Got> letters = world.take();
  EXPECT_THAT(World::sequences(letters), ElementsAre(1));
  EXPECT_EQ(world.ack(letters).settled, 1U);
  EXPECT_EQ(world.index->size(), 0U);
  expect_replayable();
}

TEST_F(DeadDelayTest, one_that_comes_back_from_a_consumer_of_dead_letters_waits_when_redriven) {
  overflow();
  const SessionHandle consumer = world.open(++sessions);
  world.attach(consumer, queue, "default/dlq");
  EXPECT_THAT(taken(), ElementsAre(1));
  world.lose(consumer, SessionEnd::kClosed);
  redrive();
  EXPECT_EQ(world.stats().delayed, 1U);
  expect_replayable();
}

TEST_F(DeadDelayTest, subscriptions_wait_each_for_itself) {
  add_subscription("b");
  overflow();
  redrive("b");
  EXPECT_EQ(world.stats().dead_lettered, 1U);
  EXPECT_EQ(world.stats("orders", "b").delayed, 1U);
  world.purge(queue, true);
  world.tick();
  EXPECT_EQ(world.stats("orders", "b").delayed, 1U);
  expect_replayable();
  EXPECT_THAT(attach("b"), ElementsAre(2, 3));
  world.sleep(10s);
  EXPECT_THAT(taken(), ElementsAre(1));
  EXPECT_EQ(world.index->size(), 0U);
}

TEST_F(DeadDelayTest, the_letter_waits_after_others_have_had_the_message) {
  add_subscription("b");
  overflow();
  redrive("b");
  world.sleep(9s);
  attach("b");
  world.sleep(1s);
  EXPECT_EQ(world.ack(world.take()).settled, 1U);
  redrive();
  EXPECT_EQ(world.stats().ready, 3U);  // due by now
  expect_replayable();
}

TEST_F(DeadDelayTest, a_subscription_that_goes_leaves_no_deliver_at_behind) {
  add_subscription("b");
  overflow();
  attach();
  redrive();
  world.sleep(10s);
  EXPECT_THAT(taken(), ElementsAre(1));
  for (const bool dead : {true, false}) {
    world.purge(queue, dead, {}, "b");
    world.tick();
  }
  config.subscriptions.pop_back();
  world.make(config);
  // Not even where the record of the purge is damaged.
  for (std::size_t i = 0; i < world.log.records().size(); ++i) {
    if (world.log.records()[i].type != storage::RecordType::kRemoved) continue;
    const auto removed = *storage::decode_removed(world.log.records()[i].payload);
    if (removed.cause == storage::RemoveCause::kDeadDiscarded) world.log.damage(i--);
  }
  world.restart();
  world.tick();
  EXPECT_EQ(world.index->size(), 0U);
}

TEST_F(DeadDelayTest, what_retention_drops_keeps_its_letter_and_the_letter_its_deliver_at) {
  config.retention.time = base::Millis(2'000);
  overflow();
  world.sleep(5s);
  expect_replayable();
  redrive();
  EXPECT_EQ(world.stats().delayed, 1U);
  expect_replayable();
}

TEST_F(DeadDelayTest, a_log_of_level_1_has_no_place_for_it) {
  world.log.set_feature_level(1);
  overflow();
  redrive();
  EXPECT_EQ(world.stats().ready, 3U);
  expect_replayable();
  EXPECT_EQ(world.index->size(), 0U);
}

}  // namespace
}  // namespace sluice::broker
