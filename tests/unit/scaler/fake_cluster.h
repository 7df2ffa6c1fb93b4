#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kube/api.h"
#include "kube/cache.h"
#include "kube/object_ref.h"
#include "operator/link/observation.h"
#include "operator/scaler/scaler.h"
#include "runtime/clock.h"

// A cluster in memory, as far as the scaler sees it: objects with versions, a scale subresource, a
// controller that starts and ends pods, one broker with one queue, and links that answer at once.
namespace sluice::op {

class FakeClock final : public runtime::Clock {
 public:
  base::MonoTime mono_now() const override { return mono; }
  base::WallTime wall_now() const override { return wall; }
  void advance(base::Millis time) {
    mono = mono + time;
    wall = wall + time.count();
  }

  base::MonoTime mono{1'000'000'000'000};
  base::WallTime wall{1'790'000'000'000};
};

// As a cache has them.
inline std::vector<kube::ObjectPtr> kept(const std::vector<kube::Json>& objects) {
  std::vector<kube::ObjectPtr> out;
  for (const kube::Json& one : objects) out.push_back(std::make_shared<const kube::Json>(one));
  return out;
}

class FakeKube final : public kube::Api {
 public:
  using Json = kube::Json;

  Json& put(Json object) {
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    const std::string path = kube::object_path(*kube::ref_of(object));
    return objects[path] = std::move(object);
  }
  Json* find(const std::string& path) {
    const auto found = objects.find(path);
    return found == objects.end() ? nullptr : &found->second;
  }

  base::Result<Json> get(const kube::ObjectRef& ref) override {
    calls.push_back("get " + ref.to_string());
    if (fail_reads) return *fail_reads;
    const Json* object = find(kube::object_path(ref));
    if (object == nullptr) return base::not_found(ref.to_string());
    return *object;
  }
  base::Result<Json> list(const kube::ResourceType& type, std::string_view name_space,
                          const kube::Selectors& selectors) override {
    calls.push_back("list " + std::string(type.plural) + " " + selectors.label);
    if (on_call) on_call(calls.back());
    if (fail_reads) return *fail_reads;
    if (absent_type == type.plural) return base::not_found("no such type");
    if (forbidden_type == type.plural) {
      return base::Error(base::ErrorCode::kPermissionDenied, "forbidden");
    }
    Json items = Json::array();
    const std::string under = kube::collection_path(type, name_space) + "/";
    for (const auto& [path, object] : objects) {
      if (path.starts_with(under)) items.push_back(object);
    }
    return Json{{"items", std::move(items)}};
  }
  base::Result<Json> merge_patch(const kube::ObjectRef& ref, const Json& patch,
                                 std::string_view subresource) override {
    calls.push_back("patch " + ref.to_string() +
                    (subresource.empty() ? "" : "/" + std::string(subresource)));
    if (on_call) on_call(calls.back());
    if (fail_writes) return *fail_writes;
    Json* object = find(kube::object_path(ref));
    if (object == nullptr || (subresource == "scale" && no_scale)) {
      return base::not_found(ref.to_string());
    }
    const std::string wanted =
        kube::text_in(kube::value_in(patch, {"metadata"}), "resourceVersion");
    if (!wanted.empty() && wanted != kube::resource_version_of(*object)) {
      return base::Error(base::ErrorCode::kConflict, "it has changed");
    }
    const std::string uid = kube::text_in(kube::value_in(patch, {"metadata"}), "uid");
    if (!uid.empty() && uid != kube::uid_of(*object)) {
      return base::Error(base::ErrorCode::kConflict, "it is another one");
    }
    object->merge_patch(patch);
    (*object)["metadata"]["resourceVersion"] = std::to_string(++version_);
    return *object;
  }
  base::Result<Json> create(const Json& object) override { return object; }
  base::Result<Json> apply(const Json& object, std::string_view /*manager*/) override {
    return object;
  }
  base::Result<Json> apply_status(const Json& object, std::string_view /*manager*/) override {
    return object;
  }
  base::Result<Json> update(const Json& object, std::string_view /*subresource*/) override {
    return object;
  }
  base::Status remove(const kube::ObjectRef& /*ref*/, const kube::Preconditions& /*conditions*/,
                      kube::Propagation /*propagation*/) override {
    return {};
  }

  std::size_t count(const std::string& call) const {
    return static_cast<std::size_t>(std::count_if(
        calls.begin(), calls.end(), [&](const auto& one) { return one.starts_with(call); }));
  }

  std::map<std::string, Json> objects;  // by path
  std::vector<std::string> calls;
  // While a list or a patch is under way.
  std::function<void(const std::string& call)> on_call;
  std::optional<base::Error> fail_reads;
  std::optional<base::Error> fail_writes;
  bool no_scale = false;
  std::string absent_type = "scaledobjects";
  std::string forbidden_type;

 private:
  std::uint64_t version_ = 100;
};

// "shop": Queue orders on broker orders, Deployment worker.
struct FakeCluster {
  static constexpr const char* kBroker = "shop/orders";

  FakeCluster() {
    set_deployment(0);
    broker.name = "orders";
    broker.subscriptions.resize(1);
    broker.subscriptions[0].name = "default";
  }

  kube::Json queue(kube::Json consumers, const std::string& name = "orders") const {
    return {
        {"apiVersion", "sluice.dev/v1alpha1"},
        {"kind", "Queue"},
        {"metadata",
         {{"name", name}, {"namespace", "shop"}, {"uid", "uid-" + name}, {"resourceVersion", "1"}}},
        {"spec", {{"consumers", std::move(consumers)}, {"broker", {{"name", "orders"}}}}}};
  }
  static kube::Json consumers() {
    return {{"scaleTargetRef", {{"name", "worker"}}},
            {"maxReplicas", 50},
            {"target", {{"backlogPerReplica", 100}}},
            {"scaleIn", {{"maxPercent", 100}}}};
  }

  void set_deployment(std::uint32_t replicas) {
    kube.put(
        {{"apiVersion", "apps/v1"},
         {"kind", "Deployment"},
         {"metadata",
          {{"name", "worker"}, {"namespace", "shop"}, {"uid", "d-1"}, {"generation", 1}}},
         {"spec", {{"replicas", replicas}, {"selector", {{"matchLabels", {{"app", "worker"}}}}}}},
         {"status", {{"observedGeneration", 1}}}});
    control();
  }
  kube::Json& deployment() {
    return *kube.find("/apis/apps/v1/namespaces/shop/deployments/worker");
  }
  std::uint32_t replicas() { return deployment()["spec"]["replicas"].get<std::uint32_t>(); }
  kube::Json* pod(std::size_t index) {
    return kube.find("/api/v1/namespaces/shop/pods/worker-h-" + std::to_string(index));
  }

  // The controllers: pods as many as asked for, the cheapest go, all of them ready.
  void control() {
    std::vector<std::pair<std::int64_t, std::string>> pods;
    const std::string under = "/api/v1/namespaces/shop/pods/";
    for (auto& [path, object] : kube.objects) {
      if (!path.starts_with(under)) continue;
      const std::string cost = kube::text_in(kube::value_in(object, {"metadata", "annotations"}),
                                             autoscale::kDeletionCost);
      pods.emplace_back(cost.empty() ? 0 : std::stoll(cost), path);
    }
    std::stable_sort(pods.begin(), pods.end());
    while (pods.size() > replicas()) {
      removed.push_back(kube::name_of(kube.objects[pods.front().second]));
      kube.objects.erase(pods.front().second);
      pods.erase(pods.begin());
    }
    for (std::size_t i = 0; pods.size() < replicas(); ++i) {
      const std::string name = "worker-h-" + std::to_string(i);
      if (pod(i) != nullptr) continue;
      kube.put(
          {{"apiVersion", "v1"},
           {"kind", "Pod"},
           {"metadata",
            {{"name", name},
             {"namespace", "shop"},
             {"uid", "p-" + std::to_string(++uids)},
             {"creationTimestamp", "2026-01-01T00:00:00Z"},
             {"labels", {{"app", "worker"}, {"pod-template-hash", "h"}}},
             {"ownerReferences",
              {{{"kind", "ReplicaSet"},
                {"name", "worker-h"},
                {"uid", "rs-1"},
                {"controller", true}}}}}},
           {"status",
            {{"phase", "Running"}, {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}});
      pods.emplace_back(0, under + name);
    }
    for (auto* field : {"replicas", "readyReplicas", "updatedReplicas"}) {
      deployment()["status"][field] = replicas();
    }
  }

  std::vector<reconcile::ShardState> shards() {
    if (!connected) {
      reconcile::ShardState state;
      state.trying_since = trying_since;
      return {state};
    }
    auto told = std::make_shared<link::BrokerObservation>();
    told->received_at = clock.mono;
    told->incarnation = 1;
    link::QueueObservation now = broker;
    for (link::ConsumerObservation& one : now.subscriptions[0].consumers) {
      const auto found = cordoned_until.find(one.name);
      one.cordoned = found != cordoned_until.end() && found->second > clock.mono;
    }
    told->queues = {now};
    for (const std::string& name : more_queues) {
      told->queues.push_back(now);
      told->queues.back().name = name;
      told->queues.back().subscriptions[0].ready = 0;
      told->queues.back().subscriptions[0].in_flight = 0;
      told->queues.back().subscriptions[0].consumers.clear();
    }
    reconcile::ShardState state;
    state.connected = true;
    state.observation = told;
    return {state};
  }

  ScalerSeams seams() {
    return {
        kube,
        clock,
        [this](const kube::EventNote& note) { events.push_back(note); },
        [this](const std::string& /*broker*/) { return shards(); },
        [this](const std::string& /*broker*/, std::size_t /*shard*/, const std::string& pod_name,
               base::Millis lease, const std::function<void(base::Result<std::uint64_t>)>& done) {
          cordons.emplace_back(pod_name, lease);
          if (!connected) {
            done(base::unavailable("no link"));
            return;
          }
          cordoned_until[pod_name] = clock.mono + lease;
          std::uint64_t in_flight = 0;
          for (const auto& one : broker.subscriptions[0].consumers) {
            if (one.name == pod_name) in_flight += one.in_flight;
          }
          done(in_flight);
        },
        [this](const std::string& key) { changed.push_back(key); },
        [this](const ScalingStatus& status, base::Nanos latency) {
          scaled.emplace_back(status, latency);
        }};
  }

  FakeClock clock;
  FakeKube kube;
  link::QueueObservation broker;
  std::vector<std::string> more_queues;
  bool connected = true;
  std::optional<base::MonoTime> trying_since;  // while not connected
  std::map<std::string, base::MonoTime> cordoned_until;
  std::vector<std::pair<std::string, base::Millis>> cordons;
  std::vector<kube::EventNote> events;
  std::vector<std::string> changed;
  std::vector<std::pair<ScalingStatus, base::Nanos>> scaled;
  std::vector<std::string> removed;
  std::uint64_t uids = 0;
};

}  // namespace sluice::op
