#include "operator/reconcile/key_rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/key_secrets.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/secret_files.h"
#include "tests/support/operator_sim.h"

namespace sluice::reconcile {
namespace {

using kube::Json;
using test::OperatorSim;
using testing::Contains;

SecretFiles files(const OperatorSim& sim, const std::string& secret) {
  return secret_files(sim.api.find(kube::kSecrets, "shop", secret));
}

void rotate(OperatorSim& sim, const char* token) {
  sim.put_queue("orders", Json::object(), {{"sluice.dev/rotate-broker-key", token}});
}

TEST(KeyRotation, ItsAnnotationIsReadAsItWasWritten) {
  KeyRotation rotation;
  rotation.step = KeyRotation::Step::kMoving;
  rotation.token = "b";
  rotation.done = {"a"};
  EXPECT_EQ(parse_rotation(to_text(rotation)), rotation);
  EXPECT_EQ(parse_rotation(""), KeyRotation());
  EXPECT_EQ(parse_rotation("[1]"), KeyRotation());
}

TEST(KeyRotation, GoesToTheOtherPortsAndBack) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  const std::string first = files(sim, "orders-broker").at("server.key");
  const std::string pod = kube::uid_of(*sim.api.find(kube::kPods, "shop", "orders-0"));

  rotate(sim, "june");
  ASSERT_TRUE(sim.settle());
  const SecretFiles broker = files(sim, "orders-broker");
  EXPECT_NE(broker.at("server.key"), first);
  EXPECT_EQ(broker.at("client-port"), "7660");
  EXPECT_EQ(broker.at("control-port"), "7661");
  EXPECT_FALSE(broker.contains("next.key"));
  EXPECT_EQ(files(sim, "orders-access").at("endpoint"), "tcp://orders.shop.svc:7660");
  EXPECT_EQ(files(sim, "orders-access").at("broker.pub"), broker.at("server.pub"));
  EXPECT_EQ(control_address(sim.gather().live, "orders", "10.1.0.1").endpoint,
            "tcp://10.1.0.1:7661");
  EXPECT_EQ(sim.check_keys(), "");
  EXPECT_EQ(kube::uid_of(*sim.api.find(kube::kPods, "shop", "orders-0")), pod);
  EXPECT_THAT(sim.events, Contains("Normal KeyRotationBegun"));
  EXPECT_THAT(sim.events, Contains("Normal KeyRotationDone"));

  rotate(sim, "july");
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(files(sim, "orders-broker").at("client-port"), "7650");
  EXPECT_EQ(files(sim, "orders-access").at("endpoint"), "tcp://orders.shop.svc:7650");
}

TEST(KeyRotation, WaitsForTheClientsAndServesBothKeysMeanwhile) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  sim.brokers.sessions_move = false;
  rotate(sim, "june");
  ASSERT_TRUE(sim.settle());
  const SecretFiles broker = files(sim, "orders-broker");
  EXPECT_EQ(broker.at("next.listen"), "tcp://0.0.0.0:7660");
  EXPECT_EQ(broker.at("next.control"), "tcp://0.0.0.0:7661");
  EXPECT_EQ(broker.at("client-port"), "7650");
  EXPECT_EQ(files(sim, "orders-access").at("broker.pub"), broker.at("next.pub"));
  sim.brokers.sessions_move = true;
  ASSERT_TRUE(sim.settle());
  EXPECT_FALSE(files(sim, "orders-broker").contains("next.key"));
}

TEST(KeyRotation, AShardThatIsNotHeardHoldsItUp) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  const std::string before = files(sim, "orders-access").at("broker.pub");
  sim.brokers.reachable = false;
  rotate(sim, "june");
  ASSERT_TRUE(sim.settle());
  EXPECT_TRUE(files(sim, "orders-broker").contains("next.key"));
  EXPECT_EQ(files(sim, "orders-access").at("broker.pub"), before);
}

TEST(KeyRotation, ATokenAsksOnceAndANewBrokerNeedsNone) {
  OperatorSim sim("shop", "orders");
  rotate(sim, "june");
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(files(sim, "orders-broker").at("client-port"), "7650");
  rotate(sim, "july");
  ASSERT_TRUE(sim.settle());
  rotate(sim, "june");
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(files(sim, "orders-broker").at("client-port"), "7660");
}

// The older key is valid until the last shard has moved, and clients hear of the next one only when
// all serve it.
TEST(KeyRotation, AllShardsMoveBeforeTheOlderKeyGoes) {
  OperatorSim sim("shop", "orders");
  const Json spec = {{"shards", 3}};
  sim.put_queue("orders", spec);
  ASSERT_TRUE(sim.settle());
  const std::string first = files(sim, "orders-broker").at("server.pub");
  std::vector<std::string> pods;
  for (const Json* pod : sim.api.all(kube::kPods)) pods.push_back(kube::uid_of(*pod));
  ASSERT_EQ(pods.size(), 3U);

  sim.brokers.late_with_key = {"orders-2"};
  sim.put_queue("orders", spec, {{"sluice.dev/rotate-broker-key", "june"}});
  ASSERT_TRUE(sim.settle());
  EXPECT_TRUE(files(sim, "orders-broker").contains("next.key"));
  for (const char* secret : {"orders-access", "orders-admin", "orders-operator"}) {
    EXPECT_EQ(files(sim, secret).at("broker.pub"), first) << secret;
  }
  EXPECT_EQ(control_address(sim.gather().live, "orders", "10.1.0.1").endpoint,
            "tcp://10.1.0.1:7651");

  sim.brokers.late_with_key = {};
  sim.brokers.with_older_sessions = {"orders-1"};
  ASSERT_TRUE(sim.settle());
  const SecretFiles broker = files(sim, "orders-broker");
  EXPECT_EQ(broker.at("server.pub"), first);
  EXPECT_EQ(broker.at("client-port"), "7650");
  for (const char* secret : {"orders-access", "orders-admin", "orders-operator"}) {
    EXPECT_EQ(files(sim, secret).at("broker.pub"), broker.at("next.pub")) << secret;
  }
  EXPECT_EQ(files(sim, "orders-access").at("endpoint"), "tcp://orders.shop.svc:7660");
  EXPECT_EQ(control_address(sim.gather().live, "orders", "10.1.0.1").endpoint,
            "tcp://10.1.0.1:7661");

  sim.brokers.with_older_sessions = {};
  ASSERT_TRUE(sim.settle());
  EXPECT_FALSE(files(sim, "orders-broker").contains("next.key"));
  EXPECT_EQ(files(sim, "orders-broker").at("server.pub"), broker.at("next.pub"));
  EXPECT_EQ(files(sim, "orders-broker").at("client-port"), "7660");
  EXPECT_EQ(sim.check_keys(), "");
  std::vector<std::string> after;
  for (const Json* pod : sim.api.all(kube::kPods)) after.push_back(kube::uid_of(*pod));
  EXPECT_EQ(after, pods);
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
}

// What people write into an annotation is no bound for what a Secret can hold.
TEST(KeyRotation, TokensOfAnyLengthFitTheAnnotationOfTheSecret) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  for (int i = 0; i < 4; ++i) {
    rotate(sim, (std::string(100'000, 'x') + std::to_string(i)).c_str());
    ASSERT_TRUE(sim.settle());
    EXPECT_EQ(files(sim, "orders-broker").at("client-port"), i % 2 == 0 ? "7660" : "7650");
  }
  EXPECT_LT(annotation(*sim.api.find(kube::kSecrets, "shop", "orders-broker"), kRotationAnnotation)
                .size(),
            1'000U);
}

void put_file(OperatorSim& sim, const std::string& secret, const char* file, const char* text) {
  sim.api.change(kube::kSecrets, "shop", secret,
                 [&](Json& object) { object["data"][file] = base::encode_base64(text); });
}

TEST(Keys, APublicHalfFollowsFromTheSecretOne) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  const SecretFiles broker = files(sim, "orders-broker");
  const SecretFiles access = files(sim, "orders-access");
  put_file(sim, "orders-broker", "server.pub", "cut off\n");
  put_file(sim, "orders-access", "client.pub", "");
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(files(sim, "orders-broker"), broker);
  EXPECT_EQ(files(sim, "orders-access"), access);
}

TEST(Keys, ADamagedKeyThatIsInUseIsNotReplaced) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  const SecretFiles broker = files(sim, "orders-broker");
  const SecretFiles access = files(sim, "orders-access");
  put_file(sim, "orders-broker", "server.key", "oops");
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True KeyUnreadable");
  EXPECT_EQ(sim.condition("orders", "Ready"), "True QueueReady");
  EXPECT_EQ(files(sim, "orders-access"), access);
  put_file(sim, "orders-broker", "server.key", broker.at("server.key").c_str());
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "False NoObstacle");
  // Somebody decides for other keys.
  sim.api.erase(kube::kSecrets, "shop", "orders-broker");
  ASSERT_TRUE(sim.settle());
  EXPECT_NE(files(sim, "orders-broker").at("server.key"), broker.at("server.key"));
  EXPECT_EQ(sim.check_keys(), "");
}

TEST(Keys, ADamagedNextKeyStopsTheChangeOfKeys) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  sim.brokers.sessions_move = false;
  rotate(sim, "june");
  ASSERT_TRUE(sim.settle());
  const SecretFiles access = files(sim, "orders-access");
  put_file(sim, "orders-broker", "next.key", "oops");
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(sim.condition("orders", "Stalled"), "True KeyUnreadable");
  EXPECT_EQ(files(sim, "orders-access"), access);
}

// A Queue that is being deleted has its Secrets made by nobody again, and its status goes on.
TEST(ClientEndpoint, IsTheOneInUseAlsoWithoutTheSecretOfClients) {
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  const auto without_access = [&] {
    sim.api.erase(kube::kSecrets, "shop", "orders-access");
    return client_endpoint(sim.gather().live, "shop", "orders");
  };
  EXPECT_EQ(without_access(), "tcp://orders.shop.svc:7650");
  ASSERT_TRUE(sim.settle());

  sim.brokers.sessions_move = false;
  rotate(sim, "june");
  ASSERT_TRUE(sim.settle());
  ASSERT_EQ(files(sim, "orders-broker").at("client-port"), "7650");
  EXPECT_EQ(without_access(), "tcp://orders.shop.svc:7660");
  sim.brokers.sessions_move = true;
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(without_access(), "tcp://orders.shop.svc:7660");

  ASSERT_TRUE(sim.settle());
  rotate(sim, "july");
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(without_access(), "tcp://orders.shop.svc:7650");
}

TEST(ControlAddress, IsEmptyWithoutTheSecret) {
  EXPECT_EQ(control_address({}, "orders", "10.0.0.1").endpoint, "");
  OperatorSim sim("shop", "orders");
  sim.put_queue("orders", Json::object());
  ASSERT_TRUE(sim.settle());
  EXPECT_EQ(control_address(sim.gather().live, "orders", "").endpoint, "");
  EXPECT_EQ(control_address(sim.gather().live, "orders", "fd00::1").endpoint,
            "tcp://[fd00::1]:7651");
}

}  // namespace
}  // namespace sluice::reconcile
