#include "storage/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "base/crc32c.h"
#include "storage/segment_header.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using base::ErrorCode;
using base::Lsn;
using base::SequenceRange;
using base::WallTime;
using sluice::test::HasCode;
using sluice::test::IsOk;
using test::bytes_of;
using test::LogHarness;
using test::stream_number;

constexpr const char* kBackup = "/backup";
constexpr const char* kRestored = "/restored";

const StreamId kCopiedStream = stream_number(1);

bool nothing_lives(const StreamId&, SequenceRange) { return false; }

class Backup : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(harness_.open(), IsOk()); }

  BackupPin& pin() { return harness_.opened().backup_pin(); }
  runtime::FileSystem& fs() { return harness_.fs(); }
  bool exists(const std::string& path) {
    return fs().open(path, runtime::OpenMode::kRead).has_value();
  }
  // What the broker's loop does each second.
  BackupPin::Event look(bool disk_low = false) {
    const BackupPin::Event event = pin().poll(WallTime(1'000), disk_low);
    EXPECT_THAT(harness_.housekeeper().run_inline(), IsOk());
    return event;
  }
  std::unique_ptr<runtime::FileLock> ask(const std::string& by = "backup by process 7") {
    auto lock = fs().lock(pin_path(LogHarness::kFolder), by);
    return lock ? std::move(*lock) : nullptr;
  }
  BackupManifest answer() {
    auto found = read_backup_manifest(fs(), pinned_path(LogHarness::kFolder));
    return found && *found ? **found : BackupManifest();
  }
  // Opens another folder in the same file system and returns the facts that it replays.
  std::vector<std::uint64_t> facts_in(const std::string& folder) {
    std::vector<std::uint64_t> facts;
    auto opened = open_log(fs(), folder, harness_.options());
    EXPECT_THAT(opened, IsOk());
    if (!opened) return facts;
    restored_ = (*opened)->report().restored && (*opened)->report().unclean;
    const base::Status status = (*opened)->replay([&](const RecordView& view) -> base::Status {
      if (view.type == RecordType::kQueueDeleted) {
        facts.push_back(base::load<std::uint64_t>(view.payload.data()));
      }
      return {};
    });
    EXPECT_THAT(status, IsOk());
    EXPECT_TRUE((*opened)->report().corrupt.empty());
    EXPECT_THAT((*opened)->finish_restore(), IsOk());
    return facts;
  }

  LogHarness harness_;
  bool restored_ = false;
};

TEST_F(Backup, AStoppedLogIsCopiedAndRestored) {
  for (std::uint64_t i = 1; i <= 20; ++i) harness_.append_fact(i);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  ASSERT_THAT(harness_.snapshot("state"), IsOk());
  harness_.append_fact(21);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  harness_.close();
  const auto what = describe_stopped_log(fs(), LogHarness::kFolder);
  ASSERT_THAT(what, IsOk());
  std::uint64_t told = 0;
  const auto taken = take_backup(fs(), LogHarness::kFolder, kBackup, *what,
                                 [&](std::uint64_t done, std::uint64_t total) -> base::Status {
                                   EXPECT_LE(done, total);
                                   told = done;
                                   return {};
                                 });
  ASSERT_THAT(taken, IsOk());
  EXPECT_TRUE(taken->corrupt.empty());
  EXPECT_EQ(told, taken->bytes);
  ASSERT_THAT(restore_backup(fs(), kBackup, kRestored, nullptr), IsOk());
  EXPECT_EQ(facts_in(kRestored), std::vector<std::uint64_t>{21});
  EXPECT_TRUE(restored_);
  // Once it was started, it is a log like any other; the backup stays one.
  EXPECT_FALSE(exists("/restored/BACKUP"));
  EXPECT_EQ(facts_in(kRestored), std::vector<std::uint64_t>{21});
  EXPECT_FALSE(restored_);
  EXPECT_TRUE(exists("/backup/BACKUP"));
}

TEST_F(Backup, AnUnstartedBackupIsAFolderLikeARestoredOne) {
  harness_.append_fact(1);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  harness_.close();
  const auto what = describe_stopped_log(fs(), LogHarness::kFolder);
  ASSERT_THAT(what, IsOk());
  ASSERT_THAT(take_backup(fs(), LogHarness::kFolder, kBackup, *what, nullptr), IsOk());
  EXPECT_EQ(facts_in(kBackup), std::vector<std::uint64_t>{1});
  EXPECT_TRUE(restored_);
}

TEST_F(Backup, ABrokerAtWorkKeepsAllFilesWhileItIsPinned) {
  std::uint64_t next = 1;
  const auto publish_until = [&](std::uint64_t segment) {
    while (harness_.log().active_segment() < segment) {
      harness_.publish(kCopiedStream, next++, 1, 500);
      ASSERT_THAT(harness_.log().flush(), IsOk());
    }
  };
  publish_until(3);
  ASSERT_THAT(harness_.snapshot("one"), IsOk());
  publish_until(4);
  ASSERT_THAT(harness_.snapshot("two"), IsOk());
  EXPECT_EQ(look(), BackupPin::Event::kNone);  // nobody asks

  std::unique_ptr<runtime::FileLock> lock = ask();
  ASSERT_TRUE(lock);
  harness_.append_fact(1, false);
  const Lsn asked = harness_.log().positions().appended;
  EXPECT_EQ(look(), BackupPin::Event::kNone);
  EXPECT_EQ(look(), BackupPin::Event::kPinned);
  const BackupManifest what = answer();
  EXPECT_EQ(what.by, "backup by process 7");
  EXPECT_GE(what.end, asked);
  EXPECT_EQ(what.log_id, harness_.log().log_id());

  // The broker goes on: what would have gone stays.
  EXPECT_EQ(harness_.housekeeper().drop_dead_segments(nothing_lives), 0U);
  publish_until(6);
  ASSERT_THAT(harness_.snapshot("three"), IsOk());
  ASSERT_THAT(harness_.snapshot("four"), IsOk());
  const auto snapshots = fs().list("/data/snapshots");
  ASSERT_THAT(snapshots, IsOk());
  EXPECT_EQ(snapshots->size(), 4U);
  const auto taken = take_backup(fs(), LogHarness::kFolder, kBackup, what, nullptr);
  ASSERT_THAT(taken, IsOk());
  EXPECT_TRUE(taken->corrupt.empty());
  EXPECT_EQ(look(), BackupPin::Event::kNone);

  // The command has ended; its file was left behind, as when it was killed.
  lock.reset();
  EXPECT_EQ(look(), BackupPin::Event::kReleased);
  EXPECT_FALSE(exists("/data/PIN"));
  EXPECT_FALSE(exists("/data/PINNED"));
  EXPECT_GT(harness_.housekeeper().drop_dead_segments(nothing_lives), 0U);
  publish_until(7);
  ASSERT_THAT(harness_.snapshot("five"), IsOk());
  EXPECT_EQ(fs().list("/data/snapshots")->size(), 2U);

  EXPECT_EQ(facts_in(kBackup), std::vector<std::uint64_t>{1});
}

TEST_F(Backup, OneThatBeginsRightBehindAnotherIsAnsweredToo) {
  harness_.append_fact(1);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  auto lock = ask();
  look();
  EXPECT_EQ(look(), BackupPin::Event::kPinned);
  // Both within the second between two looks.
  ASSERT_THAT(fs().remove(pin_path(LogHarness::kFolder)), IsOk());
  lock.reset();
  lock = ask("backup by process 8");
  ASSERT_TRUE(lock);
  EXPECT_EQ(look(), BackupPin::Event::kReleased);
  EXPECT_FALSE(exists("/data/PINNED"));
  EXPECT_EQ(look(), BackupPin::Event::kNone);
  EXPECT_EQ(look(), BackupPin::Event::kPinned);
  EXPECT_EQ(answer().by, "backup by process 8");
}

TEST_F(Backup, ADiskThatGetsLowTakesThePinAway) {
  harness_.append_fact(1);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  const auto lock = ask();
  EXPECT_EQ(look(), BackupPin::Event::kNone);
  EXPECT_EQ(look(), BackupPin::Event::kPinned);
  EXPECT_EQ(look(true), BackupPin::Event::kRevoked);
  EXPECT_FALSE(harness_.housekeeper().is_pinned());
  EXPECT_FALSE(exists("/data/PINNED"));
  // The same command is not pinned again; its copy would not be whole.
  EXPECT_EQ(look(), BackupPin::Event::kNone);
  EXPECT_EQ(look(), BackupPin::Event::kNone);
  EXPECT_FALSE(exists("/data/PINNED"));
  const auto taken = take_backup(fs(), LogHarness::kFolder, kBackup, {}, nullptr,
                                 [] { return base::failed_precondition("the pin is gone"); });
  EXPECT_THAT(taken, HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_TRUE(exists("/backup/INCOMPLETE"));
}

TEST_F(Backup, AnAnswerOfAnEarlierProcessGoesAtTheStart) {
  const auto lock = ask();
  look();
  EXPECT_EQ(look(), BackupPin::Event::kPinned);
  harness_.close();
  ASSERT_THAT(harness_.open(), IsOk());
  EXPECT_FALSE(exists("/data/PINNED"));
}

TEST_F(Backup, OnlyAnEmptyFolderIsRestoredInto) {
  harness_.append_fact(1);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  harness_.close();
  const auto what = describe_stopped_log(fs(), LogHarness::kFolder);
  ASSERT_THAT(what, IsOk());
  ASSERT_THAT(take_backup(fs(), LogHarness::kFolder, kBackup, *what, nullptr), IsOk());
  EXPECT_THAT(take_backup(fs(), LogHarness::kFolder, kBackup, *what, nullptr),
              HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(restore_backup(fs(), kBackup, LogHarness::kFolder, nullptr),
              HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(restore_backup(fs(), LogHarness::kFolder, kRestored, nullptr),
              HasCode(ErrorCode::kNotFound));
  EXPECT_FALSE(exists("/restored/INCOMPLETE"));
}

TEST_F(Backup, AChangedByteIsFoundAndTheFolderStaysClosed) {
  for (std::uint64_t i = 1; i <= 50; ++i) harness_.append_fact(i);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  harness_.close();
  const auto what = describe_stopped_log(fs(), LogHarness::kFolder);
  ASSERT_THAT(what, IsOk());
  ASSERT_THAT(take_backup(fs(), LogHarness::kFolder, kBackup, *what, nullptr), IsOk());
  const auto file = fs().open("/backup/segments/" + segment_name(1), runtime::OpenMode::kReadWrite);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->write_at(4'200, bytes_of("x")), IsOk());
  EXPECT_THAT(restore_backup(fs(), kBackup, kRestored, nullptr), HasCode(ErrorCode::kCorruption));
  EXPECT_THAT(open_log(fs(), kRestored, harness_.options()),
              HasCode(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(restore_backup(fs(), kBackup, kRestored, nullptr),
              HasCode(ErrorCode::kFailedPrecondition));
}

TEST_F(Backup, DamageOfTheSourceIsToldAndItsEndIsNotCut) {
  for (std::uint64_t i = 1; i <= 50; ++i) harness_.append_fact(i);
  ASSERT_THAT(harness_.log().flush(), IsOk());
  const auto lock = ask();
  look();
  ASSERT_EQ(look(), BackupPin::Event::kPinned);
  const BackupManifest what = answer();
  // No record tells that the last one was durable; the broker does.
  const auto file = fs().open("/data/segments/" + segment_name(1), runtime::OpenMode::kReadWrite);
  ASSERT_THAT(file, IsOk());
  const std::uint64_t at = what.end.value() % what.segment_bytes - 10;
  ASSERT_THAT((*file)->write_at(at, bytes_of("xx")), IsOk());
  const auto taken = take_backup(fs(), LogHarness::kFolder, kBackup, what, nullptr);
  ASSERT_THAT(taken, IsOk());
  EXPECT_EQ(taken->corrupt.size(), 1U);
  auto opened = open_log(fs(), kBackup, harness_.options());
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ((*opened)->report().corrupt.size(), 1U);
  EXPECT_EQ((*opened)->report().end, what.end);
}

TEST(BackupManifest, IsReadAsItWasWritten) {
  BackupManifest manifest;
  manifest.log_id = base::Id128{{1, 2, 3}};
  manifest.feature_level = 2;
  manifest.segment_bytes = 65'536;
  manifest.end = Lsn(70'000);
  manifest.taken_at = WallTime(123);
  manifest.by = "process 7\nsomewhere";
  manifest.files = {{"segments/a b.log", 17, 0xDEADBEEF}, {"snapshots/x", 0, 0}};
  const std::string text = encode(manifest);
  const auto read = decode_backup_manifest(text);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->files, manifest.files);
  EXPECT_EQ(read->end, manifest.end);
  EXPECT_EQ(read->by, "process 7 somewhere");
  EXPECT_EQ(encode(*read), text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_THAT(decode_backup_manifest(flipped), testing::Not(IsOk())) << i;
    EXPECT_THAT(decode_backup_manifest(text.substr(0, i)), testing::Not(IsOk())) << i;
  }
  manifest.files = {{"../elsewhere", 1, 1}};
  EXPECT_THAT(decode_backup_manifest(encode(manifest)), HasCode(ErrorCode::kCorruption));
}

// With a checksum that fits, as who writes by hand would make one.
std::string sealed(const std::string& text) {
  std::string crc(8, '0');
  std::snprintf(crc.data(), crc.size() + 1, "%08x", base::crc32c(base::as_bytes(text)));
  return text + "crc " + crc + "\n";
}

TEST(BackupManifest, HasOneWayToBeWritten) {
  BackupManifest manifest;
  manifest.taken_at = WallTime(-5);  // a clock that was never set
  manifest.files = {{"x", 3, 0xAB}};
  const std::string text = encode(manifest);
  ASSERT_THAT(decode_backup_manifest(text), IsOk());
  EXPECT_EQ(decode_backup_manifest(text)->taken_at, WallTime(-5));
  const std::string body = text.substr(0, text.find("crc "));
  ASSERT_EQ(sealed(body), text);
  const std::pair<const char*, const char*> changes[] = {
      {"feature-level 1", "feature-level 4294967297"},
      {"feature-level 1", "feature-level 01"},
      {"segment-bytes 0", "segment-bytes "},
      {"file 000000ab", "file AB"},
      {"file 000000ab", "file 1000000ab"},
      {"log 0", "log 0 "}};
  for (const auto& [from, to] : changes) {
    std::string other = body;
    ASSERT_NE(other.find(from), std::string::npos) << from;
    other.replace(other.find(from), std::string(from).size(), to);
    const auto read = decode_backup_manifest(sealed(other));
    EXPECT_THAT(read, HasCode(ErrorCode::kCorruption)) << to;
  }
}

}  // namespace
}  // namespace sluice::storage
