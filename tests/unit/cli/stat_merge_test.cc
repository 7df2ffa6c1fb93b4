#include "cli/stat_merge.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

using Json = nlohmann::json;

Json queue(std::uint64_t ready, double age, const std::vector<std::string>& consumers) {
  return {{"name", "orders"},
          {"messages", ready},
          {"bytes", 10 * ready},
          {"conditions", {{{"type", "NeedsRepair"}, {"status", "False"}}}},
          {"sinceStart", {{"published", ready}, {"refused", {{"QueueFull", 1}}}}},
          {"subscriptions",
           {{{"name", "default"},
             {"messages", {{"ready", ready}, {"inFlight", 1}}},
             {"oldestMessageAgeSeconds", age},
             {"consumers", {{"count", consumers.size()}, {"names", consumers}}},
             {"settings", {{"maxAttempts", 5}}}}}},
          {"tasks", {{{"task", std::to_string(ready)}}}}};
}

TEST(StatMerge, CountsAreAddedAndAgesAreNot) {
  Json both = queue(3, 7.5, {"a", "b"});
  merge_queue_stat(both, queue(4, 2.5, {"b", "c"}));
  EXPECT_EQ(both["messages"], 7);
  EXPECT_EQ(both["bytes"], 70);
  EXPECT_EQ(both["sinceStart"]["published"], 7);
  EXPECT_EQ(both["sinceStart"]["refused"]["QueueFull"], 2);
  const Json& one = both["subscriptions"][0];
  EXPECT_EQ(one["messages"]["ready"], 7);
  EXPECT_EQ(one["messages"]["inFlight"], 2);
  EXPECT_EQ(one["oldestMessageAgeSeconds"], 7.5);
  EXPECT_EQ(one["consumers"]["count"], 2);
  EXPECT_EQ(one["consumers"]["names"], (Json{"a", "b", "c"}));
  EXPECT_EQ(one["settings"]["maxAttempts"], 5);
  EXPECT_EQ(both["tasks"].size(), 2U);
}

TEST(StatMerge, WhatNeedsRepairAnywhereNeedsIt) {
  Json both = queue(1, 0, {});
  Json damaged = queue(1, 0, {});
  damaged["conditions"][0]["status"] = "True";
  merge_queue_stat(both, damaged);
  EXPECT_EQ(both["conditions"][0]["status"], "True");
}

TEST(StatMerge, QueuesAreFoundByTheirNames) {
  Json other = queue(2, 0, {});
  other["name"] = "emails";
  Json all = {{"queues", {queue(1, 0, {})}}};
  merge_stat(all, {{"queues", {other, queue(5, 0, {})}}});
  ASSERT_EQ(all["queues"].size(), 2U);
  EXPECT_EQ(all["queues"][0]["messages"], 6);
  EXPECT_EQ(all["queues"][1]["messages"], 2);
}

}  // namespace
}  // namespace sluice::cli
