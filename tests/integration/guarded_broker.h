#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "access/key_files.h"
#include "base/check.h"
#include "client/connection.h"
#include "client/zmq_keys.h"
#include "tests/integration/local_broker.h"

namespace sluice::test {

inline client::KeyPair new_key_pair() {
  const auto made = client::make_key_pair();
  CHECK(made.has_value());
  return *made;
}

// A broker with keys and the queue "orders", and one key that it knows.
class GuardedBroker : public testing::Test {
 protected:
  static constexpr std::string_view kRoles = " produce,consume,inspect *\n";

  // `more` = further lines of its authorized_keys.
  void start(LocalBrokerOptions options = {}, const std::string& more = "") {
    const auto ring =
        access::KeyRing::parse("worker " + known_.public_key + std::string(kRoles) + more);
    CHECK(ring.has_value());
    options.queues = {plain_queue("orders")};
    options.keys = std::make_shared<const access::KeyRing>(*ring);
    options.curve_secret = broker_.secret_key;
    guarded_ = std::make_unique<LocalBroker>(folder_.path() + "/data", options);
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

  std::uint64_t failures(const std::string& reason) {
    const auto stats = guarded_->stats();
    const auto at = stats->transport.handshake_failures_by_reason.find(reason);
    return at == stats->transport.handshake_failures_by_reason.end() ? 0 : at->second;
  }
  // The broker learns of connections when they happen; the test's own time limit ends this.
  void wait_for(const std::string& reason, std::uint64_t count) {
    while (failures(reason) < count) std::this_thread::yield();
  }

  TemporaryFolder folder_;
  client::KeyPair broker_ = new_key_pair();
  client::KeyPair known_ = new_key_pair();
  std::unique_ptr<LocalBroker> guarded_;
};

}  // namespace sluice::test
