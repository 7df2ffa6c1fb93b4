#include "cli/cluster/redaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/cli/fake_api.h"

namespace sluice::cli::cluster {
namespace {

using kube::Json;
using testing::HasSubstr;
using testing::Not;

constexpr char kKey[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

TEST(Redaction, ASecretKeepsItsKeysAndLosesItsValues) {
  Json secret = test::secret_object("orders-admin", {{"client.key", "aGlkZGVu"}});
  secret["stringData"] = {{"plain", "hidden"}};
  secret["metadata"]["annotations"] = {
      {"kubectl.kubernetes.io/last-applied-configuration", "aGlkZGVu"}, {"kept", "yes"}};
  const Json told = redacted(secret);
  EXPECT_EQ(told["data"]["client.key"], "removed, 8 characters");
  EXPECT_EQ(told["stringData"]["plain"], "removed, 6 characters");
  EXPECT_EQ(told["metadata"]["annotations"], (Json{{"kept", "yes"}}));
  EXPECT_THAT(told.dump(), Not(HasSubstr("aGlkZGVu")));
}

TEST(Redaction, ReachesTheItemsOfAList) {
  const Json list = {{"items", {test::secret_object("a", {{"k", "aGlkZGVu"}})}}};
  EXPECT_THAT(redacted(list).dump(), Not(HasSubstr("aGlkZGVu")));
}

TEST(Redaction, OtherObjectsKeepTheirData) {
  const Json map = {{"kind", "ConfigMap"}, {"data", {{"orders.json", "{}"}}}};
  EXPECT_EQ(redacted(map), map);
}

TEST(Redaction, EnvironmentVariablesThatSoundLikeSecretsLoseTheirValue) {
  const Json pod = {{"env",
                     {{{"name", "SLUICE_CLIENT_KEY"}, {"value", "hidden"}},
                      {{"name", "db_password"}, {"value", "hidden"}},
                      {{"name", "SLUICE_ENDPOINT"}, {"value", "tcp://a:1"}}}}};
  const std::string text = redacted(pod).dump();
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
  EXPECT_THAT(text, HasSubstr("tcp://a:1"));
}

TEST(Redaction, ManagedFieldsGo) {
  const Json object = {{"metadata", {{"name", "a"}, {"managedFields", {1, 2}}}}};
  EXPECT_EQ(redacted(object), (Json{{"metadata", {{"name", "a"}}}}));
}

TEST(Redaction, KeysAndTokensInTextGo) {
  const std::string log =
      std::string("key \"") + kKey + "\" refused\nAuthorization: Bearer ab.cd-1\n";
  const std::string told = redacted_text(log);
  EXPECT_EQ(told, "key \"(removed)\" refused\nAuthorization: Bearer (removed)\n");
}

TEST(Redaction, WordsOfThatLengthThatAreNoKeysStay) {
  for (const char* word :
       {"0123456789abcdef0123456789abcdef01234567", "/var/lib/sluice/log/0000000000000001.log",
        "orders-worker-7d9f8b6c5d-x2x7q.shop.svc.", "AccessDeniedBecauseTheKeyHasNoSuchRoleab"}) {
    ASSERT_EQ(std::string_view(word).size(), 40U);
    EXPECT_EQ(redacted_text(word), word);
  }
}

}  // namespace
}  // namespace sluice::cli::cluster
