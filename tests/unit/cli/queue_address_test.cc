#include "cli/queue_address.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(QueueAddress, IsAName) {
  EXPECT_EQ(parse_queue_address("orders").queue, "orders");
  EXPECT_FALSE(parse_queue_address("orders").dead_letters);
}

TEST(QueueAddress, MayMeanTheDeadLetters) {
  EXPECT_EQ(parse_queue_address("orders/dlq").queue, "orders");
  EXPECT_TRUE(parse_queue_address("orders/dlq").dead_letters);
  EXPECT_FALSE(parse_queue_address("dlq").dead_letters);
}

TEST(QueueAddress, MayMeanTheDeadLettersOfOneSubscription) {
  const QueueAddress address = parse_queue_address("orders/billing/dlq");
  EXPECT_EQ(address.queue, "orders");
  EXPECT_EQ(address.subscription, "billing");
  EXPECT_TRUE(address.dead_letters);
  EXPECT_EQ(parse_queue_address("orders/dlq").subscription, "");
}

}  // namespace
}  // namespace sluice::cli
