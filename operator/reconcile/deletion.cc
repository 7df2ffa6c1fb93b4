#include "operator/reconcile/deletion.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "operator/reconcile/conditions.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/live_settings.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/orphan_pods.h"
#include "operator/reconcile/queue_numbers.h"
#include "operator/reconcile/queue_status.h"
#include "operator/reconcile/settings_entries.h"
#include "operator/reconcile/wait_note.h"

namespace sluice::reconcile {
namespace {

constexpr base::Millis kLookAgain{1'000};
constexpr std::string_view kAction = "Delete";
constexpr std::string_view kNotEmpty = "NotEmpty";

Action release(const Inputs& inputs, const Member& member) {
  Json left = Json::array();
  for (const Json& one : *find_at(*member.object, {"metadata", "finalizers"})) {
    if (one != kFinalizer) left.push_back(one);
  }
  return Patch{{&kube::kQueues, inputs.name_space, member.name},
               {{"metadata",
                 {{"resourceVersion", kube::resource_version_of(*member.object)},
                  {"finalizers", std::move(left)}}}}};
}

class Deletion {
 public:
  Deletion(const Inputs& inputs, const Member& member, const DeletionScene& scene,
           const RetainedData& retained)
      : inputs_(inputs),
        member_(member),
        others_(scene.others),
        shard_count_(scene.shards),
        settings_written_(scene.settings_written),
        set_(inputs.live.find(kube::kStatefulSets, inputs.broker)),
        retained_(retained),
        volumes_(retained.volumes),
        kept_(retained.queues) {
    kept_.erase(member.name);  // its own name is decided about here
  }

  DeletionPlan make() {
    if (!member_.has_finalizer) return std::move(plan_);
    if (!member_.established && !may_have_data()) {
      let_go();
      return std::move(plan_);
    }
    switch (member_.established ? fate() : fate_of_unproven()) {
      case Fate::kWait:
        break;
      case Fate::kDiscard:
        discard();
        break;
      case Fate::kRetain:
        retain_data();
        break;
    }
    return std::move(plan_);
  }

 private:
  enum class Fate : std::uint8_t { kWait, kDiscard, kRetain };

  // The last Queue's fate is decided while its broker can be asked. Once the StatefulSet is gone it
  // is read from what was noted on the Secret then.
  std::optional<Fate> decided() const {
    const Json* secret = inputs_.live.find(kube::kSecrets, broker_secret_name(inputs_.broker));
    if (set_ != nullptr || others_ || secret == nullptr) return std::nullopt;
    const std::string uids = "," + annotation(*secret, kRetainedFromAnnotation) + ",";
    if (uids == ",,") return std::nullopt;
    if (uids.find("," + member_.uid + ",") != std::string::npos) return Fate::kRetain;
    // Whatever is written there, it does not destroy what the Queue asks to keep.
    if (member_.deletion_policy() == api::DeletionPolicy::kRetain) return std::nullopt;
    return Fate::kDiscard;
  }

  // Our finalizer is on it, but no object that is seen names it: those may be seen later than the
  // Queue, or another one's plan left it out. Where something of the broker is there, it counts.
  bool may_have_data() const {
    // Noted for an earlier Queue of that name: that stays as it is.
    if (retained_.queues.contains(member_.name)) return false;
    return set_ != nullptr || volumes_ > 0 ||
           inputs_.live.find(kube::kSecrets, broker_secret_name(inputs_.broker)) != nullptr ||
           std::any_of(inputs_.shards.begin(), inputs_.shards.end(),
                       [&](const ShardState& shard) { return has_queue(shard, member_.name); });
  }

  // Nothing proves that the volumes are its own: it does not take them along.
  Fate fate_of_unproven() { return others_ ? fate() : Fate::kRetain; }

  Fate fate() {
    if (const std::optional<Fate> fate = decided()) return *fate;
    switch (member_.deletion_policy()) {
      case api::DeletionPolicy::kRetain:
        return Fate::kRetain;
      case api::DeletionPolicy::kDelete:
        // The last one takes the volumes along, with all that is on them.
        if (!others_ && kept_.empty()) return Fate::kDiscard;
        return removed_at_broker(link::RemoveMode::kAlways);
      case api::DeletionPolicy::kDeleteIfEmpty:
        if (set_ == nullptr && volumes_ == 0) return Fate::kDiscard;
        return removed_at_broker(link::RemoveMode::kIfEmpty);
    }
    return Fate::kRetain;
  }

  bool is_heard(std::size_t shard) const {
    return shard < inputs_.shards.size() && inputs_.shards[shard].is_heard();
  }

  // What the shards that still have it hold; nullopt = not known.
  std::optional<bool> is_empty() const {
    for (std::size_t i = 0; i < shard_count_; ++i) {
      if (!is_heard(i)) return std::nullopt;
    }
    for (std::size_t i = 0; i < shard_count_; ++i) {
      const auto numbers = add_up({inputs_.shards[i]}, 1, member_.name);
      if (numbers && !numbers->is_empty()) return false;
    }
    return true;
  }

  Fate removed_at_broker(link::RemoveMode mode) {
    bool all_heard = shard_count_ > 0;
    std::vector<std::size_t> have;
    for (std::size_t i = 0; i < shard_count_; ++i) {
      all_heard = all_heard && is_heard(i);
      if (is_heard(i) && has_queue(inputs_.shards[i], member_.name)) have.push_back(i);
    }
    if (all_heard && have.empty()) return Fate::kDiscard;
    const bool is_missing = set_ == nullptr && !others_;
    if (!all_heard && (is_missing || patience_left().count() <= 0)) {
      // Until it has gone: what is written for that may be refused.
      if (!is_missing) plan_.waited = waited();
      tell(true, "DeletionReleased",
           "broker " + inputs_.broker +
               " could not be asked to remove the queue; its messages stay on the volumes");
      return Fate::kRetain;
    }
    if (all_heard) begin_anew();
    if (mode == link::RemoveMode::kIfEmpty && is_empty() == std::optional(false)) {
      plan_.obstacle = not_empty();
      return Fate::kWait;
    }
    plan_.again = kDeletionPatience;
    if (!all_heard) wait_on();
    // What was said of it holds as long as this process has not had the time to ask.
    if (mode == link::RemoveMode::kIfEmpty && is_being_tried() && was_not_empty()) {
      plan_.obstacle = not_empty();
      plan_.again = kConnectGrace;
    }
    if (mode == link::RemoveMode::kIfEmpty && !is_empty()) return Fate::kWait;
    for (const std::size_t shard : have) {
      plan_.actions.emplace_back(RemoveQueue{shard, member_.name, member_.uid, mode});
    }
    return Fate::kWait;
  }

  static Obstacle not_empty() {
    return {std::string(kNotEmpty),
            "deletionPolicy is DeleteIfEmpty, and the queue still holds messages or dead letters: "
            "have them consumed or purged, or change the policy"};
  }

  // By its status.
  bool was_not_empty() const {
    const Conditions live(find_at(*member_.object, {"status", "conditions"}), member_.generation,
                          inputs_.now.wall);
    return live.live(kStalled) == Truth::kTrue && live.live_reason(kStalled) == kNotEmpty;
  }

  bool is_being_tried() const {
    return std::any_of(inputs_.shards.begin(), inputs_.shards.end(), [&](const ShardState& shard) {
      return shard.grace_left(inputs_.now.mono).has_value();
    });
  }

  // Each process tries for a while itself before it gives up.
  base::Millis waited() const {
    const auto since = inputs_.waiting_since.find(member_.uid);
    if (since == inputs_.waiting_since.end()) {
      if (inputs_.heard.contains(member_.uid)) return base::Millis(0);
      return std::min(noted_wait(*member_.object), kDeletionPatience - kConnectGrace);
    }
    return std::chrono::floor<base::Millis>(base::Nanos(inputs_.now.mono - since->second));
  }

  base::Millis patience_left() const { return kDeletionPatience - waited(); }

  void note(std::optional<base::Millis> waited) {
    plan_.actions.emplace_back(note_wait(inputs_.name_space, *member_.object, waited));
  }

  void wait_on() {
    const base::Millis waited = this->waited();
    plan_.waited = waited;
    const base::Millis noted = noted_wait(*member_.object);
    base::Millis until_noted = noted + kWaitNotedEvery - waited;
    // One of more than was waited is of a wait that ended since, and was not taken away.
    const bool is_void = inputs_.heard.contains(member_.uid) && noted > waited;
    if (until_noted.count() <= 0 || is_void) {
      note(waited);
      until_noted = kWaitNotedEvery;
    }
    plan_.again = std::max(std::min(patience_left(), until_noted), kLookAgain);
  }

  void begin_anew() {
    plan_.heard = true;
    if (!annotation(*member_.object, kWaitedAnnotation).empty()) note(std::nullopt);
  }

  // True once it is gone. Its pods go with it; the volumes are not touched.
  bool remove_set() {
    if (set_ == nullptr) {
      std::vector<Action> orphans = remove_orphan_pods(inputs_);
      if (orphans.empty() && !has_owned_pod(inputs_)) return true;
      std::move(orphans.begin(), orphans.end(), std::back_inserter(plan_.actions));
      plan_.again = kLookAgain;
      return false;
    }
    plan_.again = kLookAgain;
    if (!is_being_removed(*set_)) {
      plan_.actions.emplace_back(Remove{{&kube::kStatefulSets, inputs_.name_space, inputs_.broker},
                                        {kube::uid_of(*set_), {}},
                                        kube::Propagation::kBackground});
    }
    return false;
  }

  // The volumes before the StatefulSet: they stay until the pods are gone, and as long as the
  // StatefulSet is there it can still be seen why they go.
  void discard() {
    if (others_) {
      if (!own_settings().empty()) {
        // The broker goes on: one that started before they went has made the queue anew.
        static_cast<void>(drop_settings());
        plan_.again = kLookAgain;
        return;
      }
      return let_go("DataDeleted", "the queue and its messages are removed");
    }
    if (!kept_.empty()) {
      keep_volumes();
      if (!remove_set()) return;
      if (!drop_settings()) return;
      return let_go("DataDeleted",
                    "the queue and its messages are removed; the volumes stay for what is "
                    "retained on them of " +
                        names_of(kept_));
    }
    if (retained_.some_unreadable) {
      plan_.obstacle = {"RetainedDataExists",
                        "the volumes of broker " + inputs_.broker + " are annotated with " +
                            std::string(kRetainedFromAnnotation) +
                            ", but what is retained on them cannot be read: mend or remove the "
                            "annotations, or change deletionPolicy to Retain"};
      return;
    }
    for (const Json* claim : claims_of(inputs_.live, inputs_.broker)) {
      if (is_being_removed(*claim)) continue;
      plan_.actions.emplace_back(
          Remove{{&kube::kPersistentVolumeClaims, inputs_.name_space, kube::name_of(*claim)},
                 {kube::uid_of(*claim), kube::resource_version_of(*claim)},
                 kube::Propagation::kBackground});
    }
    if (!remove_set()) return;
    let_go("DataDeleted", "the queue, its messages and its volumes are removed");
  }

  // By its settings in the ConfigMap, a queue whose Queue is not there would count as one that
  // nobody has removed. False: not in this plan, which makes another version of the ConfigMap than
  // the one that was looked at.
  bool drop_settings() {
    const std::vector<std::string> files = own_settings();
    if (files.empty()) return true;
    if (settings_written_) {
      plan_.again = kLookAgain;
      return false;
    }
    plan_.actions.push_back(drop_entries(inputs_, *settings(), files));
    return true;
  }

  const Json* settings() const {
    return inputs_.live.find(kube::kConfigMaps, queues_config_name(inputs_.broker));
  }
  std::vector<std::string> own_settings() const {
    return entries_without(settings(), [own = manifest_file(member_.name)](
                                           const std::string& file) { return file != own; });
  }

  static std::string names_of(const std::map<std::string, RetainedQueue>& queues) {
    constexpr std::size_t kNamesMax = 8;
    std::string names = "Queue";
    std::size_t count = 0;
    for (const auto& [name, queue] : queues) {
      if (++count > kNamesMax) return names + " and others";
      names += (count == 1 ? " " : ", ") + name;
    }
    return names;
  }

  void retain_data() {
    kept_[member_.name] = retain(member_);
    if (others_) {
      annotate_volumes();
    } else {
      keep_volumes();
      if (!remove_set()) return;
    }
    let_go("DataRetained", "the messages stay on the volumes of broker " + inputs_.broker +
                               "; a new Queue takes them over with the annotation " +
                               std::string(kAdoptAnnotation) + "=" + member_.uid);
  }

  void annotate_volumes() {
    const Json annotations = retained_annotations(kept_);
    for (const Json* claim : claims_of(inputs_.live, inputs_.broker)) {
      if (is_being_removed(*claim)) continue;
      add_patch(kube::kPersistentVolumeClaims, *claim, annotations, false);
    }
  }

  // Nothing of what is kept belongs to a Queue any more.
  void keep_volumes() {
    annotate_volumes();
    const Json annotations = retained_annotations(kept_);
    for (const std::string& name :
         {broker_secret_name(inputs_.broker), access_secret_name(inputs_.broker),
          admin_secret_name(inputs_.broker), operator_secret_name(inputs_.broker)}) {
      const Json* secret = inputs_.live.find(kube::kSecrets, name);
      if (secret == nullptr || is_being_removed(*secret)) continue;
      add_patch(kube::kSecrets, *secret, annotations, true);
    }
  }

  void add_patch(const kube::ResourceType& type, const Json& object, const Json& annotations,
                 bool disown) {
    Json metadata = Json::object();
    for (const auto& [name, value] : annotations.items()) {
      const std::string there = annotation(object, name);
      if (value.is_null() ? !there.empty() : value != there) metadata["annotations"][name] = value;
    }
    if (disown && find_at(object, {"metadata", "ownerReferences"}) != nullptr) {
      metadata["ownerReferences"] = nullptr;
    }
    if (metadata.empty()) return;
    metadata["resourceVersion"] = kube::resource_version_of(object);
    plan_.actions.emplace_back(Patch{{&type, inputs_.name_space, kube::name_of(object)},
                                     {{"metadata", std::move(metadata)}}});
  }

  void tell(bool warning, std::string reason, std::string note) {
    plan_.actions.emplace_back(Event{regarding(member_), warning, std::move(reason),
                                     std::string(kAction), std::move(note)});
  }

  void let_go() {
    plan_.actions.push_back(release(inputs_, member_));
    plan_.releases = true;
  }

  void let_go(std::string reason, std::string note) {
    tell(false, std::move(reason), std::move(note));
    let_go();
  }

  const Inputs& inputs_;
  const Member& member_;
  bool others_;
  std::size_t shard_count_;
  bool settings_written_;
  const Json* set_;
  const RetainedData& retained_;
  std::size_t volumes_;
  std::map<std::string, RetainedQueue> kept_;
  DeletionPlan plan_;
};

}  // namespace

DeletionPlan plan_deletion(const Inputs& inputs, const Member& member, const DeletionScene& scene,
                           const RetainedData& retained) {
  CHECK(member.standing == Standing::kLeaving);
  return Deletion(inputs, member, scene, retained).make();
}

std::vector<Action> release_with_namespace(const Inputs& inputs, const Member& member) {
  if (!member.has_finalizer) return {};
  return {Event{regarding(member), true, "DeletionReleased", std::string(kAction),
                "the namespace is being removed with everything in it; deletionPolicy has no "
                "effect"},
          release(inputs, member)};
}

}  // namespace sluice::reconcile
