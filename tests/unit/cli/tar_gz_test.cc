#include "cli/cluster/tar_gz.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>

namespace sluice::cli::cluster {
namespace {

constexpr base::WallTime kTime{1'767'355'201'000};

// What the tar of this machine makes of an archive.
std::string tar(const std::string& arguments, const std::string& archive) {
  const std::string path = testing::TempDir() + "sluice_tar_" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << archive;
  FILE* out = popen(("tar " + arguments + " -f " + path + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> part{};
  for (std::size_t got = 0; (got = fread(part.data(), 1, part.size(), out)) > 0;) {
    text.append(part.data(), got);
  }
  pclose(out);
  std::remove(path.c_str());
  return text;
}

TEST(TarGz, TarUnpacksIt) {
  const std::string large(100'000, 'x');
  const auto archive =
      make_tar_gz({{"a.txt", "hello"}, {"empty", ""}, {"deep/er/large.log", large}}, kTime);
  ASSERT_TRUE(archive.has_value());
  EXPECT_LT(archive->size(), 2'000U);
  EXPECT_EQ(tar("-tz", *archive), "a.txt\nempty\ndeep/er/large.log\n");
  EXPECT_EQ(tar("-xzO a.txt", *archive), "hello");
  EXPECT_EQ(tar("-xzO deep/er/large.log", *archive), large);
}

TEST(TarGz, LongNamesAreParted) {
  const std::string name = "brokers/" + std::string(90, 'b') + "/" + std::string(60, 'p') + ".log";
  EXPECT_EQ(tar("-t", make_tar({{name, "x"}}, kTime)), name + "\n");
}

TEST(TarGz, FilesAreForTheirOwner) {
  EXPECT_EQ(tar("-tv", make_tar({{"a.txt", "hello"}}, kTime)).substr(0, 10), "-rw-------");
}

}  // namespace
}  // namespace sluice::cli::cluster
