#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/admin.h"
#include "client/connection.h"
#include "client/zmq_keys.h"
#include "tests/integration/local_broker.h"

namespace sluice::test {
namespace {

using testing::HasSubstr;

class GuardedBroker : public testing::Test {
 protected:
  GuardedBroker() {
    const auto ring =
        access::KeyRing::parse("worker " + known_.public_key + " produce,consume,inspect *");
    CHECK(ring.has_value());
    LocalBrokerOptions options;
    options.queues = {plain_queue("orders")};
    options.keys = std::make_shared<const access::KeyRing>(*ring);
    options.curve_secret = broker_.secret_key;
    guarded_ = std::make_unique<LocalBroker>(folder_.path(), options);
  }
  static client::KeyPair pair() {
    const auto made = client::make_key_pair();
    CHECK(made.has_value());
    return *made;
  }
  base::Result<std::unique_ptr<client::Connection>> connect(const std::string& secret,
                                                            const std::string& endpoint) {
    client::ConnectionOptions options;
    options.endpoint = endpoint;
    if (!secret.empty()) options.credentials = {broker_.public_key, secret};
    options.connect_timeout = base::Millis(3'000);
    return client::Connection::open(options);
  }
  std::string refusal(const std::string& secret, const std::string& endpoint) {
    const auto connection = connect(secret, endpoint);
    return connection.has_value() ? "was let in" : connection.error().message();
  }

  TemporaryFolder folder_;
  client::KeyPair broker_ = pair();
  client::KeyPair known_ = pair();
  std::unique_ptr<LocalBroker> guarded_;
};

TEST_F(GuardedBroker, LetsInWhoHasAKeyAndTellsTheOthers) {
  EXPECT_TRUE(connect(known_.secret_key, guarded_->endpoint()).has_value());
  EXPECT_THAT(refusal(pair().secret_key, guarded_->endpoint()),
              HasSubstr("the broker refused this key"));
  EXPECT_THAT(refusal("", guarded_->endpoint()), HasSubstr("only who has a key"));
  const auto stats = guarded_->stats();
  EXPECT_GE(stats->transport.handshake_failures_by_reason.at("auth"), 1U);
  EXPECT_EQ(stats->transport.keys, 1U);
}

TEST_F(GuardedBroker, TheControlPortIsTheOperatorsOnly) {
  EXPECT_THAT(refusal(known_.secret_key, guarded_->control_endpoint()),
              HasSubstr("needs the role operator"));
  EXPECT_EQ(guarded_->stats()->transport.denied_by_role.at("operator"), 1U);
}

TEST_F(GuardedBroker, NobodyIsLetInWithoutAGatekeeper) {
  guarded_->stop_gatekeeper();
  EXPECT_THAT(refusal(known_.secret_key, guarded_->endpoint()), HasSubstr("PermissionDenied"));
  const auto stats = guarded_->stats();
  EXPECT_GE(stats->transport.handshake_failures_by_reason.at("unchecked"), 1U);
  EXPECT_EQ(stats->broker.sessions, 0U);
}

}  // namespace
}  // namespace sluice::test
