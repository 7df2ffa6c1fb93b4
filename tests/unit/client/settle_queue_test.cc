#include "client/settle_queue.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/message.h"
#include "wire/frame_codec.h"

namespace sluice::client {
namespace {

using base::Epoch;
using base::Millis;
using base::Sequence;
using base::SequenceRange;

SequenceRange range(std::uint64_t first, std::uint64_t last) {
  return {Sequence(first), Sequence(last)};
}

void ack(SettleQueue& queue, Epoch epoch, SequenceRange range) {
  queue.add(SettleKind::kAck, epoch, range, std::nullopt, {});
}

using Fields = std::vector<std::vector<std::uint64_t>>;

// Epoch, first, last and bits of each receipt of the next frame.
Fields next_receipts(SettleQueue& queue) {
  Fields fields;
  for (const wire::WireReceipt& receipt : queue.next()->to_frame(1).receipts) {
    fields.push_back({receipt.epoch, receipt.first, receipt.last, receipt.bits});
  }
  return fields;
}

TEST(SettleQueue, JoinsNeighboursIntoOneReceipt) {
  SettleQueue queue;
  for (std::uint64_t i = 1; i <= 1'000; ++i) ack(queue, Epoch(7), range(i, i));
  ASSERT_EQ(queue.waiting_frames(), 1U);
  const wire::Settle frame = queue.next()->to_frame(3);
  ASSERT_EQ(frame.receipts.size(), 1U);
  EXPECT_EQ(frame.attachment, 3U);
  EXPECT_EQ(frame.receipts[0].first, 1U);
  EXPECT_EQ(frame.receipts[0].last, 1'000U);
  EXPECT_EQ(queue.unconfirmed_messages(), 1'000U);
}

TEST(SettleQueue, KeepsEpochsAndWideGapsApartInOneFrame) {
  SettleQueue queue;
  ack(queue, Epoch(7), range(1, 4));
  ack(queue, Epoch(8), range(5, 6));
  ack(queue, Epoch(8), range(69, 69));
  ASSERT_EQ(queue.waiting_frames(), 1U);
  EXPECT_EQ(next_receipts(queue), Fields({{7, 1, 4, 0}, {8, 5, 6, 0}, {8, 69, 69, 0}}));
}

TEST(SettleQueue, JoinsWhatDoesNotTouchInWords) {
  SettleQueue queue;
  ack(queue, Epoch(7), range(1, 2));
  ack(queue, Epoch(7), range(4, 4));
  ack(queue, Epoch(7), range(5, 6));
  ack(queue, Epoch(7), range(64, 64));  // its last place
  ack(queue, Epoch(7), range(65, 65));
  ack(queue, Epoch(7), range(60, 60));  // before the last one: not in order
  ack(queue, Epoch(7), range(62, 200));
  const std::uint64_t word = 0b111011 | std::uint64_t{1} << 63;
  EXPECT_EQ(next_receipts(queue),
            Fields({{7, 1, 64, word}, {7, 65, 65, 0}, {7, 60, 60, 0}, {7, 62, 200, 0}}));
  EXPECT_EQ(queue.next()->words, 1U);
  EXPECT_EQ(queue.unconfirmed_messages(), 2U + 1 + 2 + 1 + 1 + 1 + 139);
}

TEST(SettleQueue, TakesAcksByWord) {
  SettleQueue queue;
  queue.ack(Epoch(7), Sequence(1), ~std::uint64_t{0});
  queue.ack(Epoch(7), Sequence(65), 0b1111);  // goes on
  queue.ack(Epoch(7), Sequence(129), 0b10101);
  queue.ack(Epoch(8), Sequence(3), 1);
  EXPECT_EQ(next_receipts(queue), Fields({{7, 1, 68, 0}, {7, 129, 133, 0b10101}, {8, 3, 3, 0}}));
  EXPECT_EQ(queue.unconfirmed_messages(), 64U + 4 + 3 + 1);
}

TEST(SettleQueue, BeginsANewFrameWhereOneHasAllItsWords) {
  SettleQueue queue;
  for (std::uint64_t i = 0; i <= wire::kReceiptWordsMax; ++i) {
    queue.ack(Epoch(7), Sequence(64 * i), 0b101);
  }
  ASSERT_EQ(queue.waiting_frames(), 2U);
  EXPECT_EQ(queue.next()->words, wire::kReceiptWordsMax);
  // Ranges have a place there all the same, and do not become words.
  SettleQueue other;
  for (std::uint64_t i = 0; i <= wire::kReceiptWordsMax; ++i) {
    ack(other, Epoch(7), range(64 * i, 64 * i));
    ack(other, Epoch(7), range(64 * i + 2, 64 * i + 2));
  }
  ASSERT_EQ(other.waiting_frames(), 1U);
  EXPECT_EQ(other.next()->words, wire::kReceiptWordsMax);
  EXPECT_EQ(other.next()->receipts.size(), wire::kReceiptWordsMax + 2);
}

TEST(SettleQueue, MakesAFrameForEachKindInOrder) {
  SettleQueue queue;
  ack(queue, Epoch(7), range(1, 1));
  queue.add(SettleKind::kFail, Epoch(7), range(2, 2), Millis(1'500), "away");
  queue.add(SettleKind::kFail, Epoch(7), range(3, 3), Millis(1'500), "away");
  queue.add(SettleKind::kFail, Epoch(7), range(4, 4), std::nullopt, "away");
  queue.add(SettleKind::kReject, Epoch(7), range(5, 5), std::nullopt, "bad");
  ack(queue, Epoch(7), range(6, 6));
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
  for (std::uint64_t i = 0; i <= wire::kReceiptsMax; ++i) {
    ack(queue, Epoch(7), range(64 * i, 64 * i));
  }
  ASSERT_EQ(queue.waiting_frames(), 2U);
  EXPECT_EQ(queue.next()->receipts.size(), wire::kReceiptsMax);
}

TEST(SettleQueue, SendsRangesToABrokerThatTakesNoWords) {
  SettleQueue queue;
  queue.allow_words(false);
  ack(queue, Epoch(7), range(1, 2));
  ack(queue, Epoch(7), range(4, 4));
  queue.ack(Epoch(7), Sequence(11), 0b1101);
  EXPECT_EQ(next_receipts(queue),
            Fields({{7, 1, 2, 0}, {7, 4, 4, 0}, {7, 11, 11, 0}, {7, 13, 14, 0}}));
}

// A broker that went back to an older version, with settles under way.
TEST(SettleQueue, PutsWordsIntoRangesWhereTheyAreNotTakenAnyMore) {
  SettleQueue queue;
  ack(queue, Epoch(6), range(1, 1));
  queue.on_sent(10);
  int told = 0;
  const auto done = [&told](const base::Status&) { ++told; };
  for (std::uint64_t i = 0; i < 200; ++i) {
    for (std::uint64_t bit = 0; bit < 64; bit += 2) {
      const SequenceRange one = range(64 * i + bit, 64 * i + bit);
      queue.add(SettleKind::kFail, Epoch(7), one, std::nullopt, "away");
    }
  }
  queue.add(SettleKind::kFail, Epoch(7), range(20'000, 20'001), std::nullopt, "away", {done});
  const std::uint64_t mark = queue.last_number();
  queue.on_sent(11);
  queue.on_session_lost();
  queue.allow_words(false);
  // 6,401 ranges in two frames, behind the one that had none.
  ASSERT_EQ(queue.waiting_frames(), 3U);
  EXPECT_EQ(queue.unconfirmed_messages(), 6'403U);
  queue.on_sent(12);
  EXPECT_EQ(queue.next()->receipts.size(), wire::kReceiptsMax);
  EXPECT_TRUE(queue.next()->watchers.empty());
  EXPECT_TRUE(queue.next()->is_again);
  EXPECT_EQ(queue.next()->error, "away");
  queue.on_sent(13);
  EXPECT_EQ(queue.next()->messages, 6'402U - wire::kReceiptsMax);
  EXPECT_EQ(queue.next()->receipts.back().last, 20'001U);
  EXPECT_EQ(queue.next()->watchers.size(), 1U);
  queue.on_sent(14);
  queue.on_answered(12);
  queue.on_answered(13);
  EXPECT_FALSE(queue.is_done(mark));
  queue.on_answered(14);
  EXPECT_TRUE(queue.is_done(mark));
  EXPECT_EQ(queue.unconfirmed_messages(), 0U);
}

// A delivery of so many messages, far from each other.
DeliveredBatch batch_with_gaps(std::uint64_t messages, std::vector<std::byte>& entries) {
  wire::Deliver deliver;
  deliver.epoch = 7;
  for (std::uint64_t i = 1; i <= messages; ++i) {
    const std::size_t before = entries.size();
    base::append_entry(base::as_bytes("m"), entries);
    const auto bytes = static_cast<std::uint32_t>(entries.size() - before);
    deliver.runs.push_back({64 * i, 1, 0, 0, 1'000, bytes});
  }
  deliver.entries = entries;
  return *DeliveredBatch::from({}, std::move(deliver), base::ShardIndex(0), base::MonoTime(5));
}

TEST(SettleQueue, SettlesAWholeDeliveryInOneFrame) {
  std::vector<std::byte> entries;
  base::append_entry(base::as_bytes("one"), entries);
  const auto bytes = static_cast<std::uint32_t>(entries.size());
  for (int i = 1; i < 4; ++i) base::append_entry(base::as_bytes("one"), entries);
  wire::Deliver deliver;
  deliver.epoch = 7;
  // The second has other counters than the first, and follows it all the same.
  deliver.runs = {
      {5, 1, 0, 0, 1'000, bytes}, {6, 2, 1, 0, 1'000, 2 * bytes}, {9, 1, 0, 0, 1'000, bytes}};
  deliver.entries = entries;
  const auto batch =
      DeliveredBatch::from({}, std::move(deliver), base::ShardIndex(0), base::MonoTime(5));
  SettleQueue queue;
  ack(queue, Epoch(6), range(1, 2));
  queue.add_all(SettleKind::kAck, *batch);
  ASSERT_EQ(queue.waiting_frames(), 1U);
  EXPECT_EQ(next_receipts(queue), Fields({{6, 1, 2, 0}, {7, 5, 9, 0b10111}}));
  EXPECT_EQ(queue.next()->messages, 6U);
  EXPECT_EQ(queue.unconfirmed_messages(), 6U);
}

TEST(SettleQueue, AWholeDeliveryGoesOnInTheNextFrameWhereOneIsFull) {
  std::vector<std::byte> entries;
  const DeliveredBatch batch = batch_with_gaps(2'000, entries);
  SettleQueue queue;
  for (int i = 0; i < 3; ++i) queue.add_all(SettleKind::kRelease, batch);
  ASSERT_EQ(queue.waiting_frames(), 2U);
  EXPECT_EQ(queue.next()->receipts.size(), wire::kReceiptsMax);
  EXPECT_EQ(queue.next()->messages, wire::kReceiptsMax);
  queue.on_sent(1);
  EXPECT_EQ(queue.next()->receipts.size(), 6'000 - wire::kReceiptsMax);
  EXPECT_EQ(queue.next()->kind, SettleKind::kRelease);
  EXPECT_EQ(queue.unconfirmed_messages(), 6'000U);
}

TEST(SettleQueue, LendsItsReceiptsToTheFrameAndKeepsThemWhetherItIsSentOrNot) {
  SettleQueue queue;
  queue.add(SettleKind::kFail, Epoch(7), range(1, 4), Millis(20), "away");
  for (const bool sent : {false, true}) {
    std::vector<std::byte> seen;
    const bool told = queue.next()->send_as_frame(3, [&](const wire::Body& body) {
      wire::encode_frame({}, body, seen);
      return sent;
    });
    EXPECT_EQ(told, sent);
    std::vector<std::byte> expected;
    wire::encode_frame({}, wire::Body(queue.next()->to_frame(3)), expected);
    EXPECT_EQ(seen, expected);
    EXPECT_EQ(queue.next()->receipts.size(), 1U);
  }
}

TEST(SettleQueue, CutsErrorsToWhatAFrameMayCarry) {
  SettleQueue queue;
  queue.add(SettleKind::kReject, Epoch(7), range(1, 1), std::nullopt, std::string(9'000, 'e'));
  EXPECT_EQ(queue.next()->error.size(), wire::kErrorTextBytesMax);
}

TEST(SettleQueue, ForgetsWhatNeedsNoAnswer) {
  SettleQueue queue;
  ack(queue, Epoch(7), range(1, 4));
  queue.on_sent(0);
  EXPECT_TRUE(queue.empty());
}

TEST(SettleQueue, KeepsWhatIsSentUntilItIsAnswered) {
  SettleQueue queue;
  ack(queue, Epoch(7), range(1, 4));
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
  ack(queue, Epoch(7), range(1, 1));
  queue.on_sent(11);
  ack(queue, Epoch(7), range(2, 2));
  queue.on_sent(12);
  ack(queue, Epoch(7), range(3, 3));
  queue.on_session_lost();
  ASSERT_EQ(queue.waiting_frames(), 3U);
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    EXPECT_EQ(queue.next()->receipts[0].first, sequence);
    queue.on_sent(20 + sequence);
  }
}

TEST(SettleQueue, SaysHowMuchIsLostWithTheLeases) {
  SettleQueue queue;
  ack(queue, Epoch(7), range(1, 4));
  queue.on_sent(11);
  ack(queue, Epoch(7), range(5, 6));
  EXPECT_EQ(queue.clear().messages, 6U);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.unconfirmed_messages(), 0U);
}

TEST(SettleQueue, WhoWaitsForAnAnswerSharesAFrameWithItsOwnEpochOnly) {
  SettleQueue queue;
  const auto watcher = [](const base::Status& /*status*/) {};
  queue.add(SettleKind::kAck, Epoch(7), range(1, 1), std::nullopt, {}, {watcher});
  ack(queue, Epoch(7), range(2, 2));
  queue.add(SettleKind::kAck, Epoch(7), range(5, 5), std::nullopt, {}, {watcher});
  ack(queue, Epoch(8), range(6, 6));
  ack(queue, Epoch(9), range(7, 7));
  queue.add(SettleKind::kAck, Epoch(9), range(8, 8), std::nullopt, {}, {watcher});
  queue.add(SettleKind::kAck, Epoch(9), range(9, 9), std::nullopt, {}, {watcher, true});
  ack(queue, Epoch(9), range(10, 10));
  ASSERT_EQ(queue.waiting_frames(), 5U);
  EXPECT_EQ(queue.next()->messages, 3U);
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

TEST(SettleQueue, NobodyWaitsForAFrameOfSeveralEpochs) {
  SettleQueue queue;
  ack(queue, Epoch(7), range(1, 1));
  ack(queue, Epoch(8), range(5, 5));
  int told = 0;
  const auto done = [&told](const base::Status&) { ++told; };
  queue.add(SettleKind::kAck, Epoch(8), range(9, 9), std::nullopt, {}, {done});
  ASSERT_EQ(queue.waiting_frames(), 2U);
  ack(queue, Epoch(9), range(20, 20));
  EXPECT_EQ(queue.waiting_frames(), 3U);
  EXPECT_EQ(queue.unconfirmed_messages(), 4U);
}

TEST(SettleQueue, SaysHowFarItIs) {
  SettleQueue queue;
  ack(queue, Epoch(7), range(1, 1));
  queue.on_sent(11);
  const std::uint64_t mark = queue.last_number();
  ack(queue, Epoch(7), range(2, 2));
  EXPECT_FALSE(queue.is_done(mark));
  queue.on_answered(11);
  EXPECT_TRUE(queue.is_done(mark));
  EXPECT_FALSE(queue.is_done(queue.last_number()));
}

}  // namespace
}  // namespace sluice::client
