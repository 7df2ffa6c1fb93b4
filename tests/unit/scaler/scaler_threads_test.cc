#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "runtime/posix/system_clock.h"
#include "tests/unit/scaler/fake_cluster.h"

// The scaler with its threads: the cluster below is locked, and answers are given on other threads.
namespace sluice::op {
namespace {

class LockedKube final : public kube::Api {
 public:
  explicit LockedKube(FakeCluster& cluster) : cluster_(cluster) {}

  base::Result<kube::Json> get(const kube::ObjectRef& ref) override {
    const std::lock_guard lock(mutex);
    return cluster_.kube.get(ref);
  }
  base::Result<kube::Json> list(const kube::ResourceType& type, std::string_view name_space,
                                const kube::Selectors& selectors) override {
    const std::lock_guard lock(mutex);
    return cluster_.kube.list(type, name_space, selectors);
  }
  base::Result<kube::Json> merge_patch(const kube::ObjectRef& ref, const kube::Json& patch,
                                       std::string_view subresource) override {
    const std::lock_guard lock(mutex);
    auto patched = cluster_.kube.merge_patch(ref, patch, subresource);
    changed.notify_all();
    return patched;
  }
  base::Result<kube::Json> create(const kube::Json& object) override { return object; }
  base::Result<kube::Json> apply(const kube::Json& object, std::string_view /*m*/) override {
    return object;
  }
  base::Result<kube::Json> apply_status(const kube::Json& object, std::string_view /*m*/) override {
    return object;
  }
  base::Result<kube::Json> update(const kube::Json& object, std::string_view /*s*/) override {
    return object;
  }
  base::Status remove(const kube::ObjectRef& /*r*/, const kube::Preconditions& /*c*/,
                      kube::Propagation /*p*/) override {
    return {};
  }

  std::mutex mutex;
  std::condition_variable changed;

 private:
  FakeCluster& cluster_;
};

TEST(ScalerThreads, AnObservationWakesItWithinASecond) {
  FakeCluster cluster;
  runtime::SystemClock clock;
  LockedKube kube(cluster);
  std::atomic<std::uint64_t> ready{0};
  std::atomic<int> scaled{0};
  ScalerSeams seams{kube, clock, {}, {}, {}, {}, {}};
  seams.shards = [&](const std::string& /*broker*/) {
    auto told = std::make_shared<link::BrokerObservation>();
    told->received_at = clock.mono_now();
    told->queues = {cluster.broker};
    told->queues[0].subscriptions[0].ready = ready.load();
    reconcile::ShardState state;
    state.connected = true;
    state.observation = told;
    return std::vector{state};
  };
  seams.cordon = [](const std::string& /*b*/, std::size_t /*s*/, const std::string& /*p*/,
                    base::Millis /*l*/,
                    const std::function<void(base::Result<std::uint64_t>)>& done) {
    std::thread([done] { done(0); }).detach();
  };
  seams.scaled = [&](const ScalingStatus& /*status*/, base::Nanos /*latency*/) { ++scaled; };
  Scaler scaler(seams, 2);
  scaler.follow(FakeCluster::kBroker, kept({cluster.queue(FakeCluster::consumers())}));
  scaler.start();
  ready = 500;
  const base::MonoTime before = clock.mono_now();
  scaler.observed(FakeCluster::kBroker);
  {
    std::unique_lock lock(kube.mutex);
    ASSERT_TRUE(kube.changed.wait_for(lock, std::chrono::seconds(10),
                                      [&] { return cluster.replicas() == 5; }));
  }
  EXPECT_LT(autoscale::elapsed(before, clock.mono_now()), std::chrono::seconds(1));
  scaler.stop();
  EXPECT_EQ(scaled.load(), 1);
  // It starts and stops as the lease comes and goes.
  for (int i = 0; i < 20; ++i) {
    scaler.start();
    scaler.observed(FakeCluster::kBroker);
    scaler.stop();
  }
}

}  // namespace
}  // namespace sluice::op
