#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "sluice/client.h"

namespace sluice {
namespace {

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    std::string pattern = testing::TempDir() + "/credentials-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~CredentialsTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text << "\n";
  }

  std::string folder_;
};

TEST_F(CredentialsTest, AreReadFromAFolder) {
  write("server.pub", std::string(40, 's'));
  write("client.pub", std::string(40, 'p'));
  write("client.key", std::string(40, 'k'));
  const Result<Credentials> credentials = Credentials::from_folder(folder_);
  ASSERT_TRUE(credentials.has_value());
  EXPECT_EQ(credentials->server_key, std::string(40, 's'));
  EXPECT_EQ(credentials->public_key, std::string(40, 'p'));
  EXPECT_EQ(credentials->secret_key, std::string(40, 'k'));
}

TEST_F(CredentialsTest, NamesTheFileThatIsMissing) {
  write("server.pub", std::string(40, 's'));
  const Result<Credentials> credentials = Credentials::from_folder(folder_);
  ASSERT_FALSE(credentials.has_value());
  EXPECT_EQ(credentials.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(credentials.error().message(), testing::HasSubstr("client.pub"));
}

TEST_F(CredentialsTest, RefusesAKeyThatIsNone) {
  write("server.pub", "short");
  write("client.pub", std::string(40, 'p'));
  write("client.key", std::string(40, 'k'));
  const Result<Credentials> credentials = Credentials::from_folder(folder_);
  ASSERT_FALSE(credentials.has_value());
  EXPECT_EQ(credentials.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice
