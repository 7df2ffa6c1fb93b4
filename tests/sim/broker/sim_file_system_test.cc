#include "tests/sim/broker/sim_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "runtime/memory_file_system.h"

namespace sluice::sim {
namespace {

using runtime::OpenMode;

base::ByteView bytes(std::string_view text) { return base::as_bytes(text); }

class SimFileSystemTest : public testing::Test {
 protected:
  SimFileSystemTest() : disk({.folders = {"/data", "/data/segments"}}) {}

  // What the disk has of that file now, and what it has after a loss of power.
  std::size_t size_of(const std::string& path) const { return disk.contents(path)->size(); }
  std::size_t durable_size_of(const std::string& path) const {
    return disk.durable_contents(path)->size();
  }

  runtime::MemoryFileSystem disk;
};

TEST_F(SimFileSystemTest, nothing_of_a_dead_process_reaches_the_disk) {
  SimFileSystem fs(disk, {}, 1);
  auto file = fs.open("/data/a", OpenMode::kCreate);
  ASSERT_TRUE(file.has_value());
  EXPECT_TRUE((*file)->write_at(0, bytes("one")).has_value());
  fs.die();
  EXPECT_TRUE(fs.dead());
  EXPECT_FALSE((*file)->write_at(3, bytes("two")).has_value());
  EXPECT_FALSE((*file)->sync_data().has_value());
  EXPECT_FALSE(fs.remove("/data/a").has_value());
  EXPECT_FALSE(fs.list("/data").has_value());
  EXPECT_EQ(size_of("/data/a"), 3U);
}

TEST_F(SimFileSystemTest, it_dies_after_as_many_changes_as_were_drawn) {
  SimFileSystem fs(disk, {}, 1);
  auto file = fs.open("/data/a", OpenMode::kCreate);
  ASSERT_TRUE(file.has_value());
  fs.die_after(1);
  EXPECT_TRUE(fs.list("/data").has_value());  // changes nothing
  EXPECT_TRUE((*file)->write_at(0, bytes("one")).has_value());
  EXPECT_FALSE((*file)->write_at(3, bytes("two")).has_value());
  EXPECT_TRUE(fs.dead());
}

TEST_F(SimFileSystemTest, who_lives_on_does_not_die_later) {
  SimFileSystem fs(disk, {}, 1);
  fs.die_after(0);
  fs.live_on();
  EXPECT_TRUE(fs.open("/data/a", OpenMode::kCreate).has_value());
  EXPECT_FALSE(fs.dead());
}

TEST_F(SimFileSystemTest, lies_about_segments_only_where_that_is_planted) {
  for (const bool lies : {false, true}) {
    SimFileSystem fs(disk, {.syncs_segments = lies}, 1);
    const std::string path = lies ? "/data/segments/a" : "/data/segments/b";
    auto file = fs.open(path, OpenMode::kCreate);
    ASSERT_TRUE(file.has_value());
    EXPECT_TRUE((*file)->write_at(0, bytes("one")).has_value());
    EXPECT_TRUE((*file)->sync_data().has_value());
    EXPECT_TRUE(disk.sync_folder("/data/segments").has_value());
    EXPECT_EQ(durable_size_of(path), lies ? 0U : 3U);
  }
}

// Always no, always yes, and both in turn; the same again by the same seed.
TEST_F(SimFileSystemTest, what_it_says_of_the_page_cache_is_drawn) {
  constexpr int kQuestions = 20;
  std::set<int> counts;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs(disk, {}, seed);
    SimFileSystem same(disk, {}, seed);
    const std::string path = "/data/segments/" + std::to_string(seed);
    const auto file = fs.open(path, OpenMode::kCreate);
    const auto other = same.open(path, OpenMode::kReadWrite);
    ASSERT_TRUE(file.has_value() && other.has_value());
    int there = 0;
    for (int i = 0; i < kQuestions; ++i) {
      const bool answer = (*file)->in_page_cache(0, 1);
      EXPECT_EQ((*other)->in_page_cache(0, 1), answer);
      there += answer ? 1 : 0;
    }
    counts.insert(there);
  }
  EXPECT_THAT(counts, testing::IsSupersetOf({0, kQuestions, kQuestions / 2}));
}

}  // namespace
}  // namespace sluice::sim
