#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "sluice/client.h"

namespace sluice {
namespace {

// 40 characters of Z85 each.
constexpr const char* kBrokerKey = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
constexpr const char* kSecretKey = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    std::string pattern = testing::TempDir() + "/credentials-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~CredentialsTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text << "\n";
    chmod(path.c_str(), 0600);
  }

  std::string folder_;
};

TEST_F(CredentialsTest, AreReadFromAFolder) {
  write("broker.pub", kBrokerKey);
  write("client.key", kSecretKey);
  const Result<Credentials> credentials = Credentials::from_folder(folder_);
  ASSERT_TRUE(credentials.has_value()) << credentials.error().message();
  EXPECT_EQ(credentials->broker_key, kBrokerKey);
  EXPECT_EQ(credentials->secret_key, kSecretKey);
  EXPECT_EQ(credentials->folder, folder_);
}

TEST_F(CredentialsTest, NamesTheFileThatIsMissing) {
  write("broker.pub", kBrokerKey);
  const Result<Credentials> credentials = Credentials::from_folder(folder_);
  ASSERT_FALSE(credentials.has_value());
  EXPECT_EQ(credentials.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(credentials.error().message(), testing::HasSubstr("client.key"));
}

TEST_F(CredentialsTest, RefusesAKeyThatIsNone) {
  write("broker.pub", "short");
  write("client.key", kSecretKey);
  const Result<Credentials> credentials = Credentials::from_folder(folder_);
  ASSERT_FALSE(credentials.has_value());
  EXPECT_EQ(credentials.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice
