#include <map>

#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kDlq = "default/dlq";

class DeadDeliveryTest : public testing::Test {
 protected:
  // Messages 1..count, rejected with the error "e<sequence>", the last one first.
  void begin(std::uint64_t count, QueueConfig config = plain_queue()) {
    queue = world.make(config);
    world.fill(queue, count);
    const SessionHandle session = world.open(1);
    const AttachmentHandle attachment =
        world.attach(session, queue, config.subscriptions[0].name).attachment;
    std::vector<Got> all = world.take();
    for (auto got = all.rbegin(); got != all.rend(); ++got) {
      world.sleep(1s);
      world.settle(SettleKind::kReject, *got, "e" + std::to_string(got->sequence.value()));
    }
    world.detach(session, attachment);
  }
  AttachmentHandle consume(std::uint64_t session, std::uint64_t messages = 1'000) {
    consumer = world.open(session);
    return world.attach(consumer, queue, kDlq, messages).attachment;
  }
  std::vector<std::uint64_t> dead() {
    std::vector<std::uint64_t> sequences;
    for (const PeekedMessage& message : world.peek(queue, true).messages) {
      sequences.push_back(message.sequence.value());
    }
    return sequences;
  }
  std::map<std::string, std::string> headers_of(const DeliveryRun& run) {
    base::ByteView entries(run.rewritten);
    const base::Message message = base::to_message(base::take_entry(entries));
    return {message.headers.begin(), message.headers.end()};
  }

  World world;
  base::QueueId queue;
  SessionHandle consumer;
};

TEST_F(DeadDeliveryTest, letters_come_in_the_order_of_death_with_what_is_known_of_them) {
  begin(3);
  const base::WallTime now = world.now.wall;
  consume(2);
  const auto got = world.take();
  EXPECT_THAT(World::sequences(got), ElementsAre(3, 2, 1));
  EXPECT_EQ(got[0].body, "m3");
  const auto headers = headers_of(world.sink.delivers.back().effect.runs.back());
  EXPECT_EQ(headers.at("sluice-dead-reason"), "Rejected");
  EXPECT_EQ(headers.at("sluice-dead-error"), "e1");
  EXPECT_EQ(headers.at("sluice-dead-consumer"), "pod-1");
  EXPECT_EQ(headers.at("sluice-dead-at-ms"), std::to_string(now.value()));
  EXPECT_EQ(headers.at("sluice-dead-attempts"), "0");
  EXPECT_EQ(world.stats().dead_in_flight, 3U);
  EXPECT_EQ(world.stats().in_flight, 0U);
  EXPECT_EQ(world.stats().consumers, 0U);
}

TEST_F(DeadDeliveryTest, an_ack_discards) {
  begin(3);
  consume(2);
  const auto got = world.take();
  EXPECT_EQ(world.ack(got[0]).settled, 1U);
  EXPECT_THAT(dead(), ElementsAre(1, 2));
  EXPECT_EQ(world.ack(got[0]).settled, 1U);  // once more is no mistake
  EXPECT_EQ(world.stats().removed_by_cause[storage::RemoveCause::kDeadDiscarded], 1U);
}

TEST_F(DeadDeliveryTest, credit_bounds_what_is_leased) {
  begin(10);
  const AttachmentHandle attachment = consume(2, 2);
  EXPECT_THAT(world.take(), SizeIs(2));
  world.credit(consumer, attachment, 5);
  EXPECT_THAT(world.take(), SizeIs(3));
}

TEST_F(DeadDeliveryTest, a_release_puts_it_back_in_its_place) {
  begin(4);
  const AttachmentHandle attachment = consume(2, 3);
  const auto got = world.take();  // 4, 3, 2
  world.settle(SettleKind::kRelease, got[1]);
  world.credit(consumer, attachment, 10);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(3, 1));
}

TEST_F(DeadDeliveryTest, what_failed_rests_and_is_never_given_up_on) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.backoff.initial = 10s;
  config.subscriptions[0].delivery.max_attempts = 2;
  begin(2, config);
  consume(2, 1'000);
  for (int i = 0; i < 5; ++i) {
    const auto got = world.take();
    ASSERT_THAT(got, SizeIs(2)) << i;
    world.settle(SettleKind::kFail, got[0], "again");
    world.settle(SettleKind::kReject, got[1], "again");
    EXPECT_THAT(dead(), SizeIs(2));
    world.sleep(9s);
    EXPECT_THAT(world.take(), IsEmpty());
    world.sleep(12s);
  }
  world.settle(SettleKind::kFail, world.take()[0], "again", 1h);
  world.sleep(50min);
  EXPECT_THAT(world.take(), IsEmpty());
}

TEST_F(DeadDeliveryTest, a_lease_that_runs_out_gives_it_back_after_the_backoff) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].delivery.lease = 5s;
  config.subscriptions[0].delivery.backoff.initial = 1s;
  begin(1, config);
  consume(2);
  const auto got = world.take();
  world.sleep(5s);
  EXPECT_EQ(world.ack(got).refusal.code, RefusalCode::kStaleReceipt);
  EXPECT_THAT(dead(), ElementsAre(1));
  world.sleep(1s);
  const auto again = world.take();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(world.extend(consumer, again[0].attachment, true, {}, 1h).extended, 1U);
  world.sleep(10min);
  EXPECT_EQ(world.ack(again).settled, 1U);
  EXPECT_THAT(dead(), IsEmpty());
}

TEST_F(DeadDeliveryTest, tasks_and_retention_leave_leased_letters_alone) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].dead_letter.retention = 1h;
  config.subscriptions[0].delivery.lease = 10h;
  begin(4, config);
  consume(2, 2);
  const auto got = world.take();  // 4, 3
  Selector selector;
  selector.sequences = {{base::Sequence(2), base::Sequence(4)}};
  world.redrive(queue, selector);
  world.tick();
  EXPECT_EQ(world.sink.tasks.back().effect.done, 1U);
  world.purge(queue, true);
  world.tick();
  EXPECT_EQ(world.sink.tasks.back().effect.done, 1U);
  EXPECT_THAT(dead(), ElementsAre(3, 4));
  world.sleep(2h);
  EXPECT_THAT(dead(), ElementsAre(3, 4));
  world.settle(SettleKind::kRelease, got[0]);
  world.tick();
  EXPECT_THAT(dead(), ElementsAre(3));
  EXPECT_EQ(world.ack(got[1]).settled, 1U);
}

TEST_F(DeadDeliveryTest, leases_survive_a_restart_for_a_session_that_comes_back) {
  begin(3);
  consume(2, 2);
  const auto got = world.take();  // 3, 2
  world.restart(true);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole).empty(), false);
  const SessionHandle again = world.open(2, true);
  const AttachmentHandle attachment = world.attach(again, queue, kDlq, 10).attachment;
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(1));
  EXPECT_EQ(world.settle(SettleKind::kAck, again, attachment, {got[0].receipt()}).settled, 1U);
  world.lose(again, SessionEnd::kClosed);
  consume(3);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(2, 1));
}

TEST_F(DeadDeliveryTest, leases_nobody_comes_back_for_are_given_back_after_a_restart) {
  begin(2);
  consume(2);
  ASSERT_THAT(world.take(), SizeIs(2));
  world.restart();
  consume(3);
  EXPECT_THAT(world.take(), IsEmpty());
  world.sleep(11s);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(2, 1));
}

TEST_F(DeadDeliveryTest, leases_are_in_snapshots) {
  begin(3);
  consume(2, 1);
  const auto got = world.take();
  ASSERT_THAT(got, SizeIs(1));
  for (const SnapshotForm form : {SnapshotForm::kWhole, SnapshotForm::kBesideIndex}) {
    const auto snapshot = world.broker->snapshot(form);
    storage::MemorySideIndex index;
    if (form == SnapshotForm::kBesideIndex) index = *world.index;
    world.restart_from(snapshot, std::move(index), world.log.records().size());
    EXPECT_EQ(world.stats().dead_in_flight, 1U);
    EXPECT_EQ(world.stats().in_flight, 0U);
  }
  EXPECT_EQ(world.replayed().empty(), false);
}

TEST_F(DeadDeliveryTest, another_consumer_of_the_subscription_is_another_thing) {
  begin(2);
  world.fill(queue, 1);
  const SessionHandle session = world.open(2);
  const AttachmentHandle live = world.attach(session, queue).attachment;
  const AttachmentHandle dlq = world.attach(session, queue, kDlq, 1).attachment;
  const auto got = world.take();
  ASSERT_THAT(World::sequences(got), ElementsAre(3, 2));
  EXPECT_EQ(world.settle(SettleKind::kAck, session, live, {got[1].receipt()}).refusal.code,
            RefusalCode::kStaleReceipt);
  EXPECT_EQ(world.settle(SettleKind::kAck, session, dlq, {got[1].receipt()}).settled, 1U);
  EXPECT_EQ(world.settle(SettleKind::kAck, session, live, {got[0].receipt()}).settled, 1U);
}

TEST_F(DeadDeliveryTest, a_queue_held_back_by_its_dead_letters_is_freed_by_a_consumer_of_them) {
  QueueConfig config = plain_queue();
  config.subscriptions[0].dead_letter.overflow = DeadOverflow::kBlock;
  config.subscriptions[0].dead_letter.messages_max = 2;
  begin(2, config);
  world.fill(queue, 1);
  const SessionHandle session = world.open(3);
  world.attach(session, queue);
  EXPECT_THAT(world.take(), IsEmpty());
  consume(2);
  const auto letters = world.take();
  ASSERT_THAT(letters, SizeIs(2));
  world.ack(letters);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(3));
}

TEST_F(DeadDeliveryTest, what_cannot_be_read_is_passed_over) {
  begin(3);
  world.store.damaged = {base::Sequence(2)};
  consume(2);
  EXPECT_THAT(World::sequences(world.take()), ElementsAre(3, 1));
  EXPECT_THAT(dead(), ElementsAre(1, 2, 3));
}

TEST_F(DeadDeliveryTest, many_letters_are_delivered_over_several_ticks) {
  queue = world.make(plain_queue());
  world.fill(queue, 5'000);
  const SessionHandle session = world.open(5);
  const AttachmentHandle attachment = world.attach(session, queue).attachment;
  std::vector<Receipt> receipts;
  for (const Got& got : world.take()) receipts.push_back(got.receipt());
  world.settle(SettleKind::kReject, session, attachment, receipts, "no");
  consume(2, 100'000);
  EXPECT_LE(world.take().size(), 200U);
  world.tick();
  EXPECT_EQ(world.stats().dead_in_flight, 5'000U);
}

TEST_F(DeadDeliveryTest, what_cannot_be_is_refused) {
  begin(1);
  const SessionHandle session = world.open(2);
  EXPECT_EQ(world.attach(session, queue, "other/dlq").refusal.code,
            RefusalCode::kUnknownSubscription);
  EXPECT_EQ(world.attach(session, queue, kDlq, 1, 1, 0, true).refusal.code,
            RefusalCode::kInvalidArgument);
  world.log.set_feature_level(1);
  const Refusal refusal = world.attach(session, queue, kDlq).refusal;
  EXPECT_EQ(refusal.code, RefusalCode::kUnimplemented);
  EXPECT_THAT(refusal.message, HasSubstr("--log-feature-level 2"));
}

}  // namespace
}  // namespace sluice::broker
