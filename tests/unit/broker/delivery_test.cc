#include "broker/delivery.h"

#include <algorithm>
#include <vector>

#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(Delivery, messages_go_out_in_order_of_their_sequence) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  world.fill(queue, 2);
  world.attach(world.open(1), queue);
  const auto got = world.take();
  EXPECT_EQ(World::sequences(got), numbers(1, 5));
  EXPECT_EQ(got[4].body, "m5");
}

TEST(Delivery, a_publish_to_a_waiting_consumer_is_delivered_at_once) {
  World world;
  const auto queue = world.make(plain_queue());
  world.attach(world.open(1), queue);
  world.fill(queue, 3);
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 3));
  // Lease and messages are neighbours in the log, so that one commit covers both.
  const auto& records = world.log.records();
  EXPECT_EQ(records[records.size() - 2].type, storage::RecordType::kMessages);
  EXPECT_EQ(records.back().type, storage::RecordType::kLeased);
}

TEST(Delivery, a_delivery_waits_until_its_lease_record_is_durable) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  ASSERT_THAT(world.sink.delivers, SizeIs(1));
  const Wait wait = world.sink.delivers[0].wait;
  EXPECT_EQ(wait.lsn, world.log.records().back().at.end);
  EXPECT_TRUE(wait.durable);
  EXPECT_TRUE(world.log.records().back().needs_sync);
}

TEST(Delivery, a_queue_that_does_not_sync_waits_for_the_write_only) {
  World world;
  QueueConfig config = plain_queue();
  config.fsync = FsyncPolicy::kInterval;
  const auto queue = world.make(config);
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  EXPECT_FALSE(world.sink.delivers.back().wait.durable);
  EXPECT_FALSE(world.sink.published.back().wait.durable);
  EXPECT_FALSE(world.log.records().back().needs_sync);
}

TEST(Delivery, subscriptions_are_independent) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions[0].name = "billing";
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "audit";
  const auto queue = world.make(config);
  world.fill(queue, 2);
  world.attach(world.open(1), queue, "billing");
  const auto billing = world.take();
  EXPECT_EQ(World::sequences(billing), numbers(1, 2));
  world.ack(billing);
  EXPECT_EQ(world.queue_stats().messages, 2U);
  world.attach(world.open(2), queue, "audit");
  const auto audit = world.take();
  EXPECT_EQ(World::sequences(audit), numbers(1, 2));
  world.ack(audit);
  EXPECT_EQ(world.queue_stats().messages, 0U);
  EXPECT_EQ(world.queue_stats().bytes, 0U);
}

TEST(Delivery, consumers_of_one_subscription_compete_by_credit) {
  World world;
  const auto queue = world.make(plain_queue());
  const auto a = world.open(1);
  const auto b = world.open(2);
  world.attach(a, queue, "default", 3);
  world.attach(b, queue, "default", 3);
  world.fill(queue, 10);
  const auto got = world.take();
  EXPECT_THAT(got, SizeIs(6));
  EXPECT_EQ(std::count_if(got.begin(), got.end(), [&](const Got& g) { return g.session == a; }), 3);
}

TEST(Delivery, consumers_take_turns) {
  World world;
  const auto queue = world.make(plain_queue());
  const auto a = world.open(1);
  const auto b = world.open(2);
  world.attach(a, queue);
  world.attach(b, queue);
  world.fill(queue, 1);
  world.fill(queue, 1);
  world.fill(queue, 1);
  const auto got = world.take();
  ASSERT_THAT(got, SizeIs(3));
  EXPECT_EQ(got[0].session, a);
  EXPECT_EQ(got[1].session, b);
  EXPECT_EQ(got[2].session, a);
}

TEST(Delivery, credit_is_absolute_since_the_attachment) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 10);
  const auto session = world.open(1);
  const auto attachment = world.attach(session, queue, "default", 2).attachment;
  EXPECT_THAT(world.take(), SizeIs(2));
  world.credit(session, attachment, 5);
  EXPECT_THAT(world.take(), SizeIs(3));
  world.credit(session, attachment, 5);
  EXPECT_THAT(world.take(), SizeIs(0));
}

TEST(Delivery, credit_in_bytes_counts_entries) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {with_body(std::string(92, 'x')), with_body(std::string(92, 'y'))});
  const auto session = world.open(1);
  const auto attachment = world.attach(session, queue, "default", 10, 150).attachment;
  const auto first = world.take();
  ASSERT_THAT(first, SizeIs(1));  // 100 bytes each
  world.credit(session, attachment, 10, 200);
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST(Delivery, one_message_of_any_size_is_allowed_when_nothing_is_outstanding) {
  World world;
  const auto queue = world.make(plain_queue());
  world.send(queue, {with_body(std::string(5000, 'x')), with_body(std::string(5000, 'y'))});
  world.attach(world.open(1), queue, "default", 10, 100);
  const auto first = world.take();
  ASSERT_THAT(first, SizeIs(1));
  world.ack(first);
  EXPECT_THAT(world.take(), SizeIs(1));
}

TEST(Delivery, without_credit_in_messages_nothing_is_delivered) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 1);
  world.attach(world.open(1), queue, "default", 0);
  EXPECT_THAT(world.take(), SizeIs(0));
}

TEST(Delivery, batches_are_cut_at_the_size_of_a_frame) {
  BrokerOptions options;
  options.delivery_bytes_max = 1000;
  World world(options);
  const auto queue = world.make(plain_queue());
  std::vector<base::Message> messages(25);
  for (base::Message& message : messages) message.body = std::string(92, 'x');
  world.send(queue, messages);
  world.attach(world.open(1), queue);
  EXPECT_THAT(world.sink.delivers, SizeIs(3));
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 25));
}

TEST(Delivery, batches_are_cut_at_the_number_of_runs) {
  BrokerOptions options;
  options.delivery_runs_max = 4;
  World world(options);
  const auto queue = world.make(plain_queue());
  for (int i = 0; i < 10; ++i) world.fill(queue, 2);
  world.attach(world.open(1), queue);
  EXPECT_THAT(world.sink.delivers, SizeIs(3));
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 20));
}

TEST(Delivery, many_parts_of_files_are_read_when_they_are_found) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 100);
  const SessionHandle session = world.open(1);
  const auto attachment = world.attach(session, queue).attachment;
  std::vector<Receipt> odd;
  std::vector<Receipt> even;
  for (const Got& got : world.take()) {
    (got.sequence.value() % 2 == 1 ? odd : even).push_back(got.receipt());
  }
  world.settle(SettleKind::kAck, session, attachment, odd);
  EXPECT_EQ(world.sink.delivers.back().effect.entries, nullptr);

  world.store.in_files = true;
  world.settle(SettleKind::kRelease, session, attachment, even);
  const Deliver& effect = world.sink.delivers.back().effect;
  ASSERT_THAT(effect.runs, SizeIs(50));
  ASSERT_NE(effect.entries, nullptr);
  const std::byte* at = effect.entries.get();
  for (const DeliveryRun& run : effect.runs) {
    const auto stored = world.store.read(run.slice);
    ASSERT_TRUE(stored.has_value());
    EXPECT_TRUE(std::equal(stored->begin(), stored->end(), at));
    at += stored->size();
  }
  EXPECT_EQ(World::sequences(world.take()).back(), 100U);
}

TEST(Delivery, a_long_backlog_goes_on_in_the_next_tick) {
  BrokerOptions options;
  options.delivery_bytes_max = 10;  // every message alone
  World world(options);
  const auto queue = world.make(plain_queue());
  world.fill(queue, 200);
  world.attach(world.open(1), queue);
  EXPECT_LT(world.sink.delivers.size(), 200U);
  EXPECT_EQ(world.broker->tick(world.now), world.now.mono);
  world.tick();
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 200));
}

TEST(Delivery, a_paused_queue_delivers_nothing_until_it_goes_on) {
  World world;
  QueueConfig config = plain_queue();
  config.paused = true;
  const auto queue = world.make(config);
  world.fill(queue, 2);
  world.attach(world.open(1), queue);
  EXPECT_THAT(world.take(), SizeIs(0));
  config.paused = false;
  world.make(config);
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 2));
}

TEST(Delivery, what_comes_back_goes_before_what_was_never_delivered) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 5);
  const auto session = world.open(1);
  const auto attachment = world.attach(session, queue, "default", 3).attachment;
  const auto got = world.take();
  world.settle(SettleKind::kRelease, got[1]);
  world.credit(session, attachment, 5);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(2, 4));
}

TEST(Delivery, epochs_rise_and_name_one_delivery_batch) {
  World world;
  const auto queue = world.make(plain_queue());
  world.attach(world.open(1), queue);
  world.fill(queue, 2);
  world.fill(queue, 1);
  const auto got = world.take();
  EXPECT_EQ(got[0].epoch, got[1].epoch);
  EXPECT_LT(got[1].epoch, got[2].epoch);
  EXPECT_EQ(got[0].epoch.value() >> 32, 1U);
}

TEST(Delivery, a_damaged_message_is_counted_passed_over_and_never_settled) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 5);
  world.store.damaged.insert(base::Sequence(3));
  world.attach(world.open(1), queue);
  const auto got = world.take();
  EXPECT_THAT(World::sequences(got), ElementsAre(1, 2, 4, 5));
  world.ack(got);
  EXPECT_EQ(world.stats().damaged, 1U);
  EXPECT_EQ(world.queue_stats().messages, 1U);
  const storage::StreamId stream{queue, base::ShardIndex(0)};
  const base::Sequence three(3);
  EXPECT_TRUE(world.broker->any_live(stream, {three, three}));
  // It stays so over a restart, and is delivered when a start finds it readable.
  world.restart();
  EXPECT_EQ(world.stats().damaged, 1U);
  EXPECT_EQ(world.stats().ready, 0U);
  world.store.damaged.clear();
  world.restart();
  EXPECT_EQ(world.stats().damaged, 0U);
  world.attach(world.open(1), queue);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(3));
}

TEST(Delivery, a_record_that_is_lost_leaves_damaged_messages_and_stops_nobody) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  world.fill(queue, 3);
  world.fill(queue, 1);
  for (std::size_t i = 0, seen = 0; i < world.log.records().size(); ++i) {
    if (world.log.records()[i].type != storage::RecordType::kMessages) continue;
    if (++seen == 2) world.log.damage(i);
  }
  world.restart(true);
  EXPECT_EQ(world.stats().damaged, 3U);
  world.attach(world.open(1), queue);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1, 2, 6));
  EXPECT_EQ(world.stats().damaged, 3U);
  EXPECT_EQ(world.queue_stats().messages, 6U);
}

TEST(Delivery, shards_are_sequences_of_their_own) {
  World world;
  QueueConfig config = plain_queue();
  config.shards = 2;
  const auto queue = world.make(config);
  world.fill(queue, 2, 0);
  world.fill(queue, 3, 1);
  const auto session = world.open(1);
  world.attach(session, queue, "default", 100, 1 << 20, 1);
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 3));
  world.attach(session, queue, "default", 100, 1 << 20, 0);
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 2));
}

TEST(Delivery, an_unknown_subscription_is_refused_with_the_declared_ones) {
  World world;
  QueueConfig config = plain_queue();
  config.subscriptions[0].name = "billing";
  const auto queue = world.make(config);
  const auto reply = world.attach(world.open(1), queue, "biling");
  EXPECT_EQ(reply.refusal.code, RefusalCode::kUnknownSubscription);
  EXPECT_THAT(reply.refusal.message, testing::HasSubstr("billing"));
}

TEST(Delivery, unknown_sessions_queues_and_shards_are_refused) {
  World world;
  const auto queue = world.make(plain_queue());
  EXPECT_EQ(world.attach(SessionHandle(77), queue).refusal.code, RefusalCode::kNoSession);
  const auto session = world.open(1);
  const base::QueueId other(id_of(5555));
  EXPECT_EQ(world.attach(session, other).refusal.code, RefusalCode::kUnknownQueue);
  EXPECT_EQ(world.attach(session, queue, "default", 1, 1, 7).refusal.code,
            RefusalCode::kUnknownShard);
  EXPECT_EQ(world.detach(session, AttachmentHandle(77)).refusal.code, RefusalCode::kUnknownHandle);
}

TEST(Delivery, a_client_may_say_that_it_has_no_limit) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 100);
  const std::uint64_t no_limit = ~std::uint64_t{0};
  const auto first = world.open(1);
  const auto attachment = world.attach(first, queue, "default", 50, no_limit).attachment;
  world.ack(world.take());
  world.detach(first, attachment);
  world.attach(world.open(2), queue, "default", no_limit, no_limit);
  EXPECT_EQ(World::sequences(world.take()), numbers(51, 100));
}

TEST(Delivery, an_idle_broker_has_no_deadline) {
  World world;
  const auto queue = world.make(plain_queue());
  world.attach(world.open(1), queue);
  world.fill(queue, 100);
  const auto got = world.take();
  EXPECT_NE(world.tick(), std::nullopt);
  world.ack(got);
  EXPECT_EQ(world.tick(), std::nullopt);
}

TEST(Delivery, what_storage_has_to_bring_in_first_holds_up_nobody_else) {
  World world;
  const auto cold = world.make(plain_queue("cold"));
  const auto warm = world.make(plain_queue("warm"));
  world.fill(cold, 3);
  world.store.cold = {base::Sequence(1)};
  world.attach(world.open(1), cold);
  EXPECT_TRUE(world.take().empty());
  world.store.cold.clear();
  world.fill(warm, 2);
  world.attach(world.open(2), warm);
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 2));
  world.broker->messages_read(world.now);
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 3));
}

TEST(Delivery, what_is_there_goes_out_before_what_has_to_be_brought_in) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  world.fill(queue, 2);
  world.store.cold = {base::Sequence(3)};
  world.attach(world.open(1), queue);
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 2));
  world.broker->messages_read(world.now);  // something else was brought in
  EXPECT_TRUE(world.take().empty());
  world.store.cold.clear();
  world.broker->messages_read(world.now);
  EXPECT_EQ(World::sequences(world.take()), numbers(3, 4));
}

TEST(Delivery, a_peek_and_a_purge_wait_for_what_has_to_be_brought_in) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 3);
  world.store.cold = {base::Sequence(2)};
  Peek command;
  command.queue = queue;
  command.subscription = "default";
  world.broker->apply(world.now, command);
  Selector selector;
  selector.header = {"tenant", "blue"};
  world.purge(queue, false, selector);
  for (int i = 0; i < 5; ++i) {
    world.now.mono = world.now.mono + base::Nanos(base::Millis(2));
    world.broker->tick(world.now);
  }
  EXPECT_TRUE(world.sink.peeks.empty());
  EXPECT_FALSE(world.queue_stats().tasks.empty());
  world.store.cold.clear();
  world.now.mono = world.now.mono + base::Nanos(base::Millis(2));
  world.tick();
  ASSERT_EQ(world.sink.peeks.size(), 1U);
  EXPECT_EQ(world.sink.peeks.back().effect.messages.size(), 3U);
  EXPECT_EQ(world.stats().ready, 3U);
  EXPECT_EQ(world.sink.tasks.back().effect.state, storage::TaskState::kCompleted);
}

TEST(Delivery, a_queue_may_go_while_its_messages_are_brought_in) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  world.store.cold = {base::Sequence(1)};
  const auto session = world.open(1);
  world.attach(session, queue);
  world.broker->apply(world.now, DeleteQueue{{session, RequestId(1)}, queue});
  world.broker->messages_read(world.now);
  EXPECT_TRUE(world.take().empty());
}

// Compaction moves what lives, and the file in which the batch was found last goes.
TEST(Delivery, a_batch_that_moved_is_read_where_it_lies_now) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 4);
  const auto session = world.open(1);
  const auto attachment = world.attach(session, queue, "default", 1).attachment;
  EXPECT_EQ(World::sequences(world.take()), numbers(1, 1));
  world.store.move_all();
  world.credit(session, attachment, 4);
  EXPECT_EQ(World::sequences(world.take()), numbers(2, 4));
  EXPECT_EQ(world.stats().damaged, 0U);
}

// So much as a slow reader may have in the process; it costs others nothing.
TEST(Delivery, a_session_whose_deliveries_do_not_leave_gets_nothing_more) {
  BrokerOptions options;
  options.unsent_bytes_max = 50'000;
  options.delivery_bytes_max = 10'000;
  World world(options);
  const auto queue = world.make(plain_queue());
  const auto fill = [&](int count) {
    for (int i = 0; i < count; ++i) world.send(queue, {with_body(std::string(8'976, 'x'))});
  };
  const SessionHandle slow = world.open(1);
  world.attach(slow, queue);
  fill(20);
  EXPECT_THAT(world.take(), SizeIs(5));  // of 10,000 each, with the frame
  // Nor on another attachment.
  world.attach(slow, queue);
  EXPECT_THAT(world.take(), SizeIs(0));
  world.broker->apply(world.now, DeliveriesLeft{slow, 20'000});
  EXPECT_THAT(world.take(), SizeIs(0));
  world.broker->apply(world.now, DeliveriesLeft{slow, 10'000});
  EXPECT_THAT(world.take(), SizeIs(3));
  const SessionHandle fast = world.open(2);
  world.attach(fast, queue);
  for (int left = 12; left > 0; --left) {
    const auto got = world.take();
    if (got.empty()) break;
    for (const Got& one : got) EXPECT_EQ(one.session, fast);
    world.broker->apply(world.now, DeliveriesLeft{fast, got.size() * 10'000});
  }
  EXPECT_EQ(world.stats().ready, 0U);
}

TEST(Delivery, what_is_taken_at_most_once_waits_for_the_reader_too) {
  BrokerOptions options;
  options.unsent_bytes_max = 20'000;
  options.delivery_bytes_max = 10'000;
  World world(options);
  const auto queue = world.make(plain_queue());
  const SessionHandle session = world.open(1);
  world.attach(session, queue, "default", 1'000, 1ULL << 40, 0, true);
  for (int i = 0; i < 5; ++i) world.send(queue, {with_body(std::string(8'976, 'x'))});
  EXPECT_EQ(world.stats().acked, 2U);
  world.broker->apply(world.now, DeliveriesLeft{session, 20'000});
  EXPECT_EQ(world.stats().acked, 4U);
}

}  // namespace
}  // namespace sluice::broker
