#include "tests/support/fake_brokers.h"

#include <memory>
#include <set>
#include <utility>

#include "base/check.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/rollout.h"
#include "operator/reconcile/secret_files.h"

namespace sluice::test {
namespace {

using kube::Json;

std::string broker_of_pod(const Json& pod) {
  return reconcile::text_at(pod, {"metadata", "labels", reconcile::kBrokerLabel});
}

std::uint64_t count(const link::QueueObservation& queue) {
  std::uint64_t all = 0;
  for (const link::SubscriptionObservation& one : queue.subscriptions) {
    all += one.ready + one.in_flight + one.dead;
  }
  return all;
}

void apply_manifest(std::map<std::string, link::QueueObservation>& log, const std::string& text) {
  const Json manifest = Json::parse(text);
  const std::string name = manifest["metadata"]["name"];
  link::QueueObservation& queue = log[name];
  queue.name = name;
  queue.revision = link::manifest_revision(text);
  if (queue.subscriptions.empty()) {
    queue.subscriptions.emplace_back();
    queue.subscriptions.back().name = "default";
  }
}

}  // namespace

bool FakeBrokers::step() {
  bool changed = false;
  std::set<std::string> pods;
  std::set<std::string> claims;
  for (const Json* claim : api_.all(kube::kPersistentVolumeClaims)) {
    claims.insert(kube::uid_of(*claim));
  }
  for (const Json* pod : api_.all(kube::kPods)) {
    if (broker_of_pod(*pod).empty() || !reconcile::is_pod_ready(*pod)) continue;
    pods.insert(kube::uid_of(*pod));
    const auto [at, is_new] = processes_.try_emplace(kube::uid_of(*pod));
    if (is_new) start(*pod, at->second);
    changed = changed || is_new;
    // A client that was told moves, and the older port closes.
    const std::string name_space = kube::namespace_of(*pod);
    const std::string broker = broker_of_pod(*pod);
    const std::string next =
        secret_file(name_space, reconcile::broker_secret_name(broker), reconcile::kNextPublicFile);
    const bool told =
        !next.empty() && secret_file(name_space, reconcile::access_secret_name(broker),
                                     reconcile::kBrokerPublicFile) == next;
    const bool closed = told && sessions_move && !with_older_sessions.contains(kube::name_of(*pod));
    changed = changed || closed != at->second.older_closed;
    at->second.older_closed = closed;
  }
  for (auto at = processes_.begin(); at != processes_.end();) {
    const bool gone = !pods.contains(at->first);
    changed = changed || gone;
    at = gone ? processes_.erase(at) : std::next(at);
  }
  for (auto at = logs_.begin(); at != logs_.end();) {
    if (claims.contains(at->first)) {
      ++at;
      continue;
    }
    for (const auto& [name, queue] : at->second.queues) lose(at->second, queue);
    at = logs_.erase(at);
    changed = true;
  }
  return changed;
}

void FakeBrokers::start(const Json& pod, Process& process) {
  const std::string name_space = kube::namespace_of(pod);
  const Json* claim = api_.find(kube::kPersistentVolumeClaims, name_space,
                                std::string(reconcile::kVolumeName) + "-" + kube::name_of(pod));
  CHECK(claim != nullptr);
  process.claim_uid = kube::uid_of(*claim);
  process.incarnation = ++starts_;
  Log& log = logs_[process.claim_uid];
  log.name_space = name_space;
  log.claim = kube::name_of(*claim);
  for (auto& [name, queue] : log.queues) {
    queue.revision = 0;
    // Leases of a broker that ended run out.
    for (link::SubscriptionObservation& one : queue.subscriptions) {
      one.ready += std::exchange(one.in_flight, 0);
      one.consumers.clear();
    }
  }
  const Json* config =
      api_.find(kube::kConfigMaps, name_space, reconcile::queues_config_name(broker_of_pod(pod)));
  if (config == nullptr || !config->contains("data")) return;
  for (const auto& [file, text] : (*config)["data"].items()) {
    apply_manifest(log.queues, text);
  }
}

void FakeBrokers::lose(const Log& log, const link::QueueObservation& queue) {
  lost_messages += count(queue);
  if (on_lost) on_lost(log.name_space, log.claim, queue);
}

base::Status FakeBrokers::admit(const std::string& name_space, const std::string& pod,
                                std::uint64_t epoch) {
  const Process* process = process_of(name_space, pod);
  if (process == nullptr) return base::unavailable("no connection");
  std::uint64_t& highest = logs_[process->claim_uid].leader_epoch;
  if (epoch < highest) {
    return base::failed_precondition("epoch " + std::to_string(epoch) + " is older than " +
                                     std::to_string(highest));
  }
  highest = epoch;
  return {};
}

link::QueueObservation* FakeBrokers::queue(const std::string& name_space, const std::string& pod,
                                           const std::string& name) {
  const Process* process = process_of(name_space, pod);
  if (process == nullptr) return nullptr;
  auto& queues = logs_[process->claim_uid].queues;
  const auto found = queues.find(name);
  return found == queues.end() ? nullptr : &found->second;
}

std::string FakeBrokers::secret_file(const std::string& name_space, const std::string& secret,
                                     std::string_view file) const {
  const reconcile::SecretFiles files =
      reconcile::secret_files(api_.find(kube::kSecrets, name_space, secret));
  const auto found = files.find(file);
  return found == files.end() ? std::string() : found->second;
}

const FakeBrokers::Process* FakeBrokers::process_of(const std::string& name_space,
                                                    const std::string& pod) const {
  const Json* object = api_.find(kube::kPods, name_space, pod);
  if (object == nullptr) return nullptr;
  const auto found = processes_.find(kube::uid_of(*object));
  return found == processes_.end() ? nullptr : &found->second;
}

reconcile::ShardState FakeBrokers::shard(const std::string& name_space,
                                         const std::string& pod) const {
  reconcile::ShardState state;
  const Process* process = process_of(name_space, pod);
  if (process == nullptr || !reachable) return state;
  const Json& object = *api_.find(kube::kPods, name_space, pod);
  auto observation = std::make_shared<link::BrokerObservation>();
  observation->incarnation = process->incarnation;
  observation->version = "1.0.0";
  const bool rotates =
      !secret_file(name_space, reconcile::broker_secret_name(broker_of_pod(object)),
                   reconcile::kNextKeyFile)
           .empty();
  const bool reads_late = late_with_key.contains(pod);
  observation->server_keys = rotates && !reads_late && !process->older_closed ? 2 : 1;
  const Log& log = logs_.at(process->claim_uid);
  observation->leader_epoch = log.leader_epoch;
  for (const auto& [name, queue] : log.queues) observation->queues.push_back(queue);
  state.connected = true;
  state.observation = std::move(observation);
  if (const auto found = refused_.find(kube::uid_of(object)); found != refused_.end()) {
    state.refused = found->second;
  }
  return state;
}

base::Status FakeBrokers::configure(const std::string& name_space, const std::string& pod,
                                    const std::string& manifest) {
  const Process* process = process_of(name_space, pod);
  if (process == nullptr || !reachable) return base::unavailable("no connection");
  const std::string name = Json::parse(manifest)["metadata"]["name"];
  auto& refused = refused_[kube::uid_of(*api_.find(kube::kPods, name_space, pod))];
  if (refuse_settings) {
    refused[name] = {link::manifest_revision(manifest), "no"};
    return {};
  }
  refused.erase(name);
  apply_manifest(logs_[process->claim_uid].queues, manifest);
  return {};
}

void FakeBrokers::remove_queue(const std::string& name_space, const std::string& pod,
                               const std::string& queue, link::RemoveMode mode) {
  const Process* process = process_of(name_space, pod);
  if (process == nullptr || !reachable) return;
  Log& log = logs_[process->claim_uid];
  const auto found = log.queues.find(queue);
  if (found == log.queues.end()) return;
  if (mode == link::RemoveMode::kIfEmpty && count(found->second) > 0) return;
  lose(log, found->second);
  log.queues.erase(found);
}

void FakeBrokers::set_messages(const std::string& name_space, const std::string& pod,
                               const std::string& queue, std::uint64_t ready) {
  const Process* process = process_of(name_space, pod);
  CHECK(process != nullptr);
  link::QueueObservation& at = logs_[process->claim_uid].queues.at(queue);
  at.messages = ready;
  at.subscriptions.front().ready = ready;
}

std::int64_t FakeBrokers::messages(const std::string& name_space, const std::string& pod,
                                   const std::string& queue) const {
  const Process* process = process_of(name_space, pod);
  if (process == nullptr) return -1;
  const auto& queues = logs_.at(process->claim_uid).queues;
  const auto found = queues.find(queue);
  return found == queues.end() ? -1 : static_cast<std::int64_t>(count(found->second));
}

}  // namespace sluice::test
