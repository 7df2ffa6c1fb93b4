#include "client/publish_lane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/client/lane_samples.h"

namespace sluice::client {
namespace {

using wire::Code;

class PublishLaneTest : public testing::Test {
 protected:
  void open(const wire::PublisherOpened& answer = opened()) {
    lane_.on_opening(++request_);
    lane_.on_opened(kNow, answer);
  }
  // Sends all that may be sent; returns "first+count" of each batch.
  std::vector<std::string> send_all() {
    std::vector<std::string> sent;
    while (const PendingBatch* batch = lane_.next(kNow)) {
      sent.push_back(std::to_string(batch->producer_sequence) + "+" + std::to_string(batch->count));
      lane_.on_sent(++request_);
    }
    return sent;
  }
  bool answer(std::uint64_t request, Code code = Code::kNone, std::uint64_t expected = 0) {
    wire::Published published;
    published.code = static_cast<std::uint16_t>(code);
    published.expected_sequence = expected;
    published.first = 100;
    return lane_.on_published(kNow, request, published);
  }
  std::vector<Code> finished_codes() {
    std::vector<Code> codes;
    for (const FinishedBatch& finished : lane_.take_finished()) codes.push_back(finished.code);
    return codes;
  }

  PublishLane lane_;
  std::uint64_t request_ = 0;
};

using Sent = std::vector<std::string>;
using Codes = std::vector<Code>;

TEST_F(PublishLaneTest, SendsNothingBeforeItIsOpen) {
  lane_.add(batch_of(3));
  EXPECT_EQ(send_all(), Sent());
  open();
  EXPECT_EQ(send_all(), Sent({"1+3"}));
}

TEST_F(PublishLaneTest, NumbersMessagesWithoutGaps) {
  open();
  lane_.add(batch_of(3));
  lane_.add(batch_of(5));
  EXPECT_EQ(send_all(), Sent({"1+3", "4+5"}));
  lane_.add(batch_of(1));
  EXPECT_EQ(send_all(), Sent({"9+1"}));
}

TEST_F(PublishLaneTest, GoesOnWhereANamedProducerStood) {
  open(opened(41));
  EXPECT_EQ(lane_.last_sequence(), 41U);
  lane_.add(batch_of(2));
  EXPECT_EQ(send_all(), Sent({"42+2"}));
}

TEST_F(PublishLaneTest, ReportsWhereABatchWasStored) {
  open();
  lane_.add(batch_of(3));
  send_all();
  EXPECT_TRUE(answer(request_));
  const std::vector<FinishedBatch> finished = lane_.take_finished();
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_EQ(finished[0].code, Code::kNone);
  EXPECT_EQ(finished[0].first, base::Sequence(100));
  EXPECT_EQ(lane_.last_sequence(), 3U);
  EXPECT_EQ(lane_.pending(), 0U);
}

TEST_F(PublishLaneTest, StaysWithinTheCreditOfMessages) {
  open(opened(0, 10));
  for (int i = 0; i < 4; ++i) lane_.add(batch_of(4));
  EXPECT_EQ(send_all(), Sent({"1+4", "5+4"}));
  lane_.on_credit(12, 1'000);
  EXPECT_EQ(send_all(), Sent({"9+4"}));
}

TEST_F(PublishLaneTest, StaysWithinTheCreditOfBytes) {
  wire::PublisherOpened answer = opened();
  answer.bytes_limit = 5 * base::kEntryHeaderBytes;
  open(answer);
  lane_.add(batch_of(4));
  lane_.add(batch_of(4));
  EXPECT_EQ(send_all(), Sent({"1+4"}));
}

TEST_F(PublishLaneTest, ALateCreditTakesNothingBack) {
  open(opened(0, 10));
  lane_.on_credit(5, 5);
  lane_.add(batch_of(10));
  EXPECT_EQ(send_all(), Sent({"1+10"}));
}

TEST_F(PublishLaneTest, CutsABatchThatIsAboveTheCredit) {
  open(opened(0, 10));
  lane_.add(batch_of(25));
  lane_.add(batch_of(1));
  EXPECT_EQ(send_all(), Sent({"1+10"}));
  lane_.on_credit(12, 1'000);
  EXPECT_EQ(send_all(), Sent());  // an answer is on its way and may bring more
  answer(request_);
  EXPECT_EQ(send_all(), Sent({"11+2"}));
  lane_.on_credit(40, 1'000);
  EXPECT_EQ(send_all(), Sent({"13+13", "26+1"}));
}

TEST_F(PublishLaneTest, CutsABatchToTheCreditOfBytes) {
  wire::PublisherOpened answer = opened();
  answer.bytes_limit = 3 * base::kEntryHeaderBytes + 5;
  open(answer);
  lane_.add(batch_of(4));
  EXPECT_EQ(send_all(), Sent({"1+3"}));
}

TEST_F(PublishLaneTest, WaitsWhileTheCreditIsNotEnoughForOneMessage) {
  wire::PublisherOpened answer = opened();
  answer.bytes_limit = base::kEntryHeaderBytes - 1;
  open(answer);
  lane_.add(batch_of(4));
  EXPECT_EQ(send_all(), Sent());
}

TEST_F(PublishLaneTest, ARefusedBatchUsesNoCredit) {
  open(opened(0, 8));
  lane_.add(batch_of(8));
  send_all();
  EXPECT_TRUE(answer(2, Code::kQueueFull));
  lane_.add(batch_of(8));
  EXPECT_EQ(send_all(), Sent({"1+8"}));
}

TEST_F(PublishLaneTest, SendsWhatIsUnansweredAgainAfterALostConnection) {
  open();
  for (int i = 0; i < 3; ++i) lane_.add(batch_of(4));
  send_all();
  answer(2);
  lane_.on_session_lost();
  EXPECT_EQ(send_all(), Sent());
  open(opened(4));
  EXPECT_EQ(send_all(), Sent({"5+4", "9+4"}));
}

TEST_F(PublishLaneTest, AsksWhereTheBrokerHasWhatItHas) {
  open();
  for (int i = 0; i < 3; ++i) lane_.add(batch_of(4));
  send_all();
  lane_.on_session_lost();
  // Room for one new batch: what is stored needs none.
  open(opened(8, 4));
  EXPECT_EQ(send_all(), Sent({"1+4", "5+4", "9+4"}));
  EXPECT_EQ(finished_codes(), Codes());
}

TEST_F(PublishLaneTest, WhatIsStoredIsNoFailureWhateverComes) {
  open();
  for (int i = 0; i < 3; ++i) lane_.add(batch_of(4));
  send_all();  // requests 2, 3, 4
  lane_.on_session_lost();
  open(opened(8));
  send_all();
  lane_.on_session_lost();
  open(opened(8));
  send_all();
  lane_.on_session_lost();
  lane_.on_opening(100);
  wire::PublisherOpened refused;
  refused.code = static_cast<std::uint16_t>(Code::kProducerFenced);
  lane_.on_opened(kNow, refused);
  EXPECT_EQ(finished_codes(), Codes({Code::kNone, Code::kNone, Code::kProducerFenced}));
}

// A record that rotted. What is sent for it is stored anew, so it counts like any other.
TEST_F(PublishLaneTest, WhatTheBrokerLostAgainIsSentAnew) {
  open();
  for (int i = 0; i < 4; ++i) lane_.add(batch_of(4));
  send_all();
  lane_.on_session_lost();
  open(opened(12));
  lane_.on_session_lost();
  open(opened(4, 4));
  EXPECT_EQ(send_all(), Sent({"1+4", "5+4"}));
  lane_.on_credit(1'000, 1'000'000);
  EXPECT_EQ(send_all(), Sent({"9+4", "13+4"}));
}

// Routed by a new map before that, it would stay where it does not belong.
TEST_F(PublishLaneTest, WhatWasStoredIsJudgedAnewBeforeTheRestIsRouted) {
  open();
  for (int i = 0; i < 2; ++i) lane_.add(batch_of(4));
  send_all();
  lane_.on_session_lost();
  open(opened(8));
  lane_.hold();
  lane_.on_session_lost();
  lane_.on_map();
  EXPECT_FALSE(lane_.is_clear());
  open(opened(4));
  ASSERT_TRUE(lane_.is_clear());
  EXPECT_EQ(lane_.take_unstored().size(), 1U);
  EXPECT_EQ(lane_.pending(), 1U);
}

TEST_F(PublishLaneTest, WhatWasNeverSentIsNotTakenForStored) {
  open(opened(0, 4));
  lane_.add(batch_of(4));
  lane_.add(batch_of(4));
  send_all();
  lane_.on_session_lost();
  // Another process of the same named producer got further.
  open(opened(20));
  EXPECT_EQ(send_all(), Sent({"1+4", "21+4"}));
}

TEST_F(PublishLaneTest, CountsCreditFromTheNewAnswer) {
  open(opened(0, 8));
  lane_.add(batch_of(4));
  lane_.add(batch_of(4));
  send_all();
  lane_.on_session_lost();
  open(opened(0, 8));
  EXPECT_EQ(send_all(), Sent({"1+4", "5+4"}));
}

TEST_F(PublishLaneTest, TellsARefusalAndRenumbersWhatFollows) {
  open();
  for (int i = 0; i < 3; ++i) lane_.add(batch_of(4));
  send_all();  // requests 2, 3, 4
  EXPECT_TRUE(answer(2, Code::kQueueFull));
  EXPECT_EQ(finished_codes(), Codes({Code::kQueueFull}));
  // One at a time until one is taken.
  EXPECT_EQ(send_all(), Sent({"1+4"}));
  EXPECT_FALSE(answer(3, Code::kProducerGap, 1));
  EXPECT_FALSE(answer(4, Code::kProducerGap, 1));
  EXPECT_EQ(send_all(), Sent());
  EXPECT_TRUE(answer(5));
  EXPECT_EQ(send_all(), Sent({"5+4"}));
}

TEST_F(PublishLaneTest, ARefusalEndsALaneThatWantsThat) {
  lane_.end_on_refusal();
  open();
  for (int i = 0; i < 3; ++i) lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(2));
  EXPECT_TRUE(answer(3, Code::kQueueFull));
  EXPECT_EQ(finished_codes(), Codes({Code::kNone, Code::kQueueFull, Code::kQueueFull}));
  EXPECT_EQ(lane_.phase(), PublishLane::Phase::kFailed);
  EXPECT_EQ(lane_.failure(), Code::kQueueFull);
  EXPECT_EQ(lane_.last_sequence(), 4U);
}

// Under the numbers of what is lost the next messages would be taken for it.
TEST_F(PublishLaneTest, WhatTheDiskLostEndsALaneThatKeepsItsNumbers) {
  lane_.end_on_refusal();
  open(opened(40));
  for (int i = 0; i < 2; ++i) lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(2));
  lane_.on_session_lost();
  open(opened(43));
  EXPECT_EQ(finished_codes(), Codes({Code::kNone, Code::kProducerGap}));
  EXPECT_EQ(lane_.phase(), PublishLane::Phase::kFailed);
  EXPECT_THAT(lane_.failure_message(), testing::HasSubstr("number 44"));
  EXPECT_EQ(lane_.last_sequence(), 43U);
}

TEST_F(PublishLaneTest, SoDoesWhatItLostBeforeTheFirstMessageAndWhatAGapTells) {
  lane_.end_on_refusal();
  open(opened(40));
  lane_.add(batch_of(4));
  lane_.on_session_lost();
  open(opened(31));
  EXPECT_EQ(finished_codes(), Codes({Code::kProducerGap}));

  lane_ = PublishLane();
  lane_.end_on_refusal();
  open(opened(40));
  lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(request_, Code::kProducerGap, 31));
  EXPECT_EQ(finished_codes(), Codes({Code::kProducerGap}));
  EXPECT_THAT(lane_.failure_message(), testing::HasSubstr("number 31"));
}

TEST_F(PublishLaneTest, WhatWasNotAnsweredIsNoLossToALaneThatKeepsItsNumbers) {
  lane_.end_on_refusal();
  open(opened(40));
  for (int i = 0; i < 3; ++i) lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(2));
  lane_.on_session_lost();
  open(opened(48));  // the second came through
  lane_.on_session_lost();
  open(opened(44));  // and rotted before its answer
  EXPECT_EQ(send_all(), Sent({"45+4", "49+4"}));
  EXPECT_EQ(finished_codes(), Codes({Code::kNone}));
}

TEST_F(PublishLaneTest, ARefusedBatchIsNotTakenForStoredLater) {
  open();
  for (int i = 0; i < 3; ++i) lane_.add(batch_of(4));
  send_all();
  answer(2, Code::kQueueFull);
  finished_codes();
  // The second is sent as 1..4; the third keeps its stale numbers 9..12 and is not sent.
  EXPECT_EQ(send_all(), Sent({"1+4"}));
  lane_.on_session_lost();
  open(opened(4));
  EXPECT_EQ(send_all(), Sent({"1+4"}));  // request 7
  EXPECT_TRUE(answer(7));
  EXPECT_EQ(finished_codes(), Codes({Code::kNone}));
  EXPECT_EQ(send_all(), Sent({"5+4"}));
}

TEST_F(PublishLaneTest, ResendsFromTheSequenceThatTheBrokerExpects) {
  open(opened(40));
  lane_.add(batch_of(4));
  lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(2, Code::kProducerGap, 31));
  EXPECT_EQ(finished_codes(), Codes());
  EXPECT_EQ(send_all(), Sent({"31+4"}));
  EXPECT_TRUE(answer(4));
  EXPECT_EQ(send_all(), Sent({"35+4"}));
}

// The queue's limits were lowered meanwhile. No credit would ever do for it.
TEST_F(PublishLaneTest, RefusesAMessageThatTheQueueTakesNoMore) {
  constexpr std::uint32_t kBytes = 100'000;
  for (const bool named : {false, true}) {
    lane_ = PublishLane();
    if (named) lane_.end_on_refusal();
    wire::PublisherOpened small = opened();
    small.message_bytes_max = 1'000;
    small.bytes_limit = 20'000;
    std::vector<std::byte> entries(kBytes + base::kEntryHeaderBytes);
    base::store(entries.data(), std::uint64_t{kBytes});
    base::store(entries.data() + kBytes, std::uint64_t{base::kEntryHeaderBytes});
    PendingBatch batch;
    batch.frame = frame_of(entries);
    batch.count = 2;
    lane_.add(std::move(batch));
    lane_.add(batch_of(3));
    open(small);
    EXPECT_EQ(send_all(), named ? Sent() : Sent({"1+1", "2+3"}));
    EXPECT_EQ(finished_codes(), Codes(named ? 2 : 1, Code::kMessageTooLarge));
    EXPECT_EQ(lane_.phase(), named ? PublishLane::Phase::kFailed : PublishLane::Phase::kOpen);
  }
}

TEST_F(PublishLaneTest, WaitsForCreditThatItThoughtItHad) {
  open(opened(0, 10));
  lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(2, Code::kCreditExceeded));
  EXPECT_EQ(finished_codes(), Codes());
  EXPECT_EQ(send_all(), Sent({"1+4"}));
}

TEST_F(PublishLaneTest, IsPatientWithABrokerThatIsNotReady) {
  open();
  lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(2, Code::kNotReady));
  EXPECT_EQ(send_all(), Sent());
  ASSERT_TRUE(lane_.retry_at().has_value());
  EXPECT_NE(lane_.next(*lane_.retry_at()), nullptr);
  EXPECT_FALSE(lane_.retry_at().has_value());
}

TEST_F(PublishLaneTest, OpensAgainWhenTheHandleIsUnknown) {
  open();
  lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(2, Code::kUnknownHandle));
  EXPECT_EQ(lane_.phase(), PublishLane::Phase::kClosed);
  open();
  EXPECT_EQ(send_all(), Sent({"1+4"}));
}

TEST_F(PublishLaneTest, AFencedProducerEndsWithEverythingThatItHad) {
  open();
  lane_.add(batch_of(4));
  lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(2, Code::kProducerFenced));
  EXPECT_EQ(lane_.phase(), PublishLane::Phase::kFailed);
  EXPECT_EQ(finished_codes(), Codes({Code::kProducerFenced, Code::kProducerFenced}));
  lane_.add(batch_of(1));
  EXPECT_EQ(finished_codes(), Codes({Code::kProducerFenced}));
  lane_.on_session_lost();
  EXPECT_EQ(lane_.phase(), PublishLane::Phase::kFailed);
}

TEST_F(PublishLaneTest, AForgottenProducerBeginsAgainAndSaysWhatIsUnknown) {
  open();
  lane_.add(batch_of(4));
  send_all();
  lane_.on_session_lost();
  wire::PublisherOpened refused;
  refused.code = static_cast<std::uint16_t>(Code::kUnknownProducer);
  open(refused);
  EXPECT_EQ(finished_codes(), Codes({Code::kUnknownProducer}));
  EXPECT_EQ(lane_.phase(), PublishLane::Phase::kClosed);
  EXPECT_TRUE(lane_.take_forgotten());
  EXPECT_EQ(lane_.producer_epoch(), 0U);
}

TEST_F(PublishLaneTest, AnswersOutOfOrderEndIt) {
  open();
  lane_.add(batch_of(4));
  lane_.add(batch_of(4));
  send_all();
  EXPECT_TRUE(answer(3));
  EXPECT_EQ(lane_.failure(), Code::kMalformed);
}

TEST_F(PublishLaneTest, IgnoresAnswersOfAnEarlierConnection) {
  open();
  lane_.add(batch_of(4));
  send_all();
  lane_.on_session_lost();
  EXPECT_FALSE(answer(2));
  open();
  send_all();
  EXPECT_FALSE(answer(2));
  EXPECT_EQ(lane_.pending(), 1U);
}

}  // namespace
}  // namespace sluice::client
