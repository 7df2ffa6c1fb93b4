#include "operator/api/names.h"

#include <gtest/gtest.h>

#include <string>

#include "operator/api/nearest.h"
#include "operator/api/problem.h"

namespace sluice::api {
namespace {

TEST(Names, LabelsFollowDns1123) {
  for (const char* good : {"a", "0", "a-b", "orders-2", "a--b"})
    EXPECT_TRUE(is_label(good)) << good;
  for (const char* bad : {"", "-a", "a-", "A", "a.b", "a_b", "a b", "\xC3\xA4"}) {
    EXPECT_FALSE(is_label(bad)) << bad;
  }
  EXPECT_TRUE(is_label(std::string(63, 'a')));
  EXPECT_FALSE(is_label(std::string(64, 'a')));
}

TEST(Names, SubdomainsAreLabelsWithPoints) {
  EXPECT_TRUE(is_subdomain("a.b-c.d"));
  EXPECT_TRUE(is_subdomain(std::string(253, 'a')));
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a.-b"}) EXPECT_FALSE(is_subdomain(bad));
  EXPECT_FALSE(is_subdomain(std::string(254, 'a')));
}

TEST(Names, KeysMayHaveAPrefix) {
  for (const char* good : {"app", "App_1.x", "app.kubernetes.io/name"}) {
    EXPECT_TRUE(is_qualified_name(good)) << good;
  }
  for (const char* bad : {"", "/", "a/", "/a", "a/b/c", "A.b/c", "-a"}) {
    EXPECT_FALSE(is_qualified_name(bad)) << bad;
  }
}

TEST(Names, ResourceQuantities) {
  for (const char* good : {"1", "500m", "1.5", "2Gi", "0.5G", "123456789012345.678"}) {
    EXPECT_TRUE(is_resource_quantity(good)) << good;
  }
  for (const char* bad :
       {"", "m", "1.", ".5", "1.2.3", "-1", "1 Gi", "1gi", "1e3", "1234567890123456", "1.2345"}) {
    EXPECT_FALSE(is_resource_quantity(bad)) << bad;
  }
}

TEST(Nearest, FindsTypingErrors) {
  const std::vector<std::string> words = {"shards", "durability", "max", "min", "bytes"};
  EXPECT_EQ(nearest("shard", words), "shards");
  EXPECT_EQ(nearest("sahrds", words), "shards");
  EXPECT_EQ(nearest("SHARDS", words), "shards");
  EXPECT_EQ(nearest("durabilty", words), "durability");
  EXPECT_EQ(nearest("mac", words), "max");
}

TEST(Nearest, DoesNotGuess) {
  const std::vector<std::string> words = {"shards", "max", "min"};
  EXPECT_EQ(nearest("partitions", words), std::nullopt);
  EXPECT_EQ(nearest("mun?", words), std::nullopt);
  EXPECT_EQ(nearest("", words), std::nullopt);
  EXPECT_EQ(nearest(std::string(1'000'000, 'x'), words), std::nullopt);
}

TEST(Shown, IsOneHarmlessLine) {
  EXPECT_EQ(shown("plain"), "\"plain\"");
  EXPECT_EQ(shown("a\nb\x1B[31m\"\x7F"), "\"a?b?[31m??\"");
  const std::string many(59, 'x');
  EXPECT_EQ(shown(many + "xx"), '"' + many + "x...\"");
  // 59 bytes and then a character of two: it goes as a whole.
  EXPECT_EQ(shown(many + "\xC3\xA4yz"), '"' + many + "...\"");
}

}  // namespace
}  // namespace sluice::api
