#include "tests/unit/broker/world.h"

// Error texts lie in old records: who needs them waits for the reader thread, the loop never does.
namespace sluice::broker {
namespace {

using storage::TaskKind;
using storage::TaskState;
using testing::IsEmpty;
using testing::SizeIs;

class ColdTextTest : public testing::Test {
 protected:
  void SetUp() override {
    queue = world.make(plain_queue());
    other = world.make(plain_queue("other"));
  }
  // `dead` messages with the error "broken", and `waiting` ones in backoff, all of it long ago.
  void begin(std::uint64_t dead, std::uint64_t waiting) {
    world.fill(queue, dead + waiting);
    const SessionHandle session = world.open(1);
    const AttachmentHandle attachment = world.attach(session, queue).attachment;
    for (const Got& got : world.take()) {
      const bool dies = got.sequence.value() <= dead;
      world.settle(dies ? SettleKind::kReject : SettleKind::kFail, got, "broken", 1h);
    }
    world.detach(session, attachment);
    world.log.cold_below = world.log.positions().appended;
  }
  void peek(bool dead) {
    Peek command;
    command.queue = queue;
    command.dead_letters = dead;
    command.messages_max = 100;
    command.bytes_max = 1U << 20;
    world.broker->apply(world.now, command);
  }
  void wait(int turns) {
    for (int i = 0; i < turns; ++i) {
      world.now.mono = world.now.mono + base::Nanos(2ms);
      world.broker->tick(world.now);
    }
  }
  void bring_in() {
    world.log.cold_below = base::Lsn();
    world.broker->messages_read(world.now);
    wait(3);
    world.tick();
  }
  StartTask task(TaskKind kind) const {
    StartTask command;
    command.kind = kind;
    command.queue = queue;
    if (kind == TaskKind::kCopy) command.target = other;
    command.dead_letters = true;
    return command;
  }

  World world;
  base::QueueId queue;
  base::QueueId other;
};

TEST_F(ColdTextTest, a_peek_of_dead_letters_waits_for_it) {
  begin(3, 0);
  peek(true);
  wait(200);
  EXPECT_THAT(world.sink.peeks, IsEmpty());
  EXPECT_EQ(world.log.cold_reads, 0U);
  bring_in();
  ASSERT_THAT(world.sink.peeks, SizeIs(1));
  ASSERT_THAT(world.sink.peeks[0].effect.messages, SizeIs(3));
  EXPECT_EQ(world.sink.peeks[0].effect.messages[0].error, "broken");
}

TEST_F(ColdTextTest, a_peek_of_what_failed_waits_for_it) {
  begin(0, 3);
  peek(false);
  wait(5);
  EXPECT_THAT(world.sink.peeks, IsEmpty());
  EXPECT_EQ(world.log.cold_reads, 0U);
  bring_in();
  ASSERT_THAT(world.sink.peeks, SizeIs(1));
  EXPECT_EQ(world.sink.peeks[0].effect.messages.at(0).error, "broken");
}

TEST_F(ColdTextTest, a_peek_that_waits_for_too_much_shows_what_is_here) {
  begin(3, 0);
  world.log.cold_below = base::Lsn();
  world.store.cold = {base::Sequence(2)};
  peek(true);
  wait(50);
  EXPECT_THAT(world.sink.peeks, IsEmpty());
  wait(60);
  ASSERT_THAT(world.sink.peeks, SizeIs(1));
  EXPECT_THAT(world.sink.peeks[0].effect.messages, SizeIs(1));
  EXPECT_EQ(world.sink.peeks[0].effect.next, base::Sequence(2));
}

TEST_F(ColdTextTest, more_peeks_than_may_wait_are_refused) {
  begin(1, 0);
  for (int i = 0; i < 65; ++i) peek(true);
  ASSERT_THAT(world.sink.peeks, SizeIs(1));
  EXPECT_EQ(world.sink.peeks[0].effect.refusal.code, RefusalCode::kNotReady);
  EXPECT_EQ(world.log.cold_reads, 0U);
  bring_in();
  EXPECT_THAT(world.sink.peeks, SizeIs(65));
}

TEST_F(ColdTextTest, consumers_of_dead_letters_wait_for_it) {
  begin(3, 0);
  world.attach(world.open(2), queue, "default/dlq");
  wait(5);
  EXPECT_THAT(world.take(), IsEmpty());
  EXPECT_EQ(world.log.cold_reads, 0U);
  bring_in();
  EXPECT_THAT(world.take(), SizeIs(3));
}

class ColdTextTaskTest : public ColdTextTest, public testing::WithParamInterface<TaskKind> {};

TEST_P(ColdTextTaskTest, that_looks_at_errors_or_tells_of_them_waits_for_it) {
  begin(3, 0);
  StartTask command = task(GetParam());
  if (GetParam() != TaskKind::kCopy) command.selector.error = "broken";
  world.start(command);
  wait(5);
  EXPECT_EQ(world.sink.tasks.back().effect.state, TaskState::kRunning);
  EXPECT_EQ(world.log.cold_reads, 0U);
  bring_in();
  EXPECT_EQ(world.sink.tasks.back().effect.state, TaskState::kCompleted);
  EXPECT_EQ(world.sink.tasks.back().effect.done, 3U);
}

INSTANTIATE_TEST_SUITE_P(Task, ColdTextTaskTest,
                         testing::Values(TaskKind::kRedrive, TaskKind::kPurge, TaskKind::kCopy));

TEST_F(ColdTextTest, a_purge_of_what_failed_with_an_error_waits_for_it) {
  begin(0, 3);
  StartTask command = task(TaskKind::kPurge);
  command.dead_letters = false;
  command.selector.error = "broken";
  world.start(command);
  wait(5);
  EXPECT_EQ(world.sink.tasks.back().effect.state, TaskState::kRunning);
  EXPECT_EQ(world.log.cold_reads, 0U);
  bring_in();
  EXPECT_EQ(world.sink.tasks.back().effect.done, 3U);
}

}  // namespace
}  // namespace sluice::broker
