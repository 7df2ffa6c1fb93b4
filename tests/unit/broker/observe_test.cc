#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using ::testing::ElementsAre;

class ObserveTest : public ::testing::Test {
 protected:
  QueuePicture look() { return world.broker->observe(world.now).front(); }
  DeleteReply remove(bool if_empty) {
    world.broker->apply(world.now,
                        DeleteQueue{{SessionHandle(1), RequestId(8)}, queue, if_empty, true});
    return world.sink.deletes.back().effect;
  }

  World world;
  base::QueueId queue = world.make(plain_queue());
};

TEST_F(ObserveTest, AMessageIsSeenThroughItsWholeLife) {
  const SessionHandle worker = world.open(1, false, "worker-0/a");
  world.attach(worker, queue, "default", 2);
  const base::WallTime accepted = world.now.wall;
  world.fill(queue, 3);
  world.sleep(1s);

  QueuePicture seen = look();
  EXPECT_EQ(seen.name, "orders");
  EXPECT_EQ(seen.messages, 3U);
  EXPECT_EQ(seen.published, 3U);
  ASSERT_EQ(seen.subscriptions.size(), 1U);
  EXPECT_EQ(seen.subscriptions[0].ready, 1U);
  EXPECT_EQ(seen.subscriptions[0].in_flight, 2U);
  EXPECT_EQ(seen.subscriptions[0].oldest, accepted);
  EXPECT_THAT(seen.subscriptions[0].consumers,
              ElementsAre(ConsumerPicture{"worker-0/a", 2, false}));

  const auto got = world.take();
  world.ack(got[0]);
  world.settle(SettleKind::kReject, got[1]);
  seen = look();
  EXPECT_EQ(seen.subscriptions[0].settled, 2U);
  EXPECT_EQ(seen.subscriptions[0].dead, 1U);
  EXPECT_EQ(seen.subscriptions[0].in_flight, 0U);
  EXPECT_THAT(seen.subscriptions[0].consumers,
              ElementsAre(ConsumerPicture{"worker-0/a", 0, false}));
}

TEST_F(ObserveTest, ConsumersOfOneNameAreOneAndStandByName) {
  const SessionHandle b = world.open(1, false, "worker-b");
  const SessionHandle a1 = world.open(2, false, "worker-a");
  const SessionHandle a2 = world.open(3, false, "worker-a");
  for (const SessionHandle session : {b, a1, a2}) world.attach(session, queue, "default", 1);
  world.fill(queue, 3);
  EXPECT_THAT(
      look().subscriptions[0].consumers,
      ElementsAre(ConsumerPicture{"worker-a", 2, false}, ConsumerPicture{"worker-b", 1, false}));
}

TEST_F(ObserveTest, WhatIsDueIsToldBeforeTheTickHasSeenIt) {
  base::Message late = with_body("late");
  late.deliver_at = world.now.wall + 5'000;
  world.send(queue, {late});
  EXPECT_EQ(look().subscriptions[0].delayed, 1U);
  EXPECT_EQ(look().subscriptions[0].due_delayed, 0U);
  world.now.mono = world.now.mono + base::Nanos(6s);
  world.now.wall = world.now.wall + 6'000;
  EXPECT_EQ(look().subscriptions[0].due_delayed, 1U);
  world.tick();
  EXPECT_EQ(look().subscriptions[0].due_delayed, 0U);
  EXPECT_EQ(look().subscriptions[0].ready, 1U);
}

TEST_F(ObserveTest, QueuesStandByName) {
  world.make(plain_queue("a"));
  world.make(plain_queue("z"));
  std::vector<std::string> names;
  for (const QueuePicture& picture : world.broker->observe(world.now)) {
    names.push_back(picture.name);
  }
  EXPECT_THAT(names, ElementsAre("a", "orders", "z"));
}

TEST_F(ObserveTest, RemoveIfEmptyRefusesWhateverIsLeft) {
  const SessionHandle worker = world.open(1, false, "worker");
  world.attach(worker, queue, "default", 1);
  world.fill(queue, 2);
  DeleteReply reply = remove(true);
  EXPECT_EQ(reply.refusal.code, RefusalCode::kNotEmpty);
  EXPECT_EQ(reply.holdings.messages, 2U);
  EXPECT_EQ(reply.holdings.ready, 1U);
  EXPECT_EQ(reply.holdings.in_flight, 1U);
  EXPECT_THAT(reply.refusal.message, ::testing::HasSubstr("2 messages (1 ready, 1 in flight"));

  world.settle(SettleKind::kReject, world.take().front());
  world.purge(queue, false);
  world.tick();
  reply = remove(true);
  EXPECT_EQ(reply.refusal.code, RefusalCode::kNotEmpty);
  EXPECT_EQ(reply.holdings.dead, 1U);

  world.purge(queue, true);
  world.tick();
  reply = remove(true);
  EXPECT_FALSE(reply.refusal.refused()) << reply.refusal.message;
  EXPECT_TRUE(reply.holdings.empty());
  EXPECT_FALSE(world.broker->find_queue("orders").has_value());
}

TEST_F(ObserveTest, WhatIsKeptForReplayIsNotEmpty) {
  QueueConfig config = plain_queue("kept");
  config.retention.time = base::Millis(3'600'000);
  queue = world.make(config);
  const SessionHandle worker = world.open(1, false, "worker");
  world.attach(worker, queue);
  world.fill(queue, 2);
  world.ack(world.take());
  const DeleteReply reply = remove(true);
  EXPECT_EQ(reply.refusal.code, RefusalCode::kNotEmpty);
  EXPECT_EQ(reply.holdings.messages, 0U);
  EXPECT_EQ(reply.holdings.retained, 2U);
}

TEST_F(ObserveTest, RemovedWithAllThatItHolds) {
  world.fill(queue, 5);
  const DeleteReply reply = remove(false);
  EXPECT_FALSE(reply.refusal.refused());
  EXPECT_TRUE(reply.counted);
  EXPECT_EQ(reply.holdings.messages, 5U);
  EXPECT_FALSE(world.broker->find_queue("orders").has_value());
}

}  // namespace
}  // namespace sluice::broker
