#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "runtime/memory_file_system.h"
#include "tests/support/status_matchers.h"

// What a power loss leaves of a MemoryFileSystem.
namespace sluice::runtime {
namespace {

using base::as_bytes;
using base::ErrorCode;
using test::HasCode;
using test::IsOk;
using test::IsOkAndHolds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kSector = 512;

class MemoryCrashTest : public testing::Test {
 protected:
  MemoryCrashTest() : fs_({.sector_bytes = kSector, .capacity_bytes = 0, .folders = {"/data"}}) {}

  std::unique_ptr<File> create(const std::string& path) {
    base::Result<std::unique_ptr<File>> file = fs_.open(path, OpenMode::kCreate);
    EXPECT_THAT(file, IsOk());
    return file.has_value() ? *std::move(file) : nullptr;
  }
  // A durable file of three sectors: aaa, bbb, ccc.
  std::unique_ptr<File> create_durable(const std::string& path) {
    std::unique_ptr<File> file = create(path);
    write(*file, 0, sectors("abc"));
    EXPECT_THAT(file->sync_data(), IsOk());
    EXPECT_THAT(fs_.sync_folder("/data"), IsOk());
    return file;
  }
  static void write(File& file, std::uint64_t offset, const std::string& text) {
    EXPECT_THAT(file.write_at(offset, as_bytes(text)), IsOk());
  }
  // One sector of each letter.
  static std::string sectors(std::string_view letters) {
    std::string text;
    for (const char letter : letters) text.append(kSector, letter);
    return text;
  }
  std::string text_of(const std::string& path) {
    const base::Result<std::vector<std::byte>> bytes = fs_.contents(path);
    if (!bytes.has_value()) return bytes.error().to_string();
    return std::string(base::as_text(*bytes));
  }
  // One letter a sector; '0' for zeros and '?' for a mixture.
  std::string letters_of(const std::string& path) {
    const std::string text = text_of(path);
    std::string letters;
    for (std::size_t at = 0; at < text.size(); at += kSector) {
      const std::string sector = text.substr(at, kSector);
      const bool uniform = sector.find_first_not_of(sector[0]) == std::string::npos;
      letters += !uniform ? '?' : sector[0] == '\0' ? '0' : sector[0];
    }
    return letters;
  }

  MemoryFileSystem fs_;
};

TEST_F(MemoryCrashTest, what_was_synced_survives_and_nothing_else) {
  const auto file = create_durable("/data/f");
  write(*file, kSector, sectors("XYZ"));
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(letters_of("/data/f"), "abc");
}

TEST_F(MemoryCrashTest, everything_may_survive) {
  const auto file = create_durable("/data/f");
  write(*file, kSector, sectors("XYZ"));
  create("/data/g");
  fs_.crash(CrashPlan::keep_all());
  EXPECT_EQ(letters_of("/data/f"), "aXYZ");
  EXPECT_EQ(text_of("/data/g"), "");
}

TEST_F(MemoryCrashTest, a_killed_process_leaves_all_it_wrote_and_what_is_unsynced_stays_so) {
  const auto file = create_durable("/data/f");
  write(*file, 0, "new");
  create("/data/g");
  fs_.kill();
  EXPECT_EQ(text_of("/data/f").substr(0, 4), "newa");
  EXPECT_THAT(fs_.list("/data"), IsOkAndHolds(ElementsAre("f", "g")));
  EXPECT_THAT(fs_.unsynced_sectors("/data/f"), ElementsAre(0U));
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(letters_of("/data/f"), "abc");
  EXPECT_THAT(fs_.list("/data"), IsOkAndHolds(ElementsAre("f")));
}

TEST_F(MemoryCrashTest, writes_may_be_cut_after_any_byte) {
  for (std::uint64_t bytes = 0; bytes <= 10; ++bytes) {
    MemoryFileSystem fs({.folders = {"/data"}});
    const auto f = *fs.open("/data/f", OpenMode::kCreate);
    const auto g = *fs.open("/data/g", OpenMode::kCreate);
    ASSERT_THAT(fs.sync_folder("/data"), IsOk());
    write(*f, 0, "1234");
    write(*g, 0, "567");
    write(*f, 2, "890");
    ASSERT_EQ(fs.unsynced_bytes(), 10U);
    fs.crash(CrashPlan::keep_prefix(bytes));
    const std::vector<std::string> of_f = {"",     "1",    "12",   "123",  "1234", "1234",
                                           "1234", "1234", "1284", "1289", "12890"};
    const std::vector<std::string> of_g = {"",   "",    "",    "",    "",   "5",
                                           "56", "567", "567", "567", "567"};
    EXPECT_EQ(base::as_text(*fs.contents("/data/f")), of_f[bytes]) << bytes;
    EXPECT_EQ(base::as_text(*fs.contents("/data/g")), of_g[bytes]) << bytes;
  }
}

TEST_F(MemoryCrashTest, a_truncation_has_its_place_in_the_order_of_writes) {
  const auto file = create_durable("/data/f");
  write(*file, 0, "12");
  ASSERT_THAT(file->truncate(1), IsOk());
  write(*file, 1, "3");
  const auto before = fs_.clone();
  fs_.crash(CrashPlan::keep_prefix(1));
  EXPECT_EQ(text_of("/data/f").size(), 3 * kSector);
  before->crash(CrashPlan::keep_prefix(2));
  EXPECT_EQ(base::as_text(*before->contents("/data/f")), "1");
}

TEST_F(MemoryCrashTest, any_subset_of_unsynced_sectors_may_survive) {
  const auto file = create_durable("/data/f");
  write(*file, kSector, sectors("XYZ"));
  EXPECT_THAT(fs_.unsynced_sectors("/data/f"), ElementsAre(1U, 2U, 3U));
  const std::vector<std::string> expected = {"abc",  "aXc",  "abY",  "aXY",
                                             "abcZ", "aXcZ", "abYZ", "aXYZ"};
  for (unsigned mask = 0; mask < 8; ++mask) {
    const auto disk = fs_.clone();
    disk->crash(CrashPlan::keep_sectors({(mask & 1) != 0, (mask & 2) != 0, (mask & 4) != 0}));
    EXPECT_EQ(disk->contents("/data/f")->size(), expected[mask].size() * kSector);
    const base::Result<std::vector<std::byte>> contents = disk->contents("/data/f");
    for (std::size_t i = 0; i < expected[mask].size(); ++i) {
      EXPECT_EQ(static_cast<char>((*contents)[i * kSector]), expected[mask][i]) << mask;
    }
  }
}

TEST_F(MemoryCrashTest, a_lost_sector_before_a_kept_one_is_zeros_where_there_was_nothing) {
  const auto file = create_durable("/data/f");
  write(*file, 3 * kSector, sectors("XYZ"));
  fs_.crash(CrashPlan::keep_sectors({false, true, false}));
  EXPECT_EQ(letters_of("/data/f"), "abc0Y");
}

TEST_F(MemoryCrashTest, a_size_may_survive_without_its_sectors) {
  const auto file = create_durable("/data/f");
  write(*file, 3 * kSector, sectors("XY"));
  CrashPlan plan;
  plan.sizes_kept = true;
  const auto other = fs_.clone();
  fs_.crash(plan);
  EXPECT_EQ(letters_of("/data/f"), "abc00");
  other->crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(other->contents("/data/f")->size(), 3 * kSector);
}

TEST_F(MemoryCrashTest, a_truncation_may_be_undone) {
  const auto file = create_durable("/data/f");
  ASSERT_THAT(file->truncate(kSector + 5), IsOk());
  CrashPlan kept;
  kept.sizes_kept = true;
  const auto other = fs_.clone();
  other->crash(kept);
  EXPECT_EQ(other->contents("/data/f")->size(), kSector + 5);
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(letters_of("/data/f"), "abc");
}

TEST_F(MemoryCrashTest, garbled_sectors_are_neither_old_nor_new) {
  const auto file = create_durable("/data/f");
  write(*file, kSector, sectors("XY"));
  CrashPlan plan;
  plan.sector = [](const UnsyncedSector& sector) {
    return sector.index == 1 ? SectorFate::kGarbled : SectorFate::kKept;
  };
  const auto same = fs_.clone();
  fs_.crash(plan);
  EXPECT_EQ(letters_of("/data/f"), "a?Y");
  same->crash(plan);
  EXPECT_EQ(base::as_text(*same->contents("/data/f")), text_of("/data/f"));
}

TEST_F(MemoryCrashTest, a_plan_knows_which_sectors_begin_with_synced_bytes) {
  const auto file = create_durable("/data/f");
  write(*file, 10, "within the first sector");
  write(*file, kSector, sectors("X"));
  write(*file, 2 * kSector, "from the begin of the third");
  write(*file, 3 * kSector + 1, "behind what is durable");
  std::vector<bool> seen;
  for (const UnsyncedSector& sector : fs_.unsynced_sectors()) seen.push_back(sector.holds_synced);
  EXPECT_THAT(seen, ElementsAre(true, false, false, false));
}

// docs/log-format.md, "Writing": a sector is written whole or not at all.
TEST_F(MemoryCrashTest, what_is_drawn_spares_synced_bytes_before_new_ones) {
  base::Prng prng(3);
  for (int i = 0; i < 300; ++i) {
    MemoryFileSystem fs({.sector_bytes = kSector, .capacity_bytes = 0, .folders = {"/data"}});
    base::Result<std::unique_ptr<File>> file = fs.open("/data/f", OpenMode::kCreate);
    ASSERT_THAT(file, IsOk());
    write(**file, 0, "synced");
    ASSERT_THAT((*file)->sync_data(), IsOk());
    ASSERT_THAT(fs.sync_folder("/data"), IsOk());
    write(**file, 6, " and not synced");
    fs.crash(fs.draw_crash_plan(prng));
    const auto bytes = fs.contents("/data/f");
    ASSERT_THAT(bytes, IsOk());
    ASSERT_TRUE(base::as_text(*bytes).starts_with("synced")) << i;
  }
}

TEST_F(MemoryCrashTest, a_plan_sees_the_sectors_of_all_files_by_name) {
  const auto f = create_durable("/data/f");
  const auto g = create_durable("/data/g");
  write(*g, 0, "x");
  write(*f, 2 * kSector, "x");
  write(*f, 0, "x");
  std::vector<std::string> seen;
  for (const UnsyncedSector& sector : fs_.unsynced_sectors()) {
    seen.push_back(sector.path + " " + std::to_string(sector.index) + " " +
                   std::to_string(sector.ordinal));
  }
  EXPECT_THAT(seen, ElementsAre("/data/f 0 0", "/data/f 2 1", "/data/g 0 2"));
}

TEST_F(MemoryCrashTest, a_sync_leaves_nothing_to_lose) {
  const auto file = create_durable("/data/f");
  write(*file, 100, "x");
  ASSERT_THAT(file->sync_data(), IsOk());
  EXPECT_THAT(fs_.unsynced_sectors(), IsEmpty());
  EXPECT_EQ(fs_.unsynced_bytes(), 0U);
}

TEST_F(MemoryCrashTest, syncing_one_file_does_nothing_for_another) {
  const auto f = create_durable("/data/f");
  const auto g = create_durable("/data/g");
  write(*f, 0, sectors("X"));
  write(*g, 0, sectors("Y"));
  ASSERT_THAT(g->sync_data(), IsOk());
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(letters_of("/data/f"), "abc");
  EXPECT_EQ(letters_of("/data/g"), "Ybc");
}

// --- Names.

TEST_F(MemoryCrashTest, a_new_file_vanishes_unless_its_folder_was_synced) {
  const auto file = create("/data/f");
  write(*file, 0, "text");
  ASSERT_THAT(file->sync_data(), IsOk());
  const auto before = fs_.clone();
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_THAT(fs_.list("/data"), IsOkAndHolds(IsEmpty()));

  ASSERT_THAT(before->sync_folder("/data"), IsOk());
  before->crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(base::as_text(*before->contents("/data/f")), "text");
}

TEST_F(MemoryCrashTest, a_synced_name_does_not_make_the_bytes_durable) {
  const auto file = create("/data/f");
  write(*file, 0, "text");
  ASSERT_THAT(fs_.sync_folder("/data"), IsOk());
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(text_of("/data/f"), "");
}

TEST_F(MemoryCrashTest, an_unsynced_rename_is_undone) {
  create_durable("/data/tmp");
  const auto old = create("/data/snapshot");
  write(*old, 0, "old");
  ASSERT_THAT(old->sync_data(), IsOk());
  ASSERT_THAT(fs_.sync_folder("/data"), IsOk());
  ASSERT_THAT(fs_.rename("/data/tmp", "/data/snapshot"), IsOk());
  EXPECT_EQ(letters_of("/data/snapshot"), "abc");
  const auto before = fs_.clone();
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(text_of("/data/snapshot"), "old");
  EXPECT_EQ(letters_of("/data/tmp"), "abc");

  ASSERT_THAT(before->sync_folder("/data"), IsOk());
  before->crash(CrashPlan::lose_unsynced());
  EXPECT_THAT(before->list("/data"), IsOkAndHolds(ElementsAre("snapshot")));
  EXPECT_EQ(before->contents("/data/snapshot")->size(), 3 * kSector);
}

TEST_F(MemoryCrashTest, a_rename_may_survive_without_the_bytes_of_its_file) {
  const auto file = create("/data/tmp");
  write(*file, 0, "text");
  ASSERT_THAT(fs_.rename("/data/tmp", "/data/final"), IsOk());
  fs_.crash(CrashPlan::lose_unsynced().keep_folder_changes(2));
  EXPECT_THAT(fs_.list("/data"), IsOkAndHolds(ElementsAre("final")));
  EXPECT_EQ(text_of("/data/final"), "");
}

TEST_F(MemoryCrashTest, an_unsynced_removal_is_undone) {
  create_durable("/data/f");
  ASSERT_THAT(fs_.remove("/data/f"), IsOk());
  EXPECT_THAT(fs_.list("/data"), IsOkAndHolds(IsEmpty()));
  const auto before = fs_.clone();
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(letters_of("/data/f"), "abc");

  ASSERT_THAT(before->sync_folder("/data"), IsOk());
  before->crash(CrashPlan::lose_unsynced());
  EXPECT_THAT(before->list("/data"), IsOkAndHolds(IsEmpty()));
}

TEST_F(MemoryCrashTest, a_prefix_of_the_changes_of_names_may_survive) {
  create("/data/a");
  create("/data/b");
  ASSERT_THAT(fs_.rename("/data/a", "/data/c"), IsOk());
  ASSERT_THAT(fs_.remove("/data/b"), IsOk());
  ASSERT_EQ(fs_.unsynced_folder_changes().size(), 4U);
  const std::vector<std::vector<std::string>> expected = {{}, {"a"}, {"a", "b"}, {"b", "c"}, {"c"}};
  for (std::uint64_t kept = 0; kept <= 4; ++kept) {
    const auto disk = fs_.clone();
    disk->crash(CrashPlan::lose_unsynced().keep_folder_changes(kept));
    EXPECT_THAT(disk->list("/data"), IsOkAndHolds(expected[kept])) << kept;
  }
}

TEST_F(MemoryCrashTest, a_rename_between_folders_is_never_half_done) {
  create_durable("/data/f");
  ASSERT_THAT(fs_.create_folder("/data/x"), IsOk());
  ASSERT_THAT(fs_.sync_folder("/data"), IsOk());
  ASSERT_THAT(fs_.rename("/data/f", "/data/x/f"), IsOk());
  const auto before = fs_.clone();
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_THAT(fs_.list("/data"), IsOkAndHolds(ElementsAre("f", "x")));
  EXPECT_THAT(fs_.list("/data/x"), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT(before->sync_folder("/data/x"), IsOk());
  before->crash(CrashPlan::lose_unsynced());
  EXPECT_THAT(before->list("/data"), IsOkAndHolds(ElementsAre("x")));
  EXPECT_THAT(before->list("/data/x"), IsOkAndHolds(ElementsAre("f")));
}

TEST_F(MemoryCrashTest, a_folder_that_was_not_synced_takes_its_files_along) {
  ASSERT_THAT(fs_.create_folder("/data/x/y"), IsOk());
  const auto file = create("/data/x/y/f");
  write(*file, 0, "text");
  ASSERT_THAT(file->sync_data(), IsOk());
  ASSERT_THAT(fs_.sync_folder("/data/x/y"), IsOk());
  ASSERT_THAT(fs_.sync_folder("/data/x"), IsOk());
  const auto before = fs_.clone();
  fs_.crash(CrashPlan::lose_unsynced());
  EXPECT_THAT(fs_.list("/data"), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT(before->sync_folder("/data"), IsOk());
  before->crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(base::as_text(*before->contents("/data/x/y/f")), "text");
}

// --- After it.

TEST_F(MemoryCrashTest, open_files_are_dead_after_it) {
  for (const bool power_lost : {false, true}) {
    const auto file = create_durable(power_lost ? "/data/f" : "/data/g");
    power_lost ? fs_.crash(CrashPlan::keep_all()) : fs_.kill();
    std::byte byte{};
    EXPECT_THAT(file->write_at(0, as_bytes("x")), HasCode(ErrorCode::kIo));
    EXPECT_THAT(file->read_at(0, {&byte, 1}), HasCode(ErrorCode::kIo));
    EXPECT_THAT(file->sync_data(), HasCode(ErrorCode::kIo));
    EXPECT_THAT(file->truncate(0), HasCode(ErrorCode::kIo));
    EXPECT_THAT(file->size(), HasCode(ErrorCode::kIo));
  }
  EXPECT_EQ(letters_of("/data/f"), "abc");
}

TEST_F(MemoryCrashTest, locks_are_gone_after_it) {
  base::Result<std::unique_ptr<FileLock>> before = fs_.lock("/data/LOCK", "first");
  ASSERT_THAT(before, IsOk());
  fs_.kill();
  const base::Result<std::unique_ptr<FileLock>> after = fs_.lock("/data/LOCK", "second");
  ASSERT_THAT(after, IsOk());
  *before = nullptr;  // must not take the new one along
  EXPECT_THAT(fs_.lock("/data/LOCK", "third"), HasCode(ErrorCode::kFailedPrecondition));
}

TEST_F(MemoryCrashTest, a_second_power_loss_changes_nothing_more) {
  base::Prng prng(3);
  for (int round = 0; round < 100; ++round) {
    const std::string path = "/data/f" + std::to_string(round);
    const auto file = create_durable(path);
    write(*file, prng.below(1'000), sectors("XY"));
    fs_.crash(fs_.draw_crash_plan(prng));
    const std::string text = text_of(path);
    EXPECT_EQ(base::as_text(*fs_.durable_contents(path)), text);
    fs_.crash(CrashPlan::lose_unsynced());
    EXPECT_EQ(text_of(path), text);
  }
}

TEST_F(MemoryCrashTest, drawn_crashes_of_one_state_reach_many_outcomes) {
  const auto file = create_durable("/data/f");
  write(*file, 0, sectors("W"));
  write(*file, 2 * kSector, sectors("XYZ"));
  base::Prng prng(5);
  std::set<std::string> outcomes;
  bool name_lost = false;
  create("/data/g");
  for (int i = 0; i < 300; ++i) {
    const auto disk = fs_.clone();
    disk->crash(disk->draw_crash_plan(prng));
    outcomes.insert(std::string(base::as_text(*disk->contents("/data/f"))));
    name_lost |= !disk->contents("/data/g").has_value();
  }
  EXPECT_GT(outcomes.size(), 100U);
  EXPECT_TRUE(name_lost);
}

TEST_F(MemoryCrashTest, a_clone_goes_its_own_way) {
  const auto file = create_durable("/data/f");
  write(*file, 0, sectors("X"));
  const auto copy = fs_.clone();
  EXPECT_THAT(copy->unsynced_sectors("/data/f"), ElementsAre(0U));
  write(*file, kSector, sectors("Y"));
  EXPECT_EQ(letters_of("/data/f"), "XYc");
  EXPECT_EQ(static_cast<char>((*copy->contents("/data/f"))[kSector]), 'b');
  ASSERT_THAT(copy->remove("/data/f"), IsOk());
  EXPECT_EQ(letters_of("/data/f"), "XYc");
}

}  // namespace
}  // namespace sluice::runtime
