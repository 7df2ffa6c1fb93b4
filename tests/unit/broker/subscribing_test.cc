#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SubscribingTest : public testing::Test {
 protected:
  void SetUp() override {
    config.shards = 2;
    config.created.allowed = true;
    config.created.idle_expiry = 1h;
    config.created.max = 2;
    config.created.defaults.delivery.lease = 10s;
    config.created.defaults.delivery.backoff.jitter = 0.0;
    queue = world.make(config);
  }
  AttachReply attach(const std::string& name, std::uint64_t credit = 1'000) {
    if (session == SessionHandle()) session = world.open(2);
    return world.attach(session, queue, name, credit);
  }
  std::vector<std::string> names() {
    std::vector<std::string> list;
    for (const SubscriptionStats& one : world.queue_stats().subscriptions) list.push_back(one.name);
    return list;
  }
  void expect_replayed() {
    EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
  }

  World world;
  QueueConfig config = plain_queue();
  base::QueueId queue;
  SessionHandle session;
};

TEST_F(SubscribingTest, attaching_to_an_unknown_name_creates_it_in_all_shards) {
  world.fill(queue, 2, 0);
  world.fill(queue, 3, 1);
  const AttachReply reply = attach("mail");
  EXPECT_FALSE(reply.refusal.refused()) << reply.refusal.message;
  EXPECT_EQ(reply.lease_ms, 10'000U);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1, 2));
  const SubscriptionStats stats = world.stats("orders", "mail");
  EXPECT_TRUE(stats.created);
  EXPECT_EQ(stats.ready, 3U);
  EXPECT_FALSE(world.stats().created);
  expect_replayed();
}

TEST_F(SubscribingTest, nobody_is_told_before_it_is_in_the_log) {
  attach("mail");
  const auto& kept = world.sink.attached.back();
  EXPECT_EQ(kept.wait.lsn, world.log.records().back().at.end);
  attach("mail");
  EXPECT_EQ(names().size(), 2U);
}

TEST_F(SubscribingTest, where_it_begins_is_said_by_the_queue) {
  config.created.defaults.start = StartPosition::kNew;
  world.make(config);
  world.fill(queue, 2);
  attach("late");
  EXPECT_THAT(world.take(), IsEmpty());
  world.fill(queue, 1);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(3));
}

TEST_F(SubscribingTest, a_wrong_name_or_one_too_many_is_refused) {
  for (const std::string name : {"Mail", "dlq", "mail/dlq", "-a", "a-", "ä"}) {
    EXPECT_EQ(attach(name).refusal.code, RefusalCode::kUnknownSubscription) << name;
  }
  attach("a");
  attach("b");
  const AttachReply third = attach("c");
  EXPECT_EQ(third.refusal.code, RefusalCode::kLimitReached);
  EXPECT_THAT(third.refusal.message, HasSubstr("createdSubscriptions.max"));
  EXPECT_THAT(names(), ElementsAre("default", "a", "b"));
}

TEST_F(SubscribingTest, without_the_policy_an_unknown_name_is_refused) {
  config.created.allowed = false;
  world.make(config);
  EXPECT_EQ(attach("mail").refusal.code, RefusalCode::kUnknownSubscription);
}

TEST_F(SubscribingTest, it_survives_restarts_snapshots_and_manifests) {
  world.fill(queue, 2);
  attach("mail", 0);
  for (const SnapshotForm form : {SnapshotForm::kWhole, SnapshotForm::kBesideIndex}) {
    const std::vector<std::byte> snapshot = world.broker->snapshot(form);
    world.restart_from(snapshot, storage::MemorySideIndex(), world.log.records().size());
    expect_replayed();
  }
  world.restart();
  const std::size_t records = world.log.records().size();
  world.make(config);
  EXPECT_EQ(world.log.records().size(), records);
  EXPECT_EQ(world.stats("orders", "mail").ready, 2U);
  config.paused = true;
  config.created.defaults.delivery.lease = 20s;
  world.make(config);
  EXPECT_EQ(world.stats("orders", "mail").ready, 2U);
  session = {};
  EXPECT_EQ(attach("mail").lease_ms, 20'000U);
}

TEST_F(SubscribingTest, a_declared_one_of_that_name_takes_over) {
  world.fill(queue, 2);
  attach("mail", 0);
  SubscriptionConfig declared = config.subscriptions[0];
  declared.name = "mail";
  config.subscriptions.push_back(declared);
  world.make(config);
  EXPECT_FALSE(world.stats("orders", "mail").created);
  EXPECT_EQ(world.stats("orders", "mail").ready, 2U);
  world.lose(session, SessionEnd::kClosed);
  world.sleep(2h);
  world.sleep(1min);
  EXPECT_THAT(names(), ElementsAre("default", "mail"));
}

TEST_F(SubscribingTest, it_goes_when_nobody_uses_it_for_long) {
  world.fill(queue, 2, 0);
  world.fill(queue, 1, 1);
  const AttachReply reply = attach("mail", 2);
  const std::vector<Got> got = world.take();
  world.settle(SettleKind::kReject, got[0]);
  world.settle(SettleKind::kRelease, got[1]);
  world.sleep(3h);
  EXPECT_THAT(names(), ElementsAre("default", "mail")) << "somebody is attached";
  world.detach(session, reply.attachment);
  world.sleep(2min);
  world.sleep(30min);
  EXPECT_GT(world.stats("orders", "mail").idle_seconds, 1'000.0);
  EXPECT_THAT(names(), ElementsAre("default", "mail"));
  world.sleep(30min);
  world.sleep(2min);
  EXPECT_THAT(names(), ElementsAre("default"));
  EXPECT_EQ(world.queue_stats().messages, 3U) << "the other one still has them";
  EXPECT_EQ(world.queue_stats().dead_bytes, 0U);
  expect_replayed();
  world.restart();
  EXPECT_THAT(names(), ElementsAre("default"));
}

TEST_F(SubscribingTest, what_only_it_had_is_counted_off) {
  attach("mail", 0);
  world.fill(queue, 4);
  world.seek(queue, Seek::To::kEnd);
  EXPECT_EQ(world.queue_stats().messages, 4U);
  world.lose(session, SessionEnd::kClosed);
  world.sleep(2min);
  world.sleep(1h);
  world.sleep(2min);
  EXPECT_THAT(names(), ElementsAre("default"));
  EXPECT_EQ(world.queue_stats().messages, 0U);
  EXPECT_EQ(world.queue_stats().bytes, 0U);
  expect_replayed();
}

TEST_F(SubscribingTest, a_short_visit_begins_the_idle_time_anew) {
  attach("mail", 0);
  world.lose(session, SessionEnd::kClosed);
  for (int i = 0; i < 10; ++i) {
    world.sleep(50min);
    session = world.open(3);
    attach("mail", 0);
    world.lose(session, SessionEnd::kClosed);
  }
  EXPECT_THAT(names(), ElementsAre("default", "mail"));
}

TEST_F(SubscribingTest, a_leased_message_keeps_it) {
  config.created.defaults.delivery.lease = 10h;
  world.make(config);
  world.fill(queue, 1);
  attach("mail");
  EXPECT_EQ(world.take().size(), 1U);
  // The session is gone with the process, its lease is not.
  world.restart();
  const SessionHandle again = world.open(2, true);
  world.sleep(3h);
  world.sleep(2min);
  EXPECT_THAT(names(), ElementsAre("default", "mail"));
  world.lose(again, SessionEnd::kClosed);
  world.sleep(2min);
  world.sleep(1h);
  world.sleep(2min);
  EXPECT_THAT(names(), ElementsAre("default"));
}

TEST_F(SubscribingTest, much_leaves_in_slices_and_who_comes_meanwhile_keeps_the_rest) {
  attach("mail", 12'000);
  world.fill(queue, 12'000);
  // Every second one is settled, so that what is left is many runs.
  for (const Got& one : world.take()) {
    if (one.sequence.value() % 2 == 0) world.ack(one);
  }
  world.lose(session, SessionEnd::kClosed);
  world.sleep(2min);
  world.now.mono = world.now.mono + base::Nanos(2h);
  world.broker->tick(world.now);
  const std::uint64_t left = world.stats("orders", "mail").ready;
  EXPECT_GT(left, 0U);
  EXPECT_LT(left, 6'000U);
  session = world.open(3);
  attach("mail", 0);
  world.tick();
  EXPECT_EQ(world.stats("orders", "mail").ready, left);
  expect_replayed();
  world.lose(session, SessionEnd::kClosed);
  world.sleep(2min);
  world.sleep(2h);
  EXPECT_THAT(names(), ElementsAre("default"));
  expect_replayed();
}

TEST_F(SubscribingTest, a_log_of_level_1_has_none) {
  world.log.set_feature_level(1);
  QueueConfig other = config;
  other.name = "other";
  const auto refused = world.configure(other);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("subscriptionPolicy"));
}

}  // namespace
}  // namespace sluice::broker
