#include "tests/sim/operator/users_sim.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"

namespace sluice::sim {
namespace {

using kube::Json;

constexpr std::uint64_t kGigabytesFirst = 12;
constexpr std::uint64_t kGigabytesMost = 60;

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> kWorkloads = {
      {"mixed", "Queues come, change and go; messages are published and consumed"},
      {"lifecycle", "Queues come and go all the time, most of them on shared brokers", 4, 1, 1, 4,
       4, 1, 4, true, false},
      {"scaling", "few changes of Queues, many messages", 3, 1, 0, 0, 12, 1, 1, true, true},
      {"settings", "specs change, for better and for worse", 3, 6, 3, 1, 3, 2, 2, true, false},
      {"rebirth", "Queues are deleted with their messages, and made again and filled at once", 12,
       0, 0, 3, 9, 0, 2, true, false, 0.9, 0.8},
  };
  return kWorkloads;
}

std::vector<QueueSlot> UsersSim::draw_slots(const Workload& workload, base::Prng& prng) {
  std::vector<QueueSlot> slots;
  const auto add = [&](const std::string& name, const std::string& broker, std::size_t shards) {
    QueueSlot slot{"shop", name, broker, shards, "", 0, 1};
    if (workload.consumers && prng.chance(0.6)) {
      slot.target = "work-" + broker;
      slot.min_replicas = static_cast<std::uint32_t>(prng.below(2));
      slot.max_replicas = static_cast<std::uint32_t>(2 + prng.below(4));
    }
    slots.push_back(std::move(slot));
  };
  const std::size_t alone = 1 + prng.below(2);
  for (std::size_t i = 0; i < alone; ++i) {
    const std::string name = "q" + std::to_string(i);
    add(name, name, 1 + prng.below(3));
  }
  if (workload.shared) {
    const std::size_t shards = 1 + prng.below(2);
    const std::size_t members = 2 + prng.below(2);
    for (std::size_t i = 0; i < members; ++i) add("h" + std::to_string(i), "hub", shards);
  }
  return slots;
}

const Json* UsersSim::queue_of(const QueueSlot& slot) const {
  return store_.find(kube::kQueues, slot.name_space, slot.name);
}

std::string UsersSim::any_policy() {
  if (prng_.chance(workload_.discards)) return "Delete";
  return prng_.chance(0.5) ? "Retain" : "DeleteIfEmpty";
}

void UsersSim::create(const QueueSlot& slot, const std::string& policy) {
  if (queue_of(slot) != nullptr) return;
  Json spec = {{"shards", slot.shards},
               {"broker",
                {{"name", slot.broker},
                 {"storage", {{"size", std::to_string(gigabytes(slot.broker)) + "Gi"}}}}},
               {"deletionPolicy", policy},
               {"delivery", {{"maxAttempts", 1 + prng_.below(5)}}}};
  if (!slot.target.empty()) {
    spec["consumers"] = {
        {"scaleTargetRef", {{"name", slot.target}}},
        {"minReplicas", slot.min_replicas},
        {"maxReplicas", slot.max_replicas},
        {"target", {{"backlogPerReplica", 5}}},
        {"scaleIn",
         {{"stabilization", "10s"}, {"idleBeforeZero", "10s"}, {"drainTimeout", "60s"}}}};
  }
  loop_.note("user creates Queue " + slot.name + " " + spec["deletionPolicy"].get<std::string>());
  CHECK(store_
            .create({{"apiVersion", "sluice.dev/v1alpha1"},
                     {"kind", "Queue"},
                     {"metadata", {{"name", slot.name}, {"namespace", slot.name_space}}},
                     {"spec", std::move(spec)}})
            .has_value());
}

void UsersSim::edit(const QueueSlot& slot) {
  const Json* queue = queue_of(slot);
  if (queue == nullptr || reconcile::is_being_removed(*queue)) return;
  loop_.note("user edits Queue " + slot.name);
  store_.change(kube::kQueues, slot.name_space, slot.name,
                [&](Json& one) { one["spec"]["delivery"]["maxAttempts"] = 1 + prng_.below(9); });
}

void UsersSim::spoil(const QueueSlot& slot) {
  const Json* queue = queue_of(slot);
  if (queue == nullptr || reconcile::is_being_removed(*queue)) return;
  loop_.note("user spoils Queue " + slot.name);
  store_.change(kube::kQueues, slot.name_space, slot.name,
                [](Json& one) { one["spec"]["delivery"]["maxAttempts"] = "many"; });
}

void UsersSim::remove(const QueueSlot& slot) {
  const Json* queue = queue_of(slot);
  if (queue == nullptr || reconcile::is_being_removed(*queue)) return;
  loop_.note("user deletes Queue " + slot.name);
  CHECK(
      store_
          .remove({&kube::kQueues, slot.name_space, slot.name}, {}, kube::Propagation::kBackground)
          .has_value());
}

void UsersSim::publish(const QueueSlot& slot, std::size_t shard, std::uint64_t count) {
  const Json* queue = queue_of(slot);
  if (queue == nullptr || reconcile::is_being_removed(*queue)) return;
  const std::string pod = reconcile::pod_name(slot.broker, shard);
  link::QueueObservation* there = field_.brokers.queue(slot.name_space, pod, slot.name);
  if (there == nullptr || there->subscriptions.empty()) return;
  there->subscriptions.front().ready += count;
  there->messages += count;
  there->published_total += count;
  checks_.published(*queue);
  field_.touch();
  loop_.note("user publishes " + std::to_string(count) + " to " + slot.name + " at " + pod);
}

void UsersSim::annotate(const QueueSlot& slot, std::string_view name, const Json& value) {
  store_.change(kube::kQueues, slot.name_space, slot.name, [&](Json& one) {
    if (value.is_null() && !one["metadata"].contains("annotations")) return;
    Json& annotations = one["metadata"]["annotations"];
    if (value.is_null()) {
      annotations.erase(std::string(name));
    } else {
      annotations[std::string(name)] = value;
    }
  });
}

bool UsersSim::adopt(const QueueSlot& slot) {
  const Json* queue = queue_of(slot);
  if (queue == nullptr || reconcile::is_being_removed(*queue)) return false;
  const std::string uid = kube::text_in(kube::value_in(*queue, {"status", "retained"}), "uid");
  const std::string adopts = kube::text_in(kube::value_in(*queue, {"metadata", "annotations"}),
                                           reconcile::kAdoptAnnotation);
  if (uid.empty() || uid == adopts) return false;
  loop_.note("user lets Queue " + slot.name + " adopt " + uid);
  annotate(slot, reconcile::kAdoptAnnotation, uid);
  return true;
}

// Where not all volumes are there any more, nobody can take them over.
bool UsersSim::delete_rests(const QueueSlot& slot) {
  const Json* queue = queue_of(slot);
  if (kube::text_in(kube::value_in(*queue, {"status", "retained"}), "uid").empty()) return false;
  std::vector<std::string> claims;
  for (std::size_t shard = 0; shard < slot.shards; ++shard) {
    const std::string claim = reconcile::claim_name(slot.broker, shard);
    if (store_.find(kube::kPersistentVolumeClaims, slot.name_space, claim) != nullptr) {
      claims.push_back(claim);
    }
  }
  if (claims.empty() || claims.size() == slot.shards) return false;
  for (const std::string& claim : claims) {
    loop_.note("user deletes " + claim + ", which the others of its broker have left");
    CHECK(store_
              .remove({&kube::kPersistentVolumeClaims, slot.name_space, claim}, {},
                      kube::Propagation::kBackground)
              .has_value());
  }
  return true;
}

std::uint64_t UsersSim::gigabytes(const std::string& broker) const {
  const auto found = gigabytes_.find(broker);
  return found == gigabytes_.end() ? kGigabytesFirst : found->second;
}

void UsersSim::grow(const QueueSlot& slot) {
  std::uint64_t size = gigabytes(slot.broker);
  if (queue_of(slot) == nullptr || size >= kGigabytesMost) return;
  size += 1 + prng_.below(8);
  gigabytes_[slot.broker] = size;
  loop_.note("user lets the volumes of " + slot.broker + " grow to " + std::to_string(size) + "Gi");
  for (const QueueSlot& one : slots_) {
    const Json* queue = queue_of(one);
    if (one.broker != slot.broker || queue == nullptr || reconcile::is_being_removed(*queue))
      continue;
    store_.change(kube::kQueues, one.name_space, one.name, [&](Json& object) {
      object["spec"]["broker"]["storage"]["size"] = std::to_string(size) + "Gi";
    });
  }
}

void UsersSim::rotate(const QueueSlot& slot) {
  const Json* queue = queue_of(slot);
  if (queue == nullptr || reconcile::is_being_removed(*queue)) return;
  const std::string token = "t" + std::to_string(++tokens_);
  loop_.note("user asks for another key of " + slot.broker + " at Queue " + slot.name + ": " +
             token);
  checks_.rotation_asked(slot);
  annotate(slot, reconcile::kRotateAnnotation, token);
}

std::string UsersSim::token(const QueueSlot& slot) const {
  const Json* queue = queue_of(slot);
  return queue == nullptr ? std::string()
                          : reconcile::annotation(*queue, reconcile::kRotateAnnotation);
}

void UsersSim::act() {
  const QueueSlot& slot = any_slot();
  const std::pair<unsigned, std::function<void()>> choices[] = {
      {workload_.create, [&] { create(slot, any_policy()); }},
      {workload_.edit, [&] { edit(slot); }},
      {workload_.spoil, [&] { spoil(slot); }},
      {workload_.remove, [&] { remove(slot); }},
      {workload_.publish, [&] { publish(slot, prng_.below(slot.shards), 1 + prng_.below(40)); }},
      {workload_.pause,
       [&] {
         if (queue_of(slot) == nullptr) return;
         const bool pauses = prng_.chance(0.3);
         loop_.note("user sets pause of " + slot.name + ": " + (pauses ? "true" : "none"));
         annotate(slot, reconcile::kPauseAnnotation, pauses ? Json("true") : Json());
       }},
      {workload_.adopt, [&] { adopt(slot); }},
      {workload_.rotate, [&] { rotate(slot); }},
      {workload_.grow, [&] { grow(slot); }}};
  unsigned all = 0;
  for (const auto& [weight, action] : choices) all += weight;
  auto drawn = static_cast<unsigned>(prng_.below(all));
  for (const auto& [weight, action] : choices) {
    if (drawn < weight) return action();
    drawn -= weight;
  }
}

bool UsersSim::mend() {
  bool mended = false;
  for (const QueueSlot& slot : slots_) {
    const Json* queue = queue_of(slot);
    if (queue == nullptr) continue;
    if (!kube::text_in(kube::value_in(*queue, {"metadata", "annotations"}),
                       reconcile::kPauseAnnotation)
             .empty()) {
      annotate(slot, reconcile::kPauseAnnotation, Json());
      mended = true;
    }
    if (reconcile::is_being_removed(*queue)) continue;
    if (kube::value_in(*queue, {"spec", "delivery", "maxAttempts"}).is_string()) {
      edit(slot);
      mended = true;
    }
    mended = delete_rests(slot) || adopt(slot) || mended;
  }
  return mended;
}

}  // namespace sluice::sim
