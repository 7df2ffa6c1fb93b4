#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using storage::TaskKind;
using storage::TaskState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

class TaskTransferTest : public testing::Test {
 protected:
  // `count` messages in `orders`, and another queue `parked`.
  void begin(std::uint64_t count, QueueConfig target = plain_queue("parked")) {
    queue = world->make(plain_queue());
    parked = world->make(target);
    if (count > 0) world->fill(queue, count);
  }
  // All of them dead, with the error "e<sequence>".
  void kill_all() {
    const SessionHandle session = world->open(1);
    const AttachmentHandle attachment = world->attach(session, queue).attachment;
    for (const Got& got : world->take()) {
      world->settle(SettleKind::kReject, got, "e" + std::to_string(got.sequence.value()));
    }
    world->detach(session, attachment);
  }
  StartTask carry(TaskKind kind, bool dead_letters) const {
    StartTask command;
    command.kind = kind;
    command.queue = queue;
    command.target = parked;
    command.dead_letters = dead_letters;
    return command;
  }
  base::TaskId run(StartTask command) {
    const base::TaskId task = world->start(std::move(command));
    world->tick();
    return task;
  }
  TaskReply last_task() {
    if (world->sink.tasks.empty()) {
      ADD_FAILURE() << "no task reply";
      return {};
    }
    return world->sink.tasks.back().effect;
  }
  std::vector<std::string> bodies(const base::QueueId& of, bool dead = false) {
    std::vector<std::string> bodies;
    for (const base::Message& message : messages(of, dead)) bodies.push_back(message.body);
    return bodies;
  }
  std::vector<base::Message> messages(const base::QueueId& of, bool dead = false) {
    std::vector<base::Message> messages;
    for (const PeekedMessage& peeked : world->peek(of, dead).messages) {
      base::ByteView entry(peeked.entry);
      messages.push_back(base::to_message(base::take_entry(entry)));
    }
    return messages;
  }
  std::string header(const base::Message& message, const std::string& name) {
    for (const auto& [has, value] : message.headers) {
      if (has == name) return value;
    }
    return "";
  }

  std::unique_ptr<World> world = std::make_unique<World>();
  base::QueueId queue;
  base::QueueId parked;
};

TEST_F(TaskTransferTest, a_copy_leaves_what_it_copies) {
  begin(3);
  run(carry(TaskKind::kCopy, false));
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
  EXPECT_EQ(last_task().done, 3U);
  EXPECT_THAT(bodies(queue), ElementsAre("m1", "m2", "m3"));
  EXPECT_THAT(bodies(parked), ElementsAre("m1", "m2", "m3"));
}

TEST_F(TaskTransferTest, a_move_takes_it_away) {
  begin(3);
  run(carry(TaskKind::kMove, false));
  EXPECT_EQ(last_task().done, 3U);
  EXPECT_THAT(bodies(queue), IsEmpty());
  EXPECT_THAT(bodies(parked), ElementsAre("m1", "m2", "m3"));
  EXPECT_EQ(world->queue_stats().subscriptions[0].removed_by_cause[storage::RemoveCause::kMoved],
            3U);
}

TEST_F(TaskTransferTest, everything_of_a_message_stays_and_headers_tell_where_it_was) {
  begin(0);
  base::Message message;
  message.body = "body";
  message.key = "k";
  message.dedup_id = "d";
  message.priority = 3;
  message.expires_at = world->now.wall + 60'000;
  message.headers = {{"kind", "created"}, {"sluice-source", "elsewhere"}};
  world->send(queue, {message});
  run(carry(TaskKind::kMove, false));
  const auto moved = messages(parked);
  ASSERT_THAT(moved, SizeIs(1));
  EXPECT_EQ(moved[0].body, "body");
  EXPECT_EQ(moved[0].key, "k");
  EXPECT_EQ(moved[0].dedup_id, "d");
  EXPECT_EQ(moved[0].priority, 3);
  EXPECT_EQ(moved[0].expires_at, message.expires_at);
  EXPECT_THAT(moved[0].headers,
              ElementsAre(Pair("kind", "created"), Pair("sluice-source", "orders"),
                          Pair("sluice-source-id", "0-1")));
}

TEST_F(TaskTransferTest, a_dead_letter_tells_why_it_died_and_is_a_message_like_any_other) {
  QueueConfig config = plain_queue();
  config.expiry_action = ExpiryAction::kDeadLetter;
  queue = world->make(config);
  parked = world->make(plain_queue("parked"));
  base::Message message = with_body("late");
  message.expires_at = world->now.wall + 1'000;
  world->send(queue, {message});
  world->fill(queue, 1);
  world->sleep(2s);
  kill_all();
  run(carry(TaskKind::kMove, true));
  EXPECT_THAT(bodies(queue, true), IsEmpty());
  const auto moved = messages(parked);
  ASSERT_THAT(moved, SizeIs(2));
  EXPECT_EQ(header(moved[0], "sluice-dead-reason"), "Expired");
  EXPECT_EQ(moved[0].expires_at, base::WallTime());
  EXPECT_EQ(header(moved[1], "sluice-source"), "orders/dlq");
  EXPECT_EQ(header(moved[1], "sluice-dead-reason"), "Rejected");
  EXPECT_EQ(header(moved[1], "sluice-dead-error"), "e2");
  EXPECT_EQ(header(moved[1], "sluice-dead-consumer"), "pod-1");
  world->sleep(60s);
  EXPECT_THAT(messages(parked), SizeIs(2));
}

// In each way of going there.
TEST_F(TaskTransferTest, a_dead_letter_that_died_before_its_deliver_at_waits_for_it_there) {
  for (const TaskKind kind : {TaskKind::kCopy, TaskKind::kMove}) {
    world = std::make_unique<World>();
    QueueConfig config = plain_queue();
    config.expiry_action = ExpiryAction::kDeadLetter;
    queue = world->make(config);
    parked = world->make(plain_queue("parked"));
    base::Message message = with_body("delayed");
    message.deliver_at = world->now.wall + 60'000;
    message.expires_at = world->now.wall + 1'000;
    world->send(queue, {message});
    world->sleep(2s);
    ASSERT_EQ(world->stats("orders").dead_lettered, 1U);
    run(carry(kind, true));
    ASSERT_EQ(last_task().done, 1U);
    EXPECT_EQ(world->stats("parked").delayed, 1U);
    world->sleep(50s);
    EXPECT_EQ(world->stats("parked").delayed, 1U);  // and has not expired
    world->attach(world->open(9), parked);
    EXPECT_THAT(world->take(), IsEmpty());
    world->sleep(10s);
    EXPECT_THAT(world->take(), SizeIs(1));
  }
}

TEST_F(TaskTransferTest, a_deliver_at_that_has_come_is_not_waited_for) {
  begin(0);
  base::Message message = with_body("was delayed");
  message.deliver_at = world->now.wall + 1'000;
  world->send(queue, {message});
  world->sleep(2s);
  kill_all();
  run(carry(TaskKind::kMove, true));
  const auto moved = messages(parked);
  ASSERT_THAT(moved, SizeIs(1));
  EXPECT_EQ(moved[0].deliver_at, base::WallTime());
  EXPECT_EQ(world->stats("parked").delayed, 0U);
}

TEST_F(TaskTransferTest, the_selector_chooses) {
  begin(20);
  kill_all();
  StartTask command = carry(TaskKind::kMove, true);
  command.selector.sequences = {{base::Sequence(2), base::Sequence(3)},
                                {base::Sequence(15), base::Sequence(19)}};
  command.selector.error = "e1";  // 15 to 19
  run(command);
  EXPECT_THAT(bodies(parked), ElementsAre("m15", "m16", "m17", "m18", "m19"));
  EXPECT_THAT(bodies(queue, true), SizeIs(15));
}

TEST_F(TaskTransferTest, leased_messages_and_later_ones_are_left_alone) {
  begin(10);
  world->attach(world->open(1), queue, "default", 4);
  const auto leased = world->take();
  ASSERT_THAT(leased, SizeIs(4));
  world->start(carry(TaskKind::kMove, false));
  world->fill(queue, 2);
  world->tick();
  EXPECT_EQ(last_task().done, 6U);
  EXPECT_THAT(bodies(parked), ElementsAre("m5", "m6", "m7", "m8", "m9", "m10"));
  EXPECT_THAT(bodies(queue), ElementsAre("m11", "m12"));
  EXPECT_EQ(world->ack(leased).settled, 1U);
}

TEST_F(TaskTransferTest, a_full_target_is_waited_for) {
  QueueConfig target = plain_queue("parked");
  target.limits.messages_max = 2;
  begin(5, target);
  const base::TaskId task = run(carry(TaskKind::kMove, false));
  EXPECT_THAT(bodies(parked), ElementsAre("m1", "m2"));
  EXPECT_THAT(bodies(queue), ElementsAre("m3", "m4", "m5"));
  world->sleep(1s);
  EXPECT_EQ(last_task().state, TaskState::kRunning);
  EXPECT_EQ(last_task().waits_for, "queue parked is full");
  EXPECT_EQ(world->queue_stats().tasks[0].waits_for, "queue parked is full");
  EXPECT_EQ(world->queue_stats().tasks[0].target, "parked");
  const std::size_t records = world->log.records().size();
  world->sleep(10s);
  EXPECT_EQ(world->log.records().size(), records);  // waiting writes nothing
  world->attach(world->open(2), parked);
  world->ack(world->take());
  world->sleep(1s);
  world->ack(world->take());
  world->sleep(1s);
  world->ack(world->take());
  EXPECT_EQ(last_task().task, task);
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
  EXPECT_EQ(last_task().done, 5U);
}

TEST_F(TaskTransferTest, a_paused_target_and_a_low_disk_are_waited_for) {
  QueueConfig target = plain_queue("parked");
  target.paused = true;
  begin(2, target);
  run(carry(TaskKind::kCopy, false));
  EXPECT_THAT(bodies(parked), IsEmpty());
  target.paused = false;
  ASSERT_TRUE(world->configure(target).has_value());
  world->broker->set_disk_low(true);
  world->sleep(1s);
  EXPECT_THAT(bodies(parked), IsEmpty());
  EXPECT_THAT(last_task().waits_for, HasSubstr("disk"));
  world->broker->set_disk_low(false);
  world->sleep(1s);
  EXPECT_THAT(bodies(parked), SizeIs(2));
}

TEST_F(TaskTransferTest, what_the_target_never_takes_stays) {
  QueueConfig target = plain_queue("parked");
  target.limits.message_bytes_max = 10;
  begin(0, target);
  world->send(queue, {with_body("small"), with_body("too large for it"), with_body("tiny")});
  run(carry(TaskKind::kMove, false));
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
  EXPECT_EQ(last_task().matched, 3U);
  EXPECT_EQ(last_task().done, 2U);
  EXPECT_THAT(bodies(queue), ElementsAre("too large for it"));
}

TEST_F(TaskTransferTest, keys_decide_about_the_shard) {
  QueueConfig target = plain_queue("parked");
  target.shards = 2;
  begin(0, target);
  std::vector<base::Message> sent;
  for (int i = 0; i < 100; ++i) {
    base::Message message = with_body(std::to_string(i));
    message.key = "order-" + std::to_string(i % 7);
    sent.push_back(message);
  }
  world->send(queue, sent);
  run(carry(TaskKind::kMove, false));
  EXPECT_EQ(last_task().done, 100U);
  std::map<std::string, std::uint16_t> shard_of;
  std::map<std::string, std::string> last;
  std::size_t found = 0;
  for (std::uint16_t shard = 0; shard < 2; ++shard) {
    world->attach(world->open(10 + shard), parked, "default", 1'000, 1U << 30, shard);
    for (const Got& got : world->take()) {
      const std::string key = std::to_string(std::stoi(got.body) % 7);
      EXPECT_EQ(shard_of.try_emplace(key, shard).first->second, shard);
      if (last.contains(key)) {
        EXPECT_LT(std::stoi(last[key]), std::stoi(got.body));
      }
      last[key] = got.body;
      ++found;
    }
  }
  EXPECT_EQ(found, 100U);
}

// A kill can leave any beginning of the log: each gives every message in exactly one place for a
// move, and at most one copy for a copy.
TEST_F(TaskTransferTest, is_one_step_wherever_the_log_is_cut) {
  for (const TaskKind kind : {TaskKind::kMove, TaskKind::kCopy}) {
    for (const bool dead : {false, true}) {
      for (std::size_t cut = 0;; ++cut) {
        world = std::make_unique<World>();
        begin(200);
        if (dead) kill_all();
        const std::size_t before = world->log.records().size();
        run(carry(kind, dead));
        ASSERT_EQ(last_task().done, 200U);
        if (before + cut >= world->log.records().size()) break;
        world->log.cut(before + cut);
        world->store.recover();
        world->restart(true);
        world->tick();
        const bool began = cut > 0;
        const bool is_move = kind == TaskKind::kMove;
        EXPECT_THAT(bodies(parked), SizeIs(began ? 200 : 0)) << cut;
        EXPECT_THAT(bodies(queue, dead), SizeIs(began && is_move ? 0 : 200)) << cut;
        if (!began) continue;
        std::set<std::string> distinct;
        for (const std::string& body : bodies(parked)) distinct.insert(body);
        EXPECT_THAT(distinct, SizeIs(200)) << cut;
        EXPECT_EQ(last_task().done, 200U) << cut;
      }
    }
  }
}

TEST_F(TaskTransferTest, its_end_is_told_with_who_asked_also_after_a_restart) {
  begin(300);
  StartTask command = carry(TaskKind::kMove, false);
  command.note = {"ops", "move", "subscription="};
  world->start(command);
  EXPECT_EQ(last_task().ended, std::nullopt);
  world->restart();
  world->tick();
  const TaskReply reply = last_task();
  EXPECT_EQ(reply.origin.session, SessionHandle());
  ASSERT_TRUE(reply.ended.has_value());
  EXPECT_EQ(reply.ended->key, "ops");
  EXPECT_EQ(reply.ended->command, "move");
  EXPECT_EQ(reply.queue, "orders");
  EXPECT_EQ(reply.done, 300U);
}

TEST_F(TaskTransferTest, a_task_goes_on_from_a_snapshot) {
  begin(200);
  StartTask command = carry(TaskKind::kMove, false);
  command.rate_per_second_max = 100;
  command.note.key = "ops";
  world->start(command);
  world->sleep(500ms);
  const auto snapshot = world->broker->snapshot(SnapshotForm::kBesideIndex);
  const storage::MemorySideIndex index = *world->index;
  const std::size_t records = world->log.records().size();
  world->restart_from(snapshot, index, records);
  for (int i = 0; i < 30; ++i) world->sleep(100ms);
  EXPECT_THAT(bodies(parked), SizeIs(200));
  EXPECT_EQ(last_task().ended->key, "ops");
}

TEST_F(TaskTransferTest, a_rate_spreads_it_over_time) {
  begin(100);
  StartTask command = carry(TaskKind::kCopy, false);
  command.rate_per_second_max = 20;
  world->start(command);
  for (int i = 0; i < 10; ++i) world->sleep(100ms);
  EXPECT_GT(bodies(parked).size(), 15U);
  EXPECT_LT(bodies(parked).size(), 25U);
}

TEST_F(TaskTransferTest, a_dry_run_counts_and_names_some) {
  begin(100);
  StartTask command = carry(TaskKind::kMove, false);
  command.dry_run = true;
  command.samples_max = 3;
  command.detailed = true;
  run(command);
  const TaskReply reply = last_task();
  EXPECT_EQ(reply.state, TaskState::kCompleted);
  EXPECT_EQ(reply.matched, 100U);
  EXPECT_EQ(reply.done, 0U);
  EXPECT_TRUE(reply.detailed);
  ASSERT_THAT(reply.samples, SizeIs(3));
  EXPECT_EQ(reply.samples[2].sequence, base::Sequence(3));
  EXPECT_THAT(bodies(queue), SizeIs(100));
}

TEST_F(TaskTransferTest, a_queue_that_goes_away_ends_it) {
  QueueConfig target = plain_queue("parked");
  target.paused = true;
  begin(3, target);
  const base::TaskId task = run(carry(TaskKind::kMove, false));
  EXPECT_EQ(world->broker->find_task(task), queue);
  world->broker->apply(world->now, DeleteQueue{{SessionHandle(1), RequestId(9)}, parked});
  EXPECT_EQ(last_task().task, task);
  EXPECT_EQ(last_task().state, TaskState::kFailed);
  EXPECT_THAT(last_task().refusal.message, HasSubstr("parked was deleted"));
  EXPECT_EQ(world->broker->find_task(task), std::nullopt);
  world->restart();
  world->tick();
  EXPECT_THAT(bodies(queue), SizeIs(3));
}

TEST_F(TaskTransferTest, what_cannot_be_is_refused) {
  begin(1);
  StartTask command = carry(TaskKind::kCopy, false);
  command.target = queue;
  run(command);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kInvalidArgument);
  command.target = base::QueueId(id_of(4711));
  run(command);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kUnknownQueue);
  command = carry(TaskKind::kCopy, false);
  command.selector.sequences = {{base::Sequence(5), base::Sequence(9)},
                                {base::Sequence(9), base::Sequence(10)}};
  run(command);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kInvalidArgument);
  EXPECT_TRUE(last_task().ended.has_value());
}

TEST_F(TaskTransferTest, a_log_of_level_1_holds_only_what_it_always_did) {
  begin(5);
  world->log.set_feature_level(1);
  run(carry(TaskKind::kCopy, false));
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kUnimplemented);
  EXPECT_THAT(last_task().refusal.message, HasSubstr("--log-feature-level 2"));
  Selector selector;
  selector.not_before = world->now.wall;
  world->purge(queue, false, selector);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kUnimplemented);
  Selector of_shard;
  of_shard.shard = base::ShardIndex(0);
  world->purge(queue, false, of_shard);
  EXPECT_EQ(last_task().refusal.code, RefusalCode::kUnimplemented);
  world->purge(queue, false);
  world->tick();
  EXPECT_EQ(last_task().done, 5U);
}

TEST_F(TaskTransferTest, waiting_messages_are_chosen_by_age_and_error) {
  begin(2);
  world->sleep(10s);
  world->fill(queue, 2);
  const SessionHandle session = world->open(1);
  world->attach(session, queue);
  const auto all = world->take();
  world->settle(SettleKind::kFail, all[0], "time-out of the bank", 1h);
  world->settle(SettleKind::kFail, all[3], "time-out of the bank", 1h);
  world->lose(session, SessionEnd::kClosed);
  StartTask command = carry(TaskKind::kMove, false);
  command.selector.error = "time-out";
  command.selector.not_before = world->now.wall - 5'000;
  run(command);
  EXPECT_THAT(bodies(parked), ElementsAre("m4"));
}

}  // namespace
}  // namespace sluice::broker
