#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "operator/app/controller.h"
#include "operator/reconcile/names.h"
#include "runtime/posix/system_clock.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_controllers.h"
#include "tests/support/operator_sim.h"

// The controller with its workers, beside a thread that watches and one on which brokers are heard.
namespace sluice::op {
namespace {

using kube::Json;

// A cluster in memory that several threads use.
class LockedApi final : public kube::Api {
  template <typename F>
  auto change(F call) {
    const std::lock_guard lock(mutex);
    auto result = call();
    changed.notify_all();
    return result;
  }

 public:
  base::Result<Json> get(const kube::ObjectRef& ref) override {
    const std::lock_guard lock(mutex);
    return api.get(ref);
  }
  base::Result<Json> list(const kube::ResourceType& type, std::string_view name_space,
                          const kube::Selectors& selectors) override {
    const std::lock_guard lock(mutex);
    return api.list(type, name_space, selectors);
  }
  base::Result<Json> create(const Json& object) override {
    return change([&] { return api.create(object); });
  }
  base::Result<Json> apply(const Json& object, std::string_view manager) override {
    return change([&] { return api.apply(object, manager); });
  }
  base::Result<Json> apply_status(const Json& object, std::string_view manager) override {
    return change([&] { return api.apply_status(object, manager); });
  }
  base::Result<Json> merge_patch(const kube::ObjectRef& ref, const Json& patch,
                                 std::string_view subresource) override {
    return change([&] { return api.merge_patch(ref, patch, subresource); });
  }
  base::Result<Json> update(const Json& object, std::string_view subresource) override {
    return change([&] { return api.update(object, subresource); });
  }
  base::Status remove(const kube::ObjectRef& ref, const kube::Preconditions& preconditions,
                      kube::Propagation propagation) override {
    return change([&] { return api.remove(ref, preconditions, propagation); });
  }

  std::mutex mutex;
  std::condition_variable changed;
  test::FakeApiServer api;
  test::FakeControllers controllers{api};
};

// Links whose events come on whatever thread the test has for them.
class LockedLinks final : public link::BrokerLinks {
 public:
  std::unique_ptr<link::BrokerLink> open(const link::LinkAddress& /*address*/,
                                         link::LinkEvents events) override {
    const std::lock_guard lock(mutex_);
    opened_.push_back(std::move(events));
    return std::make_unique<Link>();
  }
  // Also those that are closed: what comes late finds nobody.
  std::vector<link::LinkEvents> opened() const {
    const std::lock_guard lock(mutex_);
    return opened_;
  }

 private:
  class Link final : public link::BrokerLink {
   public:
    void configure(std::uint64_t, std::string, std::function<void(base::Status)> done) override {
      done({});
    }
    void remove_queue(std::uint64_t, std::string, link::RemoveMode,
                      std::function<void(base::Result<link::QueueRemoval>)> done) override {
      done(link::QueueRemoval{.removed = true});
    }
    void cordon(std::uint64_t, std::string, base::Millis,
                std::function<void(base::Result<std::uint64_t>)> done) override {
      done(std::uint64_t{0});
    }
  };
  mutable std::mutex mutex_;
  std::vector<link::LinkEvents> opened_;
};

// All brokers have what stands in all ConfigMaps.
link::BrokerObservation observation_of(LockedApi& kube) {
  link::BrokerObservation told;
  told.incarnation = 1;
  told.version = "1";
  told.server_keys = 1;
  const std::lock_guard lock(kube.mutex);
  for (const Json* config : kube.api.all(kube::kConfigMaps)) {
    for (const auto& [file, manifest] : (*config)["data"].items()) {
      link::QueueObservation& queue = told.queues.emplace_back();
      queue.name = file.substr(0, file.find('.'));
      queue.revision = link::manifest_revision(manifest.get<std::string>());
    }
  }
  return told;
}

void watch(LockedApi& kube, ClusterView& view) {
  for (const kube::ResourceType* type : ClusterView::types()) {
    std::vector<Json> objects;
    {
      const std::lock_guard lock(kube.mutex);
      for (const Json* object : kube.api.all(*type)) objects.push_back(*object);
    }
    view.cache(*type).replace(std::move(objects));
  }
}

std::size_t count_ready(const ClusterView& view) {
  std::size_t ready = 0;
  for (const kube::ObjectPtr& queue : view.all_queues()) {
    const Json& conditions = kube::value_in(*queue, {"status", "conditions"});
    if (!conditions.is_array()) continue;
    for (const Json& one : conditions) {
      if (kube::text_in(one, "type") == "Ready" && kube::text_in(one, "status") == "True") ++ready;
    }
  }
  return ready;
}

TEST(OperatorThreads, WorkersWatchesAndLinksDoNotDisturbEachOther) {
  constexpr std::size_t kQueues = 6;
  LockedApi kube;
  LockedLinks links;
  runtime::SystemClock clock;
  test::CountingKeyMaker one_at_a_time;
  // Keys are made on all workers.
  struct LockedKeys final : reconcile::KeyMaker {
    explicit LockedKeys(reconcile::KeyMaker& inner_keys) : inner(inner_keys) {}
    reconcile::KeyPair make() override {
      const std::lock_guard lock(mutex);
      return inner.make();
    }
    std::optional<std::string> public_key_of(const std::string& secret) override {
      const std::lock_guard lock(mutex);
      return inner.public_key_of(secret);
    }
    reconcile::KeyMaker& inner;
    std::mutex mutex;
  } keys(one_at_a_time);
  OperatorCounters counters;
  std::atomic<std::size_t> events{0};
  ControllerOptions options;
  options.reconcile.version = "1";
  Controller controller(ControllerSeams{kube,
                                        links,
                                        clock,
                                        keys,
                                        counters,
                                        [&events](const kube::EventNote& /*note*/) { ++events; },
                                        [] { return std::optional<std::uint64_t>(7); },
                                        [](std::uint64_t /*epoch*/) {},
                                        [](const std::string& /*key*/) { return ScalingResults(); },
                                        {}},
                        options);
  for (std::size_t i = 0; i < kQueues; ++i) {
    ASSERT_TRUE(kube.create({{"apiVersion", "sluice.dev/v1alpha1"},
                             {"kind", "Queue"},
                             {"metadata", {{"name", "q" + std::to_string(i)}, {"namespace", "n"}}},
                             {"spec", Json::object()}})
                    .has_value());
  }
  watch(kube, controller.view());
  controller.start_workers();
  std::jthread hearing([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto told = std::make_shared<const link::BrokerObservation>(observation_of(kube));
      for (const link::LinkEvents& link : links.opened()) {
        link.status_changed({true, ""});
        link.observed(told);
      }
      std::unique_lock lock(kube.mutex);
      kube.changed.wait_for(lock, std::chrono::milliseconds(10));
    }
  });
  const base::MonoTime begin = clock.mono_now();
  while (count_ready(controller.view()) < kQueues &&
         base::Nanos(clock.mono_now() - begin) < std::chrono::seconds(60)) {
    {
      std::unique_lock lock(kube.mutex);
      kube.changed.wait_for(lock, std::chrono::milliseconds(10));
      kube.controllers.step();
    }
    watch(kube, controller.view());
    OperatorStats stats;
    controller.fill(stats);
    counters.fill(stats);
  }
  EXPECT_EQ(count_ready(controller.view()), kQueues);
  EXPECT_GT(events.load(), 0U);
  // As the lease comes and goes.
  for (int i = 0; i < 5; ++i) {
    controller.stop_workers();
    controller.start_workers();
  }
  controller.stop_workers();
  hearing.request_stop();
}

}  // namespace
}  // namespace sluice::op
