#include "client/delivered_batch.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace sluice::client {
namespace {

using test::HasCode;
using test::IsOk;

// Two runs: 10, 11 and 20.
struct Sample {
  Sample() {
    base::append_entry(base::as_bytes("ten"), entries);
    base::append_entry(base::as_bytes("eleven"), entries);
    const auto first = static_cast<std::uint32_t>(entries.size());
    base::append_entry(base::as_bytes("twenty"), entries);
    deliver.lease_ms = 30'000;
    deliver.epoch = 77;
    deliver.runs = {{10, 2, 0, 0, 1'000, first},
                    {20, 1, 3, 1, 2'000, static_cast<std::uint32_t>(entries.size() - first)}};
    deliver.entries = entries;
  }
  base::Result<DeliveredBatch> batch() const {
    return DeliveredBatch::from({}, deliver, base::ShardIndex(2), base::MonoTime(5));
  }

  std::vector<std::byte> entries;
  wire::Deliver deliver;
};

TEST(DeliveredBatch, IteratesOverAllRuns) {
  const Sample sample;
  const base::Result<DeliveredBatch> batch = sample.batch();
  ASSERT_THAT(batch, IsOk());
  EXPECT_EQ(batch->size(), 3U);
  EXPECT_EQ(batch->bytes(), sample.entries.size());
  EXPECT_EQ(batch->lease_deadline(), base::MonoTime(5) + base::Millis(30'000));
  std::string seen;
  for (const Delivery& delivery : *batch) {
    seen += std::to_string(delivery.sequence.value()) + "=" +
            std::string(base::as_text(delivery.message.body)) + "/" +
            std::to_string(delivery.attempts) + "/" + std::to_string(delivery.stalls) + "/" +
            std::to_string(delivery.accepted_at.value()) + " ";
    EXPECT_EQ(delivery.receipt().epoch, base::Epoch(77));
    EXPECT_EQ(delivery.receipt().shard, base::ShardIndex(2));
  }
  EXPECT_EQ(seen, "10=ten/0/0/1000 11=eleven/0/0/1000 20=twenty/3/1/2000 ");
}

TEST(DeliveredBatch, HasOneReceiptForEachRowOfConsecutiveMessages) {
  Sample sample;
  EXPECT_EQ(sample.batch()->receipts().size(), 2U);
  sample.deliver.runs[1].first = 12;
  const base::Result<DeliveredBatch> batch = sample.batch();
  const std::vector<Receipt> receipts = batch->receipts();
  ASSERT_EQ(receipts.size(), 1U);
  EXPECT_EQ(receipts[0].range.first, base::Sequence(10));
  EXPECT_EQ(receipts[0].range.last, base::Sequence(12));
}

TEST(DeliveredBatch, StaysValidWhenItIsMoved) {
  const Sample sample;
  base::Result<DeliveredBatch> batch = sample.batch();
  const DeliveredBatch moved = std::move(*batch);
  EXPECT_EQ(base::as_text(moved.begin()->message.body), "ten");
}

TEST(DeliveredBatch, RefusesEntriesThatAreNoMessages) {
  Sample sample;
  sample.entries[0] = std::byte{200};
  EXPECT_THAT(sample.batch(), HasCode(base::ErrorCode::kInvalidArgument));
}

TEST(DeliveredBatch, RefusesACountThatIsNotThatOfTheEntries) {
  Sample sample;
  sample.deliver.runs[0].count = 1;
  EXPECT_THAT(sample.batch(), HasCode(base::ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace sluice::client
