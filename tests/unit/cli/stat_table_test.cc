#include "cli/stat_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const char* const kOrders = R"({
  "name": "orders", "id": "00ff", "messages": 1234, "bytes": 2048, "deadLetterBytes": 0,
  "publishers": 1, "sinceStart": {"published": 1300, "duplicates": 0, "refused": {}},
  "subscriptions": [{
    "name": "default",
    "messages": {"ready": 1200, "inFlight": 34, "delayed": 5, "deadLettered": 2, "damaged": 0},
    "oldestMessageAgeSeconds": 192.5,
    "consumers": {"count": 2, "names": ["host-a/1", "host-b/2"]},
    "sinceStart": {"delivered": 100}}],
  "settings": {"shards": 1, "durability": {"fsync": "Always"}}})";

TEST(StatTable, HasARowForEachSubscription) {
  const json document = {{"queues", json::array({json::parse(kOrders)})}};
  EXPECT_EQ(render_stat_table(document),
            "QUEUE   SUBSCRIPTION  READY  IN FLIGHT  DELAYED  DEAD  OLDEST  CONSUMERS\n"
            "orders  default       1,200         34        5     2   3m12s          2\n");
}

TEST(StatTable, OneQueueIsAListOfOne) {
  EXPECT_EQ(render_stat_table(as_queue_list(json::parse(kOrders))),
            render_stat_table({{"queues", json::array({json::parse(kOrders)})}}));
}

TEST(StatTable, SaysWhenThereIsNothing) {
  EXPECT_EQ(render_stat_table({{"queues", json::array()}}), "no queues\n");
  EXPECT_EQ(render_stat_table(json::object()), "no queues\n");
}

TEST(StatTable, AnEmptyQueueHasNoOldestMessage) {
  json queue = json::parse(kOrders);
  queue["subscriptions"][0]["messages"] = json::object();
  EXPECT_THAT(render_stat_table(as_queue_list(queue)), HasSubstr("     0       -  "));
}

TEST(StatTable, AQueueIsDescribedWithSettingsAndConsumers) {
  const std::string text = render_queue(json::parse(kOrders));
  EXPECT_THAT(text, HasSubstr("messages 1,234  bytes 2.0 KiB"));
  EXPECT_THAT(text, HasSubstr("published 1,300"));
  EXPECT_THAT(text, HasSubstr("    host-a/1\n"));
  EXPECT_THAT(text, HasSubstr("durability.fsync  Always"));
}

}  // namespace
}  // namespace sluice::cli
