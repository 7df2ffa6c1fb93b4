#include "storage/tail_buffer.h"

#include <gtest/gtest.h>

#include <cstring>

namespace sluice::storage {
namespace {

using base::Lsn;

constexpr std::size_t kRecord = 200'000;

TEST(TailBuffer, FindsEveryByteUntilItIsReleased) {
  TailBuffer buffer(4U << 20);
  std::byte* const first = buffer.reserve(Lsn(1000), 100, Lsn(0));
  std::byte* const second = buffer.reserve(Lsn(1100), 50, Lsn(0));
  std::byte* const later = buffer.reserve(Lsn(9000), 50, Lsn(0));  // the next segment
  EXPECT_EQ(buffer.find(Lsn(1000)), first);
  EXPECT_EQ(buffer.find(Lsn(1099)), first + 99);
  EXPECT_EQ(buffer.find(Lsn(1100)), second);
  EXPECT_EQ(buffer.find(Lsn(9010)), later + 10);
  EXPECT_EQ(buffer.find(Lsn(999)), nullptr);
  EXPECT_EQ(buffer.find(Lsn(1150)), nullptr);
  EXPECT_EQ(buffer.find(Lsn(9050)), nullptr);
  buffer.release_all(Lsn(9050));
  EXPECT_EQ(buffer.find(Lsn(1000)), nullptr);
  EXPECT_EQ(buffer.mapped_bytes(), 0U);
}

TEST(TailBuffer, KeepsWhatIsNotWrittenWhateverTheLimit) {
  TailBuffer buffer(1);
  Lsn lsn(8);
  for (int i = 0; i < 100; ++i, lsn += kRecord) {
    std::memset(buffer.reserve(lsn, kRecord, Lsn(0)), i, kRecord);
  }
  buffer.release(Lsn(0));
  buffer.release_all(Lsn(0));
  for (int i = 0; i < 100; ++i) {
    const Lsn at = Lsn(8) + static_cast<std::uint64_t>(i) * kRecord;
    ASSERT_NE(buffer.find(at), nullptr);
    EXPECT_EQ(*buffer.find(at), static_cast<std::byte>(i));
  }
  const std::uint64_t all = buffer.mapped_bytes();
  buffer.release(lsn);
  EXPECT_LT(buffer.mapped_bytes(), all / 8);
}

TEST(TailBuffer, ReusesTheOldestWrittenMemory) {
  TailBuffer buffer(8U << 20);
  Lsn lsn(8);
  for (int i = 0; i < 1000; ++i, lsn += kRecord) buffer.reserve(lsn, kRecord, lsn);
  EXPECT_LE(buffer.mapped_bytes(), 8U << 20);
  EXPECT_EQ(buffer.find(Lsn(8)), nullptr);
  EXPECT_NE(buffer.find(lsn - kRecord), nullptr);
}

}  // namespace
}  // namespace sluice::storage
