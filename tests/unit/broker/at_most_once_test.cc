#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::IsEmpty;

class AtMostOnceTest : public testing::Test {
 protected:
  AttachReply attach(SessionHandle session, std::uint64_t messages = 100) {
    return world.attach(session, queue, "default", messages, 1U << 20, 0, true);
  }

  World world;
  QueueConfig config = plain_queue();
  base::QueueId queue = world.make(config);
};

TEST_F(AtMostOnceTest, a_message_is_settled_before_it_is_sent) {
  world.fill(queue, 3);
  attach(world.open(2));
  EXPECT_EQ(world.take().size(), 3U);
  const auto& deliver = world.sink.delivers.back();
  const auto& record = world.log.records().back();
  EXPECT_EQ(record.view().type, storage::RecordType::kSettled);
  EXPECT_EQ(deliver.wait.lsn, record.at.end);
  EXPECT_TRUE(deliver.wait.durable);
  EXPECT_EQ(world.stats().in_flight, 0U);
  EXPECT_EQ(world.stats().acked, 3U);
  EXPECT_EQ(world.queue_stats().messages, 0U);
}

TEST_F(AtMostOnceTest, the_settle_is_synced_even_where_the_queue_never_syncs) {
  config.fsync = FsyncPolicy::kNever;
  world.make(config);
  world.fill(queue, 1);
  attach(world.open(2));
  EXPECT_TRUE(world.sink.delivers.back().wait.durable);
  EXPECT_TRUE(world.log.records().back().needs_sync);
}

TEST_F(AtMostOnceTest, nothing_comes_again_after_a_lost_session_or_a_restart) {
  world.fill(queue, 3);
  const auto session = world.open(2);
  attach(session);
  EXPECT_EQ(world.take().size(), 3U);
  world.lose(session);
  world.attach(world.open(3), queue);
  world.sleep(60s);
  EXPECT_THAT(world.take(), IsEmpty());
  world.restart(true);
  world.attach(world.open(4), queue);
  world.sleep(60s);
  EXPECT_THAT(world.take(), IsEmpty());
}

TEST_F(AtMostOnceTest, credit_counts_as_for_others_and_a_settle_does_nothing) {
  world.fill(queue, 5);
  const auto session = world.open(2);
  const auto attached = attach(session, 2);
  const auto got = world.take();
  EXPECT_EQ(got.size(), 2U);
  EXPECT_EQ(world.settle(SettleKind::kFail, got.front()).settled, 0U);
  EXPECT_EQ(world.stats().delayed, 0U);
  world.credit(session, attached.attachment, 4);
  EXPECT_EQ(world.take().size(), 2U);
}

TEST_F(AtMostOnceTest, the_credit_in_bytes_is_exceeded_by_one_message_at_most) {
  world.send(queue, std::vector<base::Message>(50, with_body(std::string(1'000, 'x'))));
  const auto session = world.open(2);
  const auto handle = world.attach(session, queue, "default", 100, 1'500, 0, true).attachment;
  world.tick();
  EXPECT_EQ(world.take().size(), 2U);
  world.credit(session, handle, 100, 1'600);  // less than was taken
  EXPECT_THAT(world.take(), IsEmpty());
  world.credit(session, handle, 100, 2'500);
  EXPECT_EQ(world.take().size(), 1U);
}

TEST_F(AtMostOnceTest, others_beside_it_still_lease) {
  world.fill(queue, 4);
  attach(world.open(2), 2);
  world.attach(world.open(3), queue);
  EXPECT_EQ(world.take().size(), 4U);
  EXPECT_EQ(world.stats().in_flight, 2U);
}

}  // namespace
}  // namespace sluice::broker
