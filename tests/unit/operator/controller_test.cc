#include "operator/app/controller.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operator/reconcile/names.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_controllers.h"
#include "tests/support/operator_sim.h"
#include "tests/unit/kube/script_transport.h"
#include "tests/unit/operator/all_in_view.h"
#include "tests/unit/operator/fake_links.h"

namespace sluice::op {
namespace {

using kube::Json;

// A cluster in memory, whose objects the controller sees when the test says so.
class ControllerTest : public testing::Test {
 protected:
  ControllerTest() { make(); }

  void make() {
    ControllerOptions options;
    options.reconcile.version = "1";
    options.reconcile.operator_namespace = "sys";
    controller = std::make_unique<Controller>(
        ControllerSeams{api,
                        links,
                        clock,
                        keys,
                        counters,
                        [this](const kube::EventNote& note) { events.push_back(note.reason); },
                        [this] { return epoch; },
                        [this](std::uint64_t seen) { met = std::max(met, seen); },
                        [this](const std::string& key) {
                          scaled[key] = controller->view().queues(key).size();
                          return ScalingResults();
                        },
                        {}},
        options);
  }

  void put_queue(const std::string& name, const Json& spec) {
    ASSERT_TRUE(api.apply({{"apiVersion", "sluice.dev/v1alpha1"},
                           {"kind", "Queue"},
                           {"metadata", {{"name", name}, {"namespace", "shop"}}},
                           {"spec", spec}},
                          "kubectl")
                    .has_value());
  }

  void delete_queue(const std::string& name) {
    ASSERT_TRUE(
        api.remove({&kube::kQueues, "shop", name}, {}, kube::Propagation::kBackground).has_value());
  }

  void make_namespace() {
    ASSERT_TRUE(
        api.create({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "shop"}}}})
            .has_value());
  }

  void watch() { bring_all(api, controller->view()); }

  // Brokers run in all pods that are ready, and have applied what is in the ConfigMap or was told.
  void run_brokers() {
    const std::map<std::string, link::LinkEvents> now = links.live;
    for (const auto& [endpoint, live_events] : now) {
      links.connect(endpoint);
      link::BrokerObservation observation;
      observation.incarnation = 1;
      observation.version = "1";
      observation.server_keys = server_keys;
      observation.leader_epoch = epoch.value_or(0);
      const Json* config =
          api.find(kube::kConfigMaps, "shop", reconcile::queues_config_name("orders"));
      if (config != nullptr && config->contains("data")) {
        for (const auto& [file, manifest] : (*config)["data"].items()) {
          link::QueueObservation queue;
          queue.name = file.substr(0, file.find('.'));
          queue.revision = link::manifest_revision(manifest.get<std::string>());
          link::SubscriptionObservation subscription;
          subscription.name = "default";
          subscription.ready = ready_messages;
          queue.subscriptions.push_back(subscription);
          observation.queues.push_back(queue);
        }
      }
      links.observe(endpoint, observation);
    }
  }

  // Until nothing changes any more; the number of writes of the last round.
  std::uint64_t settle() {
    std::uint64_t writes = 1;
    for (int round = 0; round < 40 && writes > 0; ++round) {
      const std::uint64_t before = api.writes;
      watch();
      controller->process("shop/orders");
      writes = api.writes - before;
      if (controllers.step()) writes = 1;
      watch();
      run_brokers();
      clock.advance(std::chrono::seconds(1));
      api.set_now(clock.wall_now());
    }
    return writes;
  }

  std::string condition(const std::string& type) {
    const Json* queue = api.find(kube::kQueues, "shop", "orders");
    if (queue == nullptr) return "";
    for (const Json& one : kube::value_in(*queue, {"status", "conditions"})) {
      if (kube::text_in(one, "type") == type) return kube::text_in(one, "status");
    }
    return "";
  }

  test::FakeApiServer api;
  test::FakeControllers controllers{api};
  test::CountingKeyMaker keys;
  FakeLinks links;
  kube::TestClock clock;
  OperatorCounters counters;
  std::vector<std::string> events;
  std::optional<std::uint64_t> epoch = 7;
  std::uint64_t met = 0;
  std::uint64_t ready_messages = 0;  // of each queue
  std::uint32_t server_keys = 1;
  std::map<std::string, std::size_t> scaled;  // Queues that the autoscaler knows of, by broker
  std::unique_ptr<Controller> controller;
};

TEST_F(ControllerTest, a_queue_becomes_a_ready_broker_and_then_there_is_nothing_to_write) {
  put_queue("orders", Json::object());
  EXPECT_EQ(settle(), 0U);
  EXPECT_NE(api.find(kube::kStatefulSets, "shop", "orders"), nullptr);
  EXPECT_EQ(condition("Ready"), "True");
  EXPECT_EQ(links.live.size(), 1U);
  OperatorStats stats;
  controller->fill(stats);
  EXPECT_EQ(stats.queues_by_state["Ready"], 1U);
  EXPECT_EQ(stats.links_connected, 1U);
  const std::uint64_t before = api.writes;
  clock.advance(std::chrono::minutes(5));
  watch();
  controller->process("shop/orders");
  EXPECT_EQ(api.writes, before);
}

TEST_F(ControllerTest, a_changed_setting_is_told_to_the_running_broker) {
  put_queue("orders", Json::object());
  settle();
  const std::size_t calls = links.calls.size();
  put_queue("orders", {{"delivery", {{"maxAttempts", 9}}}});
  watch();
  controller->process("shop/orders");
  ASSERT_GT(links.calls.size(), calls);
  EXPECT_EQ(links.calls.back().what, "configure");
  EXPECT_EQ(links.calls.back().epoch, 7U);
  EXPECT_NE(links.calls.back().text.find("9"), std::string::npos);
}

TEST_F(ControllerTest, an_object_of_somebody_else_with_the_brokers_name_is_left_alone) {
  ASSERT_TRUE(api.apply({{"apiVersion", "v1"},
                         {"kind", "Service"},
                         {"metadata", {{"name", "orders"}, {"namespace", "shop"}}},
                         {"spec", {{"selector", {{"app", "orders"}}}}}},
                        "kubectl")
                  .has_value());
  put_queue("orders", Json::object());
  for (int round = 0; round < 10; ++round) {
    // What has no label is not watched.
    watch();
    controller->view().cache(kube::kServices).replace({});
    controller->process("shop/orders");
    clock.advance(std::chrono::seconds(1));
  }
  const Json* service = api.find(kube::kServices, "shop", "orders");
  ASSERT_NE(service, nullptr);
  EXPECT_EQ((*service)["spec"]["selector"], Json({{"app", "orders"}}));
  EXPECT_EQ(api.find(kube::kStatefulSets, "shop", "orders"), nullptr);
  const Json* queue = api.find(kube::kQueues, "shop", "orders");
  ASSERT_NE(queue, nullptr);
  EXPECT_NE(queue->dump().find("NameTaken"), std::string::npos);
}

TEST_F(ControllerTest, an_object_of_somebody_else_that_comes_late_is_left_alone) {
  put_queue("orders", {{"shards", 99}});
  watch();
  controller->process("shop/orders");
  ASSERT_EQ(condition("Stalled"), "True");
  clock.advance(std::chrono::seconds(5));
  const Json labels = {{"app", "theirs"}};
  ASSERT_TRUE(api.create({{"apiVersion", "apps/v1"},
                          {"kind", "StatefulSet"},
                          {"metadata", {{"name", "orders"}, {"namespace", "shop"}}},
                          {"spec",
                           {{"replicas", 1},
                            {"serviceName", "theirs"},
                            {"selector", {{"matchLabels", labels}}},
                            {"template",
                             {{"metadata", {{"labels", labels}}},
                              {"spec", {{"containers", {{{"name", "a"}, {"image", "a:1"}}}}}}}}}}})
                  .has_value());
  const Json theirs = *api.find(kube::kStatefulSets, "shop", "orders");
  put_queue("orders", {{"shards", 1}});
  for (int round = 0; round < 3; ++round) {
    watch();
    // What has no label is not watched.
    controller->view().cache(kube::kStatefulSets).replace({});
    controller->process("shop/orders");
    clock.advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(*api.find(kube::kStatefulSets, "shop", "orders"), theirs);
  EXPECT_NE(api.find(kube::kQueues, "shop", "orders")->dump().find("NameTaken"), std::string::npos);
}

// Both have a Service of this name.
TEST_F(ControllerTest, of_two_brokers_that_take_a_name_at_the_same_time_one_gets_it) {
  put_queue("orders", Json::object());
  put_queue("orders-shards", Json::object());
  watch();
  bool other_worker = true;
  api.on_write = [&](std::string_view, const kube::ObjectRef& ref) {
    if (ref.name != "orders-shards" || !std::exchange(other_worker, false)) return;
    controller->process("shop/orders-shards");
  };
  controller->process("shop/orders");
  ASSERT_FALSE(other_worker);
  for (int round = 0; round < 3; ++round) {
    watch();
    controller->process("shop/orders-shards");
    controller->process("shop/orders");
    clock.advance(std::chrono::seconds(1));
  }
  const Json* service = api.find(kube::kServices, "shop", "orders-shards");
  ASSERT_NE(service, nullptr);
  EXPECT_EQ((*service)["metadata"]["labels"]["sluice.dev/broker"], "orders");
  EXPECT_EQ(api.find(kube::kStatefulSets, "shop", "orders-shards"), nullptr);
  EXPECT_NE(api.find(kube::kQueues, "shop", "orders-shards")->dump().find("NameTaken"),
            std::string::npos);
  EXPECT_EQ(api.find(kube::kQueues, "shop", "orders")->dump().find("NameTaken"), std::string::npos);
}

TEST_F(ControllerTest, a_queue_that_was_made_anew_does_not_lose_its_messages_to_the_older_one) {
  make_namespace();
  put_queue("orders", Json::object());
  const Json spec = {{"broker", {{"name", "orders"}}}, {"deletionPolicy", "Delete"}};
  put_queue("emails", spec);
  settle();
  delete_queue("emails");
  watch();
  // Somebody takes the finalizer away and makes it anew; the view is behind.
  api.erase(kube::kQueues, "shop", "emails");
  put_queue("emails", spec);
  controller->process("shop/orders");
  const auto removals = [&] {
    return std::count_if(links.calls.begin(), links.calls.end(),
                         [](const auto& call) { return call.what == "remove_queue"; });
  };
  EXPECT_EQ(removals(), 0);
  // The deletion of that one is carried out.
  settle();
  delete_queue("emails");
  watch();
  controller->process("shop/orders");
  EXPECT_EQ(removals(), 1);
}

// The watch of volumes is behind that of Queues.
TEST_F(ControllerTest, volumes_that_are_not_in_view_go_with_their_queue_all_the_same) {
  make_namespace();
  put_queue("orders", {{"deletionPolicy", "Delete"}, {"shards", 2}});
  settle();
  delete_queue("orders");
  for (int round = 0; round < 5; ++round) {
    watch();
    controller->view().cache(kube::kPersistentVolumeClaims).replace({});
    controller->view().cache(kube::kStatefulSets).replace({});
    controller->process("shop/orders");
    controllers.step();
  }
  EXPECT_EQ(api.find(kube::kQueues, "shop", "orders"), nullptr);
  EXPECT_TRUE(api.all(kube::kPersistentVolumeClaims).empty());
}

// Somebody took its label away, so that the watch shows it no more; its pods are waited for.
TEST_F(ControllerTest, a_stateful_set_without_its_label_goes_with_its_queue_all_the_same) {
  make_namespace();
  put_queue("orders", {{"deletionPolicy", "Delete"}});
  settle();
  delete_queue("orders");
  for (int round = 0; round < 5; ++round) {
    if (api.find(kube::kStatefulSets, "shop", "orders") != nullptr) {
      api.change(kube::kStatefulSets, "shop", "orders",
                 [](Json& set) { set["metadata"].erase("labels"); });
    }
    watch();
    controller->view().cache(kube::kStatefulSets).replace({});
    controller->process("shop/orders");
    controllers.step();
  }
  EXPECT_EQ(api.find(kube::kQueues, "shop", "orders"), nullptr);
  EXPECT_EQ(api.find(kube::kStatefulSets, "shop", "orders"), nullptr);
}

// ... nor does it show that volumes were told to go, which takes along what joins their broker.
TEST_F(ControllerTest, a_queue_does_not_join_a_broker_whose_volumes_go_unseen) {
  put_queue("orders", {{"deletionPolicy", "Delete"}});
  settle();
  for (const kube::ResourceType* type : {&kube::kQueues, &kube::kPersistentVolumeClaims}) {
    const std::string name = type == &kube::kQueues ? "orders" : "data-orders-0";
    ASSERT_TRUE(api.remove({type, "shop", name}, {}, kube::Propagation::kBackground).has_value());
  }
  std::vector<Json> seen = {*api.find(kube::kPersistentVolumeClaims, "shop", "data-orders-0")};
  seen[0]["metadata"].erase("deletionTimestamp");
  seen[0]["metadata"]["resourceVersion"] = "1";
  put_queue("later", {{"broker", {{"name", "orders"}}}});
  watch();
  controller->view().cache(kube::kPersistentVolumeClaims).replace(seen);
  controller->process("shop/orders");
  EXPECT_FALSE((*api.find(kube::kQueues, "shop", "later"))["metadata"].contains("finalizers"));
  EXPECT_EQ(settle(), 0U);
  EXPECT_EQ(api.find(kube::kQueues, "shop", "orders"), nullptr);
  const Json* claim = api.find(kube::kPersistentVolumeClaims, "shop", "data-orders-0");
  ASSERT_NE(claim, nullptr);
  EXPECT_NE(kube::uid_of(*claim), kube::uid_of(seen[0]));
}

// ... nor that there are any.
TEST_F(ControllerTest, a_queue_does_not_join_against_the_volumes_that_are_not_in_view) {
  put_queue("orders", Json::object());
  settle();
  const std::string claim = "data-orders-0";
  api.change(kube::kPersistentVolumeClaims, "shop", claim,
             [](Json& object) { object["spec"]["storageClassName"] = "standard"; });
  put_queue("later",
            {{"broker", {{"name", "orders"}, {"storage", {{"storageClassName", "fast"}}}}}});
  watch();
  controller->view().cache(kube::kPersistentVolumeClaims).replace({});
  controller->process("shop/orders");
  const Json& later = *api.find(kube::kQueues, "shop", "later");
  EXPECT_FALSE(later["metadata"].contains("finalizers"));
  EXPECT_NE(later.dump().find("BrokerConflict"), std::string::npos);
}

TEST_F(ControllerTest, retained_volumes_that_are_not_in_view_are_all_found) {
  make_namespace();
  put_queue("orders", {{"shards", 3}});
  settle();
  const std::string uid = kube::uid_of(*api.find(kube::kQueues, "shop", "orders"));
  delete_queue("orders");
  settle();
  ASSERT_EQ(api.find(kube::kQueues, "shop", "orders"), nullptr);
  ASSERT_EQ(api.all(kube::kPersistentVolumeClaims).size(), 3U);
  put_queue("orders", {{"shards", 1}});
  api.change(kube::kQueues, "shop", "orders",
             [&](Json& queue) { queue["metadata"]["annotations"]["sluice.dev/adopt"] = uid; });
  watch();
  controller->view().cache(kube::kPersistentVolumeClaims).replace({});
  controller->process("shop/orders");
  const Json& queue = *api.find(kube::kQueues, "shop", "orders");
  EXPECT_FALSE(queue["metadata"].contains("finalizers"));
  EXPECT_NE(queue.dump().find("has 3 shards, and spec.shards is 1"), std::string::npos);
}

TEST_F(ControllerTest, a_queue_that_is_not_in_view_keeps_its_place_until_it_is_gone) {
  put_queue("orders", Json::object());
  put_queue("emails", {{"broker", {{"name", "orders"}}}});
  settle();
  const auto picture = [&] {
    const Json* config = api.find(kube::kConfigMaps, "shop", "orders-queues");
    return std::pair((*config)["data"].contains("emails.json"),
                     (*config)["metadata"]["ownerReferences"].size());
  };
  ASSERT_EQ(picture(), std::pair(true, std::size_t{2}));
  // The watch of Queues is behind that of the rest; another change has the ConfigMap applied.
  put_queue("orders", {{"delivery", {{"maxAttempts", 9}}}});
  watch();
  controller->view().cache(kube::kQueues).replace({*api.find(kube::kQueues, "shop", "orders")});
  controller->process("shop/orders");
  EXPECT_EQ(picture(), std::pair(true, std::size_t{2}));
  // Somebody took its finalizer away: then it may be dropped.
  api.erase(kube::kQueues, "shop", "emails");
  watch();
  controller->process("shop/orders");
  EXPECT_EQ(picture(), std::pair(false, std::size_t{1}));
}

// An object that names an older one of that name has it asked for. By what is newer than the view
// only one plan would go, and the next one would take the settings back.
TEST_F(ControllerTest, a_queue_that_is_in_view_goes_by_the_view) {
  put_queue("orders", {{"deletionPolicy", "Retain"}});
  ASSERT_EQ(settle(), 0U);
  const auto settings = [&] {
    return (*api.find(kube::kConfigMaps, "shop", "orders-queues"))["data"];
  };
  const Json before = settings();
  ASSERT_FALSE(before.is_null());
  api.change(kube::kConfigMaps, "shop", "orders-queues", [](Json& one) {
    one["metadata"]["ownerReferences"].push_back({{"apiVersion", "sluice.dev/v1alpha1"},
                                                  {"kind", "Queue"},
                                                  {"name", "orders"},
                                                  {"uid", "of-one-before"}});
  });
  watch();
  put_queue("orders", {{"deletionPolicy", "Retain"}, {"delivery", {{"maxAttempts", 3}}}});
  controller->process("shop/orders");
  EXPECT_EQ(settings(), before);
  ASSERT_EQ(settle(), 0U);
  EXPECT_NE(settings(), before);
}

TEST_F(ControllerTest, a_queue_that_cannot_be_asked_for_is_not_dropped) {
  put_queue("orders", Json::object());
  put_queue("emails", {{"broker", {{"name", "orders"}}}});
  settle();
  watch();
  controller->view().cache(kube::kQueues).replace({*api.find(kube::kQueues, "shop", "orders")});
  api.get_error = base::unavailable("no connection");
  const std::uint64_t before = api.writes;
  controller->process("shop/orders");
  EXPECT_EQ(api.writes, before);
}

TEST_F(ControllerTest, a_broker_that_is_gone_is_forgotten) {
  put_queue("orders", {{"deletionPolicy", "Delete"}});
  settle();
  delete_queue("orders");
  settle();
  for (int i = 0; i < 5; ++i) {
    controllers.step();
    watch();
    controller->process("shop/orders");
  }
  EXPECT_EQ(api.find(kube::kQueues, "shop", "orders"), nullptr);
  EXPECT_TRUE(links.live.empty());
  EXPECT_EQ(scaled["shop/orders"], 0U);
}

TEST_F(ControllerTest, what_was_counted_of_a_queue_goes_with_it) {
  put_queue("orders", Json::object());
  counters.scaled("shop", "orders", "default", "Backlog");
  watch();
  OperatorStats stats;
  controller->fill(stats);
  counters.fill(stats);
  EXPECT_EQ(stats.decisions.size(), 1U);
  api.erase(kube::kQueues, "shop", "orders");
  watch();
  controller->fill(stats);
  counters.fill(stats);
  EXPECT_TRUE(stats.decisions.empty());
}

// Another process: it knows nothing, and its links have not connected yet.
TEST_F(ControllerTest, a_restart_writes_nothing_while_links_connect) {
  put_queue("orders", {{"shards", 2}});
  settle();
  ASSERT_EQ(condition("MetricsAvailable"), "True");
  const std::uint64_t before = api.writes;
  controller.reset();
  make();
  watch();
  for (int i = 0; i < 4; ++i) {
    controller->process("shop/orders");
    for (const auto& [endpoint, link] : std::map(links.live)) {
      link.status_changed({false, "nobody answers there, attempt " + std::to_string(i)});
    }
    clock.advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(api.writes, before);
  run_brokers();
  controller->process("shop/orders");
  EXPECT_EQ(api.writes, before);
}

// ... nor about a deletion that waits until the queue is empty.
TEST_F(ControllerTest, a_restart_does_not_forget_that_a_deleted_queue_is_not_empty) {
  make_namespace();
  put_queue("orders", {{"deletionPolicy", "DeleteIfEmpty"}});
  settle();
  ready_messages = 3;
  run_brokers();
  delete_queue("orders");
  settle();
  ASSERT_EQ(condition("Stalled"), "True");
  const std::uint64_t before = api.writes;
  events.clear();
  controller.reset();
  make();
  watch();
  controller->process("shop/orders");
  run_brokers();
  controller->process("shop/orders");
  EXPECT_EQ(api.writes, before);
  EXPECT_TRUE(events.empty());
}

TEST_F(ControllerTest, a_shard_that_does_not_answer_after_a_restart_is_told_of_after_five_seconds) {
  put_queue("orders", Json::object());
  settle();
  controller.reset();
  make();
  watch();
  controller->process("shop/orders");
  clock.advance(std::chrono::seconds(5));
  controller->process("shop/orders");
  EXPECT_EQ(condition("MetricsAvailable"), "False");
}

// Each lives for less than it takes to be noted on the way.
TEST_F(ControllerTest, leaders_that_end_in_order_wait_together_for_a_broker) {
  make_namespace();
  put_queue("orders", {{"deletionPolicy", "DeleteIfEmpty"}});
  settle();
  delete_queue("orders");
  events.clear();
  int terms = 0;
  while (terms < 100 && std::count(events.begin(), events.end(), "DeletionReleased") == 0) {
    ++terms;
    controller.reset();
    make();
    watch();
    controller->process("shop/orders");
    clock.advance(std::chrono::seconds(6));
    controller->process("shop/orders");
    const std::uint64_t before = api.writes;
    controller->hand_over();
    EXPECT_LE(api.writes, before + 1);
  }
  EXPECT_GE(terms, 48) << "given up early";
  EXPECT_LE(terms, 52) << "waits for ever";
}

TEST_F(ControllerTest, who_ends_in_order_notes_no_wait_for_a_broker_that_came_back) {
  make_namespace();
  put_queue("orders", {{"deletionPolicy", "DeleteIfEmpty"}});
  settle();
  delete_queue("orders");
  controller.reset();
  make();
  watch();
  controller->process("shop/orders");
  clock.advance(std::chrono::seconds(6));
  run_brokers();
  const std::uint64_t before = api.writes;
  controller->hand_over();
  EXPECT_EQ(api.writes, before);
}

TEST_F(ControllerTest, who_ends_in_order_is_not_held_up_by_a_slow_server) {
  make_namespace();
  for (int i = 0; i < 20; ++i) {
    const std::string name = "orders" + std::to_string(i);
    put_queue(name, {{"deletionPolicy", "DeleteIfEmpty"}});
    watch();
    controller->process("shop/" + name);
    delete_queue(name);
  }
  watch();
  for (int i = 0; i < 20; ++i) controller->process("shop/orders" + std::to_string(i));
  clock.advance(std::chrono::seconds(6));
  std::uint64_t notes = 0;
  api.on_write = [&](std::string_view, const kube::ObjectRef&) {
    ++notes;
    clock.advance(std::chrono::seconds(1));
  };
  controller->hand_over();
  api.on_write = nullptr;
  EXPECT_EQ(notes, 5U);
}

// A session on the port of the older key keeps that open, the operator's own as well.
TEST_F(ControllerTest, links_follow_the_write_that_moves_them_to_another_key) {
  put_queue("orders", Json::object());
  settle();
  const Json before = *api.find(kube::kSecrets, "shop", "orders-operator");
  api.change(kube::kQueues, "shop", "orders", [](Json& queue) {
    queue["metadata"]["annotations"]["sluice.dev/rotate-broker-key"] = "june";
  });
  watch();
  controller->process("shop/orders");
  server_keys = 2;
  run_brokers();
  const auto port = [this] {
    EXPECT_EQ(links.live.size(), 1U);
    const std::string& endpoint = links.live.begin()->first;
    return endpoint.substr(endpoint.rfind(':') + 1);
  };
  ASSERT_EQ(port(), "7651");
  controller->process("shop/orders");
  EXPECT_EQ(port(), "7661");
  // Whoever takes over from a process that ended between two of these writes is told of no other
  // step, and may have nothing else to look for.
  api.change(kube::kSecrets, "shop", "orders-operator",
             [&before](Json& secret) { secret["data"] = before["data"]; });
  controller.reset();
  make();
  watch();
  controller->process("shop/orders");
  EXPECT_EQ(port(), "7661");
}

TEST_F(ControllerTest, an_observation_of_a_later_leader_is_told) {
  put_queue("orders", Json::object());
  settle();
  link::BrokerObservation observation;
  observation.leader_epoch = 99;
  links.observe(links.live.begin()->first, observation);
  EXPECT_EQ(met, 99U);
}

}  // namespace
}  // namespace sluice::op
