#include "storage/salvage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/fact_codec.h"
#include "storage/record_codec.h"
#include "storage/segment_header.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::SequenceRange;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::LogHarness;
using test::stream_number;

const StreamId kSalvaged = stream_number(1);
constexpr const char* kTo = "/salvaged";

class SalvageTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.open(), IsOk()); }

  // Batches of five messages until segment `number` is the active one.
  void publish_until(std::uint64_t number) {
    while (harness_.log().active_segment() < number) {
      harness_.publish(kSalvaged, next_, 5, 1'000);
      next_ += 5;
      ASSERT_THAT(harness_.log().flush(), IsOk());
    }
  }
  std::string source(std::uint64_t number) {
    return std::string(LogHarness::kFolder) + "/segments/" + segment_name(number);
  }
  void overwrite(std::uint64_t number, std::uint64_t offset, std::size_t bytes) {
    const auto file = harness_.fs().open(source(number), runtime::OpenMode::kReadWrite);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT((*file)->write_at(offset, std::vector<std::byte>(bytes, std::byte{0x55})), IsOk());
  }
  // What the salvaged log replays.
  struct Found {
    std::uint64_t messages = 0;
    bool restored = false;
  };
  Found open_salvaged() {
    Found found;
    auto opened = open_log(harness_.fs(), kTo, harness_.options());
    EXPECT_THAT(opened, IsOk());
    if (!opened) return found;
    found.restored = (*opened)->report().restored;
    EXPECT_THAT((*opened)->replay([&](const RecordView& view) -> base::Status {
      if (view.type != RecordType::kMessages) return {};
      found.messages += decode_messages(view.payload)->fact.count;
      return {};
    }),
                IsOk());
    return found;
  }

  LogHarness harness_;
  std::uint64_t next_ = 1;
};

// As a bug would leave it: the checksum is good, the content is none.
TEST_F(SalvageTest, ARecordThatVerifiesAndCannotBeDecodedIsDamagedInTheCopy) {
  publish_until(2);
  const base::Lsn lsn = harness_.publish(kSalvaged, next_, 5, 1'000).begin;
  next_ += 5;
  publish_until(3);
  const std::uint64_t segment = lsn.value() / harness_.log().segment_bytes();
  const std::uint64_t offset = lsn.value() % harness_.log().segment_bytes();
  harness_.close();
  {
    const auto file = harness_.fs().open(source(segment), runtime::OpenMode::kReadWrite);
    ASSERT_THAT(file, IsOk());
    std::vector<std::byte> bytes(*(*file)->size() - offset);
    ASSERT_THAT((*file)->read_at(offset, bytes), IsOk());
    const auto header = parse_record_header(bytes, lsn, std::nullopt);
    ASSERT_TRUE(header.has_value());
    std::vector<std::byte> payload(header->payload_bytes, std::byte{0xFF});
    const base::ByteView view(payload);
    encode_record(header->type, view.first(header->head_bytes), view.subspan(header->head_bytes),
                  {header->segment_uuid, lsn, header->durable}, bytes.data());
    ASSERT_THAT((*file)->write_at(offset, bytes), IsOk());
  }
  EXPECT_THAT(harness_.open(), HasCode(ErrorCode::kCorruption));
  harness_.close();
  const auto report = salvage_log(harness_.fs(), LogHarness::kFolder, kTo, nullptr);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->corrupt.size(), 1U);
  ASSERT_EQ(report->lost.size(), 1U);
  EXPECT_EQ(report->lost[0].range.count(), 5U);
  EXPECT_EQ(open_salvaged().messages, next_ - 1 - 5);
}

TEST_F(SalvageTest, AWholeLogIsCopiedAndNothingIsLost) {
  publish_until(3);
  harness_.close();
  const auto report = salvage_log(harness_.fs(), LogHarness::kFolder, kTo, nullptr);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->lost.empty());
  EXPECT_TRUE(report->corrupt.empty());
  EXPECT_TRUE(report->missing.empty());
  const Found found = open_salvaged();
  EXPECT_EQ(found.messages, next_ - 1);
  EXPECT_TRUE(found.restored);
}

TEST_F(SalvageTest, WithoutSnapshotAndFirstSegmentTheRestStarts) {
  publish_until(4);
  harness_.close();
  ASSERT_THAT(harness_.fs().remove(source(1)), IsOk());
  EXPECT_THAT(harness_.open(), HasCode(ErrorCode::kFailedPrecondition));
  const auto report = salvage_log(harness_.fs(), LogHarness::kFolder, kTo, nullptr);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->missing, std::vector<std::string>{segment_name(1)});
  EXPECT_FALSE(report->corrupt.empty());
  const Found found = open_salvaged();
  EXPECT_GT(found.messages, 0U);
  EXPECT_LT(found.messages, next_ - 1);
}

TEST_F(SalvageTest, ASnapshotWhoseSegmentsAreGoneIsWhatIsLeft) {
  publish_until(3);
  ASSERT_THAT(harness_.snapshot("state"), IsOk());
  publish_until(4);
  harness_.close();
  ASSERT_THAT(harness_.fs().remove(source(3)), IsOk());
  ASSERT_THAT(harness_.fs().remove(source(4)), IsOk());
  EXPECT_THAT(harness_.open(), HasCode(ErrorCode::kFailedPrecondition));
  const auto report = salvage_log(harness_.fs(), LogHarness::kFolder, kTo, nullptr);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->missing, std::vector<std::string>{segment_name(3)});
  auto opened = open_log(harness_.fs(), kTo, harness_.options());
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ((*opened)->broker_state(), test::bytes_of("state"));
  ASSERT_THAT((*opened)->replay(nullptr), IsOk());
  // It goes on where the snapshot was.
  std::vector<std::byte> head;
  encode(QueueDeletedFact{}, head);
  (*opened)->log().append(RecordType::kQueueDeleted, head, {}, true);
  EXPECT_THAT((*opened)->log().flush(), IsOk());
}

TEST_F(SalvageTest, TellsWhichMessagesAreLost) {
  publish_until(4);
  const SequenceRange range = harness_.messages().message_index().ranges(2)[0].range;
  const auto batch = harness_.messages().locate(kSalvaged, range.first + 5);
  ASSERT_THAT(batch, IsOk());
  const std::uint64_t at = (*batch)->lsn.value() % harness_.log().segment_bytes();
  const SequenceRange later = harness_.messages().message_index().ranges(3)[0].range;
  const auto other = harness_.messages().locate(kSalvaged, later.first + 5);
  ASSERT_THAT(other, IsOk());
  const std::uint64_t bodies = (*other)->lsn.value() % harness_.log().segment_bytes() + 2'000;
  harness_.close();
  overwrite(2, at, 16);  // the header of the second batch
  overwrite(3, bodies, 8);
  overwrite(1, 0, kSegmentDataOffset);
  const auto report = salvage_log(harness_.fs(), LogHarness::kFolder, kTo, nullptr);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->headers, std::vector<std::string>{segment_name(1)});
  ASSERT_EQ(report->lost.size(), 2U);
  EXPECT_EQ(report->lost[0].stream, kSalvaged);
  EXPECT_EQ(report->lost[0].range, (SequenceRange{range.first + 5, range.first + 9}));
  EXPECT_FALSE(report->lost[0].partly);
  EXPECT_TRUE(report->lost[1].partly);
  EXPECT_EQ(report->lost[1].range.count(), 5U);
  EXPECT_EQ(report->lost[0].queue, kSalvaged.queue.to_hex());
  EXPECT_EQ(open_salvaged().messages, next_ - 1 - 5);
}

TEST_F(SalvageTest, SectorsThatCannotBeReadAreZeros) {
  publish_until(3);
  harness_.close();
  // Behind the header the whole file fails, then its third block.
  harness_.fs().fail({runtime::FileOperation::kRead, 2, EIO, source(2), 0});
  harness_.fs().fail({runtime::FileOperation::kRead, 5, EIO, source(2), 0});
  const auto report = salvage_log(harness_.fs(), LogHarness::kFolder, kTo, nullptr);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->unreadable_bytes, kBlockBytes);
  EXPECT_FALSE(report->corrupt.empty());
  EXPECT_GT(open_salvaged().messages, 0U);
}

TEST_F(SalvageTest, TheSourceIsOnlyRead) {
  publish_until(3);
  harness_.close();
  overwrite(2, 30'000, 8);
  const auto names = harness_.fs().list("/data/segments");
  std::vector<std::vector<std::byte>> before;
  for (const std::string& name : *names) {
    before.push_back(*harness_.fs().contents("/data/segments/" + name));
  }
  ASSERT_THAT(salvage_log(harness_.fs(), LogHarness::kFolder, kTo, nullptr), IsOk());
  EXPECT_EQ(*harness_.fs().list("/data/segments"), *names);
  for (std::size_t i = 0; i < names->size(); ++i) {
    EXPECT_EQ(*harness_.fs().contents("/data/segments/" + (*names)[i]), before[i]);
  }
  EXPECT_THAT(salvage_log(harness_.fs(), LogHarness::kFolder, kTo, nullptr),
              HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(salvage_log(harness_.fs(), "/nothing", "/elsewhere", nullptr),
              HasCode(ErrorCode::kNotFound));
}

}  // namespace
}  // namespace sluice::storage
