#include "storage/snapshot_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ByteView;
using base::ErrorCode;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::bytes_of;

Snapshot some_snapshot() {
  Snapshot snapshot;
  snapshot.log_id.bytes = {1, 2, 3};
  snapshot.segment_bytes = 1U << 20;
  snapshot.lsn = base::Lsn(5'000'000);
  snapshot.durable = base::Lsn(5'000'008);
  snapshot.clean = true;
  snapshot.broker = bytes_of("broker state");
  snapshot.index = bytes_of("index");
  return snapshot;
}

TEST(SnapshotCodec, ComesBackAsItWas) {
  const auto decoded = decode_snapshot(encode_snapshot(some_snapshot()));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(decoded->log_id, some_snapshot().log_id);
  EXPECT_EQ(decoded->segment_bytes, 1U << 20);
  EXPECT_EQ(decoded->lsn, base::Lsn(5'000'000));
  EXPECT_EQ(decoded->durable, base::Lsn(5'000'008));
  EXPECT_TRUE(decoded->clean);
  EXPECT_EQ(decoded->broker, bytes_of("broker state"));
  EXPECT_EQ(decoded->index, bytes_of("index"));
}

TEST(SnapshotCodec, TheSideIndexsRootIsThereOnlyWhereThereIsOne) {
  Snapshot snapshot = some_snapshot();
  const std::size_t without = encode_snapshot(snapshot).size();
  EXPECT_EQ(decode_snapshot(encode_snapshot(snapshot))->side, SideRoot());
  snapshot.side = {17, 2, 5, 99};
  const auto file = encode_snapshot(snapshot);
  EXPECT_GT(file.size(), without);
  ASSERT_THAT(decode_snapshot(file), IsOk());
  EXPECT_EQ(decode_snapshot(file)->side, snapshot.side);
}

TEST(SnapshotCodec, AnEmptyStateIsAState) {
  Snapshot snapshot = some_snapshot();
  snapshot.broker.clear();
  snapshot.index.clear();
  snapshot.clean = false;
  const auto decoded = decode_snapshot(encode_snapshot(snapshot));
  ASSERT_THAT(decoded, IsOk());
  EXPECT_TRUE(decoded->broker.empty());
  EXPECT_FALSE(decoded->clean);
}

TEST(SnapshotCodec, AnyFlippedBitThatMattersIsFound) {
  const auto file = encode_snapshot(some_snapshot());
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    auto damaged = file;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto decoded = decode_snapshot(damaged);
    if (!decoded) continue;
    // Only alignment bytes between sections may differ.
    EXPECT_EQ(decoded->broker, some_snapshot().broker) << "bit " << bit;
    EXPECT_EQ(decoded->index, some_snapshot().index) << "bit " << bit;
    EXPECT_EQ(decoded->lsn, some_snapshot().lsn) << "bit " << bit;
  }
}

TEST(SnapshotCodec, ATruncatedFileIsBad) {
  const auto file = encode_snapshot(some_snapshot());
  for (std::size_t bytes = 0; bytes < file.size(); ++bytes) {
    EXPECT_THAT(decode_snapshot(ByteView(file).first(bytes)), HasCode(ErrorCode::kCorruption));
  }
  auto longer = file;
  longer.push_back(std::byte{0});
  EXPECT_THAT(decode_snapshot(longer), HasCode(ErrorCode::kCorruption));
}

TEST(SnapshotCodec, ANewerOneIsRefusedNotCalledBad) {
  const auto with = [](std::size_t offset, std::uint32_t value) {
    auto file = encode_snapshot(some_snapshot());
    base::store(file.data() + offset, value);
    const std::uint32_t crc = base::crc32c(ByteView(file).first(124));
    base::store(file.data() + 124, base::crc32c(ByteView(file).subspan(128, 64), crc));
    return decode_snapshot(file);
  };
  EXPECT_THAT(with(8, 2), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(with(12, kFeatureLevelSupported + 1), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(with(128 + 32, 77), HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(with(128 + 32, 177), IsOk());
}

}  // namespace
}  // namespace sluice::storage
