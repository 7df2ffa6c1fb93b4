#include "client/api/address.h"

#include <gtest/gtest.h>

namespace sluice::api {
namespace {

void expect(std::string_view queue, std::string_view subscription, std::string_view to_queue,
            std::string_view to_subscription) {
  const Address address = to_address(queue, subscription);
  EXPECT_EQ(address.queue, to_queue);
  EXPECT_EQ(address.subscription, to_subscription);
}

TEST(Address, LeavesQueuesAndSubscriptionsAsTheyAre) {
  expect("orders", "", "orders", "");
  expect("orders", "audit", "orders", "audit");
  expect("orders", "audit/dlq", "orders", "audit/dlq");
}

TEST(Address, DeadLettersAreThoseOfASubscription) {
  expect("orders/dlq", "", "orders", "default/dlq");
  expect("orders/dlq", "audit", "orders", "audit/dlq");
}

TEST(Address, AQueueHasAName) { expect("/dlq", "", "/dlq", ""); }

}  // namespace
}  // namespace sluice::api
