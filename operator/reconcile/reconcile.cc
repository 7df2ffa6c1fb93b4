#include "operator/reconcile/reconcile.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/duration.h"
#include "operator/api/names.h"
#include "operator/reconcile/agreement.h"
#include "operator/reconcile/builders.h"
#include "operator/reconcile/deletion.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/key_secrets.h"
#include "operator/reconcile/live_settings.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/orphan_pods.h"
#include "operator/reconcile/queue_status.h"
#include "operator/reconcile/rollout.h"
#include "operator/reconcile/settings_entries.h"
#include "operator/reconcile/subset_diff.h"
#include "operator/reconcile/vanished_queues.h"
#include "operator/reconcile/volume_growth.h"
#include "operator/reconcile/volume_size.h"

namespace sluice::reconcile {
namespace {

constexpr base::Millis kLookAgain{1'000};

void append(std::vector<Action>& to, std::vector<Action> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

class Reconciler {
 public:
  explicit Reconciler(const Inputs& inputs)
      : inputs_(inputs),
        retained_(read_retained(inputs)),
        members_(read_members(inputs)),
        set_(inputs.live.find(kube::kStatefulSets, inputs.broker)),
        vanished_(vanished_queues(inputs, members_, retained_)) {
    retained_.queues.insert(vanished_.queues.begin(), vanished_.queues.end());
    judge(inputs_, retained_, members_);
  }

  Plan make() {
    if (inputs_.namespace_terminating) {
      for (const Member& member : members_) {
        if (member.standing != Standing::kLeaving) continue;
        append(plan_.actions, release_with_namespace(inputs_, member));
      }
      return std::move(plan_);
    }
    const bool has_accepted = has(Standing::kAccepted);
    if (has_accepted) shape_ = shape_of(inputs_, members_);
    volumes_first_ = has_accepted && volumes_go_first();
    ends_first_ = volumes_first_ && set_ != nullptr;
    shards_ = has_accepted && !ends_first_ ? shape_.shards : live_shards();
    paused_ = std::any_of(members_.begin(), members_.end(), [](const Member& member) {
      return annotation(*member.object, kPauseAnnotation) == "true";
    });
    if (!paused_ && !vanished_.queues.empty()) {
      // First of all: what proves them goes with what comes next.
      note_vanished();
    } else if (!paused_ && vanished_.undecided) {
      // Nor does anything come next before that is known.
      look_again(*vanished_.undecided);
      wait_on();
      return std::move(plan_);
    } else if (!paused_) {
      if (!ends_first_) add_finalizers();
      if (volumes_first_) {
        look_again(kLookAgain);
        if (set_ == nullptr) append(objects_, remove_orphan_pods(inputs_));
      }
      if (has_accepted && !volumes_first_) keep_broker();
      if (!has_accepted && has(Standing::kHeld)) drop_left_entries();
      delete_leaving();
    }
    add_statuses();
    assemble();
    return std::move(plan_);
  }

 private:
  // One without a pod may have a volume, which somebody scaled away: it is one that is not heard.
  std::size_t live_shards() const {
    if (set_ == nullptr) return 0;
    const std::int64_t replicas = integer_at(*set_, {"spec", "replicas"}).value_or(0);
    const auto volumes = static_cast<std::int64_t>(retained_.volumes);
    return static_cast<std::size_t>(
        std::clamp<std::int64_t>(std::max(replicas, volumes), 0, std::int64_t{kShardsMax}));
  }

  bool has(Standing standing) const {
    return std::any_of(members_.begin(), members_.end(),
                       [&](const Member& one) { return one.standing == standing; });
  }

  // The broker knows nothing of it, and it has no messages.
  static bool is_newcomer(const Member& member) {
    return member.standing == Standing::kAccepted && !member.has_finalizer && !member.established;
  }

  // Volumes of a broker of that name which was deleted are still going, or it has begun to go with
  // its last Queue: what joins it now would go with them, so that it is made anew afterwards.
  bool volumes_go_first() const {
    if (!retained_.some_going) return false;
    return set_ == nullptr || std::all_of(members_.begin(), members_.end(), [](const Member& one) {
             return !stays_with_broker(one) || one.standing == Standing::kLeaving ||
                    is_newcomer(one);
           });
  }

  void look_again(base::Millis after) {
    plan_.requeue_after = plan_.requeue_after ? std::min(*plan_.requeue_after, after) : after;
  }

  void add_finalizers() {
    for (const Member& member : members_) {
      if (member.standing != Standing::kAccepted || member.has_finalizer) continue;
      Json finalizers = Json::array();
      if (const Json* there = find_at(*member.object, {"metadata", "finalizers"})) {
        finalizers = *there;
      }
      finalizers.push_back(kFinalizer);
      finalizers_.emplace_back(
          Patch{{&kube::kQueues, inputs_.name_space, member.name},
                {{"metadata",
                  {{"resourceVersion", kube::resource_version_of(*member.object)},
                   {"finalizers", std::move(finalizers)}}}}});
    }
  }

  const Member& first_accepted() const {
    return *std::find_if(members_.begin(), members_.end(),
                         [](const Member& one) { return one.standing == Standing::kAccepted; });
  }

  // About the broker: told at the Queue that was there first.
  void tell(std::string reason, std::string note) {
    objects_.emplace_back(
        Event{regarding(first_accepted()), false, std::move(reason), "Reconcile", std::move(note)});
  }

  // What exists and has all that is wanted is left alone. True if something is done.
  bool keep(const kube::ResourceType& type, Json wanted) {
    const Json* live = inputs_.live.find(type, kube::name_of(wanted));
    if (live != nullptr && is_being_removed(*live)) {
      look_again(kLookAgain);
      return true;
    }
    if (live != nullptr && !subset_diff(wanted, *live)) return false;
    objects_.emplace_back(Apply{std::move(wanted)});
    return true;
  }

  // Manifests that nobody here wrote would make queues: others may not add any.
  void keep_queues_config() {
    Json wanted = build_queues_config(shape_);
    const Json* live = inputs_.live.find(kube::kConfigMaps, kube::name_of(wanted));
    if (live != nullptr && is_being_removed(*live)) return look_again(kLookAgain);
    const Json& files = wanted["data"];
    const std::vector<std::string> extra =
        entries_without(live, [&files](const std::string& file) { return files.contains(file); });
    // What we wrote ourselves goes with the apply; the patch is for what is left then.
    settings_written_ = keep(kube::kConfigMaps, std::move(wanted));
    if (!settings_written_) drop(live, extra);
  }

  // Where no Queue has the ConfigMap applied, the settings of those that go have to leave it all
  // the same: the next start of the pod would make their queues again.
  void drop_left_entries() {
    const Json* live = inputs_.live.find(kube::kConfigMaps, queues_config_name(inputs_.broker));
    if (live == nullptr || is_being_removed(*live)) return;
    drop(live, entries_without(live, [this](const std::string& file) {
           return std::any_of(members_.begin(), members_.end(), [&file](const Member& one) {
             return one.keeps_settings() && manifest_file(one.name) == file;
           });
         }));
  }

  void drop(const Json* config, const std::vector<std::string>& files) {
    if (files.empty()) return;
    objects_.emplace_back(drop_entries(inputs_, *config, files));
    settings_written_ = true;
  }

  void keep_keys() {
    KeyPlan keys = plan_key_secrets(inputs_, shape_);
    facts_.keys = std::move(keys.obstacle);
    append(objects_, std::move(keys.actions));
    if (keys.before.step == keys.after.step) return;
    // Nobody watches Secrets, so nothing else tells that there is a next step.
    look_again(kLookAgain);
    switch (keys.after.step) {
      case KeyRotation::Step::kOpening:
        return tell("KeyRotationBegun", "the shards of the broker open ports for its next key");
      case KeyRotation::Step::kMoving:
        return tell("KeyRotationMoving",
                    "the Secrets of clients have the next key; the older one is served until "
                    "they have moved");
      case KeyRotation::Step::kNone:
        return tell("KeyRotationDone", "no session is left on the older key; it is gone");
    }
  }

  void keep_broker() {
    // The pod needs these, in this order as far as one looks at another.
    keep(kube::kServiceAccounts, build_service_account(shape_));
    keep_keys();
    keep_queues_config();
    keep(kube::kServices, build_shards_service(shape_));
    keep(kube::kNetworkPolicies, build_network_policy(shape_, inputs_.options));
    keep_stateful_set();
    keep(kube::kServices, build_client_service(shape_));
    keep(kube::kPodDisruptionBudgets, build_disruption_budget(shape_));
    take_over_data();
    for (const Member& member : members_) {
      if (member.standing != Standing::kAccepted) continue;
      SettingsPlan settings = plan_settings(inputs_.shards, shards_, member.name,
                                            shape_.manifests.at(member.name), inputs_.now.mono);
      append(objects_, std::move(settings.actions));
      if (settings.again) look_again(*settings.again);
    }
  }

  void keep_stateful_set() {
    std::optional<std::uint64_t> asked;
    for (const Member& member : members_) {
      if (member.standing == Standing::kAccepted && !asked) {
        asked = member.queue->spec.broker.storage.size;
      }
    }
    GrowthPlan growth = plan_volume_growth(inputs_, shape_, asked);
    facts_.volume = growth.obstacle;
    facts_.volumes_grow = growth.in_progress;
    const bool grows = !growth.actions.empty() || !growth.last_actions.empty();
    append(last_, std::move(growth.last_actions));
    if (growth.replaces_set) {
      append(objects_, std::move(growth.actions));
      return look_again(kLookAgain);
    }
    const Json wanted = build_stateful_set(shape_);
    const bool applied = keep(kube::kStatefulSets, wanted);
    if (set_ == nullptr) tell("BrokerCreated", "StatefulSet " + shape_.name + " is made");
    append(objects_, std::move(growth.actions));
    if (grows) {
      tell("VolumeGrowing", "the volumes grow to " + base::format_bytes(shape_.storage_bytes));
    }
    Rollout rollout = plan_rollout(inputs_, wanted);
    facts_.outdated_pods = rollout.outdated;
    if (applied || !rollout.restart) return;
    const std::string pod = rollout.restart->ref.name;
    objects_.emplace_back(*std::move(rollout.restart));
    tell("ShardRestarted", "pod " + pod + " is restarted with the settings of its StatefulSet");
  }

  void annotate_volumes(const std::map<std::string, RetainedQueue>& queues) {
    const Json annotations = retained_annotations(queues);
    for (const Json* claim : claims_of(inputs_.live, inputs_.broker)) {
      if (is_being_removed(*claim)) continue;
      objects_.emplace_back(
          Patch{{&kube::kPersistentVolumeClaims, inputs_.name_space, kube::name_of(*claim)},
                {{"metadata",
                  {{"resourceVersion", kube::resource_version_of(*claim)},
                   {"annotations", annotations}}}}});
    }
  }

  void note_vanished() {
    annotate_volumes(retained_.queues);
    for (const auto& [name, queue] : vanished_.queues) {
      std::string note = "Queue " + name + " is gone without a word about its messages: ";
      note.append("somebody took its finalizer away. They stay on the volumes of broker ");
      note.append(inputs_.broker).append("; a new Queue takes them over with the annotation ");
      note.append(kAdoptAnnotation).append("=").append(queue.uid);
      objects_.emplace_back(
          Event{regarding(members_.front()), true, "DataRetained", "Reconcile", std::move(note)});
    }
    look_again(kLookAgain);
    wait_on();
  }

  // What new Queues have taken over is not retained any more.
  void take_over_data() {
    std::map<std::string, RetainedQueue> left = retained_.queues;
    std::string taken;
    for (const Member& member : members_) {
      const auto found = left.find(member.name);
      if (member.standing != Standing::kAccepted || found == left.end()) continue;
      taken += (taken.empty() ? "" : ", ") + member.name;
      left.erase(found);
    }
    if (taken.empty()) return;
    annotate_volumes(left);
    tell("DataAdopted", "the data of deleted Queues is taken over: " + taken);
  }

  static bool stays_with_broker(const Member& member) {
    switch (member.standing) {
      case Standing::kAccepted:
      case Standing::kHeld:
        return true;
      case Standing::kLeaving:
      // It was taken up, and the objects that prove it may be seen later than it.
      case Standing::kRefused:
        return member.has_finalizer;
    }
    return false;
  }

  // The turn of those that leave comes with the next plan; whoever had none waits on meanwhile.
  void wait_on() {
    for (const Member& one : members_) {
      if (one.uid == released_ || plan_.heard.contains(one.uid)) continue;
      if (inputs_.waiting_since.contains(one.uid)) {
        plan_.wait_for_broker.emplace(one.uid, base::Millis(0));
      }
      if (inputs_.heard.contains(one.uid)) plan_.heard.insert(one.uid);
    }
  }

  // One that is let go ends it for this plan: what it leaves has to be seen before another one is
  // decided about.
  void delete_leaving() {
    for (Member& member : members_) {
      if (member.standing != Standing::kLeaving) continue;
      const bool others = std::any_of(members_.begin(), members_.end(), [&](const Member& one) {
        return &one != &member && stays_with_broker(one) && !(ends_first_ && is_newcomer(one));
      });
      DeletionPlan deletion =
          plan_deletion(inputs_, member, {others, shards_, settings_written_}, retained_);
      append(deletions_, std::move(deletion.actions));
      if (deletion.waited) plan_.wait_for_broker.emplace(member.uid, *deletion.waited);
      if (deletion.heard) plan_.heard.insert(member.uid);
      if (deletion.again) look_again(*deletion.again);
      if (deletion.releases) {
        released_ = member.uid;
        return wait_on();
      }
      member.obstacle = std::move(deletion.obstacle);
    }
  }

  std::string version() const {
    for (const ShardState& shard : inputs_.shards) {
      // What is no tag was not told by a broker of ours, and a status has no room for it.
      if (shard.observation != nullptr && api::is_label_value(shard.observation->version) &&
          !shard.observation->version.empty()) {
        return shard.observation->version;
      }
    }
    return {};
  }

  void add_statuses() {
    facts_.shards = shards_;
    facts_.ready_shards = count_ready(inputs_, shards_);
    facts_.exists = set_ != nullptr && !is_being_removed(*set_);
    facts_.volumes_go = volumes_first_ || (retained_.some_going && !facts_.exists);
    facts_.paused = paused_;
    facts_.version = version();
    const std::uint64_t bytes = live_volume_bytes(inputs_);
    if (bytes > 0) facts_.storage = base::format_bytes(bytes);
    facts_.endpoint = client_endpoint(inputs_.live, inputs_.name_space, inputs_.broker);
    for (const Member& member : members_) {
      if (member.uid == released_) continue;
      if (member.standing == Standing::kLeaving && !member.has_finalizer) continue;
      const bool is_retained = member.obstacle && member.obstacle->reason == "RetainedDataExists";
      facts_.retained_uid = is_retained ? retained_uid(retained_, member.name) : std::string();
      StatusPlan status = plan_status(inputs_, member, facts_);
      if (status.again) look_again(*status.again);
      std::vector<Action>& to = status.is_first ? first_statuses_ : statuses_;
      append(to, std::move(status.events));
      if (status.write) to.emplace_back(*std::move(status.write));
    }
  }

  void assemble() {
    for (std::vector<Action>* part :
         {&finalizers_, &first_statuses_, &objects_, &deletions_, &statuses_, &last_}) {
      append(plan_.actions, std::move(*part));
    }
  }

  const Inputs& inputs_;
  RetainedData retained_;
  std::vector<Member> members_;
  const Json* set_;  // the live one
  const VanishedQueues vanished_;
  BrokerShape shape_;
  std::size_t shards_ = 0;
  bool volumes_first_ = false;  // nothing is made before they are gone
  bool ends_first_ = false;     // ... nor before the StatefulSet is
  bool paused_ = false;
  bool settings_written_ = false;  // the plan makes another version of the ConfigMap
  BrokerFacts facts_;
  std::string released_;  // uid of the Queue that goes with this plan

  std::vector<Action> finalizers_;
  std::vector<Action> first_statuses_;
  std::vector<Action> objects_;
  std::vector<Action> deletions_;
  std::vector<Action> statuses_;
  std::vector<Action> last_;
  Plan plan_;
};

}  // namespace

std::string broker_of(const kube::Json& queue) {
  std::string name = text_at(queue, {"spec", "broker", "name"});
  return name.empty() ? kube::name_of(queue) : name;
}

Plan reconcile(const Inputs& inputs) {
  CHECK(inputs.keys != nullptr);
  return Reconciler(inputs).make();
}

}  // namespace sluice::reconcile
