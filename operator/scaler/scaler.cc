#include "operator/scaler/scaler.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/check.h"

namespace sluice::op {
namespace {

std::string key_of(const TargetRef& target) {
  return target.name_space + "/" + target.api_version + "/" + target.kind + "/" + target.name;
}

TargetRef target_of(const ScaledQueue& queue, const ScaledSubscription& subscription) {
  const api::ScaleTargetRef& ref = subscription.policy.scale_target_ref;
  return {queue.name_space, ref.api_version, ref.kind, ref.name};
}

std::vector<ScalingStatus> statuses_of(const std::vector<std::shared_ptr<TargetScaler>>& scalers) {
  std::vector<ScalingStatus> all;
  for (const auto& scaler : scalers) {
    std::vector<ScalingStatus> of = scaler->statuses();
    std::move(of.begin(), of.end(), std::back_inserter(all));
  }
  return all;
}

// Tells whether a Queue object is the one that was looked at before.
std::string version_of(const kube::Json& queue) {
  return kube::uid_of(queue) + "@" + kube::resource_version_of(queue);
}

}  // namespace

Scaler::Scaler(ScalerSeams seams, std::size_t threads)
    : seams_(std::move(seams)),
      thread_count_(threads),
      life_(std::make_shared<Life>()),
      rivals_(seams_.api),
      queue_(seams_.clock) {
  life_->scaler = this;
}

Scaler::~Scaler() {
  {
    const std::lock_guard lock(life_->mutex);
    life_->scaler = nullptr;
  }
  stop();
}

void Scaler::follow(const std::string& broker, const std::vector<kube::ObjectPtr>& queues) {
  std::vector<std::string> versions;
  versions.reserve(queues.size());
  for (const kube::ObjectPtr& queue : queues) versions.push_back(version_of(*queue));
  {
    const std::lock_guard lock(mutex_);
    const auto known = versions_.find(broker);
    if (known != versions_.end() && known->second == versions) return;
  }
  std::vector<ScaledQueuePtr> scaled;
  for (const kube::ObjectPtr& queue : queues) {
    auto one = scaled_queue_of(*queue);
    if (one && one->broker == broker) {
      scaled.push_back(std::make_shared<const ScaledQueue>(std::move(*one)));
    }
  }
  const std::lock_guard lock(mutex_);
  if (queues.empty()) {
    versions_.erase(broker);
    queues_.erase(broker);
  } else {
    versions_[broker] = std::move(versions);
    queues_[broker] = std::move(scaled);
  }
  link_targets(broker);
}

// The targets of this broker's Queues get its members anew, in the order of brokers; a target that
// has none any more is forgotten: its cordons end by themselves.
void Scaler::link_targets(const std::string& broker) {
  std::map<std::string, Members> named;
  if (const auto found = queues_.find(broker); found != queues_.end()) {
    for (const ScaledQueuePtr& queue : found->second) {
      for (const ScaledSubscription& one : queue->subscriptions) {
        const TargetRef ref = target_of(*queue, one);
        const std::string key = key_of(ref);
        targets_[key].ref = ref;
        named[key].emplace_back(queue, one);
      }
    }
  }
  std::set<std::string> touched;
  for (const auto& [key, members] : named) touched.insert(key);
  std::set<std::string> now_named = touched;
  if (const auto before = targets_of_broker_.find(broker); before != targets_of_broker_.end()) {
    touched.insert(before->second.begin(), before->second.end());
  }
  for (const std::string& key : touched) {
    Members& members = targets_[key].members;
    std::erase_if(members, [&](const auto& one) { return one.first->broker == broker; });
    const auto next = std::find_if(members.begin(), members.end(),
                                   [&](const auto& one) { return broker < one.first->broker; });
    const Members& own = named[key];
    members.insert(next, own.begin(), own.end());
    if (members.empty()) targets_.erase(key);
    if (started_) queue_.add(key);
  }
  if (now_named.empty()) {
    targets_of_broker_.erase(broker);
  } else {
    targets_of_broker_[broker] = std::move(now_named);
  }
}

void Scaler::observed(const std::string& broker) {
  const std::lock_guard lock(mutex_);
  if (!started_) return;
  const auto found = targets_of_broker_.find(broker);
  if (found == targets_of_broker_.end()) return;
  for (const std::string& key : found->second) queue_.add(key);
}

void Scaler::start() {
  const std::lock_guard lock(mutex_);
  CHECK(!started_);
  started_ = true;
  for (auto& [key, target] : targets_) queue_.add(key);
  for (std::size_t i = 0; i < thread_count_; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

void Scaler::stop() {
  std::vector<std::jthread> threads;
  {
    const std::lock_guard lock(mutex_);
    started_ = false;
    threads.swap(threads_);
  }
  for (std::jthread& thread : threads) thread.request_stop();
  threads.clear();
  const std::lock_guard lock(mutex_);
  for (auto& [key, target] : targets_) {
    target.scaler.reset();
    target.answers.clear();
  }
}

void Scaler::work(const std::stop_token& stop) {
  while (const auto taken = queue_.take(stop)) {
    const auto again = process(taken->key);
    queue_.done(taken->key);
    if (again) queue_.add_after(taken->key, *again);
  }
}

base::Millis Scaler::run_all() {
  std::set<std::string> keys;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, target] : targets_) keys.insert(key);
  }
  while (const auto taken = queue_.take_due()) {
    keys.insert(taken->key);  // it may be gone
    queue_.done(taken->key);
  }
  base::Millis soonest = TargetScaler::kIdleRefresh;
  for (const std::string& key : keys) soonest = std::min(soonest, process(key).value_or(soonest));
  return soonest;
}

std::vector<ScaledMember> Scaler::members_of(const Target& target,
                                             std::optional<base::Millis>& trying) const {
  const base::MonoTime now = seams_.clock.mono_now();
  std::map<std::string, std::vector<reconcile::ShardState>> states;
  std::vector<ScaledMember> members;
  for (const auto& [queue, subscription] : target.members) {
    const auto [known, is_new] = states.try_emplace(queue->broker);
    if (is_new) known->second = seams_.shards(queue->broker);
    ScaledMember& member = members.emplace_back(ScaledMember{queue, subscription, {}});
    for (std::size_t i = 0; i < queue->shards; ++i) {
      autoscale::Shard shard{shard_name(queue->broker, i), nullptr};
      if (i < known->second.size() && known->second[i].connected) {
        shard.told = known->second[i].observation;
      } else if (i < known->second.size()) {
        trying = std::max(trying, known->second[i].grace_left(now));
      }
      member.shards.push_back(std::move(shard));
    }
  }
  return members;
}

std::optional<Scaler::Target> Scaler::take_target(const std::string& key) {
  const std::string name_space = key.substr(0, key.find('/') + 1);
  {
    const std::lock_guard lock(mutex_);
    if (!started_) return std::nullopt;
    const auto found = targets_.find(key);
    if (found != targets_.end()) {
      Target& known = found->second;
      if (!known.scaler) {
        known.scaler = std::make_shared<TargetScaler>(known.ref, seams_, rivals_, types_);
      }
      Target taken = known;
      known.answers.clear();
      return taken;
    }
    const auto other = targets_.lower_bound(name_space);
    if (other != targets_.end() && other->first.starts_with(name_space)) return std::nullopt;
  }
  // Without the lock: rivals have one of their own, also while the API server is asked.
  rivals_.forget(name_space.substr(0, name_space.size() - 1));
  return std::nullopt;
}

std::optional<base::Millis> Scaler::process(const std::string& key) {
  std::optional<Target> taken = take_target(key);
  if (!taken) return std::nullopt;
  const Target& target = *taken;
  for (const auto& [call, answer] : target.answers) target.scaler->answered(call, answer);
  const auto on_answer = [life = life_, key, of = std::weak_ptr(target.scaler)](
                             const autoscale::CordonCall& call,
                             base::Result<std::uint64_t> answer) {
    const std::lock_guard lock(life->mutex);
    const auto scaler = of.lock();
    if (life->scaler == nullptr || !scaler) return;
    life->scaler->answered(key, scaler, call, std::move(answer));
  };
  std::optional<base::Millis> trying;
  const std::vector<ScaledMember> members = members_of(target, trying);
  // Links of a process that has just begun come up at once or not at all: nothing is decided, and
  // told, of brokers that it has not had the time to hear.
  if (trying && target.scaler->statuses().empty()) return trying;
  const base::Millis again = target.scaler->run(members, on_answer);
  for (const std::string& broker : target.scaler->take_changed()) {
    if (seams_.status_changed) seams_.status_changed(broker);
  }
  return again;
}

void Scaler::answered(const std::string& key, const std::shared_ptr<TargetScaler>& of,
                      const autoscale::CordonCall& call, base::Result<std::uint64_t> answer) {
  const std::lock_guard lock(mutex_);
  const auto found = targets_.find(key);
  if (found == targets_.end() || found->second.scaler != of) return;
  found->second.answers.emplace_back(call, std::move(answer));
  if (started_) queue_.add(key);
}

Scaler::Results Scaler::results(const std::string& broker) const {
  std::vector<std::shared_ptr<TargetScaler>> scalers;
  {
    const std::lock_guard lock(mutex_);
    const auto named = targets_of_broker_.find(broker);
    if (named == targets_of_broker_.end()) return {};
    for (const std::string& key : named->second) {
      const auto found = targets_.find(key);
      if (found != targets_.end() && found->second.scaler) scalers.push_back(found->second.scaler);
    }
  }
  Results results;
  for (const ScalingStatus& one : statuses_of(scalers)) {
    if (one.broker != broker) continue;
    reconcile::ScalingResult& result = results[{one.queue, one.subscription}];
    result.state = autoscale::is_hands_off(one.reason) ? reconcile::ScalingState::kInactive
                                                       : reconcile::ScalingState::kActive;
    result.reason = autoscale::to_string(one.reason);
    result.message = one.message;
    result.limited_by = autoscale::to_string(one.limited_by);
    result.current = one.current;
    result.desired = one.desired;
    result.last_scale = one.last_scale;
  }
  return results;
}

std::vector<ScalingStatus> Scaler::statuses() const {
  std::vector<std::shared_ptr<TargetScaler>> scalers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, target] : targets_) {
      if (target.scaler) scalers.push_back(target.scaler);
    }
  }
  return statuses_of(scalers);
}

std::map<std::string, std::size_t> Scaler::book_sizes() const {
  const kube::WorkQueueStats work = queue_.stats();
  std::map<std::string, std::size_t> sizes = {
      {"rivals", rivals_.size()},
      {"scaler's work", work.depth + work.processing},
      {"scaler's work later", work.later},
  };
  const std::lock_guard lock(mutex_);
  sizes["scaled queues"] = queues_.size() + versions_.size();
  sizes["targets"] = targets_.size() + targets_of_broker_.size();
  return sizes;
}

}  // namespace sluice::op
