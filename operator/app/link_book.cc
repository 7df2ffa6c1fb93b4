#include "operator/app/link_book.h"

#include <condition_variable>
#include <optional>
#include <utility>

#include "client/refusal.h"
#include "operator/reconcile/live_settings.h"

namespace sluice::op {
namespace {

// An answer that one thread waits for. Shared, because it may come when nobody waits any more.
template <typename T>
class Answer {
 public:
  void set(base::Result<T> value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    there_.notify_all();
  }
  base::Result<T> wait(base::Millis timeout) {
    std::unique_lock lock(mutex_);
    if (!there_.wait_for(lock, timeout, [this] { return value_.has_value(); })) {
      return base::Error(base::ErrorCode::kDeadlineExceeded, "the broker did not answer in time");
    }
    return *value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable there_;
  std::optional<base::Result<T>> value_;
};

// What plans depend on, without the numbers that change all the time.
bool differs_in_kind(const link::BrokerObservation* before, const link::BrokerObservation& after) {
  if (before == nullptr) return true;
  if (before->revision != after.revision || before->incarnation != after.incarnation ||
      before->version != after.version || before->leader_epoch != after.leader_epoch ||
      before->server_keys != after.server_keys || before->disk_low != after.disk_low ||
      (before->sessions_to_move == 0) != (after.sessions_to_move == 0) ||
      before->queues.size() != after.queues.size()) {
    return true;
  }
  for (std::size_t i = 0; i < after.queues.size(); ++i) {
    const link::QueueObservation& a = before->queues[i];
    const link::QueueObservation& b = after.queues[i];
    if (a.name != b.name || a.revision != b.revision || a.paused != b.paused ||
        (a.damaged == 0) != (b.damaged == 0)) {
      return true;
    }
  }
  return false;
}

}  // namespace

LinkBook::LinkBook(link::BrokerLinks& links, const runtime::Clock& clock, LinkHooks hooks)
    : links_(links), clock_(clock), hooks_(std::move(hooks)), life_(std::make_shared<Life>()) {
  life_->book = this;
}

LinkBook::~LinkBook() {
  {
    const std::lock_guard lock(life_->mutex);
    life_->book = nullptr;
  }
  std::map<std::string, Broker> closing;
  {
    const std::lock_guard lock(mutex_);
    closing.swap(brokers_);
  }
}

LinkBook::Shard* LinkBook::find(const std::string& key, std::size_t index, std::uint64_t turn) {
  const auto broker = brokers_.find(key);
  if (broker == brokers_.end() || index >= broker->second.shards.size()) return nullptr;
  Shard& shard = broker->second.shards[index];
  return shard.turn == turn ? &shard : nullptr;
}

void LinkBook::follow(const std::string& key, const std::vector<link::LinkAddress>& addresses) {
  // Closed and opened without the lock: both may wait for a callback that wants it.
  std::vector<std::shared_ptr<link::BrokerLink>> closing;
  std::vector<std::pair<std::size_t, std::uint64_t>> opening;
  {
    const std::lock_guard lock(mutex_);
    Broker& broker = brokers_[key];
    while (broker.shards.size() > addresses.size()) {
      closing.push_back(std::move(broker.shards.back().link));
      broker.shards.pop_back();
    }
    broker.shards.resize(addresses.size());
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      Shard& shard = broker.shards[i];
      if (shard.address == addresses[i]) continue;
      closing.push_back(std::move(shard.link));
      shard.address = addresses[i];
      shard.link = nullptr;
      shard.turn = ++turns_;
      shard.state.connected = false;
      shard.state.problem = "";
      if (addresses[i].endpoint.empty()) continue;
      opening.emplace_back(i, shard.turn);
      if (shard.state.observation == nullptr && !shard.state.trying_since) {
        shard.state.trying_since = clock_.mono_now();
      }
    }
  }
  closing.clear();
  for (const auto& [index, turn] : opening) open(key, index, turn, addresses[index]);
}

void LinkBook::open(const std::string& key, std::size_t index, std::uint64_t turn,
                    const link::LinkAddress& address) {
  link::LinkEvents events;
  events.observed = [life = life_, key, index,
                     turn](const std::shared_ptr<const link::BrokerObservation>& observation) {
    const std::lock_guard lock(life->mutex);
    if (life->book != nullptr) life->book->observed(key, index, turn, observation);
  };
  events.status_changed = [life = life_, key, index, turn](const link::LinkStatus& status) {
    const std::lock_guard lock(life->mutex);
    if (life->book != nullptr) life->book->status_changed(key, index, turn, status);
  };
  std::shared_ptr<link::BrokerLink> opened = links_.open(address, std::move(events));
  {
    const std::lock_guard lock(mutex_);
    if (Shard* shard = find(key, index, turn)) {
      shard->link = std::move(opened);
      return;
    }
  }
  // Somebody was quicker with another address; this one closes here, without the lock.
}

void LinkBook::forget(const std::string& key) {
  std::optional<Broker> closing;
  const std::lock_guard lock(mutex_);
  const auto found = brokers_.find(key);
  if (found == brokers_.end()) return;
  closing = std::move(found->second);
  brokers_.erase(found);
}

void LinkBook::observed(const std::string& key, std::size_t index, std::uint64_t turn,
                        const std::shared_ptr<const link::BrokerObservation>& observation) {
  bool kind = false;
  bool numbers = false;
  {
    const std::lock_guard lock(mutex_);
    Shard* shard = find(key, index, turn);
    if (shard == nullptr) return;
    const link::BrokerObservation* before = shard->state.observation.get();
    // Of what it was told to make a plan may wait to hear.
    kind = differs_in_kind(before, *observation) || !shard->state.configured.empty();
    numbers = before == nullptr || before->queues != observation->queues;
    // What another process or another version refused, this one may take.
    if (before != nullptr && (before->incarnation != observation->incarnation ||
                              before->version != observation->version)) {
      shard->state.refused.clear();
    }
    shard->state.observation = observation;
    shard->state.trying_since.reset();  // not before: connected, nothing is known of it yet
    shard->state.configured.clear();
    brokers_[key].meter.observe(index, *observation);
  }
  if (hooks_.on_epoch) hooks_.on_epoch(observation->leader_epoch);
  if (hooks_.on_observation) hooks_.on_observation(key, index, observation);
  if ((kind || numbers) && hooks_.on_news) hooks_.on_news(key, kind);
}

void LinkBook::status_changed(const std::string& key, std::size_t index, std::uint64_t turn,
                              const link::LinkStatus& status) {
  {
    const std::lock_guard lock(mutex_);
    Shard* shard = find(key, index, turn);
    if (shard == nullptr) return;
    if (shard->state.connected == status.connected && shard->state.problem == status.problem) {
      return;
    }
    shard->state.connected = status.connected;
    shard->state.problem = status.problem;
  }
  if (hooks_.on_news) hooks_.on_news(key, true);
}

std::vector<reconcile::ShardState> LinkBook::shards(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  std::vector<reconcile::ShardState> out;
  const auto found = brokers_.find(key);
  if (found == brokers_.end()) return out;
  out.reserve(found->second.shards.size());
  for (const Shard& shard : found->second.shards) out.push_back(shard.state);
  return out;
}

std::map<std::string, reconcile::Rates> LinkBook::rates(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = brokers_.find(key);
  if (found == brokers_.end()) return {};
  return found->second.meter.rates();
}

LinkBook::Counts LinkBook::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts;
  for (const auto& [key, broker] : brokers_) {
    for (const Shard& shard : broker.shards) {
      ++(shard.state.connected ? counts.connected : counts.waiting);
    }
  }
  return counts;
}

std::shared_ptr<link::BrokerLink> LinkBook::link(const std::string& key, std::size_t shard) const {
  const std::lock_guard lock(mutex_);
  const auto found = brokers_.find(key);
  if (found == brokers_.end() || shard >= found->second.shards.size()) return nullptr;
  return found->second.shards[shard].link;
}

base::Status LinkBook::configure(const std::string& key, std::size_t shard, std::uint64_t epoch,
                                 const std::string& queue, const std::string& manifest) {
  const std::shared_ptr<link::BrokerLink> there = link(key, shard);
  if (there == nullptr)
    return base::unavailable("there is no way to shard " + std::to_string(shard));
  // Status is Result<void>, which an Answer of a value can hold as a word.
  const auto answer = std::make_shared<Answer<bool>>();
  there->configure(epoch, manifest, [answer](const base::Status& status) {
    answer->set(status.has_value() ? base::Result<bool>(true) : base::Result<bool>(status.error()));
  });
  const base::Result<bool> done = answer->wait(kCallTimeout);
  const std::lock_guard lock(mutex_);
  const auto found = brokers_.find(key);
  if (found == brokers_.end() || shard >= found->second.shards.size()) {
    return base::unavailable("the broker is gone");
  }
  reconcile::ShardState& state = found->second.shards[shard].state;
  if (done.has_value()) {
    state.configured.insert(queue);
    state.refused.erase(queue);
    return {};
  }
  const base::ErrorCode code = done.error().code();
  if (client::is_unanswered(done.error())) state.configured.insert(queue);
  const bool fenced = state.observation != nullptr && state.observation->leader_epoch > epoch;
  if (!fenced &&
      (code == base::ErrorCode::kInvalidArgument || code == base::ErrorCode::kFailedPrecondition)) {
    reconcile::Refusal& refusal = state.refused[queue];
    refusal = {link::manifest_revision(manifest), done.error().message(), std::nullopt};
    if (code == base::ErrorCode::kFailedPrecondition) {
      refusal.ask_again = clock_.mono_now() + base::Nanos(reconcile::kAskRefusedEvery);
    }
    return {};
  }
  return done.error();
}

base::Status LinkBook::remove_queue(const std::string& key, std::size_t shard, std::uint64_t epoch,
                                    const std::string& queue, link::RemoveMode mode) {
  const std::shared_ptr<link::BrokerLink> there = link(key, shard);
  if (there == nullptr)
    return base::unavailable("there is no way to shard " + std::to_string(shard));
  const auto answer = std::make_shared<Answer<link::QueueRemoval>>();
  there->remove_queue(epoch, queue, mode, [answer](base::Result<link::QueueRemoval> removal) {
    answer->set(std::move(removal));
  });
  const base::Result<link::QueueRemoval> removal = answer->wait(kCallTimeout);
  if (!removal.has_value()) return removal.error();
  return {};
}

std::size_t LinkBook::size() const {
  const std::lock_guard lock(mutex_);
  return brokers_.size();
}

}  // namespace sluice::op
