#include "client/settle_queue.h"

#include <gtest/gtest.h>

namespace sluice::client {
namespace {

using base::Epoch;
using base::Millis;
using base::Sequence;
using base::SequenceRange;

SequenceRange range(std::uint64_t first, std::uint64_t last) {
  return {Sequence(first), Sequence(last)};
}

TEST(SettleQueue, JoinsNeighboursIntoOneReceipt) {
  SettleQueue queue;
  for (std::uint64_t i = 1; i <= 1'000; ++i) queue.ack(Epoch(7), range(i, i));
  ASSERT_EQ(queue.waiting_frames(), 1U);
  const wire::Settle frame = queue.next()->to_frame(3);
  ASSERT_EQ(frame.receipts.size(), 1U);
  EXPECT_EQ(frame.attachment, 3U);
  EXPECT_EQ(frame.receipts[0].first, 1U);
  EXPECT_EQ(frame.receipts[0].last, 1'000U);
  EXPECT_EQ(queue.unconfirmed_messages(), 1'000U);
}

TEST(SettleQueue, KeepsEpochsAndGapsApartInOneFrame) {
  SettleQueue queue;
  queue.ack(Epoch(7), range(1, 4));
  queue.ack(Epoch(8), range(5, 6));
  queue.ack(Epoch(8), range(9, 9));
  ASSERT_EQ(queue.waiting_frames(), 1U);
  EXPECT_EQ(queue.next()->receipts.size(), 3U);
}

TEST(SettleQueue, MakesAFrameForEachKindInOrder) {
  SettleQueue queue;
  queue.ack(Epoch(7), range(1, 1));
  queue.add(SettleKind::kFail, Epoch(7), range(2, 2), Millis(1'500), "away");
  queue.add(SettleKind::kFail, Epoch(7), range(3, 3), Millis(1'500), "away");
  queue.add(SettleKind::kFail, Epoch(7), range(4, 4), std::nullopt, "away");
  queue.add(SettleKind::kReject, Epoch(7), range(5, 5), std::nullopt, "bad");
  queue.ack(Epoch(7), range(6, 6));
  ASSERT_EQ(queue.waiting_frames(), 5U);
  queue.on_sent(1);
  const wire::Settle fail = queue.next()->to_frame(1);
  EXPECT_EQ(fail.kind, 3);
  EXPECT_TRUE(fail.has_delay);
  EXPECT_EQ(fail.delay_ms, 1'500U);
  EXPECT_EQ(fail.error, "away");
  EXPECT_EQ(fail.receipts.size(), 1U);
  EXPECT_EQ(fail.receipts[0].last, 3U);
}

TEST(SettleQueue, BeginsANewFrameWhenOneIsFull) {
  SettleQueue queue;
  for (std::uint64_t i = 0; i <= wire::kReceiptsMax; ++i) queue.ack(Epoch(7), range(2 * i, 2 * i));
  ASSERT_EQ(queue.waiting_frames(), 2U);
  EXPECT_EQ(queue.next()->receipts.size(), wire::kReceiptsMax);
}

TEST(SettleQueue, CutsErrorsToWhatAFrameMayCarry) {
  SettleQueue queue;
  queue.add(SettleKind::kReject, Epoch(7), range(1, 1), std::nullopt, std::string(9'000, 'e'));
  EXPECT_EQ(queue.next()->error.size(), wire::kErrorTextBytesMax);
}

TEST(SettleQueue, ForgetsWhatNeedsNoAnswer) {
  SettleQueue queue;
  queue.ack(Epoch(7), range(1, 4));
  queue.on_sent(0);
  EXPECT_TRUE(queue.empty());
}

TEST(SettleQueue, KeepsWhatIsSentUntilItIsAnswered) {
  SettleQueue queue;
  queue.ack(Epoch(7), range(1, 4));
  queue.on_sent(11);
  EXPECT_EQ(queue.next(), nullptr);
  EXPECT_EQ(queue.unconfirmed_messages(), 4U);
  EXPECT_FALSE(queue.is_done(queue.last_number()));
  EXPECT_FALSE(queue.on_answered(12).has_value());
  EXPECT_EQ(queue.on_answered(11)->messages, 4U);
  EXPECT_FALSE(queue.on_answered(11).has_value());
  EXPECT_TRUE(queue.is_done(queue.last_number()));
  EXPECT_TRUE(queue.empty());
}

TEST(SettleQueue, SendsUnansweredSettlesAgainInTheirOrder) {
  SettleQueue queue;
  queue.ack(Epoch(7), range(1, 1));
  queue.on_sent(11);
  queue.ack(Epoch(7), range(2, 2));
  queue.on_sent(12);
  queue.ack(Epoch(7), range(3, 3));
  queue.on_session_lost();
  ASSERT_EQ(queue.waiting_frames(), 3U);
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    EXPECT_EQ(queue.next()->receipts[0].first, sequence);
    queue.on_sent(20 + sequence);
  }
}

TEST(SettleQueue, SaysHowMuchIsLostWithTheLeases) {
  SettleQueue queue;
  queue.ack(Epoch(7), range(1, 4));
  queue.on_sent(11);
  queue.ack(Epoch(7), range(5, 6));
  EXPECT_EQ(queue.clear().messages, 6U);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.unconfirmed_messages(), 0U);
}

TEST(SettleQueue, WhoWaitsForAnAnswerSharesAFrameWithItsOwnEpochOnly) {
  SettleQueue queue;
  const auto watcher = [](const base::Status& /*status*/) {};
  queue.add(SettleKind::kAck, Epoch(7), range(1, 1), std::nullopt, {}, {watcher});
  queue.ack(Epoch(7), range(2, 2));
  queue.add(SettleKind::kAck, Epoch(7), range(5, 5), std::nullopt, {}, {watcher});
  queue.ack(Epoch(8), range(6, 6));
  queue.ack(Epoch(9), range(7, 7));
  queue.add(SettleKind::kAck, Epoch(9), range(8, 8), std::nullopt, {}, {watcher});
  queue.add(SettleKind::kAck, Epoch(9), range(9, 9), std::nullopt, {}, {watcher, true});
  queue.ack(Epoch(9), range(10, 10));
  ASSERT_EQ(queue.waiting_frames(), 5U);
  EXPECT_EQ(queue.next()->receipts.size(), 2U);
  EXPECT_EQ(queue.next()->watchers.size(), 2U);
}

TEST(SettleQueue, WhatWasUnderWayIsToldApartFromWhatWasNeverSent) {
  SettleQueue queue;
  const auto watcher = [](const base::Status& /*status*/) {};
  queue.add(SettleKind::kAck, Epoch(7), range(1, 1), std::nullopt, {}, {watcher});
  queue.on_sent(11);
  queue.add(SettleKind::kAck, Epoch(7), range(2, 2), std::nullopt, {}, {watcher});
  queue.add(SettleKind::kAck, Epoch(7), range(3, 3), std::nullopt, {}, {watcher});
  queue.on_session_lost();
  EXPECT_TRUE(queue.next()->is_again);
  const SettleQueue::Dropped dropped = queue.clear();
  EXPECT_EQ(dropped.messages, 3U);
  EXPECT_EQ(dropped.unanswered.size(), 1U);
  EXPECT_EQ(dropped.never_sent.size(), 2U);
}

TEST(SettleQueue, SaysHowFarItIs) {
  SettleQueue queue;
  queue.ack(Epoch(7), range(1, 1));
  queue.on_sent(11);
  const std::uint64_t mark = queue.last_number();
  queue.ack(Epoch(7), range(2, 2));
  EXPECT_FALSE(queue.is_done(mark));
  queue.on_answered(11);
  EXPECT_TRUE(queue.is_done(mark));
  EXPECT_FALSE(queue.is_done(queue.last_number()));
}

}  // namespace
}  // namespace sluice::client
