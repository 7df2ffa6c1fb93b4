#include "client/delivery_credit.h"

#include <gtest/gtest.h>

namespace sluice::client {
namespace {

using base::Epoch;

constexpr base::MonoTime kMoment{1'000'000'000};

TEST(DeliveryCredit, BeginsWithItsWindow) {
  DeliveryCredit credit(100, 1'000);
  const DeliveryCredit::Limits limits = credit.begin();
  EXPECT_EQ(limits.messages, 100U);
  EXPECT_EQ(limits.bytes, 1'000U);
  EXPECT_FALSE(credit.due(kMoment).has_value());
}

TEST(DeliveryCredit, IsDueWhenHalfOfTheMessagesWereSettled) {
  DeliveryCredit credit(100, 1'000'000);
  credit.begin();
  credit.on_delivered(Epoch(1), 100, 100);
  credit.on_settled(Epoch(1), 49);
  EXPECT_FALSE(credit.due(kMoment).has_value());
  credit.on_settled(Epoch(1), 1);
  ASSERT_TRUE(credit.due(kMoment).has_value());
  EXPECT_EQ(credit.due(kMoment)->messages, 150U);
  credit.on_told(*credit.due(kMoment));
  EXPECT_FALSE(credit.due(kMoment).has_value());
}

// The rest may be in work for hours.
TEST(DeliveryCredit, IsDueWhenAPartOfTheWindowWasFreeForAWhile) {
  DeliveryCredit credit(10, 1'000'000);
  credit.begin();
  credit.on_delivered(Epoch(1), 10, 100);
  EXPECT_FALSE(credit.due(kMoment).has_value());
  EXPECT_FALSE(credit.due_at().has_value());
  credit.on_settled(Epoch(1), 1);
  EXPECT_FALSE(credit.due(kMoment).has_value());
  EXPECT_EQ(credit.due_at(), kMoment + kCreditPause);
  credit.on_settled(Epoch(1), 2);
  EXPECT_FALSE(credit.due(kMoment + base::Millis(4)).has_value());
  const auto limits = credit.due(kMoment + kCreditPause);
  ASSERT_TRUE(limits.has_value());
  EXPECT_EQ(limits->messages, 13U);
  credit.on_told(*limits);
  EXPECT_FALSE(credit.due_at().has_value());
  EXPECT_FALSE(credit.due(kMoment + 2 * kCreditPause).has_value());
}

TEST(DeliveryCredit, IsDueWhenHalfOfTheBytesWereSettled) {
  DeliveryCredit credit(1'000'000, 1'000);
  credit.begin();
  credit.on_delivered(Epoch(1), 2, 1'000);
  credit.on_settled(Epoch(1), 1);
  ASSERT_TRUE(credit.due(kMoment).has_value());
  EXPECT_EQ(credit.due(kMoment)->bytes, 1'500U);
}

TEST(DeliveryCredit, GivesBackAllBytesOfABatchHoweverItIsSettled) {
  DeliveryCredit credit(10, 1'000);
  credit.begin();
  credit.on_delivered(Epoch(1), 3, 100);
  credit.on_delivered(Epoch(2), 1, 11);
  for (int i = 0; i < 3; ++i) credit.on_settled(Epoch(1), 1);
  EXPECT_EQ(credit.held_messages(), 1U);
  EXPECT_EQ(credit.held_bytes(), 11U);
}

TEST(DeliveryCredit, NeverGivesBackMoreThanWasDelivered) {
  DeliveryCredit credit(10, 1'000);
  credit.begin();
  credit.on_delivered(Epoch(1), 3, 100);
  credit.on_settled(Epoch(1), 50);
  credit.on_settled(Epoch(1), 50);
  credit.on_settled(Epoch(9), 50);
  EXPECT_EQ(credit.held_messages(), 0U);
  EXPECT_FALSE(credit.due(kMoment).has_value());
}

TEST(DeliveryCredit, WhatIsHeldUsesUpTheWindowOfTheNextAttachment) {
  DeliveryCredit credit(100, 1'000);
  credit.begin();
  credit.on_delivered(Epoch(1), 80, 800);
  const DeliveryCredit::Limits again = credit.begin();
  EXPECT_EQ(again.messages, 20U);
  EXPECT_EQ(again.bytes, 200U);
  credit.on_settled(Epoch(1), 80);
  ASSERT_TRUE(credit.due(kMoment).has_value());
  EXPECT_EQ(credit.due(kMoment)->messages, 100U);
  EXPECT_EQ(credit.due(kMoment)->bytes, 1'000U);
}

TEST(DeliveryCredit, HoldsNothingWhenTheLeasesAreGone) {
  DeliveryCredit credit(100, 1'000);
  credit.begin();
  credit.on_delivered(Epoch(1), 80, 800);
  credit.clear();
  EXPECT_EQ(credit.held_messages(), 0U);
  EXPECT_EQ(credit.begin().messages, 100U);
}

TEST(DeliveryCreditTest, AsksForNothingMoreOnceStopped) {
  DeliveryCredit credit(10, 1'000);
  credit.begin();
  credit.on_delivered(base::Epoch(1), 10, 1'000);
  credit.stop();
  credit.on_settled(base::Epoch(1), 10);
  EXPECT_FALSE(credit.due(kMoment).has_value());
  EXPECT_EQ(credit.begin().messages, 0U);
}

}  // namespace
}  // namespace sluice::client
