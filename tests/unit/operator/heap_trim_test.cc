#include "operator/app/heap_trim.h"

#include <gtest/gtest.h>

namespace sluice::op {
namespace {

class HeapTrimTest : public testing::Test {
 protected:
  // Looks `times` times, with so many keys added between; how often it was due.
  int look(int times, std::uint64_t added, std::size_t processing = 0) {
    int due = 0;
    for (int i = 0; i < times; ++i) {
      now = now + base::Nanos(HeapTrim::kLookEach);
      work.adds += added;
      work.processing = processing;
      due += trim.is_due(work, now) ? 1 : 0;
    }
    return due;
  }

  HeapTrim trim;
  kube::WorkQueueStats work;
  base::MonoTime now;
};

TEST_F(HeapTrimTest, WhenWorkHasEndedAndNeverWhereThereWasNone) {
  EXPECT_EQ(look(1'000, 0), 0);
  EXPECT_EQ(look(3, 50), 0);
  EXPECT_EQ(look(1, 0), 1);
  EXPECT_EQ(look(100, 0), 0);
}

TEST_F(HeapTrimTest, OnceMoreAfterAQuarterOfAnHour) {
  look(3, 50);
  EXPECT_EQ(look(1, 0), 1);
  EXPECT_EQ(look(179, 0), 0);
  EXPECT_EQ(look(1, 0), 1);
  EXPECT_EQ(look(1'000, 0), 0);
}

TEST_F(HeapTrimTest, NotWhileAKeyIsInWork) {
  EXPECT_EQ(look(1, 1, 1), 0);
  EXPECT_EQ(look(10, 0, 1), 0);
  EXPECT_EQ(look(1, 0), 1);
}

TEST_F(HeapTrimTest, EveryFiveMinutesWhereThereAlwaysIsWork) {
  EXPECT_EQ(look(12 * 60, 1), 11);  // of an hour
}

TEST_F(HeapTrimTest, AtMostTwiceAMinuteWhereWorkComesAndGoes) {
  int due = 0;
  for (int i = 0; i < 60; ++i) due += look(1, 1) + look(1, 0);  // ten minutes
  EXPECT_LE(due, 20);
  EXPECT_GE(due, 15);
}

}  // namespace
}  // namespace sluice::op
