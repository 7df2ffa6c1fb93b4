#include "cli/cluster/queue_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/wall_text.h"
#include "tests/unit/cli/fake_api.h"

namespace sluice::cli::cluster {
namespace {

using kube::Json;
using testing::HasSubstr;
using testing::Not;

const base::WallTime kNow = *base::parse_wall("2026-01-02T12:00:00Z");

Json busy_queue() {
  Json queue = test::queue_object("orders", "shared");
  queue["metadata"]["creationTimestamp"] = "2026-01-02T11:00:00Z";
  queue["status"] = {
      {"endpoint", "tcp://shared.shop.svc:7650"},
      {"broker", {{"version", "1.2.0"}, {"shards", 2}, {"readyShards", 1}, {"storage", "10Gi"}}},
      {"messages", {{"ready", 1200}, {"inFlight", 14}, {"deadLettered", 2}, {"oldestAge", "4s"}}},
      {"consumers", {{"current", 3}, {"desired", 5}}},
      {"subscriptions",
       {{{"name", "billing"},
         {"ready", 1200},
         {"inFlight", 14},
         {"delayed", 0},
         {"deadLettered", 2},
         {"oldestMessageAge", "4s"},
         {"consumers",
          {{"current", 3},
           {"desired", 5},
           {"reason", "BacklogPerReplica"},
           {"limitedBy", "MaxReplicas"}}}}}},
      {"conditions",
       {{{"type", "Ready"},
         {"status", "False"},
         {"reason", "ShardsNotReady"},
         {"message", "1 of 2 shards is ready"},
         {"lastTransitionTime", "2026-01-02T11:59:00Z"}}}}};
  return queue;
}

TEST(QueueList, IsARowForEachQueue) {
  const std::string text =
      render_queue_list({busy_queue(), test::queue_object("emails")}, false, kNow);
  EXPECT_THAT(text, HasSubstr("QUEUE"));
  EXPECT_THAT(text, Not(HasSubstr("NAMESPACE")));
  EXPECT_THAT(text, testing::ContainsRegex("orders +False +1,200 +14 +2 +4s +3/5 +shared +1h00m"));
  EXPECT_THAT(text, testing::ContainsRegex("emails +- +- +- +- +- +- +emails +-"));
}

TEST(QueueList, NamesNamespacesWhereThereAreSeveral) {
  EXPECT_THAT(render_queue_list({busy_queue()}, true, kNow),
              testing::ContainsRegex("shop +orders"));
}

TEST(QueueDescription, SaysWhatTheObjectSays) {
  const std::string text = render_queue_object(busy_queue(), {}, kNow);
  EXPECT_THAT(text, HasSubstr("endpoint    tcp://shared.shop.svc:7650\n"));
  EXPECT_THAT(text, HasSubstr("broker      shared, version 1.2.0, 1 of 2 shards ready\n"));
  EXPECT_THAT(text, HasSubstr("BacklogPerReplica, limited by MaxReplicas"));
  EXPECT_THAT(
      text, testing::ContainsRegex("Ready +False +1m00s +ShardsNotReady +1 of 2 shards is ready"));
  EXPECT_THAT(text, Not(HasSubstr("EVENT")));
}

TEST(QueueDescription, HasTheLastTenEventsOldestFirst) {
  std::vector<Json> events;
  for (int i = 10; i < 22; ++i) {
    events.push_back({{"reason", "Scaled" + std::to_string(i)},
                      {"type", "Normal"},
                      {"note", "from 1 to 2"},
                      {"eventTime", "2026-01-02T11:" + std::to_string(i) + ":00.000000Z"}});
  }
  std::swap(events.front(), events.back());
  const std::string text = render_queue_object(busy_queue(), events, kNow);
  EXPECT_THAT(text, Not(HasSubstr("Scaled11")));
  EXPECT_LT(text.find("Scaled12"), text.find("Scaled21"));
  EXPECT_THAT(text, testing::ContainsRegex("Scaled21 +39m00s +Normal +from 1 to 2"));
}

TEST(QueueDescription, ANewObjectSaysLittle) {
  const std::string text = render_queue_object(test::queue_object("orders"), {}, kNow);
  EXPECT_EQ(text, "queue       orders\nnamespace   shop\nbroker      orders\n");
}

TEST(QueueText, AConditionThatIsNotThereIsADash) {
  EXPECT_EQ(condition_of(busy_queue(), "Ready"), "False");
  EXPECT_EQ(condition_of(busy_queue(), "Stalled"), "-");
}

}  // namespace
}  // namespace sluice::cli::cluster
