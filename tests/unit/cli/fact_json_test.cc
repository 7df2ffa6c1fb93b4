#include "cli/fact_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "storage/fact_codec.h"

namespace sluice::cli {
namespace {

TEST(FactJson, TellsWhatARecordSays) {
  storage::SettledFact fact;
  fact.key.subscription = base::SubscriptionId(2);
  fact.ranges = {{base::Sequence(5), base::Sequence(9)}};
  std::vector<std::byte> payload;
  storage::encode(fact, payload);
  const auto json = fact_json(storage::RecordType::kSettled, payload);
  EXPECT_EQ(json["subscription"], 2);
  EXPECT_EQ(json["ranges"].dump(), "[[5,9]]");
}

TEST(FactJson, BytesWithoutSenseAreNoReasonToStop) {
  const std::vector<std::byte> payload(3);
  const auto json = fact_json(storage::RecordType::kDead, payload);
  EXPECT_TRUE(json.contains("undecodable"));
}

TEST(FactJson, AnUnknownTypeIsEmpty) {
  EXPECT_TRUE(fact_json(static_cast<storage::RecordType>(200), {}).empty());
}

}  // namespace
}  // namespace sluice::cli
