#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "runtime/memory_file_system.h"
#include "runtime/posix/posix_file_system.h"
#include "tests/support/status_matchers.h"

// What every FileSystem promises; the simulated one is worth as much as it agrees with the real
// one.
namespace sluice::runtime {
namespace {

using base::as_bytes;
using base::ErrorCode;
using test::HasCode;
using test::IsOk;
using test::IsOkAndHolds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Kind {
  const char* name;
  bool is_real;
};

class FileSystemContract : public testing::TestWithParam<Kind> {
 protected:
  FileSystemContract() {
    if (GetParam().is_real) {
      root_ = testing::TempDir() + "sluice-fs-XXXXXX";
      EXPECT_NE(::mkdtemp(root_.data()), nullptr);
      fs_ = std::make_unique<PosixFileSystem>();
    } else {
      root_ = "/data";
      MemoryFileSystemOptions options;
      options.folders = {root_};
      fs_ = std::make_unique<MemoryFileSystem>(options);
    }
  }
  ~FileSystemContract() override {
    if (GetParam().is_real) std::filesystem::remove_all(root_);
  }

  std::string path(const std::string& name) const { return root_ + "/" + name; }

  std::unique_ptr<File> open(const std::string& name, OpenMode mode) {
    base::Result<std::unique_ptr<File>> file = fs_->open(path(name), mode);
    EXPECT_THAT(file, IsOk());
    return file.has_value() ? *std::move(file) : nullptr;
  }
  void create(const std::string& name, std::string_view text) {
    const std::unique_ptr<File> file = open(name, OpenMode::kCreate);
    ASSERT_NE(file, nullptr);
    ASSERT_THAT(file->write_at(0, as_bytes(text)), IsOk());
  }
  static std::string read(const File& file, std::uint64_t offset, std::size_t length) {
    std::string text(length, '?');
    const auto count = file.read_at(offset, std::as_writable_bytes(std::span(text)));
    EXPECT_THAT(count, IsOk());
    text.resize(count.value_or(0));
    return text;
  }
  std::string text_of(const std::string& name) {
    const std::unique_ptr<File> file = open(name, OpenMode::kRead);
    return file ? read(*file, 0, 1'000) : "";
  }

  std::string root_;
  std::unique_ptr<FileSystem> fs_;
};

INSTANTIATE_TEST_SUITE_P(All, FileSystemContract,
                         testing::Values(Kind{"posix", true}, Kind{"memory", false}),
                         [](const auto& kind) { return std::string(kind.param.name); });

TEST_P(FileSystemContract, a_new_file_is_empty_and_has_to_be_new) {
  const std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  EXPECT_THAT(file->size(), IsOkAndHolds(0U));
  EXPECT_EQ(read(*file, 0, 10), "");
  EXPECT_THAT(fs_->open(path("a"), OpenMode::kCreate), HasCode(ErrorCode::kAlreadyExists));
}

TEST_P(FileSystemContract, a_missing_file_is_not_found) {
  EXPECT_THAT(fs_->open(path("a"), OpenMode::kRead), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(fs_->open(path("a"), OpenMode::kReadWrite), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(fs_->open(path("no/a"), OpenMode::kCreate), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(fs_->list(path("no")), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(fs_->sync_folder(path("no")), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(fs_->space(path("no")), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(fs_->rename(path("a"), path("b")), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(fs_->remove(path("a")), HasCode(ErrorCode::kNotFound));
}

TEST_P(FileSystemContract, errors_name_the_path) {
  const auto file = fs_->open(path("missing"), OpenMode::kRead);
  ASSERT_FALSE(file.has_value());
  EXPECT_THAT(file.error().message(), HasSubstr(path("missing")));
}

TEST_P(FileSystemContract, a_file_is_no_folder) {
  create("a", "x");
  EXPECT_THAT(fs_->list(path("a")), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs_->open(path("a/b"), OpenMode::kCreate), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs_->create_folder(path("a/b")), testing::Not(IsOk()));
  EXPECT_THAT(fs_->create_folder(path("a")), HasCode(ErrorCode::kAlreadyExists));
  EXPECT_THAT(fs_->open(root_, OpenMode::kReadWrite), HasCode(ErrorCode::kIo));
}

TEST_P(FileSystemContract, bytes_are_read_where_they_were_written) {
  const std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  ASSERT_THAT(file->write_at(0, as_bytes("hello world")), IsOk());
  ASSERT_THAT(file->write_at(6, as_bytes("there")), IsOk());
  EXPECT_EQ(read(*file, 0, 100), "hello there");
  EXPECT_EQ(read(*file, 6, 3), "the");
  EXPECT_EQ(read(*file, 11, 3), "");
  EXPECT_EQ(read(*file, 1'000'000, 3), "");
  EXPECT_THAT(file->size(), IsOkAndHolds(11U));
}

TEST_P(FileSystemContract, a_gap_reads_as_zeros) {
  const std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  ASSERT_THAT(file->write_at(5'000, as_bytes("x")), IsOk());
  EXPECT_THAT(file->size(), IsOkAndHolds(5'001U));
  EXPECT_EQ(read(*file, 4'998, 10), std::string("\0\0x", 3));
}

TEST_P(FileSystemContract, allocate_extends_with_zeros_and_keeps_what_is_there) {
  const std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  ASSERT_THAT(file->write_at(0, as_bytes("abc")), IsOk());
  ASSERT_THAT(file->allocate(10'000), IsOk());
  ASSERT_THAT(file->allocate(2), IsOk());
  EXPECT_THAT(file->size(), IsOkAndHolds(10'000U));
  EXPECT_EQ(read(*file, 0, 3), "abc");
  EXPECT_EQ(read(*file, 3, 10'000), std::string(9'997, '\0'));
}

TEST_P(FileSystemContract, truncate_cuts_and_extends_with_zeros) {
  const std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  ASSERT_THAT(file->write_at(0, as_bytes("hello")), IsOk());
  ASSERT_THAT(file->truncate(2), IsOk());
  EXPECT_EQ(read(*file, 0, 10), "he");
  ASSERT_THAT(file->truncate(4), IsOk());
  EXPECT_EQ(read(*file, 0, 10), std::string("he\0\0", 4));
}

TEST_P(FileSystemContract, writing_nothing_changes_nothing) {
  const std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  ASSERT_THAT(file->write_at(100, {}), IsOk());
  EXPECT_THAT(file->size(), IsOkAndHolds(0U));
}

TEST_P(FileSystemContract, two_handles_see_the_same_bytes) {
  const std::unique_ptr<File> writer = open("a", OpenMode::kCreate);
  const std::unique_ptr<File> reader = open("a", OpenMode::kRead);
  ASSERT_THAT(writer->write_at(0, as_bytes("shared")), IsOk());
  EXPECT_EQ(read(*reader, 0, 10), "shared");
}

TEST_P(FileSystemContract, a_file_opened_to_read_cannot_be_changed) {
  create("a", "text");
  const std::unique_ptr<File> file = open("a", OpenMode::kRead);
  EXPECT_THAT(file->write_at(0, as_bytes("x")), HasCode(ErrorCode::kIo));
  EXPECT_THAT(file->truncate(0), HasCode(ErrorCode::kIo));
  EXPECT_EQ(text_of("a"), "text");
}

TEST_P(FileSystemContract, a_megabyte_is_one_write) {
  std::string text(1 << 20, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 256);
  const std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  ASSERT_THAT(file->write_at(3, as_bytes(text)), IsOk());
  ASSERT_THAT(file->sync_data(), IsOk());
  EXPECT_EQ(read(*file, 3, text.size() + 5), text);
}

// The simulated one says what its test wants, and first that nothing is.
TEST_P(FileSystemContract, what_was_just_written_is_in_the_page_cache) {
  const bool is_known = GetParam().is_real;
  create("a", std::string(100'000, 'x'));
  const std::unique_ptr<File> file = open("a", OpenMode::kRead);
  EXPECT_EQ(file->in_page_cache(0, 100'000), is_known);
  EXPECT_EQ(file->in_page_cache(5'000, 1), is_known);
  EXPECT_FALSE(file->in_page_cache(0, 1'000'000));  // there is no such page
  EXPECT_FALSE(file->in_page_cache(0, 0));
}

TEST_P(FileSystemContract, what_the_disk_begins_with_early_is_the_same) {
  const std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  ASSERT_THAT(file->write_at(0, as_bytes(std::string(100'000, 'x'))), IsOk());
  file->begin_sync(0, 50'000);
  file->begin_sync(90'000, 1'000'000);  // as far as there is something
  ASSERT_THAT(file->write_at(10, as_bytes("y")), IsOk());
  ASSERT_THAT(file->sync_data(), IsOk());
  EXPECT_THAT(file->size(), IsOkAndHolds(100'000U));
  EXPECT_EQ(read(*file, 9, 3), "xyx");
}

TEST_P(FileSystemContract, names_are_listed_in_order) {
  create("b", "");
  create("a", "");
  create("aa", "");
  ASSERT_THAT(fs_->create_folder(path("c")), IsOk());
  EXPECT_THAT(fs_->list(root_), IsOkAndHolds(ElementsAre("a", "aa", "b", "c")));
  EXPECT_THAT(fs_->list(path("c")), IsOkAndHolds(IsEmpty()));
}

TEST_P(FileSystemContract, create_folder_makes_parents_and_may_be_repeated) {
  ASSERT_THAT(fs_->create_folder(path("x/y/z")), IsOk());
  ASSERT_THAT(fs_->create_folder(path("x/y/z")), IsOk());
  ASSERT_THAT(fs_->create_folder(path("x/y/")), IsOk());
  EXPECT_THAT(fs_->list(path("x/y")), IsOkAndHolds(ElementsAre("z")));
  create("x/y/z/file", "deep");
  EXPECT_EQ(text_of("x/y/z/file"), "deep");
  EXPECT_THAT(fs_->sync_folder(path("x/y")), IsOk());
}

TEST_P(FileSystemContract, rename_replaces_its_target) {
  create("new", "new");
  create("old", "old");
  ASSERT_THAT(fs_->rename(path("new"), path("old")), IsOk());
  EXPECT_EQ(text_of("old"), "new");
  EXPECT_THAT(fs_->list(root_), IsOkAndHolds(ElementsAre("old")));
}

TEST_P(FileSystemContract, rename_moves_between_folders) {
  create("a", "text");
  ASSERT_THAT(fs_->create_folder(path("x")), IsOk());
  ASSERT_THAT(fs_->rename(path("a"), path("x/b")), IsOk());
  EXPECT_EQ(text_of("x/b"), "text");
  ASSERT_THAT(fs_->rename(path("x"), path("y")), IsOk());
  EXPECT_EQ(text_of("y/b"), "text");
  EXPECT_THAT(fs_->list(root_), IsOkAndHolds(ElementsAre("y")));
}

TEST_P(FileSystemContract, rename_refuses_what_makes_no_sense) {
  create("a", "text");
  ASSERT_THAT(fs_->create_folder(path("x")), IsOk());
  create("x/b", "text");
  EXPECT_THAT(fs_->rename(path("a"), path("x")), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs_->rename(path("x"), path("a")), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs_->rename(path("x"), path("x/y")), HasCode(ErrorCode::kIo));
  EXPECT_THAT(fs_->rename(path("a"), path("no/a")), HasCode(ErrorCode::kNotFound));
  EXPECT_THAT(fs_->rename(path("a"), path("a")), IsOk());
  EXPECT_EQ(text_of("a"), "text");
}

TEST_P(FileSystemContract, a_file_that_was_removed_stays_readable_where_it_is_open) {
  create("a", "text");
  const std::unique_ptr<File> file = open("a", OpenMode::kReadWrite);
  ASSERT_THAT(fs_->remove(path("a")), IsOk());
  EXPECT_THAT(fs_->list(root_), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(read(*file, 0, 10), "text");
  EXPECT_THAT(file->write_at(4, as_bytes("!")), IsOk());
  EXPECT_THAT(file->sync_data(), IsOk());
  create("a", "another");
  EXPECT_EQ(read(*file, 0, 10), "text!");
}

TEST_P(FileSystemContract, only_empty_folders_are_removed) {
  ASSERT_THAT(fs_->create_folder(path("x")), IsOk());
  create("x/a", "");
  EXPECT_THAT(fs_->remove(path("x")), HasCode(ErrorCode::kIo));
  ASSERT_THAT(fs_->remove(path("x/a")), IsOk());
  EXPECT_THAT(fs_->remove(path("x")), IsOk());
  EXPECT_THAT(fs_->list(root_), IsOkAndHolds(IsEmpty()));
}

TEST_P(FileSystemContract, a_lock_has_one_holder_at_a_time_and_names_it) {
  base::Result<std::unique_ptr<FileLock>> first = fs_->lock(path("LOCK"), "broker 1 of pod a");
  ASSERT_THAT(first, IsOk());
  const auto second = fs_->lock(path("LOCK"), "broker 2");
  ASSERT_THAT(second, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(second.error().message(), HasSubstr("broker 1 of pod a"));
  EXPECT_EQ(text_of("LOCK"), "broker 1 of pod a");
  *first = nullptr;
  EXPECT_THAT(fs_->lock(path("LOCK"), "b"), IsOk());
  EXPECT_EQ(text_of("LOCK"), "b");
}

TEST_P(FileSystemContract, a_lock_needs_its_folder) {
  EXPECT_THAT(fs_->lock(path("no/LOCK"), "me"), HasCode(ErrorCode::kNotFound));
}

TEST_P(FileSystemContract, there_is_space_and_not_more_than_all) {
  const base::Result<DiskSpace> space = fs_->space(root_);
  ASSERT_THAT(space, IsOk());
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->available_bytes, space->total_bytes);
}

TEST_P(FileSystemContract, files_may_outlive_the_file_system) {
  std::unique_ptr<File> file = open("a", OpenMode::kCreate);
  base::Result<std::unique_ptr<FileLock>> lock = fs_->lock(path("LOCK"), "me");
  fs_.reset();
  EXPECT_THAT(file->write_at(0, as_bytes("x")), IsOk());
  EXPECT_EQ(read(*file, 0, 5), "x");
}

}  // namespace
}  // namespace sluice::runtime
