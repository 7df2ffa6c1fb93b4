#include "broker/dead_letters.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using storage::TaskState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class DeadLetterTest : public testing::Test {
 protected:
  // Messages 1..count, all rejected with the error "e<sequence>".
  void begin(std::uint64_t count, QueueConfig config = plain_queue()) {
    queue = world.make(config);
    world.fill(queue, count);
    session = world.open(1);
    attachment = world.attach(session, queue, config.subscriptions[0].name).attachment;
    for (const Got& got : world.take()) {
      world.settle(SettleKind::kReject, got, "e" + std::to_string(got.sequence.value()));
    }
  }
  TaskReply last_task() {
    if (world.sink.tasks.empty()) {
      ADD_FAILURE() << "no task reply";
      return {};
    }
    return world.sink.tasks.back().effect;
  }
  std::vector<std::uint64_t> dead() {
    std::vector<std::uint64_t> sequences;
    for (const PeekedMessage& message : world.peek(queue, true).messages) {
      sequences.push_back(message.sequence.value());
    }
    return sequences;
  }

  World world;
  base::QueueId queue;
  SessionHandle session;
  AttachmentHandle attachment;
};

TEST_F(DeadLetterTest, a_peek_shows_everything_that_is_known) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.max_attempts = 2;
  queue = world.make(config);
  const base::WallTime accepted = world.now.wall;
  world.fill(queue, 1);
  world.attach(world.open(1), queue);
  const base::WallTime first = world.now.wall;
  world.settle(SettleKind::kFail, world.take()[0], "first");
  world.sleep(5s);
  world.settle(SettleKind::kFail, world.take()[0], "second");
  const auto reply = world.peek(queue, true);
  ASSERT_THAT(reply.messages, SizeIs(1));
  const PeekedMessage& dead = reply.messages[0];
  EXPECT_TRUE(dead.dead);
  EXPECT_EQ(dead.sequence, base::Sequence(1));
  EXPECT_EQ(dead.accepted_at, accepted);
  EXPECT_EQ(dead.attempts, 2);
  EXPECT_EQ(dead.reason, storage::DeadReason::kAttemptsExceeded);
  EXPECT_EQ(dead.first_failed, first);
  EXPECT_EQ(dead.died_at, world.now.wall);
  EXPECT_EQ(dead.error, "second");
  EXPECT_EQ(dead.consumer, "pod-1");
  base::ByteView entry = dead.entry;
  EXPECT_EQ(base::as_text(base::take_entry(entry).body), "m1");
  EXPECT_EQ(reply.next, base::Sequence(0));
}

TEST_F(DeadLetterTest, a_peek_goes_on_where_the_last_one_stopped) {
  begin(5);
  auto reply = world.peek(queue, true, 0, 2);
  EXPECT_THAT(reply.messages, SizeIs(2));
  EXPECT_EQ(reply.next, base::Sequence(3));
  reply = world.peek(queue, true, 3, 3);
  EXPECT_THAT(reply.messages, SizeIs(3));
  EXPECT_EQ(reply.next, base::Sequence(0));
}

TEST_F(DeadLetterTest, a_peek_of_waiting_messages_shows_no_leased_ones) {
  queue = world.make(plain_queue());
  world.fill(queue, 5);
  world.attach(world.open(1), queue, "default", 3);
  world.settle(SettleKind::kFail, world.take()[1], "oh", 60s);
  const auto reply = world.peek(queue, false);
  ASSERT_THAT(reply.messages, SizeIs(3));
  EXPECT_EQ(reply.messages[0].sequence, base::Sequence(2));
  EXPECT_EQ(reply.messages[0].attempts, 1);
  EXPECT_EQ(reply.messages[0].error, "oh");
  EXPECT_EQ(reply.messages[0].due, world.now.wall + 60'000);
  EXPECT_EQ(reply.messages[1].sequence, base::Sequence(4));
}

TEST_F(DeadLetterTest, a_peek_is_bounded_in_bytes) {
  queue = world.make(plain_queue());
  world.send(queue, std::vector<base::Message>(5, with_body(std::string(92, 'x'))));
  Peek command;
  command.queue = queue;
  command.bytes_max = 250;
  world.broker->apply(world.now, command);
  EXPECT_THAT(world.sink.peeks.back().effect.messages, SizeIs(2));
  EXPECT_EQ(world.sink.peeks.back().effect.next, base::Sequence(3));
}

TEST_F(DeadLetterTest, a_dead_letter_keeps_its_body_and_no_longer_counts_as_waiting) {
  begin(3);
  EXPECT_EQ(world.queue_stats().messages, 0U);
  EXPECT_EQ(world.queue_stats().bytes, 0U);
  EXPECT_EQ(world.queue_stats().dead_bytes, 6U);
  const storage::StreamId stream{queue, base::ShardIndex(0)};
  EXPECT_TRUE(world.broker->any_live(stream, {base::Sequence(2), base::Sequence(2)}));
}

TEST_F(DeadLetterTest, a_redrive_returns_them_to_their_subscription_with_fresh_counters) {
  QueueConfig config = plain_queue();
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "other";
  begin(3, config);
  const auto task = world.redrive(queue);
  EXPECT_EQ(last_task().state,
            TaskState::kRunning);  // told at once: nobody has to wait for the end
  EXPECT_EQ(last_task().task, task);
  world.tick();
  EXPECT_EQ(last_task().task, task);
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
  EXPECT_EQ(last_task().matched, 3U);
  EXPECT_EQ(last_task().done, 3U);
  const auto again = world.take();
  EXPECT_EQ(World::sequences(again), numbers(1, 3));
  EXPECT_EQ(again[0].attempts, 0);
  EXPECT_EQ(world.stats().dead_lettered, 0U);
  EXPECT_EQ(world.queue_stats().dead_bytes, 0U);
  EXPECT_EQ(world.stats("orders", "other").ready, 3U);
  world.ack(again);
  EXPECT_EQ(world.queue_stats().messages, 3U);  // the other subscription's
}

TEST_F(DeadLetterTest, a_redriven_message_counts_again_until_it_is_settled) {
  begin(3);
  world.redrive(queue);
  world.tick();
  EXPECT_EQ(world.queue_stats().messages, 3U);
  EXPECT_EQ(world.queue_stats().bytes, 6U);
  world.ack(world.take());
  EXPECT_EQ(world.queue_stats().messages, 0U);
  EXPECT_EQ(world.queue_stats().bytes, 0U);
}

TEST_F(DeadLetterTest, a_dry_run_only_counts) {
  begin(3);
  const std::size_t records = world.log.records().size();
  world.redrive(queue, {}, true);
  world.tick();
  EXPECT_EQ(last_task().matched, 3U);
  EXPECT_EQ(last_task().done, 0U);
  EXPECT_EQ(world.log.records().size(), records);
  EXPECT_THAT(dead(), SizeIs(3));
}

TEST_F(DeadLetterTest, a_selector_chooses_by_sequence_and_reason_and_age) {
  begin(5);
  Selector selector;
  selector.sequences = {{base::Sequence(2), base::Sequence(3)}};
  world.redrive(queue, selector);
  world.tick();
  EXPECT_THAT(dead(), ElementsAre(1, 4, 5));
  selector = {};
  selector.reason = storage::DeadReason::kExpired;
  world.redrive(queue, selector);
  world.tick();
  EXPECT_EQ(last_task().matched, 0U);
  selector = {};
  selector.before = world.now.wall;
  world.redrive(queue, selector);
  world.tick();
  EXPECT_EQ(last_task().matched, 0U);
  selector.before = world.now.wall + 1;
  world.redrive(queue, selector);
  world.tick();
  EXPECT_EQ(last_task().matched, 3U);
}

TEST_F(DeadLetterTest, a_selector_chooses_by_header) {
  queue = world.make(plain_queue());
  std::vector<base::Message> messages(200, with_body("x"));
  for (std::size_t i = 0; i < messages.size(); ++i) {
    messages[i].headers.emplace_back("tenant", i % 10 == 0 ? "blue" : "red");
  }
  world.send(queue, messages);
  const auto consumer = world.open(1);
  const auto handle = world.attach(consumer, queue, "default", 200).attachment;
  const auto got = world.take();
  world.settle(SettleKind::kReject, consumer, handle,
               {{got[0].epoch, {base::Sequence(1), base::Sequence(200)}}});
  Selector selector;
  selector.header = {"tenant", "blue"};
  world.redrive(queue, selector);
  world.tick();
  EXPECT_EQ(last_task().done, 20U);
  EXPECT_EQ(world.stats().ready, 20U);
}

TEST_F(DeadLetterTest, one_task_a_queue_at_a_time) {
  begin(3);
  world.redrive(queue, {}, false, 1);
  world.redrive(queue);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kTaskRunning);
  EXPECT_THAT(last_task().refusal.message, HasSubstr("redrive"));
  world.purge(queue, true);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kTaskRunning);
  world.redrive(queue, {}, true);  // changes nothing, so it may
  for (int second = 0; second < 4; ++second) world.sleep(1s);
  EXPECT_EQ(world.stats().dead_lettered, 0U);
  world.purge(queue, false);
  world.tick();
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
}

TEST_F(DeadLetterTest, statistics_show_what_runs_and_what_ended) {
  begin(30);
  const auto first = world.redrive(queue, {}, false, 10);
  world.tick();
  auto tasks = world.queue_stats().tasks;
  ASSERT_THAT(tasks, SizeIs(1));
  EXPECT_EQ(tasks[0].id, first);
  EXPECT_EQ(tasks[0].state, TaskState::kRunning);
  EXPECT_EQ(tasks[0].subscription, "default");
  EXPECT_EQ(tasks[0].rate_per_second_max, 10U);
  EXPECT_EQ(tasks[0].done, 1U);
  CancelTask command;
  command.origin = {session, RequestId(44)};
  command.task = first;
  world.broker->apply(world.now, command);
  for (int i = 0; i < 25; ++i) {
    world.purge(queue, true, {}, "");
    world.tick();
    if (i > 0) continue;
    tasks = world.queue_stats().tasks;
    ASSERT_THAT(tasks, SizeIs(2));  // the latest first
    EXPECT_EQ(tasks[0].kind, storage::TaskKind::kPurge);
    EXPECT_EQ(tasks[0].state, TaskState::kCompleted);
    EXPECT_EQ(tasks[0].subscription, "");  // of all
    EXPECT_EQ(tasks[1].id, first);
    EXPECT_EQ(tasks[1].state, TaskState::kCancelled);
  }
  EXPECT_THAT(world.queue_stats().tasks, SizeIs(20));
}

TEST_F(DeadLetterTest, a_rate_limit_spreads_a_redrive_over_time) {
  begin(100);
  world.redrive(queue, {}, false, 20);
  world.tick();
  std::size_t back = world.take().size();
  EXPECT_LE(back, 4U);
  int tenths = 0;
  while (last_task().state == TaskState::kRunning && tenths < 100) {
    world.sleep(100ms);
    ++tenths;
    back += world.take().size();
    EXPECT_LE(back, static_cast<std::size_t>(4 + 2 * tenths));
  }
  EXPECT_NEAR(tenths, 50, 3);
  EXPECT_EQ(last_task().done, 100U);
  // Whoever asked heard of it about twice a second, each time of more.
  EXPECT_NEAR(static_cast<double>(world.sink.tasks.size()), 11.0, 2.0);
  std::uint64_t done = 0;
  for (const auto& told : world.sink.tasks) {
    EXPECT_LE(done, told.effect.done);
    done = told.effect.done;
  }
}

TEST_F(DeadLetterTest, a_redrive_goes_on_after_a_restart) {
  begin(3'000);
  world.redrive(queue);
  world.broker->tick(world.now);  // one slice
  const auto before = world.stats().dead_lettered;
  EXPECT_GT(before, 0U);
  EXPECT_LT(before, 3'000U);
  world.restart();
  EXPECT_EQ(world.stats().dead_lettered, before);
  world.tick();
  EXPECT_EQ(world.stats().dead_lettered, 0U);
  ASSERT_THAT(world.sink.tasks, SizeIs(1));  // its end is told, though who asked is gone
  EXPECT_EQ(last_task().origin.session, SessionHandle());
  EXPECT_TRUE(last_task().ended.has_value());
}

TEST_F(DeadLetterTest, what_died_after_the_command_is_left_alone) {
  begin(3);
  world.fill(queue, 1);
  const auto late = world.take();
  world.redrive(queue);
  world.settle(SettleKind::kReject, late[0]);
  world.tick();
  EXPECT_THAT(dead(), ElementsAre(4));
}

TEST_F(DeadLetterTest, a_cancelled_task_keeps_what_it_has_done) {
  begin(100);
  const auto task = world.redrive(queue, {}, false, 10);
  world.tick();
  CancelTask command;
  command.origin = {session, RequestId(44)};
  command.task = task;
  world.broker->apply(world.now, command);
  ASSERT_THAT(world.sink.tasks, SizeIs(3));  // that it began; its end for both who asked
  EXPECT_EQ(last_task().state, TaskState::kCancelled);
  EXPECT_GT(last_task().done, 0U);
  world.sleep(60s);
  EXPECT_GT(world.stats().dead_lettered, 90U);
  world.broker->apply(world.now, command);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kUnknownTask);
}

TEST_F(DeadLetterTest, a_purge_discards_dead_letters) {
  begin(5);
  Selector selector;
  selector.sequences = {{base::Sequence(1), base::Sequence(2)}};
  world.purge(queue, true, selector);
  world.tick();
  EXPECT_EQ(last_task().done, 2U);
  EXPECT_THAT(dead(), ElementsAre(3, 4, 5));
  const storage::StreamId stream{queue, base::ShardIndex(0)};
  EXPECT_FALSE(world.broker->any_live(stream, {base::Sequence(1), base::Sequence(2)}));
}

TEST_F(DeadLetterTest, a_purge_removes_waiting_messages_but_no_leased_ones) {
  queue = world.make(plain_queue());
  world.fill(queue, 10);
  world.attach(world.open(1), queue, "default", 3);
  const auto got = world.take();
  world.settle(SettleKind::kFail, got[0], "", 60s);
  world.purge(queue, false);
  world.fill(queue, 1);  // after the command
  world.tick();
  EXPECT_EQ(last_task().done, 8U);
  EXPECT_EQ(world.stats().in_flight, 2U);
  EXPECT_EQ(world.stats().ready, 1U);
  EXPECT_EQ(world.stats().delayed, 0U);
  EXPECT_EQ(world.ack(got[1]).settled, 1U);
}

TEST_F(DeadLetterTest, a_purge_of_all_subscriptions_and_shards_takes_a_task) {
  QueueConfig config = plain_queue();
  config.shards = 3;
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "other";
  queue = world.make(config);
  for (std::uint16_t shard = 0; shard < 3; ++shard) world.fill(queue, 10, shard);
  world.purge(queue, false, {}, "");
  world.tick();
  EXPECT_EQ(last_task().done, 60U);
  EXPECT_EQ(world.queue_stats().messages, 0U);
}

TEST_F(DeadLetterTest, a_task_of_one_shard_leaves_the_same_sequences_of_others_alone) {
  QueueConfig config = plain_queue();
  config.shards = 3;
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "other";
  queue = world.make(config);
  for (std::uint16_t shard = 0; shard < 3; ++shard) world.fill(queue, 10, shard);
  Selector selector;
  selector.shard = base::ShardIndex(1);
  selector.sequences = {{base::Sequence(4), base::Sequence(6)}};
  world.purge(queue, false, selector, "");  // of both subscriptions
  world.tick();
  EXPECT_EQ(last_task().done, 6U);
  EXPECT_EQ(world.queue_stats().messages, 27U);
  for (std::uint16_t shard = 0; shard < 3; ++shard) {
    EXPECT_EQ(world.peek(queue, false, 0, 100, "other", shard).messages.size(),
              shard == 1 ? 7U : 10U);
  }
  selector.sequences.clear();
  world.purge(queue, false, selector);
  world.tick();
  EXPECT_EQ(last_task().done, 7U);
  EXPECT_EQ(world.stats().ready, 20U);
}

TEST_F(DeadLetterTest, a_task_of_one_shard_goes_on_there_after_a_restart) {
  QueueConfig config = plain_queue();
  config.shards = 2;
  queue = world.make(config);
  for (std::uint16_t shard = 0; shard < 2; ++shard) world.fill(queue, 50, shard);
  StartTask command;
  command.kind = storage::TaskKind::kPurge;
  command.queue = queue;
  command.subscription = "default";
  command.selector.shard = base::ShardIndex(0);
  command.rate_per_second_max = 100;  // ten in each slice
  world.start(command);
  world.tick();
  world.restart();
  for (int i = 0; i < 20; ++i) world.sleep(1s);
  EXPECT_EQ(last_task().state, storage::TaskState::kCompleted);
  EXPECT_EQ(last_task().done, 50U);
  EXPECT_EQ(world.stats().ready, 50U);
}

TEST_F(DeadLetterTest, a_task_of_a_shard_that_is_none_is_refused) {
  queue = world.make(plain_queue());
  Selector selector;
  selector.shard = base::ShardIndex(1);
  world.purge(queue, false, selector);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kUnknownShard);
}

TEST_F(DeadLetterTest, a_purge_of_all_takes_subscriptions_in_any_order_of_the_manifest) {
  QueueConfig config = plain_queue();
  queue = world.make(config);
  config.subscriptions.insert(config.subscriptions.begin(), config.subscriptions[0]);
  config.subscriptions[0].name = "newer";
  ASSERT_TRUE(world.configure(config).has_value());
  world.fill(queue, 10);
  world.purge(queue, false, {}, "");
  world.tick();
  EXPECT_EQ(last_task().done, 20U);
  EXPECT_EQ(world.queue_stats().messages, 0U);
}

TEST_F(DeadLetterTest, dry_runs_have_a_limit) {
  queue = world.make(plain_queue());
  StartTask command;
  command.kind = storage::TaskKind::kPurge;
  command.queue = queue;
  command.subscription = "default";
  command.dry_run = true;
  for (int i = 0; i < 64; ++i) world.start(command);
  EXPECT_TRUE(world.sink.tasks.empty());
  world.start(command);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kLimitReached);
  world.tick();
  world.start(command);
  world.tick();
  EXPECT_FALSE(last_task().refusal.refused());
}

TEST_F(DeadLetterTest, a_purge_of_waiting_messages_by_header_and_age) {
  queue = world.make(plain_queue());
  base::Message blue = with_body("x");
  blue.headers.emplace_back("tenant", "blue");
  world.send(queue, {blue, with_body("y"), blue});
  world.sleep(1s);
  world.send(queue, {blue});
  Selector selector;
  selector.header = {"tenant", "blue"};
  selector.before = world.now.wall;
  world.purge(queue, false, selector);
  world.tick();
  EXPECT_EQ(last_task().done, 2U);
  EXPECT_EQ(world.stats().ready, 2U);
  selector.reason = storage::DeadReason::kExpired;
  world.purge(queue, false, selector);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kInvalidArgument);
}

TEST_F(DeadLetterTest, a_purge_of_millions_takes_few_slices) {
  QueueConfig config = plain_queue();
  config.limits.messages_max = 10'000'000;
  queue = world.make(config);
  for (int i = 0; i < 100; ++i) world.fill(queue, 5'000);
  world.purge(queue, false);
  int ticks = 1;
  while (world.broker->tick(world.now) == world.now.mono) ++ticks;
  EXPECT_LE(ticks, 3);
  EXPECT_EQ(last_task().done, 500'000U);
}

TEST_F(DeadLetterTest, dead_letters_go_when_their_retention_is_over) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].dead_letter.retention = 60s;
  begin(2, config);
  world.sleep(30s);
  world.fill(queue, 1);
  world.settle(SettleKind::kReject, world.take()[0]);
  world.sleep(30s);
  EXPECT_THAT(dead(), ElementsAre(3));
  world.sleep(30s);
  EXPECT_THAT(dead(), SizeIs(0));
  EXPECT_EQ(world.tick(), std::nullopt);
}

TEST_F(DeadLetterTest, the_oldest_dead_letters_go_when_there_are_too_many_bytes) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].dead_letter.bytes_max = 6;  // three bodies of two bytes
  begin(5, config);
  EXPECT_THAT(dead(), ElementsAre(3, 4, 5));
  EXPECT_EQ(world.queue_stats().dead_bytes, 6U);
}

TEST_F(DeadLetterTest, the_oldest_dead_letters_go_when_there_are_too_many) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].dead_letter.messages_max = 2;
  begin(5, config);
  EXPECT_THAT(dead(), ElementsAre(4, 5));
  config.subscriptions[0].dead_letter.messages_max = 1;
  ASSERT_TRUE(world.configure(config).has_value());
  world.tick();
  EXPECT_THAT(dead(), ElementsAre(5));
}

TEST_F(DeadLetterTest, a_lower_limit_takes_the_oldest_away_in_slices) {
  QueueConfig config = plain_queue();
  begin(2'000, config);
  EXPECT_EQ(world.stats().dead_lettered, 2'000U);
  config.subscriptions[0].dead_letter.bytes_max = 10;
  ASSERT_TRUE(world.configure(config).has_value());
  world.broker->tick(world.now);
  EXPECT_GT(world.stats().dead_lettered, 1'000U);  // not all in one step
  world.tick();
  EXPECT_THAT(dead(), ElementsAre(1'999, 2'000));
  EXPECT_EQ(world.stats().removed_by_cause[storage::RemoveCause::kDeadExpired], 1'998U);
}

TEST_F(DeadLetterTest, a_broken_body_does_not_hide_a_dead_letter) {
  begin(2);
  world.store.damaged.insert(base::Sequence(1));
  const auto reply = world.peek(queue, true);
  ASSERT_THAT(reply.messages, SizeIs(2));
  EXPECT_TRUE(reply.messages[0].entry.empty());
  EXPECT_EQ(reply.messages[0].error, "e1");
}

TEST_F(DeadLetterTest, unknown_names_are_refused_with_the_declared_ones) {
  begin(1);
  world.redrive(queue, {}, false, 0, "defualt");
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kUnknownSubscription);
  EXPECT_THAT(last_task().refusal.message, HasSubstr("default"));
  EXPECT_EQ(world.peek(queue, true, 0, 1, "defualt").refusal.code,
            RefusalCode::kUnknownSubscription);
  world.redrive(base::QueueId(id_of(777)));
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kUnknownQueue);
}

TEST_F(DeadLetterTest, the_state_is_the_replayed_one_after_all_of_this) {
  begin(50);
  Selector selector;
  selector.sequences = {{base::Sequence(10), base::Sequence(20)}};
  world.redrive(queue, selector);
  world.tick();
  world.take();
  world.purge(queue, true, selector);
  selector.sequences = {{base::Sequence(30), base::Sequence(31)}};
  world.purge(queue, true, selector);
  world.redrive(queue, {}, false, 10);
  world.tick();
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());
}

}  // namespace
}  // namespace sluice::broker
