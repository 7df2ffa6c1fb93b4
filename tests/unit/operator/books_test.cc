#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "operator/app/controller.h"
#include "operator/scaler/scaler.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_controllers.h"
#include "tests/support/operator_sim.h"
#include "tests/support/thinning.h"
#include "tests/unit/kube/script_transport.h"
#include "tests/unit/operator/all_in_view.h"
#include "tests/unit/operator/fake_links.h"

// What an operator remembers of Queues that are gone: nothing.
namespace sluice::op {
namespace {

using kube::Json;

// Controller and autoscaler as run_operator() puts them together, without its threads.
class BooksTest : public testing::Test {
 protected:
  static constexpr int kQueuesMax = test::kThinning > 1 ? 6 : 12;

  BooksTest() { scaler.start(); }

  static std::string name_of(int number) { return "q" + std::to_string(number); }

  void make_queues() {
    for (int i = 0; i < kQueuesMax; ++i) {
      ASSERT_TRUE(
          api.apply({{"apiVersion", "apps/v1"},
                     {"kind", "Deployment"},
                     {"metadata", {{"name", "worker-" + name_of(i)}, {"namespace", "shop"}}},
                     {"spec", {{"replicas", 0}}}},
                    "kubectl")
              .has_value());
      // Some share a broker, and each has a target of its own.
      Json spec = {{"deletionPolicy", i % 3 == 0 ? "Retain" : "Delete"},
                   {"consumers",
                    {{"scaleTargetRef", {{"name", "worker-" + name_of(i)}}}, {"maxReplicas", 3}}}};
      if (i < 4) spec["broker"]["name"] = "main";
      ASSERT_TRUE(api.apply({{"apiVersion", "sluice.dev/v1alpha1"},
                             {"kind", "Queue"},
                             {"metadata", {{"name", name_of(i)}, {"namespace", "shop"}}},
                             {"spec", spec}},
                            "kubectl")
                      .has_value());
    }
  }

  void watch() { bring_all(api, controller.view()); }

  void run_brokers() {
    const std::map<std::string, link::LinkEvents> now = links.live;
    for (const auto& [endpoint, live_events] : now) {
      links.connect(endpoint);
      link::BrokerObservation observation;
      observation.incarnation = 1;
      observation.version = "1";
      observation.server_keys = 1;
      links.observe(endpoint, observation);
    }
  }

  // Everybody takes turns for ten minutes.
  void settle() {
    for (int round = 0; round < 60; ++round) {
      watch();
      while (const auto taken = controller.work().take_due()) {
        controller.process(taken->key);
        controller.work().done(taken->key);
      }
      scaler.run_all();
      controllers.step();
      run_brokers();
      clock.advance(std::chrono::seconds(10));
      api.set_now(clock.wall_now());
    }
  }

  std::map<std::string, std::size_t> sizes() const {
    std::map<std::string, std::size_t> all = controller.book_sizes();
    all.merge(scaler.book_sizes());
    return all;
  }

  test::FakeApiServer api;
  test::FakeControllers controllers{api};
  test::CountingKeyMaker keys;
  FakeLinks links;
  kube::TestClock clock;
  OperatorCounters counters;
  Scaler scaler{
      ScalerSeams{api, clock, [](const kube::EventNote&) {},
                  [this](const std::string& key) { return controller.links().shards(key); },
                  [](const std::string&, std::size_t, const std::string&, base::Millis,
                     const std::function<void(base::Result<std::uint64_t>)>& done) {
                    done(base::unavailable("no cordons here"));
                  },
                  [this](const std::string& key) { controller.work().add(key); },
                  [](const ScalingStatus&, base::Nanos) {}}};
  Controller controller{
      ControllerSeams{
          api, links, clock, keys, counters, [](const kube::EventNote&) {},
          [] { return std::optional<std::uint64_t>(7); }, [](std::uint64_t) {},
          [this](const std::string& key) {
            scaler.follow(key, controller.view().queues(key));
            scaler.observed(key);
            return scaler.results(key);
          },
          [this](const std::string& key, std::size_t,
                 const std::shared_ptr<const link::BrokerObservation>&) { scaler.observed(key); }},
      [] {
        ControllerOptions options;
        options.reconcile.version = "1";
        options.reconcile.operator_namespace = "sys";
        return options;
      }()};
};

TEST_F(BooksTest, AreEmptyWhenAllQueuesAreGone) {
  for (int wave = 0; wave < 2; ++wave) {
    make_queues();
    settle();
    for (const char* book : {"view", "secrets", "links", "statuses", "targets", "rivals"}) {
      EXPECT_GT(sizes().at(book), 0U) << book;
    }
    for (int i = 0; i < kQueuesMax; ++i) {
      counters.scaled("shop", name_of(i), "default", "Backlog");
      ASSERT_TRUE(
          api.remove({&kube::kQueues, "shop", name_of(i)}, {}, kube::Propagation::kBackground)
              .has_value());
    }
    settle();
    // Somebody removes what was retained, and the consumers.
    for (const kube::ResourceType* type :
         {&kube::kPersistentVolumeClaims, &kube::kSecrets, &kube::kDeployments}) {
      for (const Json* left : api.all(*type)) {
        api.erase(*type, "shop", kube::name_of(*left));
      }
    }
    settle();
    ASSERT_TRUE(api.all().empty()) << api.all().size();
    for (const auto& [book, size] : sizes()) EXPECT_EQ(size, 0U) << book;
    EXPECT_TRUE(links.live.empty());
    OperatorStats stats;
    controller.fill(stats);
    counters.fill(stats);
    EXPECT_TRUE(stats.decisions.empty());
    EXPECT_TRUE(stats.queues_by_state.empty());
    EXPECT_TRUE(scaler.statuses().empty());
  }
}

}  // namespace
}  // namespace sluice::op
