#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

// A queue with two subscriptions and ten messages, of which 3 and 7 cannot be read.
class Damage : public testing::Test {
 protected:
  Damage() {
    QueueConfig config = plain_queue();
    SubscriptionConfig audit = config.subscriptions.front();
    audit.name = "audit";
    config.subscriptions.push_back(audit);
    queue = world.make(config);
    world.fill(queue, 10);
    world.store.damaged = {base::Sequence(3), base::Sequence(7)};
  }

  SubscriptionStats of(const std::string& name) {
    for (const SubscriptionStats& one : world.queue_stats().subscriptions) {
      if (one.name == name) return one;
    }
    return {};
  }
  // Delivers to `default` what there is, and settles it.
  std::vector<std::uint64_t> drain() {
    world.attach(world.open(++sessions_), queue);
    const auto got = world.take();
    world.ack(got);
    return World::sequences(got);
  }

  World world;
  base::QueueId queue;

 private:
  std::uint64_t sessions_ = 0;
};

TEST_F(Damage, is_found_at_delivery_by_each_subscription) {
  EXPECT_THAT(drain(), ElementsAre(1, 2, 4, 5, 6, 8, 9, 10));
  EXPECT_EQ(of("default").damaged, 2U);
  EXPECT_EQ(of("audit").damaged, 0U);
  EXPECT_EQ(of("audit").ready, 10U);
  EXPECT_EQ(world.log.records().back().type, storage::RecordType::kSettled);
}

TEST_F(Damage, stays_over_restarts_and_in_snapshots) {
  drain();
  const auto records = world.log.records().size();
  const auto snapshot = world.broker->snapshot(SnapshotForm::kBesideIndex);
  const storage::MemorySideIndex index = *world.index;
  world.restart_from(snapshot, index, records);
  EXPECT_EQ(of("default").damaged, 2U);
  EXPECT_EQ(of("default").ready, 0U);
  world.restart(true);
  EXPECT_EQ(of("default").damaged, 2U);
  EXPECT_EQ(of("default").ready, 0U);
}

TEST_F(Damage, is_given_up_by_command_only) {
  drain();
  DiscardReply reply = world.discard_damaged(queue, "", true);
  EXPECT_EQ(reply.messages, 2U);
  EXPECT_EQ(of("default").damaged, 2U);
  EXPECT_EQ(world.discard_damaged(queue, "nobody").refusal.code, RefusalCode::kUnknownSubscription);
  EXPECT_EQ(world.discard_damaged(base::QueueId(id_of(77))).refusal.code,
            RefusalCode::kUnknownQueue);
  EXPECT_EQ(world.discard_damaged(queue, "audit").messages, 0U);
  reply = world.discard_damaged(queue, "default");
  EXPECT_EQ(reply.messages, 2U);
  EXPECT_EQ(world.sink.discards.back().wait.lsn, world.log.records().back().at.end);
  EXPECT_EQ(of("default").damaged, 0U);
  // The other subscription still has all ten.
  EXPECT_EQ(world.queue_stats().messages, 10U);
  world.restart();
  EXPECT_EQ(of("default").damaged, 0U);
  EXPECT_EQ(of("default").ready, 0U);
}

TEST_F(Damage, is_not_touched_by_seeks_purges_and_expiry) {
  drain();
  world.seek(queue, Seek::To::kEnd);
  EXPECT_EQ(of("default").damaged, 2U);
  world.seek(queue, Seek::To::kFirst);
  EXPECT_EQ(of("default").damaged, 2U);
  StartTask purge;
  purge.kind = storage::TaskKind::kPurge;
  purge.queue = queue;
  purge.task = base::TaskId(id_of(500));
  world.broker->apply(world.now, purge);
  world.tick();
  EXPECT_EQ(of("default").damaged, 2U);
  EXPECT_EQ(of("default").ready, 0U);
}

TEST_F(Damage, found_by_storage_counts_for_all_who_still_have_it) {
  const storage::StreamId stream{queue, base::ShardIndex(0)};
  const base::SequenceRange all{base::Sequence(1), base::Sequence(10)};
  world.broker->look_for_damage(world.now, stream, all, base::Lsn(1), base::Lsn(2));
  EXPECT_EQ(of("default").damaged, 2U);
  EXPECT_EQ(of("audit").damaged, 2U);
  EXPECT_EQ(of("audit").ready, 8U);
  const auto records = world.log.records().size();
  // Looked at again, nothing is new.
  world.broker->look_for_damage(world.now, stream, all, base::Lsn(1), base::Lsn(2));
  EXPECT_EQ(world.log.records().size(), records);
}

TEST_F(Damage, is_not_looked_for_in_what_somebody_holds) {
  world.store.damaged.clear();
  world.attach(world.open(1), queue);
  const auto got = world.take();
  world.store.damaged = {base::Sequence(3)};
  const storage::StreamId stream{queue, base::ShardIndex(0)};
  world.broker->look_for_damage(world.now, stream, {base::Sequence(1), base::Sequence(10)},
                                base::Lsn(), base::Lsn());
  EXPECT_EQ(of("default").damaged, 0U);
  EXPECT_EQ(of("default").in_flight, 10U);
  world.ack(got);
  EXPECT_EQ(of("default").in_flight, 0U);
  EXPECT_EQ(of("audit").damaged, 1U);
}

TEST_F(Damage, makes_room_for_nobody) {
  QueueConfig config = plain_queue();
  config.name = "small";
  config.limits.messages_max = 4;
  config.limits.overflow = Overflow::kDropOldest;
  const auto small = world.make(config);
  world.store.damaged.clear();
  world.fill(small, 4);
  world.store.damaged = {base::Sequence(1), base::Sequence(2)};
  const storage::StreamId stream{small, base::ShardIndex(0)};
  world.broker->look_for_damage(world.now, stream, {base::Sequence(1), base::Sequence(4)},
                                base::Lsn(), base::Lsn());
  world.fill(small, 2);
  world.attach(world.open(9), small);
  const auto got = world.take();
  EXPECT_THAT(World::sequences(got), ElementsAre(5, 6));
}

TEST_F(Damage, below_level_2_is_passed_over_until_the_next_start) {
  world.log.set_feature_level(1);
  EXPECT_THAT(drain(), SizeIs(8));
  EXPECT_EQ(of("default").damaged, 2U);
  for (const FakeLog::Record& record : world.log.records()) {
    EXPECT_NE(record.type, storage::RecordType::kDamaged);
  }
  world.restart();
  EXPECT_EQ(of("default").damaged, 0U);
  EXPECT_THAT(drain(), SizeIs(0));
  EXPECT_EQ(of("default").damaged, 2U);
}

}  // namespace
}  // namespace sluice::broker
