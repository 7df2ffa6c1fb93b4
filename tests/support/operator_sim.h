#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/reconcile/reconcile.h"
#include "operator/reconcile/wait_book.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_brokers.h"
#include "tests/support/fake_controllers.h"

namespace sluice::test {

// Keys that are different from each other, and the same in every run.
class CountingKeyMaker : public reconcile::KeyMaker {
 public:
  reconcile::KeyPair make() override;
  std::optional<std::string> public_key_of(const std::string& secret_key) override;

 private:
  std::uint64_t count_ = 0;
  std::map<std::string, std::string> made_;  // public halves by secret ones
};

// What is wrong between the Secrets of a broker; "" = they fit together.
std::string check_keys(const FakeApiServer& api, const std::string& name_space,
                       const std::string& broker);

// An operator that looks after one broker of a simulated cluster, and may be cut off after any of
// its actions. Deterministic: time moves a second a round.
class OperatorSim {
 public:
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  OperatorSim(std::string name_space, std::string broker);

  // What the operator goes by now.
  reconcile::Inputs gather() const;
  // Makes a plan and carries it out, at most `limit` actions of it. What was done.
  std::size_t run_once(std::size_t limit = kNoLimit);
  // Operator, controllers and brokers take turns until nothing changes; at most `limit` actions of
  // the operator, which then is no more. False if it never comes to rest.
  bool settle(std::size_t limit = kNoLimit);
  // Another process: it remembers nothing.
  void restart();
  void advance(base::Millis time);

  // `spec` as a user writes it, over what is there. The defaults of the CRD that a plan looks at.
  void put_queue(const std::string& name, const kube::Json& spec,
                 const kube::Json& annotations = kube::Json::object());
  void delete_queue(const std::string& name);
  const kube::Json* queue(const std::string& name) const;
  // Status and reason of a condition: "True Fresh"; "" where there is none.
  std::string condition(const std::string& queue, const std::string& type) const;

  // What the cluster has, with what differs between two runs that come to the same end left out:
  // uids, versions, times, keys.
  std::string picture() const;
  std::string check_keys() const { return test::check_keys(api, name_space_, broker_); }

  FakeApiServer api;
  FakeControllers controllers{api};
  FakeBrokers brokers{api};
  reconcile::Options options;
  bool namespace_terminating = false;
  base::Millis clock_offset{0};  // of the operator's date, from the API server's
  // So many rounds the operator's caches are behind; Secrets it reads itself.
  std::size_t lag = 0;
  std::size_t actions_done = 0;
  std::vector<std::string> log;       // to_string() of each action
  std::vector<std::string> events;    // "Normal BrokerCreated"
  std::vector<std::string> problems;  // statuses that say what is not so

 private:
  std::vector<kube::Json> look() const;
  bool carry_out(const reconcile::Action& action);
  void check_status(const std::string& queue);

  std::string name_space_;
  std::string broker_;
  mutable CountingKeyMaker keys_;  // what a plan takes from outside itself
  base::MonoTime mono_;
  std::map<std::string, base::MonoTime> status_written_;
  reconcile::WaitBook waits_;
  std::deque<std::vector<kube::Json>> seen_;  // by round, the newest last
};

}  // namespace sluice::test
