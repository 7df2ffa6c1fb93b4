#include "storage/write_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/storage/log_harness.h"

namespace sluice::storage {
namespace {

using sluice::test::IsOk;
using test::LogHarness;
using testing::ElementsAre;

// Notes what it is asked to do.
class NotedFile final : public runtime::File {
 public:
  base::Status write_at(std::uint64_t offset, base::ByteView data) override {
    calls.push_back(described("write", offset, data.size()));
    return {};
  }
  base::Result<std::size_t> read_at(std::uint64_t, base::MutableByteView) const override {
    return std::size_t{0};
  }
  base::Status sync_data() override {
    calls.emplace_back("sync");
    return {};
  }
  void begin_sync(std::uint64_t offset, std::uint64_t bytes) override {
    calls.push_back(described("begin", offset, bytes));
  }
  base::Status truncate(std::uint64_t) override { return {}; }
  base::Status allocate(std::uint64_t) override { return {}; }
  base::Result<std::uint64_t> size() const override { return std::uint64_t{0}; }

  std::vector<std::string> calls;

 private:
  static std::string described(const char* what, std::uint64_t offset, std::uint64_t bytes) {
    return std::string(what) + " " + std::to_string(offset) + "+" + std::to_string(bytes);
  }
};

class WriteGroupTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(harness_.open(), IsOk());
    group_ = std::make_unique<WriteGroup>(harness_.log(), harness_.fs(), LogHarness::kFolder);
    group_->set_target({{}, file_});
  }

  LogHarness harness_;
  std::shared_ptr<NotedFile> file_ = std::make_shared<NotedFile>();
  std::unique_ptr<WriteGroup> group_;
  std::vector<std::byte> large_ = std::vector<std::byte>(1U << 20);
  std::vector<std::byte> larger_ = std::vector<std::byte>(2U << 20);
  std::vector<std::byte> small_ = std::vector<std::byte>(100);
};

TEST_F(WriteGroupTest, TheDiskBeginsWithALargeMessageWhileTheRestIsWritten) {
  group_->add_write(4096, larger_);
  group_->add_write(4096 + (2U << 20), large_);
  group_->add_write(4096 + (3U << 20), small_);
  group_->require_sync();
  group_->begin_early();
  ASSERT_THAT(group_->run(), IsOk());
  EXPECT_THAT(file_->calls,
              ElementsAre("write 4096+2097152", "begin 4096+2097152", "write 2101248+1048576",
                          "begin 2101248+1048576", "write 3149824+100", "sync"));
}

TEST_F(WriteGroupTest, WhatIsSyncedAtOnceOrLittleIsNotBegunBefore) {
  group_->add_write(4096, small_);
  group_->add_write(4196, large_);
  group_->require_sync();
  group_->begin_early();
  ASSERT_THAT(group_->run(), IsOk());
  EXPECT_THAT(file_->calls, ElementsAre("write 4096+100", "write 4196+1048576", "sync"));
}

TEST_F(WriteGroupTest, ManySmallMessagesAreSyncedAsOne) {
  group_->add_write(4096, large_);
  group_->add_write(4096 + (1U << 20), larger_);
  group_->require_sync();
  ASSERT_THAT(group_->run(), IsOk());
  EXPECT_THAT(file_->calls, ElementsAre("write 4096+1048576", "write 1052672+2097152", "sync"));
}

TEST_F(WriteGroupTest, WhatNobodyWantsSyncedIsLeftToTheSystem) {
  group_->add_write(4096, large_);
  group_->add_write(4096 + (1U << 20), larger_);
  group_->begin_early();
  ASSERT_THAT(group_->run(), IsOk());
  EXPECT_THAT(file_->calls, ElementsAre("write 4096+1048576", "write 1052672+2097152"));
}

}  // namespace
}  // namespace sluice::storage
