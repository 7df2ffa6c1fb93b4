#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr storage::RemoveCause kRetention = storage::RemoveCause::kRetention;

class RetentionTest : public testing::Test {
 protected:
  void SetUp() override {
    world.log.set_feature_level(2);
    config.retention.time = 60s;
    config.subscriptions[0].delivery.lease = 1h;
  }
  void make() { queue = world.make(config); }
  // A message of 10 bytes, then a pause.
  void publish(int count = 1, base::Millis pause = 10s) {
    for (int i = 0; i < count; ++i) {
      world.send(queue, {with_body("0123456789")});
      world.sleep(pause);
    }
  }
  std::vector<Got> take(const std::string& subscription = "default") {
    SessionHandle& session = sessions[subscription];
    if (session == SessionHandle()) {
      session = world.open(10 + sessions.size());
      world.attach(session, queue, subscription);
    }
    return world.take();
  }
  std::vector<std::uint64_t> taken(const std::string& subscription = "default") {
    return World::sequences(take(subscription));
  }
  void expect_replayed() {
    EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
  }
  std::uint64_t lost(const std::string& subscription = "default") {
    return world.stats("orders", subscription).removed_by_cause[kRetention];
  }
  bool any_live(std::uint64_t first, std::uint64_t last) {
    return world.broker->any_live({queue, base::ShardIndex(0)},
                                  {base::Sequence(first), base::Sequence(last)});
  }

  World world;
  QueueConfig config = plain_queue();
  base::QueueId queue;
  std::map<std::string, SessionHandle> sessions;
};

TEST_F(RetentionTest, settled_messages_stay_until_they_are_too_old) {
  make();
  publish(3);
  world.ack(take());
  EXPECT_EQ(world.queue_stats().messages, 0U);
  EXPECT_EQ(world.queue_stats().retained_messages, 3U);
  EXPECT_EQ(world.queue_stats().retained_bytes, 30U);
  EXPECT_TRUE(any_live(1, 1));
  world.sleep(35s);
  EXPECT_EQ(world.queue_stats().retained_messages, 2U);
  EXPECT_FALSE(any_live(1, 1));
  EXPECT_TRUE(any_live(2, 2));
  world.sleep(60s);
  EXPECT_EQ(world.queue_stats().retained_messages, 0U);
  EXPECT_FALSE(any_live(1, 3));
  EXPECT_EQ(lost(), 0U);
  expect_replayed();
}

TEST_F(RetentionTest, what_was_not_settled_goes_too_and_is_counted_for_each_subscription) {
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "slow";
  make();
  publish(4);
  world.ack(take());
  world.sleep(60s);
  EXPECT_EQ(lost(), 0U);
  EXPECT_EQ(lost("slow"), 4U);
  EXPECT_EQ(world.stats("orders", "slow").ready, 0U);
  EXPECT_THAT(taken("slow"), IsEmpty());
  EXPECT_EQ(world.queue_stats().messages, 0U);
  EXPECT_EQ(world.queue_stats().bytes, 0U);
  expect_replayed();
}

TEST_F(RetentionTest, a_leased_message_stays_until_it_is_settled) {
  make();
  publish(3);
  const std::vector<Got> held = take();
  world.sleep(120s);
  EXPECT_EQ(world.queue_stats().retained_messages, 3U);
  EXPECT_EQ(world.ack(held[1]).settled, 1U);
  world.sleep(2s);
  EXPECT_EQ(world.queue_stats().retained_messages, 2U);
  EXPECT_TRUE(any_live(1, 1));
  EXPECT_FALSE(any_live(2, 2));
  EXPECT_TRUE(any_live(3, 3));
  world.ack(held[0]);
  world.ack(held[2]);
  world.sleep(2s);
  EXPECT_EQ(world.queue_stats().retained_messages, 0U);
  EXPECT_EQ(lost(), 0U);
  expect_replayed();
}

TEST_F(RetentionTest, a_dead_letter_pins_its_body) {
  make();
  publish(2);
  const std::vector<Got> held = take();
  world.settle(SettleKind::kReject, held[0], "no");
  world.ack(held[1]);
  world.sleep(120s);
  EXPECT_TRUE(any_live(1, 1));
  EXPECT_FALSE(any_live(2, 2));
  EXPECT_EQ(world.stats().dead_lettered, 1U);
  world.redrive(queue);
  world.tick();
  EXPECT_THAT(taken(), ElementsAre(1));
  expect_replayed();
}

TEST_F(RetentionTest, beyond_the_size_the_oldest_go) {
  config.retention = {base::Millis(0), 50};
  make();
  publish(3);
  world.ack(take());
  publish(4);
  EXPECT_EQ(world.queue_stats().retained_messages, 5U);
  EXPECT_EQ(world.queue_stats().retained_bytes, 50U);
  EXPECT_FALSE(any_live(1, 2));
  EXPECT_TRUE(any_live(3, 3));
  expect_replayed();
}

TEST_F(RetentionTest, the_oldest_of_all_shards_go_first) {
  config.retention = {base::Millis(0), 40};
  config.shards = 2;
  make();
  for (std::uint16_t i = 0; i < 6; ++i) {
    world.send(queue, {with_body("0123456789")}, i % 2);
    world.sleep(10s);
  }
  const auto live = [&](std::uint16_t shard, std::uint64_t sequence) {
    return world.broker->any_live({queue, base::ShardIndex(shard)},
                                  {base::Sequence(sequence), base::Sequence(sequence)});
  };
  EXPECT_EQ(world.queue_stats().retained_bytes, 40U);
  EXPECT_FALSE(live(0, 1));
  EXPECT_FALSE(live(1, 1));
  EXPECT_TRUE(live(0, 2));
  EXPECT_TRUE(live(1, 2));
}

TEST_F(RetentionTest, time_and_size_hold_together) {
  config.retention = {60s, 30};
  make();
  publish(5);
  EXPECT_EQ(world.queue_stats().retained_bytes, 30U);
  world.sleep(120s);
  EXPECT_EQ(world.queue_stats().retained_bytes, 0U);
}

TEST_F(RetentionTest, seek_brings_back_what_everybody_has_settled) {
  make();
  publish(4);
  world.ack(take());
  EXPECT_EQ(world.seek(queue, Seek::To::kSequence, 2).sequence, base::Sequence(2));
  EXPECT_EQ(world.queue_stats().messages, 3U);
  EXPECT_EQ(world.queue_stats().bytes, 30U);
  const std::vector<Got> again = take();
  EXPECT_THAT(World::sequences(again), ElementsAre(2, 3, 4));
  EXPECT_EQ(again[0].body, "0123456789");
  expect_replayed();
  world.ack(again);
  EXPECT_EQ(world.queue_stats().messages, 0U);
  EXPECT_EQ(world.queue_stats().bytes, 0U);
  world.sleep(25s);
  world.seek(queue, Seek::To::kFirst);
  EXPECT_THAT(taken(), ElementsAre(2, 3, 4));
}

TEST_F(RetentionTest, seek_does_not_bring_back_what_has_expired) {
  config.ttl = 20s;
  make();
  publish(2, 5s);
  world.ack(take());
  world.sleep(12s);
  world.seek(queue, Seek::To::kFirst);
  world.tick();
  EXPECT_THAT(taken(), ElementsAre(2));
}

TEST_F(RetentionTest, a_new_subscription_begins_where_its_start_says) {
  make();
  publish(5);
  world.ack(take());
  const std::int64_t start = 1'700'000'000'000;
  const auto add = [&](const std::string& name, StartPosition to, std::uint64_t at = 0) {
    SubscriptionConfig one = config.subscriptions[0];
    one.name = name;
    one.start = to;
    one.start_at = at;
    config.subscriptions.push_back(one);
    ASSERT_TRUE(world.configure(config).has_value());
  };
  add("all", StartPosition::kAll);
  add("new", StartPosition::kNew);
  add("sequence", StartPosition::kSequence, 4);
  add("time", StartPosition::kTime, static_cast<std::uint64_t>(start + 15'000));
  add("beyond", StartPosition::kSequence, 1'000);
  const std::size_t records = world.log.records().size();
  ASSERT_TRUE(world.configure(config).has_value());
  EXPECT_EQ(world.log.records().size(), records) << "the same configuration is no change";
  EXPECT_THAT(taken("all"), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(taken("new"), IsEmpty());
  EXPECT_THAT(taken("sequence"), ElementsAre(4, 5));
  EXPECT_THAT(taken("time"), ElementsAre(3, 4, 5));
  EXPECT_THAT(taken("beyond"), IsEmpty());
  EXPECT_EQ(world.queue_stats().messages, 5U);
  expect_replayed();
}

TEST_F(RetentionTest, restarts_and_snapshots_change_nothing) {
  make();
  publish(3);
  world.ack(take());
  publish(2);
  for (const SnapshotForm form : {SnapshotForm::kWhole, SnapshotForm::kBesideIndex}) {
    const std::vector<std::byte> snapshot = world.broker->snapshot(form);
    const storage::MemorySideIndex index =
        form == SnapshotForm::kWhole ? storage::MemorySideIndex() : *world.index;
    world.restart_from(snapshot, index, world.log.records().size());
    EXPECT_EQ(world.queue_stats().retained_messages, 5U);
    expect_replayed();
  }
  world.restart(true);
  sessions.clear();
  EXPECT_EQ(world.queue_stats().retained_messages, 5U);
  world.sleep(25s);
  EXPECT_EQ(world.queue_stats().retained_messages, 3U);
  world.restart();
  EXPECT_EQ(world.queue_stats().retained_messages, 3U);
  expect_replayed();
}

TEST_F(RetentionTest, it_can_be_turned_on_and_off) {
  config.retention = {};
  make();
  publish(2);
  world.ack(take());
  publish(2, 1s);
  config.retention.time = 60s;
  ASSERT_TRUE(world.configure(config).has_value());
  EXPECT_EQ(world.queue_stats().retained_messages, 2U);
  publish(1, 1s);
  world.ack(take());
  EXPECT_TRUE(any_live(3, 5));
  EXPECT_FALSE(any_live(1, 2));
  expect_replayed();
  world.seek(queue, Seek::To::kFirst);
  EXPECT_THAT(taken(), ElementsAre(3, 4, 5));
  config.retention = {};
  ASSERT_TRUE(world.configure(config).has_value());
  EXPECT_EQ(world.queue_stats().retained_messages, 0U);
  EXPECT_EQ(world.queue_stats().messages, 3U);
  expect_replayed();
}

TEST_F(RetentionTest, limits_count_what_is_not_settled) {
  config.limits.messages_max = 3;
  make();
  publish(3, 1s);
  world.ack(take());
  publish(3, 1s);
  EXPECT_EQ(world.queue_stats().retained_messages, 6U);
  EXPECT_EQ(world.queue_stats().messages, 3U);
}

TEST_F(RetentionTest, many_go_in_slices) {
  config.retention = {60s, 0};
  make();
  for (int i = 0; i < 40; ++i) world.send(queue, std::vector<base::Message>(4'000));
  world.now.wall = world.now.wall + 61'000;
  EXPECT_EQ(world.queue_stats().retained_messages, 160'000U);
  world.tick();
  EXPECT_EQ(world.queue_stats().retained_messages, 0U);
  const auto dropped = std::count_if(
      world.log.records().begin(), world.log.records().end(),
      [](const auto& record) { return record.view().type == storage::RecordType::kDropped; });
  EXPECT_GE(dropped, 160'000 / 16'384);
  EXPECT_EQ(lost(), 160'000U);
  expect_replayed();
}

TEST_F(RetentionTest, a_log_of_level_1_has_none) {
  world.log.set_feature_level(1);
  const auto refused = world.configure(config);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("retention.policy"));
  EXPECT_THAT(refused.error().message(), HasSubstr("--log-feature-level 2"));
  config.retention = {};
  config.subscriptions[0].start = StartPosition::kSequence;
  EXPECT_FALSE(world.configure(config).has_value());
}

}  // namespace
}  // namespace sluice::broker
