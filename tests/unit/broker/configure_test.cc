#include "broker/config_codec.h"
#include "broker/configuring.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using base::ErrorCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

SubscriptionConfig named(const std::string& name, StartPosition start = StartPosition::kAll) {
  SubscriptionConfig config = plain_queue().subscriptions[0];
  config.name = name;
  config.start = start;
  return config;
}

TEST(Configure, it_is_idempotent_and_writes_nothing_when_nothing_changes) {
  World world;
  const auto queue = world.make(plain_queue());
  const std::size_t records = world.log.records().size();
  EXPECT_EQ(world.make(plain_queue()), queue);
  EXPECT_EQ(world.log.records().size(), records);
}

TEST(Configure, a_queue_is_found_by_its_name) {
  World world;
  const auto queue = world.make(plain_queue());
  EXPECT_EQ(world.broker->find_queue("orders"), queue);
  EXPECT_EQ(world.broker->find_queue("nothing"), std::nullopt);
  EXPECT_EQ(world.broker->config(queue)->name, "orders");
  EXPECT_EQ(world.broker->find_subscription(queue, "default"), base::SubscriptionId(1));
  EXPECT_EQ(world.broker->find_subscription(queue, "other"), std::nullopt);
}

TEST(Configure, what_this_version_does_not_do_is_refused_naming_the_field) {
  World world;
  const auto refused = [&](const QueueConfig& config) {
    const auto result = world.configure(config);
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code(), ErrorCode::kUnimplemented);
    return result.error().message();
  };
  QueueConfig config = plain_queue();
  config.ordering = Ordering::kGrouped;
  EXPECT_THAT(refused(config), HasSubstr("ordering"));
  EXPECT_EQ(world.log.records().size(), 1U);
}

TEST(Configure, a_check_says_what_a_change_would_and_changes_nothing) {
  World world;
  QueueConfig config = plain_queue();
  EXPECT_TRUE(world.broker->check_configure({config, {}}).has_value());
  EXPECT_EQ(world.broker->find_queue("orders"), std::nullopt);
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "audit";
  const base::QueueId queue = world.make(config);
  world.fill(queue, 1);
  config.subscriptions.pop_back();
  const auto refused = world.broker->check_configure({config, {}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("audit still has 1 messages"));
  EXPECT_TRUE(world.broker->find_subscription(queue, "audit").has_value());
}

TEST(Configure, a_check_counts_the_queues_that_come_with_it) {
  BrokerOptions options;
  options.queues_max = 2;
  World world(options);
  world.make(plain_queue("one"));
  EXPECT_TRUE(world.broker->check_configure({plain_queue("two"), {}}).has_value());
  EXPECT_FALSE(world.broker->check_configure({plain_queue("three"), {}}, 1).has_value());
  EXPECT_TRUE(world.broker->check_configure({plain_queue("one"), {}}, 1).has_value());
}

TEST(Configure, the_number_of_shards_cannot_change) {
  World world;
  QueueConfig config = plain_queue();
  world.make(config);
  config.shards = 2;
  const auto result = world.configure(config);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(result.error().message(), HasSubstr("shards"));
}

TEST(Configure, nonsense_is_refused) {
  World world;
  QueueConfig config = plain_queue();
  config.shards = 65;
  EXPECT_FALSE(world.configure(config).has_value());
  config = plain_queue("");
  EXPECT_FALSE(world.configure(config).has_value());
  config = plain_queue();
  config.subscriptions.clear();
  EXPECT_FALSE(world.configure(config).has_value());
  config.subscriptions = {named("a"), named("a")};
  EXPECT_FALSE(world.configure(config).has_value());
  config.subscriptions = {named("a")};
  config.subscriptions[0].delivery.lease = 13h;
  EXPECT_FALSE(world.configure(config).has_value());
}

TEST(Configure, the_number_of_queues_is_limited) {
  BrokerOptions options;
  options.queues_max = 1;
  World world(options);
  world.make(plain_queue("a"));
  const auto result = world.configure(plain_queue("b"));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kResourceExhausted);
}

TEST(Configure, a_new_subscription_gets_everything_that_is_retained) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions = {named("a")};
  const auto queue = world.make(config);
  world.fill(queue, 5);
  const auto session = world.open(1);
  world.attach(session, queue, "a");
  const auto got = world.take();
  world.ack(got[1]);
  world.settle(SettleKind::kReject, got[2]);
  config.subscriptions.push_back(named("b"));
  world.make(config);
  world.attach(session, queue, "b");
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1, 4, 5));
  EXPECT_EQ(world.queue_stats().messages, 3U);
  // One more: retained is what either of them still has.
  world.ack(got[0]);
  config.subscriptions.push_back(named("c"));
  world.make(config);
  world.attach(session, queue, "c");
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1, 4, 5));
}

TEST(Configure, a_new_subscription_may_begin_with_what_comes_next) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions = {named("a")};
  const auto queue = world.make(config);
  world.fill(queue, 5);
  config.subscriptions.push_back(named("b", StartPosition::kNew));
  world.make(config);
  world.fill(queue, 2);
  world.attach(world.open(1), queue, "b");
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(6, 7));
  EXPECT_EQ(world.stats("orders", "b").dead_lettered, 0U);
  EXPECT_EQ(world.queue_stats().messages, 7U);
}

TEST(Configure, a_subscription_that_still_has_messages_is_not_removed) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions = {named("a"), named("b")};
  const auto queue = world.make(config);
  world.fill(queue, 2);
  config.subscriptions = {named("a")};
  const auto result = world.configure(config);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(result.error().message(), HasSubstr("b still has 2 messages"));
  world.purge(queue, false, {}, "b");
  world.tick();
  EXPECT_TRUE(world.configure(config).has_value());
}

TEST(Configure, consumers_of_a_removed_subscription_are_told) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions = {named("a"), named("b")};
  const auto queue = world.make(config);
  const auto session = world.open(1);
  const auto attachment = world.attach(session, queue, "b").attachment;
  config.subscriptions = {named("a")};
  world.make(config);
  ASSERT_THAT(world.sink.closed, SizeIs(1));
  EXPECT_EQ(world.sink.closed[0].effect.attachment, attachment);
  EXPECT_EQ(world.sink.closed[0].effect.reason.code, RefusalCode::kUnknownSubscription);
  world.fill(queue, 3);
  EXPECT_THAT(world.take(), SizeIs(0));
}

TEST(Configure, the_number_of_a_removed_subscription_is_never_used_again) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions = {named("a"), named("b")};
  const auto queue = world.make(config);
  config.subscriptions = {named("a")};
  world.make(config);
  config.subscriptions = {named("a"), named("c")};
  world.make(config);
  EXPECT_EQ(world.broker->find_subscription(queue, "c"), base::SubscriptionId(3));
}

TEST(Configure, a_change_is_there_after_a_restart) {
  World world;
  QueueConfig config = plain_queue();
  world.make(config);
  config.paused = true;
  config.limits.messages_max = 17;
  config.subscriptions[0].delivery.backoff.multiplier = 3.25;
  const auto queue = world.make(config);
  world.restart();
  EXPECT_TRUE(world.broker->config(queue)->paused);
  EXPECT_EQ(world.broker->config(queue)->limits.messages_max, 17U);
  EXPECT_EQ(world.broker->config(queue)->subscriptions[0].delivery.backoff.multiplier, 3.25);
}

// What is said of a queue is durable before it is answered, whatever is promised of its messages: a
// queue that was removed came back with a power loss (broker_sim --workload removal).
TEST(Configure, settings_and_removals_are_synced_whatever_the_queue_promises) {
  for (const FsyncPolicy fsync : {FsyncPolicy::kNever, FsyncPolicy::kInterval}) {
    World world;
    QueueConfig config = plain_queue();
    config.fsync = fsync;
    const auto queue = world.make(config);
    EXPECT_TRUE(world.log.records().back().needs_sync);
    config.limits.messages_max = 17;
    world.make(config);
    EXPECT_TRUE(world.log.records().back().needs_sync);
    DeleteQueue command;
    command.queue = queue;
    world.broker->apply(world.now, command);
    EXPECT_TRUE(world.log.records().back().needs_sync);
    EXPECT_EQ(world.sink.deletes.back().wait.lsn, world.log.records().back().at.end);
    EXPECT_TRUE(world.sink.deletes.back().wait.durable);
  }
}

// Who asks again is told that it is gone, and not before that is durable: it may come back by then.
TEST(Configure, a_second_removal_waits_for_the_first_one) {
  World world;
  const auto queue = world.make(plain_queue());
  DeleteQueue command;
  command.queue = queue;
  world.broker->apply(world.now, command);
  const base::Lsn removed = world.log.records().back().at.end;
  world.make(plain_queue("other"));
  world.broker->apply(world.now, command);
  EXPECT_EQ(world.sink.deletes.back().effect.refusal.code, RefusalCode::kUnknownQueue);
  EXPECT_EQ(world.sink.deletes.back().wait.lsn, removed);
  EXPECT_TRUE(world.sink.deletes.back().wait.durable);
}

TEST(Configure, deleting_a_queue_ends_everything_that_hangs_on_it) {
  World world;
  const auto queue = world.make(plain_queue());
  world.make(plain_queue("other"));
  world.fill(queue, 5);
  const auto session = world.open(1);
  world.attach(session, queue, "default", 3);
  const auto publisher = world.open_publisher(session, queue, 4).publisher;
  const auto got = world.take();
  world.settle(SettleKind::kFail, got[0], "", 60s);
  world.settle(SettleKind::kReject, got[1]);
  world.redrive(queue, {}, false, 1);
  DeleteQueue command;
  command.queue = queue;
  world.broker->apply(world.now, command);
  EXPECT_FALSE(world.sink.deletes.back().effect.refusal.refused());
  EXPECT_EQ(world.sink.deletes.back().wait.lsn, world.log.records().back().at.end);
  EXPECT_THAT(world.sink.closed, SizeIs(1));
  EXPECT_EQ(world.sink.tasks.back().effect.refusal.code, RefusalCode::kUnknownQueue);
  EXPECT_EQ(world.publish(session, publisher, 1, {with_body("x")}).refusal.code,
            RefusalCode::kUnknownHandle);
  EXPECT_EQ(world.tick(), std::nullopt);
  EXPECT_EQ(world.broker->stats(world.now).queues.size(), 1U);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
  world.broker->apply(world.now, command);
  EXPECT_EQ(world.sink.deletes.back().effect.refusal.code, RefusalCode::kUnknownQueue);
}

TEST(ConfigCodec, a_configuration_comes_back_as_it_was) {
  StoredConfig stored;
  stored.config = plain_queue();
  stored.config.shards = 7;
  stored.config.fsync = FsyncPolicy::kNever;
  stored.config.ttl = 5s;
  stored.config.expiry_action = ExpiryAction::kDeadLetter;
  stored.config.subscriptions.push_back(named("b", StartPosition::kNew));
  stored.config.subscriptions[1].dead_letter.messages_max = 7;
  stored.ids = {base::SubscriptionId(4), base::SubscriptionId(9)};
  stored.next_id = base::SubscriptionId(10);
  const auto bytes = encode_config(stored);
  const auto again = decode_config(bytes);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(encode_config(*again), bytes);
  EXPECT_EQ(again->ids, stored.ids);
  EXPECT_EQ(again->config.subscriptions[1].start, StartPosition::kNew);
  EXPECT_EQ(again->config.subscriptions[0].dead_letter.messages_max, 0U);
  EXPECT_EQ(again->config.subscriptions[1].dead_letter.messages_max, 7U);
}

TEST(ConfigCodec, bytes_that_are_cut_or_unknown_are_refused) {
  StoredConfig stored;
  stored.config = plain_queue();
  stored.ids = {base::SubscriptionId(1)};
  const auto bytes = encode_config(stored);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_config(base::ByteView(bytes).first(size)).has_value()) << size;
  }
  auto unknown = bytes;
  unknown[0] = std::byte{200};
  EXPECT_FALSE(decode_config(unknown).has_value());
}

}  // namespace
}  // namespace sluice::broker
