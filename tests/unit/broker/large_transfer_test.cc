#include "tests/unit/broker/world.h"

// Messages in pieces that tasks carry to another queue.
namespace sluice::broker {
namespace {

using storage::RecordType;
using storage::TaskKind;
using storage::TaskState;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::size_t kCarriedBodyBytes = 3'000'000;  // 12 pieces

QueueConfig large_queue(const std::string& name) {
  QueueConfig config = plain_queue(name);
  config.limits.message_bytes_max = 16U << 20;
  return config;
}

class LargeTransferTest : public testing::Test {
 protected:
  void begin(const QueueConfig& target = large_queue("parked")) {
    queue = world->make(large_queue("orders"));
    parked = world->make(target);
    producer = world->open(1);
    publisher = world->open_publisher(producer, queue).publisher;
  }
  static base::Message message_of(char fill, std::size_t body_bytes = kCarriedBodyBytes) {
    base::Message message = with_body(std::string(body_bytes, fill));
    message.key = "k";
    message.headers = {{"kind", "created"}};
    return message;
  }
  void publish(const base::Message& message) {
    std::vector<std::byte> entry;
    ASSERT_TRUE(base::append_entry(message, entry).has_value());
    if (entry.size() <= base::kBatchEntriesBytesMax) {
      world->publish(producer, publisher, 0, {message});
      return;
    }
    constexpr std::size_t kPiece = 261'120;
    for (std::size_t at = 0; at < entry.size(); at += kPiece) {
      PublishChunk command;
      command.origin = {producer, RequestId(70)};
      command.publisher = publisher;
      command.message_bytes = entry.size();
      command.offset = at;
      command.piece = base::ByteView(entry).subspan(at, std::min(kPiece, entry.size() - at));
      world->broker->apply(world->now, command);
    }
    ASSERT_FALSE(world->sink.published.back().effect.refusal.refused());
  }
  // All that a queue delivers, whole.
  std::vector<base::Message> messages(const base::QueueId& of) {
    Attach command;
    command.origin = {world->open(50 + ++consumers), RequestId(3)};
    command.queue = of;
    command.messages_limit = 1'000;
    command.bytes_limit = 1ULL << 40;
    command.takes_chunks = true;
    std::size_t at = world->sink.delivers.size();
    world->broker->apply(world->now, command);
    std::vector<base::Message> all;
    for (; at < world->sink.delivers.size(); ++at) {
      const Deliver delivery = world->sink.delivers[at].effect;
      for (const DeliveryRun& run : delivery.runs) {
        const std::vector<std::byte> bytes = bytes_of(run.slice);
        for (base::ByteView left(bytes); !left.empty();) {
          all.push_back(base::to_message(base::take_entry(left)));
        }
      }
      world->broker->apply(world->now, ChunksSent{delivery.session, delivery.attachment});
    }
    world->broker->apply(world->now, SessionGone{command.origin.session, SessionEnd::kClosed});
    world->tick();
    return all;
  }
  std::vector<std::byte> bytes_of(const storage::EntrySlice& slice) {
    std::vector<std::byte> bytes;
    if (!slice.large()) {
      const base::ByteView entries = *world->store.read(slice);
      return {entries.begin(), entries.end()};
    }
    while (bytes.size() < slice.bytes) {
      const base::ByteView piece = *world->store.read_piece(slice, bytes.size());
      bytes.insert(bytes.end(), piece.begin(), piece.end());
    }
    return bytes;
  }
  base::TaskId start(TaskKind kind, bool dead_letters = false) {
    StartTask command;
    command.kind = kind;
    command.queue = queue;
    command.target = parked;
    command.dead_letters = dead_letters;
    return world->start(command);
  }
  TaskReply last_task() { return world->sink.tasks.back().effect; }

  std::unique_ptr<World> world = std::make_unique<World>();
  base::QueueId queue;
  base::QueueId parked;
  SessionHandle producer;
  PublisherHandle publisher;
  std::uint64_t consumers = 0;
};

TEST_F(LargeTransferTest, a_move_carries_it_whole_and_beside_small_ones_in_order) {
  begin();
  publish(message_of('a', 10));
  publish(message_of('b'));
  publish(message_of('c', 20));
  publish(message_of('d', 16U << 20));
  start(TaskKind::kMove);
  world->tick();
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
  EXPECT_EQ(last_task().done, 4U);
  EXPECT_THAT(messages(queue), IsEmpty());
  const auto moved = messages(parked);
  ASSERT_THAT(moved, SizeIs(4));
  EXPECT_EQ(moved[0].body, std::string(10, 'a'));
  EXPECT_TRUE(moved[1].body == message_of('b').body);
  EXPECT_EQ(moved[1].key, "k");
  ASSERT_THAT(moved[1].headers, SizeIs(3));
  EXPECT_EQ(moved[1].headers[0].second, "created");
  EXPECT_EQ(moved[1].headers[2].second, "0-2");
  EXPECT_EQ(moved[2].body, std::string(20, 'c'));
  EXPECT_TRUE(moved[3].body == message_of('d', 16U << 20).body);
  EXPECT_EQ(world->broker->snapshot(SnapshotForm::kWhole), world->replayed());
}

TEST_F(LargeTransferTest, a_copy_of_dead_letters_tells_why_they_died) {
  begin();
  base::Message message = message_of('a');
  message.expires_at = world->now.wall + 3'600'000;
  publish(message);
  Attach command;
  command.origin = {world->open(2), RequestId(3)};
  command.queue = queue;
  command.messages_limit = 1;
  command.bytes_limit = 1;
  command.takes_chunks = true;
  world->broker->apply(world->now, command);
  const Deliver& delivery = world->sink.delivers.back().effect;
  world->settle(SettleKind::kReject, delivery.session, delivery.attachment,
                {{delivery.epoch, {base::Sequence(1), base::Sequence(1)}}}, "broken");
  start(TaskKind::kCopy, true);
  world->tick();
  const auto copied = messages(parked);
  ASSERT_THAT(copied, SizeIs(1));
  EXPECT_TRUE(copied[0].body == message.body);
  EXPECT_EQ(copied[0].expires_at, base::WallTime());
  EXPECT_THAT(copied[0].headers, testing::Contains(testing::Pair("sluice-dead-error", "broken")));
  EXPECT_THAT(copied[0].headers, testing::Contains(testing::Pair("sluice-source", "orders/dlq")));
  EXPECT_EQ(world->stats("orders").dead_lettered, 1U);
}

TEST_F(LargeTransferTest, one_whose_headers_make_it_large_is_carried_too) {
  begin();
  // Without key and headers of its own it just fits a batch; where it comes from does not.
  publish(with_body(std::string(base::kBatchEntriesBytesMax - base::kEntryHeaderBytes, 'x')));
  EXPECT_EQ(world->log.count(RecordType::kMessageChunk), 0U);
  start(TaskKind::kMove);
  world->tick();
  EXPECT_EQ(last_task().done, 1U);
  const auto moved = messages(parked);
  ASSERT_THAT(moved, SizeIs(1));
  EXPECT_EQ(moved[0].body.size(), base::kBatchEntriesBytesMax - base::kEntryHeaderBytes);
  EXPECT_EQ(world->log.count(RecordType::kMessageChunk), 1U);
}

TEST_F(LargeTransferTest, a_slice_reads_a_few_pieces_and_writes_nothing_before_the_last) {
  begin();
  publish(message_of('a'));
  start(TaskKind::kMove);
  const std::size_t before = world->log.records().size();
  for (int slice = 0; slice < 2; ++slice) {
    world->broker->tick(world->now);
    EXPECT_EQ(world->log.records().size(), before);
  }
  // A restart in the middle begins it anew.
  world->restart();
  world->tick();
  EXPECT_THAT(messages(parked), SizeIs(1));
  EXPECT_THAT(messages(queue), IsEmpty());
}

TEST_F(LargeTransferTest, pieces_that_are_not_here_yet_are_waited_for) {
  begin();
  publish(message_of('a'));
  world->store.cold_pieces.insert(base::Sequence(1));
  start(TaskKind::kMove);
  world->tick();
  EXPECT_EQ(last_task().state, TaskState::kRunning);
  world->store.cold_pieces.clear();
  world->sleep(10ms);
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
  EXPECT_THAT(messages(parked), SizeIs(1));
}

TEST_F(LargeTransferTest, tasks_of_several_queues_take_turns) {
  begin();
  publish(message_of('a'));
  start(TaskKind::kMove);
  queue = world->make(large_queue("second"));
  publisher = world->open_publisher(producer, queue).publisher;
  publish(message_of('b'));
  world->store.cold_pieces.insert(base::Sequence(1));  // of both
  start(TaskKind::kMove);
  world->sleep(10ms);
  world->store.cold_pieces.clear();
  for (int i = 0; i < 20; ++i) world->sleep(1ms);
  EXPECT_THAT(messages(parked), SizeIs(2));
}

TEST_F(LargeTransferTest, one_that_is_larger_than_the_target_takes_stays) {
  QueueConfig target = large_queue("parked");
  target.limits.message_bytes_max = 1U << 20;
  begin(target);
  publish(message_of('a'));
  publish(message_of('b', 300'000));
  start(TaskKind::kMove);
  world->tick();
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
  EXPECT_EQ(last_task().matched, 2U);
  EXPECT_EQ(last_task().done, 1U);
  EXPECT_THAT(messages(queue), SizeIs(1));
}

TEST_F(LargeTransferTest, room_for_all_of_it_is_waited_for) {
  QueueConfig target = large_queue("parked");
  target.limits.bytes_max = 5'000'000;
  begin(target);
  publish(message_of('a'));
  publish(message_of('b'));
  start(TaskKind::kMove);
  world->tick();
  EXPECT_EQ(last_task().state, TaskState::kRunning);
  EXPECT_EQ(world->queue_stats("orders").messages, 1U);
  EXPECT_EQ(world->queue_stats("orders").tasks[0].waits_for, "queue parked is full");
}

TEST_F(LargeTransferTest, a_damaged_piece_leaves_it_where_it_is) {
  begin();
  publish(message_of('a'));
  publish(message_of('b'));
  start(TaskKind::kMove);
  world->broker->tick(world->now);
  world->store.damaged.insert(base::Sequence(1));
  world->tick();
  EXPECT_EQ(last_task().state, TaskState::kCompleted);
  EXPECT_EQ(last_task().done, 1U);
  world->store.damaged.clear();  // which is about the other queue's first message too
  EXPECT_THAT(messages(parked), SizeIs(1));
}

TEST_F(LargeTransferTest, is_one_step_wherever_the_log_is_cut) {
  for (const TaskKind kind : {TaskKind::kMove, TaskKind::kCopy}) {
    for (std::size_t cut = 0;; ++cut) {
      world = std::make_unique<World>();
      begin();
      publish(message_of('a'));
      const std::size_t before = world->log.records().size();
      start(kind);
      world->tick();
      ASSERT_EQ(last_task().done, 1U);
      if (before + cut >= world->log.records().size()) break;
      world->log.cut(before + cut);
      world->restart(true);
      world->tick();
      const bool began = cut > 0;
      const bool is_move = kind == TaskKind::kMove;
      EXPECT_EQ(world->queue_stats("parked").messages, began ? 1U : 0U) << cut;
      EXPECT_EQ(world->queue_stats("orders").messages, began && is_move ? 0U : 1U) << cut;
    }
  }
}

}  // namespace
}  // namespace sluice::broker
