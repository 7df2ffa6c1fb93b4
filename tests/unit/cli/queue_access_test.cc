#include "cli/cluster/queue_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "tests/unit/cli/fake_api.h"

namespace sluice::cli::cluster {
namespace {

using base::encode_base64;
using base::ErrorCode;
using test::FakeApi;
using test::queue_object;
using test::secret_object;
using testing::HasSubstr;

kube::Json keys_of(const std::string& broker, const std::string& who) {
  return secret_object(broker + "-" + who,
                       {{"endpoint", encode_base64("tcp://" + broker + ".shop.svc:7650\n")},
                        {"broker.pub", encode_base64("the key of " + broker)},
                        {"client.key", encode_base64("the key for " + who + "\n")}});
}

TEST(QueueAccess, TakesTheKeyWithAllRights) {
  FakeApi api;
  api.add(queue_object("orders"));
  api.add(keys_of("orders", "access"));
  api.add(keys_of("orders", "admin"));
  const auto access = find_access(api, "shop", "orders");
  ASSERT_TRUE(access.has_value());
  EXPECT_EQ(access->broker, "orders");
  EXPECT_EQ(access->secret, "orders-admin");
  EXPECT_EQ(access->endpoint, "tcp://orders.shop.svc:7650");
  EXPECT_EQ(access->credentials.broker_key, "the key of orders");
  EXPECT_EQ(access->credentials.secret_key, "the key for admin");
  EXPECT_EQ(access->port, 7650);
  EXPECT_EQ(access->shards, 1);
}

TEST(QueueAccess, FallsBackToTheKeyForPublishingAndConsuming) {
  FakeApi api;
  api.add(queue_object("orders"));
  api.add(keys_of("orders", "access"));
  EXPECT_EQ(find_access(api, "shop", "orders")->secret, "orders-access");

  api.add(keys_of("orders", "admin"));
  api.deny("/api/v1/namespaces/shop/secrets/orders-admin");
  EXPECT_EQ(find_access(api, "shop", "orders")->secret, "orders-access");
}

TEST(QueueAccess, SaysWhichSecretsItMayNotRead) {
  FakeApi api;
  api.add(queue_object("orders"));
  api.deny("/api/v1/namespaces/shop/secrets");
  const auto access = find_access(api, "shop", "orders");
  ASSERT_FALSE(access.has_value());
  EXPECT_EQ(access.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(access.error().message(), HasSubstr("orders-admin"));
  EXPECT_THAT(access.error().message(), HasSubstr("orders-access"));
}

TEST(QueueAccess, BelongsToTheBrokerThatQueuesShare) {
  FakeApi api;
  kube::Json queue = queue_object("orders", "shared");
  queue["spec"]["shards"] = 4;
  api.add(queue);
  api.add(keys_of("shared", "admin"));
  const auto access = find_access(api, "shop", "orders");
  ASSERT_TRUE(access.has_value());
  EXPECT_EQ(access->broker, "shared");
  EXPECT_EQ(access->shards, 4);
  EXPECT_EQ(shard_pod(*access, 3), "shared-3");
  EXPECT_EQ(shard_endpoint(*access, "shop", 3), "tcp://shared-3.shared-shards.shop.svc:7650");
}

TEST(QueueAccess, NamesTheQueuesThereAre) {
  FakeApi api;
  api.add(queue_object("orders"));
  api.add(queue_object("emails"));
  const auto access = find_access(api, "shop", "order");
  ASSERT_FALSE(access.has_value());
  EXPECT_EQ(access.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(access.error().message(),
            "there is no Queue order in namespace shop; there are emails, orders");
}

TEST(QueueAccess, ASecretWithoutAKeyIsToldByName) {
  FakeApi api;
  api.add(queue_object("orders"));
  api.add(secret_object("orders-admin", {{"endpoint", encode_base64("tcp://a:1")}}));
  const auto access = find_access(api, "shop", "orders");
  ASSERT_FALSE(access.has_value());
  EXPECT_EQ(access.error().message(), "Secret orders-admin has no broker.pub");
}

TEST(QueueAccess, WithoutAQueueTheNamespaceNeedsOneBroker) {
  FakeApi api;
  EXPECT_EQ(find_only_access(api, "shop").error().code(), ErrorCode::kNotFound);
  api.add(queue_object("orders", "shared"));
  api.add(queue_object("emails", "shared"));
  api.add(keys_of("shared", "admin"));
  EXPECT_EQ(find_only_access(api, "shop")->broker, "shared");
  api.add(queue_object("thumbnails"));
  const auto several = find_only_access(api, "shop");
  ASSERT_FALSE(several.has_value());
  EXPECT_EQ(several.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(several.error().message(), HasSubstr("name a queue (emails, orders, thumbnails)"));
}

}  // namespace
}  // namespace sluice::cli::cluster
