#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "runtime/memory_file_system.h"
#include "tests/support/status_matchers.h"

// Errors, full disks, rotten bits and sudden ends of a MemoryFileSystem.
namespace sluice::runtime {
namespace {

using base::as_bytes;
using base::ErrorCode;
using test::HasCode;
using test::IsOk;
using test::IsOkAndHolds;
using testing::ElementsAre;

constexpr std::uint64_t kSectorBytes = 4096;

std::unique_ptr<File> create(MemoryFileSystem& fs, const std::string& path) {
  base::Result<std::unique_ptr<File>> file = fs.open(path, OpenMode::kCreate);
  EXPECT_THAT(file, IsOk());
  return file.has_value() ? *std::move(file) : nullptr;
}

std::string text_of(const MemoryFileSystem& fs, const std::string& path) {
  const base::Result<std::vector<std::byte>> bytes = fs.contents(path);
  return bytes.has_value() ? std::string(base::as_text(*bytes)) : bytes.error().to_string();
}

std::uint64_t available(MemoryFileSystem& fs) { return fs.space("/")->available_bytes; }

TEST(MemoryFaultTest, the_nth_operation_fails_once) {
  MemoryFileSystem fs;
  const auto file = create(fs, "f");
  fs.fail({.operation = FileOperation::kWrite, .nth = 2});
  EXPECT_THAT(file->write_at(0, as_bytes("a")), IsOk());
  EXPECT_THAT(file->write_at(1, as_bytes("b")), HasCode(ErrorCode::kIo));
  EXPECT_THAT(file->write_at(1, as_bytes("c")), IsOk());
  EXPECT_EQ(text_of(fs, "f"), "ac");
}

TEST(MemoryFaultTest, every_kind_of_operation_can_fail) {
  MemoryFileSystem fs({.folders = {"d"}});
  const auto file = create(fs, "d/f");
  std::byte byte{};
  const auto arm = [&fs](FileOperation operation) {
    fs.fail({.operation = operation, .errno_value = ENOSPC});
  };
  arm(FileOperation::kRead);
  EXPECT_THAT(file->read_at(0, {&byte, 1}), HasCode(ErrorCode::kResourceExhausted));
  arm(FileOperation::kTruncate);
  EXPECT_THAT(file->truncate(1), HasCode(ErrorCode::kResourceExhausted));
  arm(FileOperation::kSync);
  EXPECT_THAT(file->sync_data(), HasCode(ErrorCode::kResourceExhausted));
  arm(FileOperation::kCreate);
  EXPECT_THAT(fs.open("d/g", OpenMode::kCreate), HasCode(ErrorCode::kResourceExhausted));
  arm(FileOperation::kCreate);
  EXPECT_THAT(fs.create_folder("e"), HasCode(ErrorCode::kResourceExhausted));
  arm(FileOperation::kCreate);
  EXPECT_THAT(fs.lock("LOCK", "me"), HasCode(ErrorCode::kResourceExhausted));
  arm(FileOperation::kRename);
  EXPECT_THAT(fs.rename("d/f", "d/h"), HasCode(ErrorCode::kResourceExhausted));
  arm(FileOperation::kRemove);
  EXPECT_THAT(fs.remove("d/f"), HasCode(ErrorCode::kResourceExhausted));
  arm(FileOperation::kSyncFolder);
  EXPECT_THAT(fs.sync_folder("d"), HasCode(ErrorCode::kResourceExhausted));
  EXPECT_THAT(fs.list("d"), IsOkAndHolds(ElementsAre("f")));
  EXPECT_THAT(fs.list("/"), IsOkAndHolds(ElementsAre("d")));
}

TEST(MemoryFaultTest, a_fault_can_be_meant_for_some_files) {
  MemoryFileSystem fs;
  const auto log = create(fs, "0001.log");
  const auto snapshot = create(fs, "0001.snapshot");
  fs.fail({.operation = FileOperation::kSync, .path_part = ".snapshot"});
  EXPECT_THAT(log->sync_data(), IsOk());
  EXPECT_THAT(snapshot->sync_data(), HasCode(ErrorCode::kIo));
  EXPECT_THAT(snapshot->sync_data(), IsOk());
}

TEST(MemoryFaultTest, a_failed_write_may_have_written_some_of_it) {
  MemoryFileSystem fs;
  const auto file = create(fs, "f");
  fs.fail({.operation = FileOperation::kWrite, .bytes_written = 3});
  EXPECT_THAT(file->write_at(0, as_bytes("hello")), HasCode(ErrorCode::kIo));
  EXPECT_EQ(text_of(fs, "f"), "hel");
}

TEST(MemoryFaultTest, after_a_failed_sync_the_page_cache_shows_what_the_disk_has_lost) {
  MemoryFileSystem fs({.sector_bytes = 512});
  const auto file = create(fs, "f");
  ASSERT_THAT(fs.sync_folder("/"), IsOk());
  ASSERT_THAT(file->write_at(0, as_bytes(std::string(1'024, 'a'))), IsOk());
  ASSERT_THAT(file->sync_data(), IsOk());
  ASSERT_THAT(file->write_at(0, as_bytes(std::string(1'536, 'b'))), IsOk());
  fs.fail({.operation = FileOperation::kSync});
  ASSERT_THAT(file->sync_data(), HasCode(ErrorCode::kIo));
  EXPECT_EQ(text_of(fs, "f"), std::string(1'536, 'b'));
  EXPECT_EQ(base::as_text(*fs.durable_contents("f")), std::string(1'024, 'a'));

  // Trying again reports success and saves nothing but what is written anew, by whole sectors.
  ASSERT_THAT(file->write_at(600, as_bytes("x")), IsOk());
  ASSERT_THAT(file->sync_data(), IsOk());
  fs.kill();
  EXPECT_EQ(text_of(fs, "f").substr(0, 3), "bbb");
  fs.crash(CrashPlan::keep_all());
  const std::string text = text_of(fs, "f");
  EXPECT_EQ(text.substr(0, 512), std::string(512, 'a'));
  EXPECT_EQ(text[599], 'b');
  EXPECT_EQ(text[600], 'x');
  EXPECT_EQ(text[1'023], 'b');
  EXPECT_EQ(text.substr(1'024), std::string(512, '\0'));
}

TEST(MemoryFaultTest, a_full_disk_takes_what_fits) {
  MemoryFileSystem fs({.capacity_bytes = 3 * kSectorBytes});
  const auto file = create(fs, "f");
  ASSERT_THAT(file->write_at(0, as_bytes(std::string(2 * kSectorBytes, 'a'))), IsOk());
  EXPECT_EQ(available(fs), kSectorBytes);
  EXPECT_THAT(file->write_at(2 * kSectorBytes, as_bytes(std::string(2 * kSectorBytes, 'b'))),
              HasCode(ErrorCode::kResourceExhausted));
  EXPECT_THAT(file->size(), IsOkAndHolds(3 * kSectorBytes));
  EXPECT_EQ(available(fs), 0U);
}

TEST(MemoryFaultTest, what_was_written_before_can_be_overwritten_on_a_full_disk) {
  MemoryFileSystem fs({.capacity_bytes = 2 * kSectorBytes});
  const auto file = create(fs, "f");
  ASSERT_THAT(file->write_at(0, as_bytes(std::string(2 * kSectorBytes, '\0'))), IsOk());
  EXPECT_EQ(available(fs), 0U);
  EXPECT_THAT(file->write_at(5'000, as_bytes("settled")), IsOk());
}

TEST(MemoryFaultTest, a_hole_takes_no_space_until_it_is_written) {
  MemoryFileSystem fs({.capacity_bytes = 4 * kSectorBytes});
  const auto file = create(fs, "f");
  ASSERT_THAT(file->truncate(100 * kSectorBytes), IsOk());
  EXPECT_EQ(available(fs), 4 * kSectorBytes);
  ASSERT_THAT(file->write_at(50 * kSectorBytes + 10, as_bytes("x")), IsOk());
  EXPECT_EQ(available(fs), 3 * kSectorBytes);
}

TEST(MemoryFaultTest, space_comes_back_when_the_last_handle_of_a_removed_file_is_closed) {
  MemoryFileSystem fs({.capacity_bytes = 4 * kSectorBytes});
  auto file = create(fs, "f");
  ASSERT_THAT(file->write_at(0, as_bytes(std::string(3 * kSectorBytes, 'a'))), IsOk());
  ASSERT_THAT(fs.remove("f"), IsOk());
  EXPECT_EQ(available(fs), kSectorBytes);
  file.reset();
  EXPECT_EQ(available(fs), 4 * kSectorBytes);
}

TEST(MemoryFaultTest, truncating_gives_space_back) {
  MemoryFileSystem fs({.capacity_bytes = 4 * kSectorBytes});
  const auto file = create(fs, "f");
  ASSERT_THAT(file->write_at(0, as_bytes(std::string(4 * kSectorBytes, 'a'))), IsOk());
  ASSERT_THAT(file->truncate(kSectorBytes + 1), IsOk());
  EXPECT_EQ(available(fs), 2 * kSectorBytes);
}

TEST(MemoryFaultTest, the_disk_may_shrink_under_its_files) {
  MemoryFileSystem fs;
  const auto file = create(fs, "f");
  ASSERT_THAT(file->write_at(0, as_bytes(std::string(4 * kSectorBytes, 'a'))), IsOk());
  fs.set_capacity(kSectorBytes);
  EXPECT_EQ(available(fs), 0U);
  EXPECT_THAT(file->write_at(4 * kSectorBytes, as_bytes("x")),
              HasCode(ErrorCode::kResourceExhausted));
  fs.set_capacity(0);
  EXPECT_THAT(file->write_at(4 * kSectorBytes, as_bytes("x")), IsOk());
}

TEST(MemoryFaultTest, a_rotten_bit_is_rotten_on_the_disk_too) {
  MemoryFileSystem fs;
  const auto file = create(fs, "f");
  ASSERT_THAT(file->write_at(0, as_bytes("abc")), IsOk());
  ASSERT_THAT(file->sync_data(), IsOk());
  ASSERT_THAT(fs.sync_folder("/"), IsOk());
  fs.flip_bit("f", 1, 0);
  EXPECT_EQ(text_of(fs, "f"), "acc");
  fs.crash(CrashPlan::lose_unsynced());
  EXPECT_EQ(text_of(fs, "f"), "acc");
}

TEST(MemoryFaultTest, the_machine_stops_after_so_many_changes) {
  MemoryFileSystem fs;
  const auto file = create(fs, "f");
  fs.stop_after(2);
  std::byte byte{};
  EXPECT_THAT(file->write_at(0, as_bytes("a")), IsOk());
  EXPECT_THAT(file->read_at(0, {&byte, 1}), IsOk());
  EXPECT_THAT(fs.sync_folder("/"), IsOk());
  EXPECT_THAT(file->write_at(1, as_bytes("b")), HasCode(ErrorCode::kIo));
  EXPECT_THAT(file->read_at(0, {&byte, 1}), HasCode(ErrorCode::kIo));
  EXPECT_THAT(file->sync_data(), HasCode(ErrorCode::kIo));
  EXPECT_THAT(file->size(), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs.list("/"), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs.open("f", OpenMode::kRead), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs.rename("f", "g"), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs.lock("LOCK", "me"), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs.space("/"), HasCode(ErrorCode::kIo));
  EXPECT_EQ(text_of(fs, "f"), "a");
  fs.kill();
  EXPECT_THAT(fs.open("f", OpenMode::kRead), IsOk());
}

TEST(MemoryFaultTest, a_restart_forgets_faults) {
  MemoryFileSystem fs({.folders = {"d"}});
  fs.fail({.operation = FileOperation::kSyncFolder});
  fs.crash(CrashPlan::lose_unsynced());
  EXPECT_THAT(fs.sync_folder("d"), IsOk());
}

TEST(MemoryFaultTest, operations_are_counted_so_that_a_test_can_fail_each) {
  MemoryFileSystem fs;
  const auto file = create(fs, "f");
  std::byte byte{};
  ASSERT_THAT(file->write_at(0, as_bytes("a")), IsOk());
  ASSERT_THAT(file->write_at(0, as_bytes("b")), IsOk());
  ASSERT_THAT(file->sync_data(), IsOk());
  ASSERT_THAT(file->read_at(0, {&byte, 1}), IsOk());
  EXPECT_EQ(fs.operations(FileOperation::kCreate), 1U);
  EXPECT_EQ(fs.operations(FileOperation::kWrite), 2U);
  EXPECT_EQ(fs.operations(FileOperation::kSync), 1U);
  EXPECT_EQ(fs.operations(FileOperation::kRead), 1U);
  EXPECT_EQ(fs.changing_operations(), 4U);
}

}  // namespace
}  // namespace sluice::runtime
