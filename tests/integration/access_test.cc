#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/guarded_broker.h"

namespace sluice::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

TEST_F(GuardedBroker, LetsInWhoHasAKeyAndTellsTheOthers) {
  start();
  EXPECT_TRUE(connect(known_.secret_key, guarded_->endpoint()).has_value());
  EXPECT_THAT(refusal(new_key_pair().secret_key, guarded_->endpoint()),
              HasSubstr("the broker refused this key"));
  EXPECT_THAT(refusal("", guarded_->endpoint()), HasSubstr("only who has a key"));
  const auto stats = guarded_->stats();
  EXPECT_GE(stats->transport.handshake_failures_by_reason.at("auth"), 1U);
  EXPECT_EQ(stats->transport.keys, 1U);
}

TEST_F(GuardedBroker, TheControlPortIsTheOperatorsOnly) {
  start();
  EXPECT_THAT(refusal(known_.secret_key, guarded_->control_endpoint()),
              HasSubstr("needs the role operator"));
  EXPECT_EQ(guarded_->stats()->transport.denied_by_role.at("operator"), 1U);
}

TEST_F(GuardedBroker, NobodyIsLetInWithoutAGatekeeper) {
  LocalBrokerOptions options;
  options.has_gatekeeper = false;
  start(options);
  // ZeroMQ does not tell the client why it was cut off; it may not even see its handshake fail.
  EXPECT_THAT(refusal(known_.secret_key, guarded_->endpoint()),
              AnyOf(HasSubstr("cannot check any now"), HasSubstr("nobody answers there"),
                    HasSubstr("nobody says welcome")));
  const auto stats = guarded_->stats();
  EXPECT_GE(stats->transport.handshake_failures_by_reason.at("broken_off"), 1U);
  EXPECT_EQ(stats->transport.frames_received, 0U);
  EXPECT_EQ(stats->broker.sessions, 0U);
}

}  // namespace
}  // namespace sluice::test
