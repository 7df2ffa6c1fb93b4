#include "tests/sim/operator/checks.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/duration.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/reconcile.h"
#include "operator/reconcile/rollout.h"
#include "operator/reconcile/secret_files.h"

namespace sluice::sim {
namespace {

using kube::Json;

constexpr base::Nanos kLeaseDuration = std::chrono::seconds(15);
// How long a process may go on that cannot know yet that its Lease is gone.
constexpr base::Nanos kLeaseUnseen = std::chrono::seconds(11);
// A deletion waits five minutes for a broker that cannot be asked, but for what passes between a
// plan and its last call.
constexpr base::Millis kPatienceLeast = std::chrono::seconds(299);
// Whoever takes over tries for a while itself.
constexpr base::Nanos kTriedLeast = std::chrono::seconds(3);

std::string waited_note(const Json& queue) {
  return reconcile::annotation(queue, reconcile::kWaitedAnnotation);
}

bool has_our_finalizer(const Json& queue) {
  const Json& finalizers = kube::value_in(queue, {"metadata", "finalizers"});
  return finalizers.is_array() && std::find(finalizers.begin(), finalizers.end(),
                                            Json(reconcile::kFinalizer)) != finalizers.end();
}

std::uint64_t held(const link::QueueObservation& queue) {
  std::uint64_t all = 0;
  for (const auto& one : queue.subscriptions) all += one.ready + one.in_flight + one.dead;
  return all;
}

std::string policy_of(const Json& queue) {
  const std::string policy = kube::text_in(kube::value_in(queue, {"spec"}), "deletionPolicy");
  return policy.empty() ? "Retain" : policy;
}

// A status as far as it says nothing of consumers, and of the numbers that come along.
Json without_scaling(const Json& status) {
  if (!status.is_object()) return status;
  Json left = status;
  for (const char* part : {"messages", "subscriptions", "consumers", "rates", "conditions"}) {
    left.erase(part);
  }
  for (const Json& one : kube::value_in(status, {"conditions"})) {
    if (kube::text_in(one, "type") != "ScalingActive") left["conditions"].push_back(one);
  }
  return left;
}

}  // namespace

std::string path_of(const std::string& name_space, const std::string& name) {
  return name_space + "/" + name;
}

Checks::Checks(Loop& loop, test::FakeApiServer& store, test::FakeBrokers& brokers,
               const std::vector<QueueSlot>& slots, const ConsumersSim& consumers)
    : loop_(loop),
      store_(store),
      brokers_(brokers),
      slots_(slots),
      consumers_(consumers),
      patience_(loop, store, slots) {
  brokers_.on_lost = [this](const std::string& name_space, const std::string& claim,
                            const link::QueueObservation& queue) {
    queue_lost(name_space, claim, queue);
  };
}

void Checks::fail(const std::string& what) {
  if (failure_) return;
  failure_ = what;
  loop_.note("FAILED: " + what);
  loop_.stop();
}

void Checks::sent(const Sender& sender, const ApiCall& call, const OperatorProcess* process) {
  if (sender.election) return;
  ++writes_;
  lasting_writes_ += may_come_late(call) ? 0U : 1U;
  last_write_ = sender.identity + " " + call.to_string();
  check_lease(sender, call);
  check_preconditions(sender, call);
  if (call.subresource == "scale") check_scale_in(call, process);
}

bool Checks::may_come_late(const ApiCall& call) const {
  const bool is_status = call.type == &kube::kQueues && call.subresource == "status";
  if (!is_status && call.type != &kube::kEvents) return false;
  const std::string queue = call.name.substr(0, call.name.find('.'));  // of "QUEUE.TIME.COUNT"
  const bool is_scaled = std::any_of(slots_.begin(), slots_.end(), [&](const QueueSlot& slot) {
    return slot.name == queue && !slot.target.empty();
  });
  if (!is_scaled || !is_status) return is_scaled;
  const Json* there = store_.find(kube::kQueues, call.name_space, queue);
  return there != nullptr && without_scaling(kube::value_in(call.body, {"status"})) ==
                                 without_scaling(kube::value_in(*there, {"status"}));
}

// What could do harm twice, or late, says what it is about.
void Checks::check_preconditions(const Sender& sender, const ApiCall& call) {
  if (call.method == "DELETE") {
    if (!kube::text_in(kube::value_in(call.body, {"preconditions"}), "uid").empty()) return;
    return fail("a deletion without a uid: " + sender.identity + " " + call.to_string());
  }
  const bool applies = call.query.contains("fieldManager");
  if (call.method != "PATCH" || applies || call.type == &kube::kEvents) return;
  if (kube::resource_version_of(call.body).empty() && kube::uid_of(call.body).empty()) {
    fail("a patch of whatever is there: " + sender.identity + " " + call.to_string());
  }
}

void Checks::check_lease(const Sender& sender, const ApiCall& call) {
  const base::MonoTime now = loop_.now();
  if (lease_meddled_at_.value() != 0 && now < lease_meddled_at_ + kLeaseUnseen) return;
  if (holder_ == sender.identity && now < holder_since_ + kLeaseDuration) return;
  fail("a write without the Lease: " + sender.identity + " " + call.to_string() + "; it is " +
       (holder_.empty() ? std::string("nobody's") : holder_ + "'s"));
}

void Checks::carry_out(const Sender& sender, const ApiCall& call, const OperatorProcess* process) {
  writer_ = {sender.identity, process, call.sent_at};
  if (call.subresource == "scale") check_rival(call);
  if (call.subresource == "scale") check_scale(call, process);
  if (call.method == "DELETE" && call.type == &kube::kStatefulSets) check_set_removal(call);
}

// Pods end with their StatefulSet only where the last Queue goes. When volumes grow they stay.
void Checks::check_set_removal(const ApiCall& call) {
  const Json* set = store_.find(*call.type, call.name_space, call.name);
  if (set == nullptr || kube::text_in(call.body, "propagationPolicy") == "Orphan") return;
  const std::string uid = kube::text_in(kube::value_in(call.body, {"preconditions"}), "uid");
  if (uid != kube::uid_of(*set)) return;  // a conflict
  for (const QueueSlot& slot : slots_) {
    const Json* queue = store_.find(kube::kQueues, slot.name_space, slot.name);
    if (slot.broker != call.name || slot.name_space != call.name_space || queue == nullptr ||
        reconcile::is_being_removed(*queue) ||
        !reconcile::is_owned_by(*set, kube::uid_of(*queue))) {
      continue;
    }
    return fail(call.to_string() + " ends the pods of Queue " + slot.name + ", which stays");
  }
}

void Checks::note_settings(const Json& queue) {
  reconcile::Inputs inputs;
  inputs.name_space = kube::namespace_of(queue);
  inputs.broker = reconcile::broker_of(queue);
  inputs.queues.push_back(queue);
  const std::string manifest = reconcile::read_members(inputs).front().manifest();
  wanted_[path_of(inputs.name_space, kube::name_of(queue))][link::manifest_revision(manifest)] =
      ++changes_of_settings_;
}

// Who leads goes by what there was when it began to, and by nothing older.
void Checks::configured(const BrokerPlace& place, const std::string& manifest) {
  const std::string queue = Json::parse(manifest)["metadata"]["name"];
  const std::string path = path_of(place.name_space, queue);
  const auto& revisions = wanted_[path];
  const auto found = revisions.find(link::manifest_revision(manifest));
  if (found == revisions.end()) return;
  std::uint64_t& newest = newest_configured_[place.pod + " " + path];
  if (found->second < newest) {
    return fail("broker " + place.pod + " is told settings of queue " + path +
                " that are older than those it had been told");
  }
  newest = found->second;
}

void Checks::note_deletion(const Json& before, const Json& after) {
  const Json& there = after.is_null() ? before : after;
  const std::string path = path_of(kube::namespace_of(there), kube::name_of(there));
  if (before.is_null()) {
    filled_.erase(path);
    removed_.erase(path);
  }
  // What an earlier one of that name left becomes its own once it is taken up, and not before.
  if (!has_our_finalizer(before) && has_our_finalizer(after)) condemned_.erase(path);
  const bool leaves = after.is_null() || reconcile::is_being_removed(after);
  if (!leaves || policy_of(there) != "Delete") return;
  condemned_.insert(path);
  filled_.erase(path);
}

void Checks::published(const Json& queue) {
  for (const Json& one : kube::value_in(queue, {"status", "conditions"})) {
    if (kube::text_in(one, "type") != "Ready" || kube::text_in(one, "status") != "True") continue;
    filled_.insert(path_of(kube::namespace_of(queue), kube::name_of(queue)));
  }
}

void Checks::changed(const kube::ObjectRef& ref, const Json& before, const Json& after) {
  if (ref.type == &kube::kLeases) {
    const std::string holder = kube::text_in(kube::value_in(after, {"spec"}), "holderIdentity");
    holder_ = holder;
    holder_since_ = loop_.now();
    return;
  }
  if (ref.type == &kube::kQueues) {
    note_deletion(before, after);
    if (after.is_object()) note_settings(after);
    if (!writer_.identity.empty()) {
      if (has_our_finalizer(before) && !has_our_finalizer(after)) check_release(before);
      check_note(before, after);
    }
  }
  if (ref.type == &kube::kPods && before.is_null())
    pods_made_[path_of(ref.name_space, ref.name)] = loop_.now();
  if (ref.type == &kube::kHorizontalPodAutoscalers) {
    if (after.is_null()) rival_since_.erase(ref.name);
    if (before.is_null()) rival_since_[ref.name] = loop_.now();
  }
  if (ref.type == &kube::kPersistentVolumeClaims && before.is_object()) {
    const bool goes = after.is_null() ||
                      (reconcile::is_being_removed(after) && !reconcile::is_being_removed(before));
    const std::string path = path_of(ref.name_space, ref.name);
    if (goes) claims_condemned_.try_emplace(path, condemned_);
  }
  if (ref.type == &kube::kPersistentVolumeClaims && before.is_null()) {
    claims_condemned_.erase(path_of(ref.name_space, ref.name));
  }
  if (writer_.identity.empty()) {
    if (after.is_null()) foreign_.erase(ref.to_string());
    return;
  }
  if (is_foreign(ref)) {
    return fail(writer_.identity + " touched somebody else's " + ref.to_string());
  }
  if (ref.type == &kube::kSecrets) {
    check_keys(ref, before, after);
    const auto told = [](const Json& secret) {
      return kube::value_in(secret, {"data", reconcile::kBrokerPublicFile});
    };
    // Other writes leave what was told before as it is, as when the volumes are kept.
    if (after.is_object() && told(after) != told(before)) check_told_keys(ref);
  }
  const bool stays = !reconcile::is_being_removed(after);
  if (ref.type == &kube::kStatefulSets && after.is_object() && stays) check_shards(after);
}

// Messages go only with a Queue that was deleted under a policy that says so.
void Checks::queue_lost(const std::string& name_space, const std::string& claim,
                        const link::QueueObservation& queue) {
  if (held(queue) == 0 || namespace_ended_) return;
  const std::string path = path_of(name_space, queue.name);
  const auto at_claim = claims_condemned_.find(path_of(name_space, claim));
  const bool with_claim = store_.find(kube::kPersistentVolumeClaims, name_space, claim) == nullptr;
  const std::set<std::string>& allowed =
      with_claim && at_claim != claims_condemned_.end() ? at_claim->second : condemned_;
  if (allowed.contains(path) && !filled_.contains(path)) return;
  fail(std::to_string(held(queue)) + " messages of queue " + path + " are gone with " +
       (with_claim ? "volume " + claim : std::string("the queue at its broker")) +
       ", and nobody asked for that");
}

bool Checks::has_others(const QueueSlot& slot) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const QueueSlot& other) {
    return &other != &slot && other.broker == slot.broker &&
           store_.find(kube::kQueues, other.name_space, other.name) != nullptr;
  });
}

// What operators before it have waited counts, and what they have noted of it only as far as it is
// so. Whoever takes over tries for a while itself.
bool Checks::may_give_up(const QueueSlot& slot, const Json& queue) const {
  if (patience_.longest(queue) < base::Nanos(kPatienceLeast)) return false;
  // What it had heard went with it.
  if (writer_.process == nullptr) return true;
  for (std::size_t shard = 0; shard < slot.shards; ++shard) {
    const auto heard = writer_.process->heard.find(path_of(slot.name_space, slot.broker) + "#" +
                                                   std::to_string(shard));
    const base::MonoTime since =
        heard == writer_.process->heard.end() ? writer_.process->began : heard->second;
    if (writer_.sent_at >= since + kTriedLeast) return true;
  }
  return false;
}

// Others go on from what an operator notes of its waiting.
void Checks::check_note(const Json& before, const Json& after) {
  const std::string note = waited_note(after);
  if (note == waited_note(before) || !after.is_object()) return;
  if (note.empty()) return patience_.begins_anew(after, writer_.sent_at);
  const base::Nanos noted = std::chrono::seconds(std::stoll(note.substr(note.find('/') + 1)));
  const base::Nanos longest = patience_.longest(after);
  if (noted <= longest) return;
  fail(writer_.identity + " notes at Queue " +
       path_of(kube::namespace_of(after), kube::name_of(after)) + " that it was waited for " +
       note + " s, and it was for " +
       base::format_duration(std::chrono::floor<base::Millis>(longest)));
}

// The finalizer of a Queue that asks for the removal of its messages goes after them.
void Checks::check_release(const Json& before) {
  const std::string name_space = kube::namespace_of(before);
  const std::string name = kube::name_of(before);
  if (namespace_ended_) return;
  if (!reconcile::is_being_removed(before)) {
    return fail(writer_.identity + " removed the finalizer of Queue " + path_of(name_space, name) +
                ", which nobody deletes");
  }
  const auto slot = std::find_if(slots_.begin(), slots_.end(), [&](const QueueSlot& one) {
    return one.name_space == name_space && one.name == name;
  });
  if (slot == slots_.end()) return;
  if (policy_of(before) == "Retain") return;
  // Without its StatefulSet a broker cannot be asked.
  if (store_.find(kube::kStatefulSets, name_space, slot->broker) == nullptr) return;
  if (may_give_up(*slot, before)) return;
  for (std::size_t shard = 0; shard < slot->shards; ++shard) {
    const std::string pod = reconcile::pod_name(slot->broker, shard);
    const link::QueueObservation* queue = brokers_.queue(name_space, pod, name);
    if (queue == nullptr) continue;
    const std::string claim = reconcile::claim_name(slot->broker, shard);
    const Json* volume = store_.find(kube::kPersistentVolumeClaims, name_space, claim);
    if (volume == nullptr || reconcile::is_being_removed(*volume)) {
      continue;
    }
    // What is there was left by an earlier Queue of that name, and was not taken over yet. One that
    // gives up notes itself right before it goes.
    const Json noted = Json::parse(
        reconcile::annotation(*volume, reconcile::kRetainedQueuesAnnotation), nullptr, false);
    const std::string left_by = reconcile::text_at(noted, {name, "uid"});
    if (!left_by.empty() && left_by != kube::uid_of(before)) return;
    return fail(writer_.identity + " removed the finalizer of Queue " + path_of(name_space, name) +
                " (" + policy_of(before) + "), and shard " + std::to_string(shard) +
                " still has it; it has been held up for " +
                base::format_duration(std::chrono::floor<base::Millis>(patience_.longest(before))));
  }
  // The last one's broker starts no more.
  if (!has_others(*slot)) return;
  const std::string config = reconcile::queues_config_name(slot->broker);
  const Json* settings = store_.find(kube::kConfigMaps, name_space, config);
  if (settings != nullptr &&
      kube::value_in(*settings, {"data", reconcile::manifest_file(name)}).is_string()) {
    return fail(writer_.identity + " removed the finalizer of Queue " + path_of(name_space, name) +
                ", and the next start of a broker makes it again: its manifest is in ConfigMap " +
                config);
  }
  removed_.insert(path_of(name_space, name));
}

// A broker's key is replaced by the next one, which its shards serve by then, and as often as
// somebody asked for that.
void Checks::check_keys(const kube::ObjectRef& ref, const Json& before, const Json& after) {
  if (before.is_null() || after.is_null() || keys_meddled_.contains(ref.to_string())) return;
  const Json& old_key = kube::value_in(before, {"data", reconcile::kServerKeyFile});
  const Json& new_key = kube::value_in(after, {"data", reconcile::kServerKeyFile});
  if (old_key.is_null() || old_key == new_key) return;
  const Json& next_key = kube::value_in(before, {"data", reconcile::kNextKeyFile});
  std::string broker = ref.to_string();
  for (const QueueSlot& slot : slots_) {
    if (reconcile::broker_secret_name(slot.broker) == ref.name) {
      broker = path_of(slot.name_space, slot.broker);
    }
  }
  if (next_key == new_key && ++keys_replaced_[broker] <= rotations_asked_[broker]) return;
  fail(writer_.identity + " replaced the key of a broker in " + ref.to_string());
}

// What clients are told to expect of a broker is what it has, or will have next.
void Checks::check_told_keys(const kube::ObjectRef& ref) {
  for (const QueueSlot& slot : slots_) {
    const reconcile::SecretFiles broker = reconcile::secret_files(
        store_.find(kube::kSecrets, slot.name_space, reconcile::broker_secret_name(slot.broker)));
    const std::string clients[] = {reconcile::access_secret_name(slot.broker),
                                   reconcile::admin_secret_name(slot.broker),
                                   reconcile::operator_secret_name(slot.broker)};
    for (const std::string& client : clients) {
      if (ref.name != client || broker.empty()) continue;
      const reconcile::SecretFiles files =
          reconcile::secret_files(store_.find(kube::kSecrets, slot.name_space, client));
      const auto told = files.find(reconcile::kBrokerPublicFile);
      if (told == files.end()) continue;
      const auto has = [&](std::string_view file) {
        const auto found = broker.find(file);
        return found != broker.end() && found->second == told->second;
      };
      if (!has(reconcile::kServerPublicFile) && !has(reconcile::kNextPublicFile)) {
        return fail(writer_.identity + " tells clients in " + ref.to_string() +
                    " to expect a key that the broker does not have");
      }
    }
  }
}

// A shard that has a volume keeps its pod.
void Checks::check_shards(const Json& set) {
  const std::string name_space = kube::namespace_of(set);
  const std::string broker = kube::name_of(set);
  const std::int64_t replicas = reconcile::integer_at(set, {"spec", "replicas"}).value_or(0);
  for (std::size_t shard = 0; shard < 64; ++shard) {
    const std::string claim = reconcile::claim_name(broker, shard);
    const Json* volume = store_.find(kube::kPersistentVolumeClaims, name_space, claim);
    if (volume == nullptr) return;
    if (static_cast<std::int64_t>(shard) >= replicas && !reconcile::is_being_removed(*volume)) {
      return fail(writer_.identity + " wrote StatefulSet " + path_of(name_space, broker) +
                  " with " + std::to_string(replicas) + " replicas, and there is volume " + claim);
    }
  }
}

// What was removed at a broker does not come again with its next start.
void Checks::brokers_start() {
  for (const Json* pod : store_.all(kube::kPods)) {
    const std::string name_space = kube::namespace_of(*pod);
    const std::string broker =
        reconcile::text_at(*pod, {"metadata", "labels", reconcile::kBrokerLabel});
    if (broker.empty() || !reconcile::is_pod_ready(*pod) ||
        brokers_.runs(name_space, kube::name_of(*pod))) {
      continue;
    }
    const Json* config =
        store_.find(kube::kConfigMaps, name_space, reconcile::queues_config_name(broker));
    if (config == nullptr) continue;
    for (const QueueSlot& slot : slots_) {
      const std::string path = path_of(name_space, slot.name);
      if (slot.name_space != name_space || slot.broker != broker || !removed_.contains(path) ||
          store_.find(kube::kQueues, name_space, slot.name) != nullptr ||
          kube::value_in(*config, {"data", reconcile::manifest_file(slot.name)}).is_null()) {
        continue;
      }
      fail("broker " + kube::name_of(*pod) + " makes queue " + slot.name +
           " again, which was deleted: its manifest is still in the ConfigMap");
    }
  }
}

}  // namespace sluice::sim
