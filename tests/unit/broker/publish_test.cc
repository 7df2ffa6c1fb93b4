#include "broker/publishing.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::vector<base::Message> bodies(std::size_t count, std::size_t size = 10) {
  return std::vector<base::Message>(count, with_body(std::string(size, 'x')));
}

class PublishTest : public testing::Test {
 protected:
  PublishReply publish(std::uint64_t producer_sequence, const std::vector<base::Message>& all) {
    return world.publish(session, opened.publisher, producer_sequence, all);
  }
  void begin(const QueueConfig& config, std::uint64_t producer = 7) {
    queue = world.make(config);
    session = world.open(1);
    opened = world.open_publisher(session, queue, producer);
  }

  World world;
  base::QueueId queue;
  SessionHandle session;
  PublisherOpened opened;
};

TEST_F(PublishTest, sequences_begin_with_1_and_are_dense) {
  begin(plain_queue());
  EXPECT_EQ(publish(1, bodies(3)).first, base::Sequence(1));
  EXPECT_EQ(publish(4, bodies(1)).first, base::Sequence(4));
  EXPECT_EQ(world.queue_stats().next_sequence, 5U);
}

TEST_F(PublishTest, the_reply_waits_for_the_end_of_the_record) {
  begin(plain_queue());
  publish(1, bodies(3));
  EXPECT_EQ(world.sink.published.back().wait.lsn, world.log.records().back().at.end);
  EXPECT_TRUE(world.sink.published.back().wait.durable);
}

TEST_F(PublishTest, a_repeated_batch_is_answered_ok_with_its_first_sequence) {
  begin(plain_queue());
  publish(1, bodies(3));
  publish(4, bodies(2));
  const auto again = publish(1, bodies(3));
  EXPECT_FALSE(again.refusal.refused());
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.first, base::Sequence(1));
  EXPECT_EQ(world.queue_stats().messages, 5U);
  EXPECT_EQ(world.queue_stats().duplicates, 3U);
  // Not before the original is committed.
  EXPECT_EQ(world.sink.published.back().wait.lsn, world.log.records().back().at.end);
}

TEST_F(PublishTest, a_repeated_batch_between_other_producers_is_found) {
  begin(plain_queue());
  const auto other = world.open_publisher(session, queue, 8);
  std::uint64_t at = 1;
  for (int i = 0; i < 10; ++i, at += 2) {
    publish(at, bodies(2));
    world.publish(session, other.publisher, at, bodies(2));
  }
  EXPECT_EQ(publish(5, bodies(2)).first, base::Sequence(9));
}

TEST_F(PublishTest, a_repeated_batch_of_long_ago_is_ok_but_its_place_is_forgotten) {
  begin(plain_queue());
  const auto other = world.open_publisher(session, queue, 8);
  for (std::uint64_t at = 1; at <= 200; ++at) {
    publish(at, bodies(1));
    world.publish(session, other.publisher, at, bodies(1));
  }
  const auto again = publish(3, bodies(1));
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.first, base::Sequence(0));
  EXPECT_EQ(publish(200, bodies(1)).first, base::Sequence(399));
}

TEST_F(PublishTest, a_gap_is_refused_with_the_expected_sequence) {
  begin(plain_queue());
  publish(1, bodies(3));
  const auto reply = publish(5, bodies(1));
  EXPECT_EQ(reply.refusal.code, RefusalCode::kProducerGap);
  EXPECT_EQ(reply.expected_sequence, 4U);
  EXPECT_FALSE(publish(4, bodies(1)).refusal.refused());
}

TEST_F(PublishTest, a_batch_that_overlaps_what_is_stored_is_taken_whole_or_not_at_all) {
  begin(plain_queue());
  publish(1, bodies(3));
  const auto reply = publish(2, bodies(4));
  EXPECT_EQ(reply.refusal.code, RefusalCode::kProducerGap);
  EXPECT_EQ(reply.expected_sequence, 4U);
  EXPECT_EQ(world.queue_stats().messages, 3U);
}

TEST_F(PublishTest, a_refusal_does_not_advance_the_producer) {
  QueueConfig config = plain_queue();
  config.limits.messages_max = 5;
  begin(config);
  publish(1, bodies(4));
  EXPECT_EQ(publish(5, bodies(2)).refusal.code, RefusalCode::kQueueFull);
  EXPECT_FALSE(publish(5, bodies(1)).refusal.refused());
  EXPECT_EQ(world.queue_stats().refused_by_code[9], 1U);
}

TEST_F(PublishTest, a_full_queue_says_which_limit_and_what_to_do) {
  QueueConfig config = plain_queue();
  config.limits.messages_max = 5;
  config.limits.bytes_max = 60;
  begin(config);
  publish(1, bodies(5));
  const auto messages = publish(6, bodies(1));
  EXPECT_THAT(messages.refusal.message, HasSubstr("orders"));
  EXPECT_THAT(messages.refusal.message, HasSubstr("5 of 5 messages"));
  EXPECT_THAT(messages.refusal.message, HasSubstr("limits.messages"));
  config.limits.messages_max = 100;
  world.make(config);
  const auto bytes = publish(6, bodies(2));
  EXPECT_EQ(bytes.refusal.code, RefusalCode::kQueueFull);
  EXPECT_THAT(bytes.refusal.message, HasSubstr("limits.bytes"));
}

TEST_F(PublishTest, a_settled_message_makes_room) {
  QueueConfig config = plain_queue();
  config.limits.messages_max = 5;
  begin(config);
  publish(1, bodies(5));
  world.attach(world.open(2), queue);
  world.ack(world.take().front());
  EXPECT_FALSE(publish(6, bodies(1)).refusal.refused());
}

TEST_F(PublishTest, a_body_over_the_limit_is_refused) {
  QueueConfig config = plain_queue();
  config.limits.message_bytes_max = 100;
  begin(config);
  EXPECT_EQ(publish(1, bodies(1, 101)).refusal.code, RefusalCode::kMessageTooLarge);
  EXPECT_FALSE(publish(1, bodies(1, 100)).refusal.refused());
}

TEST_F(PublishTest, malformed_batches_are_refused) {
  begin(plain_queue());
  std::vector<std::byte> entries;
  base::append_entry(base::as_bytes("hello"), entries);
  auto code = [&](base::ByteView bytes, std::size_t count) {
    return world.publish(session, opened.publisher, 1, bytes, count).refusal.code;
  };
  EXPECT_EQ(code(entries, 2), RefusalCode::kMalformed);
  EXPECT_EQ(code({}, 0), RefusalCode::kMalformed);
  EXPECT_EQ(code(base::ByteView(entries).first(5), 1), RefusalCode::kMalformed);
  EXPECT_EQ(code(entries, 1), RefusalCode::kNone);
}

TEST_F(PublishTest, a_low_disk_refuses_messages_but_not_settles) {
  begin(plain_queue());
  publish(1, bodies(1));
  world.broker->set_disk_low(true);
  EXPECT_EQ(publish(2, bodies(1)).refusal.code, RefusalCode::kDiskLow);
  EXPECT_TRUE(publish(1, bodies(1)).duplicate);
  world.attach(world.open(2), queue);
  EXPECT_EQ(world.ack(world.take()).settled, 1U);
  world.broker->set_disk_low(false);
  EXPECT_FALSE(publish(2, bodies(1)).refusal.refused());
}

TEST_F(PublishTest, a_new_epoch_fences_the_older_one) {
  begin(plain_queue());
  publish(1, bodies(3));
  const auto other = world.open(2);
  const auto newer = world.open_publisher(other, queue, 7);
  EXPECT_GT(newer.producer_epoch, opened.producer_epoch);
  EXPECT_EQ(newer.last_sequence, 3U);
  EXPECT_EQ(publish(4, bodies(1)).refusal.code, RefusalCode::kProducerFenced);
  EXPECT_FALSE(world.publish(other, newer.publisher, 4, bodies(1)).refusal.refused());
  EXPECT_EQ(world.open_publisher(session, queue, 7, opened.producer_epoch).refusal.code,
            RefusalCode::kProducerFenced);
}

TEST_F(PublishTest, a_producer_of_one_queue_does_not_fence_that_of_another) {
  begin(plain_queue());
  const auto other = world.make(plain_queue("other"));
  const auto stranger = world.open(2);
  for (int i = 0; i < 3; ++i) world.open_publisher(stranger, other, 7);
  EXPECT_FALSE(publish(1, bodies(1)).refusal.refused());
  world.restart();
  session = world.open(1, true);
  const auto again = world.open_publisher(session, queue, 7, opened.producer_epoch);
  EXPECT_FALSE(again.refusal.refused());
  EXPECT_EQ(again.last_sequence, 1U);
}

TEST_F(PublishTest, a_producer_goes_on_after_a_restart_with_its_epoch) {
  begin(plain_queue());
  publish(1, bodies(3));
  world.restart();
  session = world.open(1, true);
  const auto epoch = opened.producer_epoch;
  opened = world.open_publisher(session, queue, 7, epoch);
  EXPECT_FALSE(opened.refusal.refused());
  EXPECT_EQ(opened.last_sequence, 3U);
  EXPECT_TRUE(publish(2, bodies(2)).duplicate);
  EXPECT_EQ(publish(4, bodies(1)).first, base::Sequence(4));
}

TEST_F(PublishTest, a_forgotten_producer_is_refused_and_never_silently_accepted) {
  BrokerOptions options;
  options.producers_max = 2;
  World small(options);
  const auto orders = small.make(plain_queue());
  const auto client = small.open(1);
  const auto first = small.open_publisher(client, orders, 1);
  small.publish(client, first.publisher, 1, bodies(1));
  small.open_publisher(client, orders, 2);
  small.open_publisher(client, orders, 3);
  EXPECT_EQ(small.publish(client, first.publisher, 2, bodies(1)).refusal.code,
            RefusalCode::kUnknownProducer);
  EXPECT_EQ(small.open_publisher(client, orders, 1, first.producer_epoch).refusal.code,
            RefusalCode::kUnknownProducer);
  // Whatever an old process still holds is fenced by the new epoch.
  EXPECT_GT(small.open_publisher(client, orders, 1).producer_epoch, first.producer_epoch);
}

TEST_F(PublishTest, an_unnamed_producer_has_no_sequence) {
  begin(plain_queue(), 0);
  EXPECT_FALSE(publish(0, bodies(1)).refusal.refused());
  EXPECT_FALSE(publish(0, bodies(1)).duplicate);
  EXPECT_EQ(world.queue_stats().messages, 2U);
}

TEST_F(PublishTest, handles_of_other_sessions_are_refused) {
  begin(plain_queue());
  const auto other = world.open(2);
  EXPECT_EQ(world.publish(other, opened.publisher, 1, bodies(1)).refusal.code,
            RefusalCode::kUnknownHandle);
  EXPECT_EQ(world.publish(SessionHandle(99), opened.publisher, 1, bodies(1)).refusal.code,
            RefusalCode::kNoSession);
}

TEST_F(PublishTest, opening_again_replaces_the_handle) {
  begin(plain_queue());
  const auto again = world.open_publisher(session, queue, 7, opened.producer_epoch);
  EXPECT_EQ(publish(1, bodies(1)).refusal.code, RefusalCode::kUnknownHandle);
  EXPECT_FALSE(world.publish(session, again.publisher, 1, bodies(1)).refusal.refused());
  EXPECT_EQ(world.queue_stats().publishers, 1U);
}

TEST_F(PublishTest, credit_is_a_window_ahead_of_what_was_accepted) {
  BrokerOptions options;
  options.publisher_window_messages = 10;
  options.publisher_window_bytes = 1000;
  World small(options);
  const auto orders = small.make(plain_queue());
  const auto client = small.open(1);
  const auto publisher = small.open_publisher(client, orders, 1);
  EXPECT_EQ(publisher.messages_limit, 10U);
  EXPECT_EQ(publisher.bytes_limit, 1000U);
  EXPECT_EQ(small.publish(client, publisher.publisher, 1, bodies(11)).refusal.code,
            RefusalCode::kCreditExceeded);
  const auto reply = small.publish(client, publisher.publisher, 1, bodies(3));
  EXPECT_EQ(reply.messages_limit, 13U);
  EXPECT_EQ(reply.bytes_limit, 1000U + 3 * 18);
}

TEST_F(PublishTest, credit_is_no_more_than_what_a_refusing_queue_can_ever_hold) {
  QueueConfig config = plain_queue();
  config.limits.messages_max = 5;
  config.limits.bytes_max = config.limits.message_bytes_max = 1000;
  begin(config);
  EXPECT_EQ(opened.messages_limit, 5U);
  EXPECT_EQ(opened.bytes_limit, 1000U + base::kEntryHeaderBytes + base::kAttributesBytesMax);
  EXPECT_EQ(publish(1, bodies(6)).refusal.code, RefusalCode::kCreditExceeded);
  EXPECT_FALSE(publish(1, bodies(5)).refusal.refused());
  // The refusal that a full queue gives is not in the way.
  EXPECT_EQ(publish(6, bodies(5)).refusal.code, RefusalCode::kQueueFull);
}

TEST_F(PublishTest, where_limits_are_lowered_publishers_are_opened_again_for_a_smaller_credit) {
  QueueConfig config = plain_queue();
  config.limits.messages_max = 100;
  begin(config);
  config.limits.messages_max = 200;
  ASSERT_TRUE(world.configure(config).has_value());
  EXPECT_FALSE(publish(1, bodies(100)).refusal.refused());
  config.limits.messages_max = 5;
  ASSERT_TRUE(world.configure(config).has_value());
  EXPECT_EQ(publish(101, bodies(10)).refusal.code, RefusalCode::kUnknownHandle);
  opened = world.open_publisher(session, queue, 7, opened.producer_epoch);
  EXPECT_EQ(opened.last_sequence, 100U);
  EXPECT_EQ(opened.messages_limit, 5U);
  // What blocks keeps what it has promised.
  config.limits.overflow = Overflow::kBlock;
  config.limits.messages_max = 3;
  ASSERT_TRUE(world.configure(config).has_value());
  EXPECT_NE(publish(101, bodies(1)).refusal.code, RefusalCode::kUnknownHandle);
}

TEST_F(PublishTest, limits_that_make_no_difference_to_the_credit_close_no_publisher) {
  BrokerOptions options;
  options.publisher_window_messages = 10;
  World small(options);
  QueueConfig config = plain_queue();
  config.limits.messages_max = 1'000;
  const auto orders = small.make(config);
  const auto client = small.open(1);
  const auto publisher = small.open_publisher(client, orders, 1);
  config.limits.messages_max = 10;
  ASSERT_TRUE(small.configure(config).has_value());
  EXPECT_FALSE(small.publish(client, publisher.publisher, 1, bodies(5)).refusal.refused());
  config.limits.messages_max = 9;
  ASSERT_TRUE(small.configure(config).has_value());
  EXPECT_EQ(small.publish(client, publisher.publisher, 6, bodies(1)).refusal.code,
            RefusalCode::kUnknownHandle);
}

TEST_F(PublishTest, a_queue_that_drops_no_more_gives_publishers_a_smaller_credit) {
  QueueConfig config = plain_queue();
  config.limits.messages_max = 5;
  config.limits.overflow = Overflow::kDropOldest;
  begin(config);
  EXPECT_FALSE(publish(1, bodies(10)).refusal.refused());
  config.limits.overflow = Overflow::kReject;
  ASSERT_TRUE(world.configure(config).has_value());
  EXPECT_EQ(publish(11, bodies(10)).refusal.code, RefusalCode::kUnknownHandle);
}

QueueConfig blocking(std::uint64_t messages_max) {
  QueueConfig config = plain_queue();
  config.limits.messages_max = messages_max;
  config.limits.overflow = Overflow::kBlock;
  return config;
}

TEST_F(PublishTest, a_blocking_queue_stops_the_credit_when_it_is_full) {
  begin(blocking(10));
  EXPECT_EQ(opened.messages_limit, 10U);
  const auto reply = publish(1, bodies(10));
  EXPECT_FALSE(reply.refusal.refused());
  EXPECT_EQ(reply.messages_limit, 10U);
  EXPECT_EQ(publish(11, bodies(1)).refusal.code, RefusalCode::kCreditExceeded);
}

TEST_F(PublishTest, space_in_a_blocking_queue_is_told_to_publishers_that_ran_low) {
  begin(blocking(10));
  publish(1, bodies(10));
  world.attach(world.open(2), queue);
  const auto got = world.take();
  world.ack(got[0]);
  ASSERT_THAT(world.sink.credits, SizeIs(1));
  EXPECT_EQ(world.sink.credits[0].effect.publisher, opened.publisher);
  EXPECT_EQ(world.sink.credits[0].effect.messages_limit, 11U);
  EXPECT_FALSE(publish(11, bodies(1)).refusal.refused());
}

TEST_F(PublishTest, a_blocking_queue_shares_its_space_between_publishers) {
  begin(blocking(10));
  const auto other = world.open_publisher(session, queue, 8);
  EXPECT_EQ(other.messages_limit, 5U);
}

TEST_F(PublishTest, an_empty_blocking_queue_takes_any_message_that_it_may_have) {
  QueueConfig config = blocking(10);
  config.limits.bytes_max = 50;
  config.limits.message_bytes_max = 1000;
  begin(config);
  EXPECT_FALSE(publish(1, bodies(1, 900)).refusal.refused());
  EXPECT_EQ(publish(2, bodies(1, 900)).refusal.code, RefusalCode::kNone);  // promised before
  EXPECT_LT(publish(3, bodies(1)).bytes_limit, 40'000U);
}

TEST_F(PublishTest, lowering_the_limit_drops_nothing_and_lifting_block_lets_publishers_go_on) {
  begin(blocking(10));
  publish(1, bodies(10));
  world.make(blocking(5));
  EXPECT_EQ(world.queue_stats().messages, 10U);
  QueueConfig open = blocking(100);
  open.limits.overflow = Overflow::kReject;
  world.make(open);
  ASSERT_THAT(world.sink.credits, SizeIs(1));
  EXPECT_FALSE(publish(11, bodies(50)).refusal.refused());
}

TEST_F(PublishTest, who_waits_for_a_blocking_queue_hears_that_it_rejects_from_now_on) {
  begin(blocking(10));
  publish(1, bodies(10));
  QueueConfig open = blocking(5);
  open.limits.overflow = Overflow::kReject;
  world.make(open);
  ASSERT_THAT(world.sink.credits, SizeIs(1));  // so that it sends, and is told
  EXPECT_EQ(publish(11, bodies(1)).refusal.code, RefusalCode::kUnknownHandle);
  opened = world.open_publisher(session, queue, 7, opened.producer_epoch);
  EXPECT_EQ(opened.messages_limit, 5U);
}

TEST_F(PublishTest, bytes_are_exact_for_bodies_of_one_size_and_whole_batches_for_mixed_ones) {
  begin(plain_queue());
  publish(1, bodies(4, 100));
  publish(5, {with_body("1"), with_body("22"), with_body("333")});
  EXPECT_EQ(world.queue_stats().bytes, 406U);
  world.attach(world.open(2), queue);
  const auto got = world.take();
  world.ack(got[1]);
  EXPECT_EQ(world.queue_stats().bytes, 306U);
  world.ack(got[4]);
  world.ack(got[5]);
  EXPECT_EQ(world.queue_stats().bytes, 306U);
  world.ack(got[6]);
  EXPECT_EQ(world.queue_stats().bytes, 300U);
}

TEST_F(PublishTest, limits_of_the_queue_name_the_largest_body) {
  begin(plain_queue());
  EXPECT_EQ(opened.message_bytes_max, 1U << 20);
}

}  // namespace
}  // namespace sluice::broker
