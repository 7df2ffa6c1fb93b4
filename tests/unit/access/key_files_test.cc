#include "access/key_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"

namespace sluice::access {
namespace {

using testing::HasSubstr;

const std::string kKey(40, 'k');
const std::string kOther(40, 'n');

class KeyFilesTest : public testing::Test {
 protected:
  KeyFilesTest() {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/sluice-test-XXXXXX";
    CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    put("server.key", kKey, 0600);
    put("authorized_keys", "", 0644);
  }
  ~KeyFilesTest() override { std::filesystem::remove_all(folder_); }
  void put(const std::string& name, const std::string& text, unsigned mode) {
    ASSERT_TRUE(write_new_file(folder_ + "/" + name, text + "\n", mode).has_value());
  }
  std::string problem() const {
    const auto keys = read_broker_keys(folder_);
    return keys.has_value() ? "" : keys.error().message();
  }

  std::string folder_;
};

TEST_F(KeyFilesTest, WithoutANextKeyThereIsNoRotation) {
  put("next.listen", "tcp://127.0.0.1:1", 0644);
  const auto keys = read_broker_keys(folder_);
  ASSERT_TRUE(keys.has_value()) << problem();
  EXPECT_EQ(keys->secret, kKey);
  EXPECT_FALSE(keys->next);
}

TEST_F(KeyFilesTest, TheFolderMaySayWhereTheKeyIsServed) {
  auto keys = read_broker_keys(folder_);
  ASSERT_TRUE(keys.has_value()) << problem();
  EXPECT_EQ(keys->listen + keys->control, "");
  put("listen", "tcp://0.0.0.0:7660", 0644);
  put("control", "tcp://0.0.0.0:7661", 0644);
  keys = read_broker_keys(folder_);
  ASSERT_TRUE(keys.has_value()) << problem();
  EXPECT_EQ(keys->listen, "tcp://0.0.0.0:7660");
  EXPECT_EQ(keys->control, "tcp://0.0.0.0:7661");
  std::filesystem::remove(folder_ + "/control");
  put("control", "0.0.0.0:7661", 0644);
  EXPECT_THAT(problem(), HasSubstr("control: tcp://HOST:PORT expected"));
}

TEST_F(KeyFilesTest, TheNextKeyHasAnAddress) {
  put("next.key", kOther, 0600);
  EXPECT_THAT(problem(), HasSubstr("next.listen: no such file"));
  put("next.listen", "tcp://127.0.0.1:1", 0644);
  const auto keys = read_broker_keys(folder_);
  ASSERT_TRUE(keys.has_value()) << problem();
  EXPECT_EQ(keys->next, (NextKey{kOther, "tcp://127.0.0.1:1", ""}));
  put("next.control", "127.0.0.1:2", 0644);
  EXPECT_THAT(problem(), HasSubstr("next.control: tcp://HOST:PORT expected"));
}

TEST_F(KeyFilesTest, TheNextKeyIsASecretToo) {
  put("next.listen", "tcp://127.0.0.1:1", 0644);
  put("next.key", kOther, 0644);
  EXPECT_THAT(problem(), HasSubstr("chmod 0600"));
}

}  // namespace
}  // namespace sluice::access
