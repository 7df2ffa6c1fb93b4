#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "runtime/memory_file_system.h"
#include "tests/support/status_matchers.h"

namespace sluice::runtime {
namespace {

TEST(MemoryFileSystemThreadsTest, one_thread_writes_while_others_read_and_one_pulls_the_plug) {
  MemoryFileSystem fs;
  const auto file = *fs.open("f", OpenMode::kCreate);
  ASSERT_THAT(fs.sync_folder("/"), test::IsOk());
  std::vector<std::thread> readers;
  readers.reserve(3);
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&file] {
      std::array<std::byte, 100> bytes;
      while (file->read_at(0, bytes).has_value()) {
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    ASSERT_THAT(file->write_at(0, base::as_bytes(std::string(100, static_cast<char>(i)))),
                test::IsOk());
    ASSERT_THAT(file->sync_data(), test::IsOk());
  }
  fs.crash(CrashPlan::lose_unsynced());
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(fs.contents("f")->at(50), std::byte{199});
}

}  // namespace
}  // namespace sluice::runtime
