#include "broker/cordon_book.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

class CordonTest : public ::testing::Test {
 protected:
  CordonReply cordon(const std::string& consumer, base::Millis lease) {
    world.broker->apply(world.now, Cordon{{SessionHandle(77), RequestId(9)}, consumer, lease});
    return world.sink.cordons.back().effect;
  }
  static std::vector<SessionHandle> sessions_of(const std::vector<Got>& all) {
    std::vector<SessionHandle> sessions;
    for (const Got& got : all) sessions.push_back(got.session);
    return sessions;
  }

  World world;
  base::QueueId queue = world.make(plain_queue());
};

TEST_F(CordonTest, ACordonedConsumerGetsNothingNewAndOthersGetItAll) {
  const SessionHandle leaving = world.open(1, false, "worker-0/uid-1");
  const SessionHandle staying = world.open(2, false, "worker-1/uid-2");
  world.attach(leaving, queue);
  world.attach(staying, queue);
  EXPECT_EQ(cordon("worker-0/uid-1", 30s).in_flight, 0U);

  for (int i = 0; i < 10; ++i) world.fill(queue, 1);

  const auto got = world.take();
  ASSERT_EQ(got.size(), 10U);
  EXPECT_THAT(sessions_of(got), ::testing::Each(staying));
}

TEST_F(CordonTest, ThePodsNameIsEnoughAndItHoldsForAllItsSessionsAndQueues) {
  const base::QueueId emails = world.make(plain_queue("emails"));
  const SessionHandle first = world.open(1, false, "worker-0/a");
  const SessionHandle second = world.open(2, false, "worker-0/b");
  const SessionHandle other = world.open(3, false, "worker-01/a");
  world.attach(first, queue);
  world.attach(second, emails);
  cordon("worker-0", 30s);

  world.fill(queue, 3);
  world.fill(emails, 3);
  EXPECT_TRUE(world.take().empty());

  world.attach(other, queue);
  EXPECT_EQ(world.take().size(), 3U);
}

TEST_F(CordonTest, ASessionThatBeginsMeanwhileIsCordonedToo) {
  cordon("worker-0", 30s);
  world.fill(queue, 3);
  world.attach(world.open(1, false, "worker-0/a"), queue);
  EXPECT_TRUE(world.take().empty());
}

TEST_F(CordonTest, WhatIsHeldIsCountedUntilItIsSettled) {
  const SessionHandle leaving = world.open(1, false, "worker-0/a");
  world.attach(leaving, queue);
  world.fill(queue, 3);
  const auto held = world.take();
  EXPECT_EQ(cordon("worker-0", 30s).in_flight, 3U);
  world.ack(held[0]);
  EXPECT_EQ(cordon("worker-0", 30s).in_flight, 2U);
  world.settle(SettleKind::kRelease, held[1]);
  world.ack(held[2]);
  EXPECT_EQ(cordon("worker-0", 30s).in_flight, 0U);
  // What it gave back does not come to it again.
  EXPECT_TRUE(world.take().empty());
}

TEST_F(CordonTest, ItIsOverByItselfUnlessItIsRenewed) {
  const SessionHandle leaving = world.open(1, false, "worker-0/a");
  world.attach(leaving, queue);
  cordon("worker-0", 30s);
  world.fill(queue, 1);
  world.sleep(20s);
  cordon("worker-0", 30s);
  world.sleep(29s);
  EXPECT_TRUE(world.take().empty());
  world.sleep(2s);
  EXPECT_EQ(world.take().size(), 1U);
}

TEST_F(CordonTest, LiftedAtOnceWithALeaseOfZero) {
  const SessionHandle leaving = world.open(1, false, "worker-0/a");
  world.attach(leaving, queue);
  cordon("worker-0", 30s);
  world.fill(queue, 2);
  EXPECT_TRUE(world.take().empty());
  cordon("worker-0", 0s);
  EXPECT_EQ(world.take().size(), 2U);
}

TEST_F(CordonTest, AReconnectChangesNothing) {
  const SessionHandle before = world.open(1, false, "worker-0/a");
  const AttachReply attached = world.attach(before, queue);
  world.fill(queue, 1);
  ASSERT_EQ(world.take().size(), 1U);
  cordon("worker-0", 30s);
  world.fill(queue, 1);

  const SessionHandle after = world.open(1, true, "worker-0/a");
  // Leased to the session, and claimed by nobody yet: it is held all the same.
  EXPECT_EQ(cordon("worker-0", 30s).in_flight, 1U);
  const auto pictures = world.broker->observe(world.now);
  ASSERT_EQ(pictures.front().subscriptions.front().consumers.size(), 1U);
  EXPECT_EQ(pictures.front().subscriptions.front().consumers.front().in_flight, 1U);
  world.attach(after, queue, "default", 100, 1ULL << 40, 0, false, base::Epoch(~0ULL));
  EXPECT_TRUE(world.take().empty());
  EXPECT_EQ(cordon("worker-0", 30s).in_flight, 1U);
  static_cast<void>(attached);
}

TEST_F(CordonTest, DeadLettersDoNotComeEither) {
  const SessionHandle worker = world.open(1, false, "worker-0/a");
  world.attach(worker, queue);
  world.fill(queue, 1);
  world.settle(SettleKind::kReject, world.take().front());
  cordon("worker-0", 30s);
  world.attach(worker, queue, "default/dlq");
  EXPECT_TRUE(world.take().empty());
  cordon("worker-0", 0s);
  EXPECT_EQ(world.take().size(), 1U);
}

TEST_F(CordonTest, ARestartedBrokerKnowsOfNone) {
  cordon("worker-0", 30s);
  world.restart();
  world.attach(world.open(1, false, "worker-0/a"), queue);
  world.fill(queue, 1);
  EXPECT_EQ(world.take().size(), 1U);
}

TEST_F(CordonTest, ABadNameOrLeaseIsRefused) {
  EXPECT_EQ(cordon("", 30s).refusal.code, RefusalCode::kInvalidArgument);
  EXPECT_EQ(cordon("/uid", 30s).refusal.code, RefusalCode::kInvalidArgument);
  EXPECT_EQ(cordon("worker-0", 2h).refusal.code, RefusalCode::kInvalidArgument);
}

TEST(CordonBook, HasALimit) {
  CordonBook book;
  for (std::size_t i = 0; i < CordonBook::kCordonsMax; ++i) {
    ASSERT_TRUE(book.set("pod-" + std::to_string(i), base::MonoTime(1)));
  }
  EXPECT_FALSE(book.set("one-more", base::MonoTime(1)));
  EXPECT_TRUE(book.set("pod-7", base::MonoTime(9)));
  EXPECT_EQ(book.expire(base::MonoTime(1)).size(), CordonBook::kCordonsMax - 1);
  EXPECT_TRUE(book.covers("pod-7/x"));
  EXPECT_EQ(book.earliest(), base::MonoTime(9));
}

}  // namespace
}  // namespace sluice::broker
