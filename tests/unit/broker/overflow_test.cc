#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<base::Message> of_size(std::size_t count, std::size_t size = 10) {
  return std::vector<base::Message>(count, with_body(std::string(size, 'x')));
}

class OverflowTest : public testing::Test {
 protected:
  void begin(Overflow overflow, std::uint64_t messages = 5, std::uint16_t shards = 1) {
    config.limits.overflow = overflow;
    config.limits.messages_max = messages;
    config.shards = shards;
    queue = world.make(config);
  }
  PublishReply publish(std::size_t count, std::size_t size = 10, std::uint16_t shard = 0) {
    if (!publishers.contains(shard)) {
      publishers[shard] = world.open_publisher(session, queue, 0, 0, shard).publisher;
    }
    return world.publish(session, publishers[shard], 0, of_size(count, size));
  }
  std::vector<std::uint64_t> waiting() {
    std::vector<std::uint64_t> list;
    for (const PeekedMessage& message : world.peek(queue, false).messages) {
      list.push_back(message.sequence.value());
    }
    return list;
  }
  std::uint64_t overflowed(const std::string& name = "default") {
    return world.stats("orders", name).removed_by_cause[storage::RemoveCause::kOverflow];
  }

  World world;
  QueueConfig config = plain_queue();
  base::QueueId queue;
  SessionHandle session = world.open(1);
  std::map<std::uint16_t, PublisherHandle> publishers;
};

TEST_F(OverflowTest, the_oldest_messages_go_and_are_counted) {
  begin(Overflow::kDropOldest);
  publish(5);
  EXPECT_FALSE(publish(2).refusal.refused());
  EXPECT_THAT(waiting(), ElementsAre(3, 4, 5, 6, 7));
  EXPECT_EQ(overflowed(), 2U);
  EXPECT_EQ(world.queue_stats().messages, 5U);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

TEST_F(OverflowTest, bytes_make_room_as_messages_do) {
  config.limits.bytes_max = 100;
  begin(Overflow::kDropOldest, 1'000);
  publish(10, 10);
  EXPECT_FALSE(publish(1, 25).refusal.refused());
  EXPECT_EQ(world.queue_stats().messages, 8U);
  EXPECT_LE(world.queue_stats().bytes, 100U);
  EXPECT_EQ(overflowed(), 3U);
}

TEST_F(OverflowTest, a_leased_message_is_never_dropped) {
  begin(Overflow::kDropOldest);
  publish(5);
  const auto consumer = world.open(2);
  world.attach(consumer, queue, "default", 2);
  const auto got = world.take();
  EXPECT_FALSE(publish(2).refusal.refused());
  EXPECT_EQ(overflowed(), 2U);  // 3 and 4: 1 and 2 are leased
  EXPECT_THAT(waiting(), ElementsAre(5, 6, 7));
  EXPECT_EQ(world.ack(got).settled, 1U);
  EXPECT_EQ(world.queue_stats().messages, 3U);
}

TEST_F(OverflowTest, a_batch_is_refused_and_nothing_goes_when_all_is_leased) {
  begin(Overflow::kDropOldest);
  publish(5);
  world.attach(world.open(2), queue, "default", 5);
  for (const std::size_t count : {1U, 2U, 7U}) {
    const auto reply = publish(count);
    EXPECT_EQ(reply.refusal.code, RefusalCode::kQueueFull);
    EXPECT_THAT(reply.refusal.message, HasSubstr("leased"));
  }
  EXPECT_EQ(overflowed(), 0U);
}

TEST_F(OverflowTest, of_a_batch_the_last_messages_stay_that_fit_beside_what_is_leased) {
  begin(Overflow::kDropOldest);
  publish(5);
  world.attach(world.open(2), queue, "default", 4);
  EXPECT_FALSE(publish(2).refusal.refused());
  EXPECT_THAT(waiting(), ElementsAre(7));
  EXPECT_FALSE(publish(7).refusal.refused());
  EXPECT_THAT(waiting(), ElementsAre(14));
  EXPECT_EQ(world.queue_stats().messages, 5U);
  EXPECT_EQ(overflowed(), 9U);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

TEST_F(OverflowTest, of_a_batch_that_alone_exceeds_a_limit_the_last_messages_stay) {
  config.limits.bytes_max = 100;
  begin(Overflow::kDropOldest);
  publish(3);
  EXPECT_FALSE(publish(8).refusal.refused());
  EXPECT_THAT(waiting(), ElementsAre(7, 8, 9, 10, 11));
  EXPECT_EQ(overflowed(), 6U);
  EXPECT_FALSE(publish(4, 40).refusal.refused());
  EXPECT_THAT(waiting(), ElementsAre(14, 15));
  EXPECT_EQ(world.queue_stats().bytes, 80U);
  EXPECT_FALSE(publish(1, 10).refusal.refused());
  EXPECT_THAT(publish(1, 101).refusal.message, HasSubstr("limits.bytes 100"));
  EXPECT_THAT(waiting(), ElementsAre(14, 15, 16));
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

TEST_F(OverflowTest, of_a_batch_that_alone_exceeds_a_limit_the_first_messages_become_dead_letters) {
  begin(Overflow::kDeadLetterOldest);
  EXPECT_FALSE(publish(3'000).refusal.refused());
  EXPECT_EQ(world.stats().ready, 5U);
  EXPECT_EQ(world.stats().dead_lettered, 2'995U);
  EXPECT_THAT(waiting(), ElementsAre(2'996, 2'997, 2'998, 2'999, 3'000));
}

TEST_F(OverflowTest, damaged_messages_take_room_and_nothing_goes_in_vain_for_them) {
  begin(Overflow::kDropOldest);
  publish(5);
  world.store.damaged = {base::Sequence(1), base::Sequence(2), base::Sequence(3)};
  world.broker->look_for_damage(world.now, {queue, base::ShardIndex(0)},
                                {base::Sequence(1), base::Sequence(5)}, base::Lsn(), base::Lsn());
  EXPECT_FALSE(publish(4).refusal.refused());
  EXPECT_EQ(world.stats().ready, 2U);
  EXPECT_EQ(world.stats().damaged, 3U);
  EXPECT_EQ(overflowed(), 4U);
}

TEST_F(OverflowTest, a_message_goes_from_every_subscription_that_still_has_it) {
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "audit";
  begin(Overflow::kDropOldest);
  publish(5);
  const auto consumer = world.open(2);
  world.attach(consumer, queue, "default", 1);
  world.ack(world.take());
  publish(1);  // `audit` still wants the first one, so it goes there
  EXPECT_EQ(overflowed(), 0U);
  EXPECT_EQ(overflowed("audit"), 1U);
  EXPECT_EQ(world.queue_stats().messages, 5U);
}

TEST_F(OverflowTest, the_oldest_of_all_shards_goes_first) {
  begin(Overflow::kDropOldest, 4, 2);
  publish(2, 10, 1);
  world.sleep(1s);
  publish(2, 10, 0);
  world.sleep(1s);
  publish(1, 10, 0);
  const SubscriptionStats stats = world.stats();
  EXPECT_EQ(stats.ready, 4U);
  world.attach(world.open(2), queue, "default", 10, 1U << 20, 1);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(2));
}

TEST_F(OverflowTest, lowering_a_limit_drops_nothing_by_itself) {
  begin(Overflow::kDropOldest, 100);
  publish(50);
  config.limits.messages_max = 10;
  world.make(config);
  world.sleep(1s);
  EXPECT_EQ(world.stats().ready, 50U);
  publish(1);
  EXPECT_EQ(world.stats().ready, 10U);
}

TEST_F(OverflowTest, the_oldest_become_dead_letters_with_reason_overflow) {
  begin(Overflow::kDeadLetterOldest);
  publish(5);
  EXPECT_FALSE(publish(2).refusal.refused());
  const auto dead = world.peek(queue, true).messages;
  ASSERT_EQ(dead.size(), 2U);
  EXPECT_EQ(dead[0].reason, storage::DeadReason::kOverflow);
  EXPECT_EQ(dead[0].sequence, base::Sequence(1));
  EXPECT_EQ(world.stats().dead_by_reason[storage::DeadReason::kOverflow], 2U);
  EXPECT_EQ(world.stats().ready, 5U);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

TEST_F(OverflowTest, nothing_goes_in_vain_where_leased_bytes_leave_no_room) {
  config.limits.bytes_max = 100;
  begin(Overflow::kDropOldest, 1'000);
  publish(7, 10);
  const auto consumer = world.open(2);
  world.attach(consumer, queue, "default", 7);
  EXPECT_EQ(world.take().size(), 7U);
  publish(3, 10);
  EXPECT_THAT(publish(1, 31).refusal.message, HasSubstr("leased"));
  EXPECT_EQ(overflowed(), 0U);
  EXPECT_FALSE(publish(1, 30).refusal.refused());
  EXPECT_EQ(overflowed(), 3U);
}

TEST_F(OverflowTest, what_two_subscriptions_lease_counts_once) {
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "b";
  begin(Overflow::kDropOldest, 6);
  publish(4);
  const auto consumer = world.open(2);
  world.attach(consumer, queue, "default", 4);
  world.attach(consumer, queue, "b", 4);
  publish(2);
  EXPECT_FALSE(publish(2).refusal.refused());
  EXPECT_EQ(world.queue_stats().messages, 6U);
}

TEST_F(OverflowTest, a_lowered_limit_makes_dead_letters_in_bounded_steps) {
  begin(Overflow::kDeadLetterOldest, 20'000);
  publish(10'000);
  config.limits.messages_max = 10;
  world.make(config);
  EXPECT_FALSE(publish(1).refusal.refused());
  EXPECT_EQ(world.stats().dead_lettered, 1'025U);
  for (int i = 0; i < 10; ++i) publish(1);
  EXPECT_EQ(world.stats().ready, 10U);
}

TEST_F(OverflowTest, dead_letters_without_room_refuse_the_batch) {
  config.subscriptions[0].dead_letter.bytes_max = 20;
  config.subscriptions[0].dead_letter.overflow = DeadOverflow::kBlock;
  begin(Overflow::kDeadLetterOldest);
  publish(5);
  EXPECT_FALSE(publish(2).refusal.refused());
  EXPECT_THAT(publish(1).refusal.message, HasSubstr("dead letters have no room"));
}

TEST_F(OverflowTest, the_oldest_dead_letters_go_at_their_limit_and_are_counted) {
  config.subscriptions[0].dead_letter.bytes_max = 20;
  begin(Overflow::kDeadLetterOldest);
  publish(5);
  publish(3);
  EXPECT_EQ(world.stats().dead_lettered, 2U);
  EXPECT_EQ(world.stats().removed_by_cause[storage::RemoveCause::kDeadExpired], 1U);
}

TEST_F(OverflowTest, full_dead_letters_hold_deliveries_back_until_there_is_room) {
  config.subscriptions[0].dead_letter.bytes_max = 20;
  config.subscriptions[0].dead_letter.overflow = DeadOverflow::kBlock;
  begin(Overflow::kReject, 100, 2);
  publish(3, 10, 0);
  publish(3, 10, 1);
  const auto consumer = world.open(2);
  const auto here = world.attach(consumer, queue, "default", 2, 1U << 20, 0);
  const auto there = world.attach(consumer, queue, "default", 0, 1U << 20, 1);
  for (const Got& got : world.take()) world.settle(SettleKind::kReject, got);
  EXPECT_TRUE(world.stats().dead_letters_full);
  EXPECT_EQ(world.stats().dead_lettered, 2U);
  world.credit(consumer, here.attachment, 10);
  world.credit(consumer, there.attachment, 10);
  EXPECT_TRUE(world.take().empty());
  world.purge(queue, true);
  world.tick();
  EXPECT_EQ(world.take().size(), 4U);
  EXPECT_FALSE(world.stats().dead_letters_full);
  EXPECT_EQ(world.stats().removed_by_cause[storage::RemoveCause::kDeadDiscarded], 2U);
}

}  // namespace
}  // namespace sluice::broker
