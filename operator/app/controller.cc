#include "operator/app/controller.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "base/log.h"
#include "kube/object_ref.h"
#include "operator/app/plan_meaning.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/key_secrets.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/orphan_pods.h"
#include "operator/reconcile/reconcile.h"
#include "operator/reconcile/retained_data.h"
#include "operator/reconcile/unseen_queues.h"
#include "operator/reconcile/wait_note.h"

namespace sluice::op {
namespace {

using kube::Json;
using kube::ObjectPtr;

// Numbers of a busy queue change all the time; its status does not have to.
constexpr base::Nanos kNumbersAfter = std::chrono::seconds(3);
constexpr base::Millis kClaimedAgain{20};
constexpr base::Millis kNotedOnce{1'000};  // notes are of whole seconds
constexpr base::Nanos kHandOverMax = std::chrono::seconds(5);
constexpr base::Millis kPostponed{1'000};
constexpr base::Millis kStorageClassReadAgain{600'000};
// Drift that no watch told of (of Secrets none ever does) is found by then; spread, so that not all
// keys come at once.
constexpr base::Millis kResync = SecretStore::kReadAgain;
constexpr std::size_t kResyncSpreadMs = 60'000;

base::Millis resync_after(const std::string& key) {
  const std::size_t spread = std::hash<std::string>{}(key) % kResyncSpreadMs;
  return kResync + base::Millis(static_cast<std::int64_t>(spread));
}

// As many as any of its Queues asks for.
std::size_t shards_wanted(const reconcile::Inputs& inputs) {
  std::int64_t most = 1;
  for (const Json& queue : inputs.queues) {
    most = std::max(most, reconcile::integer_at(queue, {"spec", "shards"}).value_or(1));
  }
  return std::min(static_cast<std::size_t>(most), reconcile::kShardsMax);
}

bool any_leaves(const reconcile::Inputs& inputs) {
  return std::any_of(inputs.queues.begin(), inputs.queues.end(), reconcile::is_being_removed);
}

bool is_owned_by_any(const Json& object, const reconcile::Inputs& inputs) {
  return std::any_of(inputs.queues.begin(), inputs.queues.end(), [&](const Json& queue) {
    return reconcile::is_owned_by(object, kube::uid_of(queue));
  });
}

}  // namespace

Controller::Controller(ControllerSeams seams, ControllerOptions options)
    : seams_(std::move(seams)),
      options_(std::move(options)),
      work_(seams_.clock),
      view_([this](const std::string& key) { work_.add(key); }),
      secrets_(seams_.api),
      links_(seams_.links, seams_.clock,
             {[this](const std::string& key, bool at_once) {
                if (at_once) {
                  work_.add(key);
                } else {
                  work_.add_after(key, kNumbersAfter);
                }
              },
              seams_.met_epoch, seams_.on_observation}),
      runner_({seams_.api, links_, secrets_, seams_.clock, seams_.record, seams_.epoch}) {}

Controller::~Controller() { stop_workers(); }

void Controller::start_workers() {
  for (const std::string& key : view_.keys()) work_.add(key);
  for (std::size_t i = 0; i < options_.workers; ++i) {
    workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

void Controller::stop_workers() {
  for (std::jthread& worker : workers_) worker.request_stop();
  workers_.clear();
}

void Controller::hand_over() {
  const base::MonoTime now = seams_.clock.mono_now();
  const std::lock_guard lock(mutex_);
  for (const auto& [key, waits] : waits_) {
    const std::vector<reconcile::ShardState> shards = links_.shards(key);
    const auto is_heard = [](const reconcile::ShardState& shard) { return shard.is_heard(); };
    // It came back after the last look.
    if (!shards.empty() && std::all_of(shards.begin(), shards.end(), is_heard)) continue;
    for (const ObjectPtr& queue : view_.queues(key)) {
      // The lease is to be given back before the pod is killed.
      if (base::Nanos(seams_.clock.mono_now() - now) >= kHandOverMax) return;
      const auto since = waits.since().find(kube::uid_of(*queue));
      if (since == waits.since().end()) continue;
      const base::Millis waited =
          std::chrono::floor<base::Millis>(base::Nanos(now - since->second));
      if (waited < reconcile::noted_wait(*queue) + kNotedOnce) continue;
      const reconcile::Patch note = reconcile::note_wait(split_key(key).name_space, *queue, waited);
      const auto written = seams_.api.merge_patch(note.ref, note.patch);
      if (written.has_value()) continue;
      // One that has changed or gone is of no account. Where nobody answers, the end waits for no
      // more of them.
      const base::ErrorCode code = written.error().code();
      if (code != base::ErrorCode::kConflict && code != base::ErrorCode::kNotFound) return;
    }
  }
}

void Controller::work(const std::stop_token& stop) {
  while (const auto taken = work_.take(stop)) {
    seams_.counters.waited(taken->waited);
    process(taken->key);
    seams_.counters.worked(work_.done(taken->key));
  }
}

void Controller::process(const std::string& key) {
  const base::MonoTime begin = seams_.clock.mono_now();
  const Outcome outcome = reconcile(key);
  const base::Nanos taken(seams_.clock.mono_now() - begin);
  if (outcome.stalled) seams_.counters.terminal_error();
  if (!outcome.status.has_value()) {
    seams_.counters.reconciled(ReconcileResult::kError, taken);
    base::log_warn("reconcile_failed",
                   {{"broker", key}, {"error", outcome.status.error().to_string()}});
    // What was known of the Secrets may be why.
    secrets_.forget(key);
    work_.add_rate_limited(key);
    return;
  }
  work_.forget(key);
  seams_.counters.reconciled(
      outcome.again ? ReconcileResult::kRequeueAfter : ReconcileResult::kSuccess, taken);
  // What comes back is told by a watch.
  if (outcome.gone) return;
  work_.add_after(key, outcome.again.value_or(resync_after(key)));
}

Controller::Outcome Controller::reconcile(const std::string& key) {
  reconcile::Inputs inputs;
  // What is left without a Queue (volumes that are kept, what somebody labelled by hand) needs
  // nothing of us.
  if (view_.queues(key).empty()) {
    forget(key);
    // The autoscaler learns that there is no Queue any more.
    if (seams_.scaling) seams_.scaling(key);
    Outcome gone;
    gone.gone = true;
    return gone;
  }
  if (base::Status status = gather(key, inputs); !status.has_value()) {
    return {std::move(status), std::nullopt, false, false};
  }
  const ClaimScope claimed(claims_, key);
  std::set<kube::ObjectRef> asked;
  reconcile::Plan plan;
  for (Names names = Names::kFound; names != Names::kFree;) {
    plan = reconcile::reconcile(inputs);
    const base::Result<Names> answer = ask_for_names(key, plan, asked, inputs);
    if (!answer.has_value()) return {answer.error(), std::nullopt, false, false};
    names = *answer;
    if (names == Names::kFree) {
      const base::Result<bool> more = read_what_goes(plan, asked, inputs);
      if (!more.has_value()) return {more.error(), std::nullopt, false, false};
      const base::Result<bool> other = read_leaving(plan, asked, inputs);
      if (!other.has_value()) return {other.error(), std::nullopt, false, false};
      if (*more || *other) names = Names::kFound;
    }
    if (names == Names::kClaimed) return {{}, kClaimedAgain, false, false};
    if (names == Names::kFound) look_at_shards(key, inputs);
  }
  keep_waits(key, plan, inputs.now.mono);
  const PlanOutcome outcome = runner_.run(key, plan, inputs.queues);
  if (outcome.wrote_secrets) follow_keys(key, inputs);
  if (!plan.actions.empty()) {
    base::log_info("reconciled", {{"broker", key},
                                  {"actions", plan.actions.size()},
                                  {"writes", outcome.writes},
                                  {"ok", outcome.status.has_value()}});
  }
  Outcome result{outcome.status, plan.requeue_after, is_stalled(plan), false};
  if (outcome.postponed) result.again = std::min(result.again.value_or(kPostponed), kPostponed);
  return result;
}

base::Status Controller::gather(const std::string& key, reconcile::Inputs& inputs) {
  const BrokerName name = split_key(key);
  inputs.name_space = name.name_space;
  inputs.broker = name.broker;
  inputs.options = options_.reconcile;
  inputs.keys = &seams_.keys;
  inputs.now = seams_.clock.now();
  for (const ObjectPtr& queue : view_.queues(key)) inputs.queues.push_back(*queue);
  for (const ObjectPtr& object : view_.objects(key)) inputs.live.add(object);
  ASSIGN_OR_RETURN(const std::vector<ObjectPtr> secrets, secrets_.of_broker(key, inputs.now.mono));
  for (const ObjectPtr& secret : secrets) inputs.live.add(secret);
  look_at_shards(key, inputs);
  RETURN_IF_ERROR(read_unseen(key, inputs));
  if (seams_.scaling) inputs.scaling = seams_.scaling(key);
  inputs.status_written = runner_.status_written(key);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = waits_.find(key); found != waits_.end()) {
      inputs.waiting_since = found->second.since();
      inputs.heard = found->second.heard();
    }
  }
  if (options_.cluster_rights) {
    inputs.namespace_terminating = namespace_is_terminating(inputs);
    read_storage_classes(inputs);
  }
  return {};
}

// A Queue that is not in view may be there all the same, with messages: the view of Queues can be
// behind that of the broker's objects, which name it. A uid that is gone does not come back.
base::Status Controller::read_unseen(const std::string& key, reconcile::Inputs& inputs) {
  for (const reconcile::UnseenQueue& unseen : reconcile::unseen_queues(inputs)) {
    {
      const std::lock_guard lock(mutex_);
      const auto gone = gone_queues_.find(key);
      if (gone != gone_queues_.end() && gone->second.contains(unseen.uid)) continue;
    }
    const auto read = seams_.api.get({&kube::kQueues, inputs.name_space, unseen.name});
    if (!read.has_value() && read.error().code() != base::ErrorCode::kNotFound) {
      return read.error();
    }
    if (read.has_value() && reconcile::broker_of(*read) == inputs.broker) {
      // Newer than what the view has under that name. Where the view has that very Queue it counts:
      // the next plan goes by it again, and would take newer settings back.
      const bool in_view =
          std::any_of(inputs.queues.begin(), inputs.queues.end(),
                      [&](const Json& one) { return kube::uid_of(one) == kube::uid_of(*read); });
      if (!in_view) {
        std::erase_if(inputs.queues,
                      [&](const Json& one) { return kube::name_of(one) == unseen.name; });
        inputs.queues.push_back(*read);
      }
      if (unseen.uid.empty() || kube::uid_of(*read) == unseen.uid) continue;
    }
    if (unseen.uid.empty()) continue;
    const std::lock_guard lock(mutex_);
    gone_queues_[key].insert(unseen.uid);
  }
  return {};
}

// The view shows what has a broker's label. Whatever else has one of the broker's names belongs to
// somebody, who would lose it to the first apply: so each name that a plan takes is asked for right
// before, and another plan is made where it is there. Secrets are read by name anyway, and created.
base::Result<Controller::Names> Controller::ask_for_names(const std::string& key,
                                                          const reconcile::Plan& plan,
                                                          std::set<kube::ObjectRef>& asked,
                                                          reconcile::Inputs& inputs) {
  Names names = Names::kFree;
  for (const reconcile::Action& action : plan.actions) {
    const auto* apply = std::get_if<reconcile::Apply>(&action);
    if (apply == nullptr) continue;
    ASSIGN_OR_RETURN(const kube::ObjectRef ref, kube::ref_of(apply->object));
    if (inputs.live.find(*ref.type, ref.name) != nullptr || asked.contains(ref)) continue;
    if (!claims_.claim(ref.to_string(), key)) return Names::kClaimed;
    const auto read = seams_.api.get(ref);
    asked.insert(ref);
    if (read.has_value()) {
      inputs.live.add(*read);
      names = Names::kFound;
      continue;
    }
    const base::ErrorCode code = read.error().code();
    // Without the right to read it there is none to write it either.
    if (code != base::ErrorCode::kNotFound && code != base::ErrorCode::kPermissionDenied) {
      return read.error();
    }
  }
  return names;
}

// A Queue is let go when nothing is left that goes with it. The view of other objects may be behind
// that of Queues: what it does not show is asked for by name, and so are the settings, of which it
// may show older ones. Nor does a Queue join a broker by the volumes in view alone. True = there is
// more, or something else.
base::Result<bool> Controller::read_what_goes(const reconcile::Plan& plan,
                                              std::set<kube::ObjectRef>& asked,
                                              reconcile::Inputs& inputs) {
  std::vector<kube::ObjectRef> refs;
  const auto add = [&](const kube::ResourceType& type, const std::string& name) {
    refs.push_back({&type, inputs.name_space, name});
  };
  const bool one_goes = lets_go(plan, inputs);
  const bool no_set = inputs.live.find(kube::kStatefulSets, inputs.broker) == nullptr;
  // One that leaves waits for it where its pods are.
  if (no_set && (one_goes || (any_leaves(inputs) && reconcile::has_owned_pod(inputs)))) {
    add(kube::kStatefulSets, inputs.broker);
  }
  if (one_goes) {
    for (std::size_t shard = 0; shard < shards_wanted(inputs); ++shard) {
      const std::string claim = reconcile::claim_name(inputs.broker, shard);
      if (inputs.live.find(kube::kPersistentVolumeClaims, claim) == nullptr) {
        add(kube::kPersistentVolumeClaims, claim);
      }
    }
    add(kube::kConfigMaps, reconcile::queues_config_name(inputs.broker));
    // Their watch may be behind the StatefulSet's, which went without them.
    for (std::size_t shard = 0; no_set && shard < shards_wanted(inputs); ++shard) {
      add(kube::kPods, reconcile::pod_name(inputs.broker, shard));
    }
  }
  ASSIGN_OR_RETURN(const bool more, read_newer(refs, asked, inputs));
  if (!takes_up(plan, inputs)) return more;
  ASSIGN_OR_RETURN(const bool other, read_claims(asked, inputs));
  return more || other;
}

// Whether a Queue joins depends on the volumes: whether they go, have retained data, are as many,
// and of the class that it asks for. Behind each there may be one that the view misses.
base::Result<bool> Controller::read_claims(std::set<kube::ObjectRef>& asked,
                                           reconcile::Inputs& inputs) {
  bool more = false;
  std::size_t shards = shards_wanted(inputs);
  for (std::size_t shard = 0; shard < reconcile::kShardsMax; ++shard) {
    kube::ObjectRef ref{&kube::kPersistentVolumeClaims, inputs.name_space,
                        reconcile::claim_name(inputs.broker, shard)};
    const Json* live = inputs.live.find(*ref.type, ref.name);
    const bool in_view = live != nullptr;
    if (in_view) shards = std::max(shards, shard + 2);
    if (in_view ? reconcile::is_being_removed(*live) : shard >= shards) continue;
    ASSIGN_OR_RETURN(const bool newer, read_newer({std::move(ref)}, asked, inputs));
    if (newer) shards = std::max(shards, shard + 2);
    more = more || newer;
  }
  return more;
}

// Volumes go for the sake of Queues that leave. The view may show one that is gone: somebody took
// its finalizer away, and what is on the volumes counts as retained. True = one has changed.
base::Result<bool> Controller::read_leaving(const reconcile::Plan& plan,
                                            std::set<kube::ObjectRef>& asked,
                                            reconcile::Inputs& inputs) {
  if (!takes_volumes(plan)) return false;
  bool changed = false;
  std::vector<Json> newer;
  for (Json& queue : inputs.queues) {
    kube::ObjectRef ref{&kube::kQueues, inputs.name_space, kube::name_of(queue)};
    if (!reconcile::is_being_removed(queue) || !asked.insert(ref).second) {
      newer.push_back(std::move(queue));
      continue;
    }
    auto read = seams_.api.get(ref);
    if (!read.has_value() && read.error().code() != base::ErrorCode::kNotFound) {
      return read.error();
    }
    changed = changed || !read.has_value() ||
              kube::resource_version_of(*read) != kube::resource_version_of(queue);
    if (read.has_value() && reconcile::broker_of(*read) == inputs.broker) {
      newer.push_back(*std::move(read));
    }
  }
  inputs.queues = std::move(newer);
  return changed;
}

base::Result<bool> Controller::read_newer(const std::vector<kube::ObjectRef>& refs,
                                          std::set<kube::ObjectRef>& asked,
                                          reconcile::Inputs& inputs) {
  bool more = false;
  for (const kube::ObjectRef& ref : refs) {
    if (!asked.insert(ref).second) continue;
    const Json* live = inputs.live.find(*ref.type, ref.name);
    const auto read = seams_.api.get(ref);
    if (!read.has_value()) {
      if (read.error().code() == base::ErrorCode::kNotFound) continue;
      return read.error();
    }
    // What has another broker's label, or none, is not what went with this one, unless one of its
    // Queues owns it: then somebody took the label away.
    if (reconcile::text_at(*read, {"metadata", "labels", reconcile::kBrokerLabel}) !=
            inputs.broker &&
        !is_owned_by_any(*read, inputs)) {
      continue;
    }
    if (live != nullptr && kube::resource_version_of(*live) == kube::resource_version_of(*read)) {
      continue;
    }
    inputs.live.add(*read);
    more = true;
  }
  return more;
}

// What is waited for is counted from this look on: reading the objects may have taken long, while
// the broker was heard.
void Controller::look_at_shards(const std::string& key, reconcile::Inputs& inputs) {
  follow_shards(key, inputs);
  inputs.now = seams_.clock.now();
  inputs.shards = links_.shards(key);
  inputs.rates = links_.rates(key);
}

void Controller::follow_shards(const std::string& key, const reconcile::Inputs& inputs) {
  const Json* set = inputs.live.find(kube::kStatefulSets, inputs.broker);
  std::size_t shards = 0;
  if (set != nullptr) {
    const Json& replicas = kube::value_in(*set, {"spec", "replicas"});
    // What the API server sends is read as signed.
    if (replicas.is_number_integer()) {
      shards = static_cast<std::size_t>(std::max<std::int64_t>(replicas.get<std::int64_t>(), 0));
    }
  }
  std::vector<link::LinkAddress> addresses(std::min<std::size_t>(shards, 64));
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const Json* pod = inputs.live.find(kube::kPods, reconcile::pod_name(inputs.broker, i));
    if (pod == nullptr) continue;
    const std::string ip = kube::text_in(kube::value_in(*pod, {"status"}), "podIP");
    if (!ip.empty()) {
      addresses[i] = reconcile::control_address(inputs.live, inputs.broker, ip);
    }
  }
  links_.follow(key, addresses);
}

// Nobody watches Secrets: without this, links would go by what was written when something else has
// a plan made.
void Controller::follow_keys(const std::string& key, reconcile::Inputs& inputs) {
  const auto secrets = secrets_.of_broker(key, inputs.now.mono);
  if (!secrets.has_value()) return;
  for (const ObjectPtr& secret : *secrets) inputs.live.add(secret);
  follow_shards(key, inputs);
}

void Controller::keep_waits(const std::string& key, const reconcile::Plan& plan,
                            base::MonoTime now) {
  const std::lock_guard lock(mutex_);
  reconcile::WaitBook& waits = waits_[key];
  waits.keep(plan, now);
  if (waits.empty()) waits_.erase(key);
}

// Asked only while something is being deleted: nothing else depends on it.
bool Controller::namespace_is_terminating(const reconcile::Inputs& inputs) {
  if (!any_leaves(inputs)) return false;
  const auto found = seams_.api.get({&kube::kNamespaces, "", inputs.name_space});
  if (!found.has_value()) return found.error().code() == base::ErrorCode::kNotFound;
  return reconcile::is_being_removed(*found);
}

void Controller::read_storage_classes(reconcile::Inputs& inputs) {
  for (const Json* claim : reconcile::claims_of(inputs.live, inputs.broker)) {
    const std::string name = kube::text_in(kube::value_in(*claim, {"spec"}), "storageClassName");
    if (name.empty() || inputs.expandable.contains(name)) continue;
    {
      const std::lock_guard lock(mutex_);
      const auto found = storage_classes_.find(name);
      if (found != storage_classes_.end() &&
          inputs.now.mono < found->second.read_at + kStorageClassReadAgain) {
        if (found->second.expandable) inputs.expandable[name] = *found->second.expandable;
        continue;
      }
    }
    const auto read = seams_.api.get({&kube::kStorageClasses, "", name});
    StorageClass known{std::nullopt, inputs.now.mono};
    if (read.has_value()) {
      known.expandable = read->value("allowVolumeExpansion", Json(false)) == Json(true);
      inputs.expandable[name] = *known.expandable;
    }
    const std::lock_guard lock(mutex_);
    storage_classes_[name] = known;
  }
}

void Controller::forget(const std::string& key) {
  links_.forget(key);
  secrets_.forget(key);
  runner_.forget(key);
  const std::lock_guard lock(mutex_);
  gone_queues_.erase(key);
  waits_.erase(key);
}

}  // namespace sluice::op
