#include "tests/sim/operator/broker_field.h"

#include <algorithm>
#include <utility>

#include "kube/object_ref.h"
#include "operator/reconcile/names.h"

namespace sluice::sim {
namespace {

constexpr base::Millis kTick{250};
constexpr base::Millis kRepeat{2'000};
constexpr base::Millis kCallTimeout{10'000};

std::string ip_of(const std::string& endpoint) {
  const std::size_t begin = endpoint.find("//") + 2;
  return endpoint.substr(begin, endpoint.rfind(':') - begin);
}

class SimLink final : public link::BrokerLink {
 public:
  struct State {
    BrokerField& field;
    ProcessId process;
    link::LinkAddress address;
    link::LinkEvents events;
    std::shared_ptr<SimLinks::Connections> connections;
    bool closed = false;
    bool connected = false;
    std::string problem = {};
    std::string pod = {};  // while connected: "NAMESPACE/POD"
    std::uint32_t incarnation = 0;
    base::MonoTime connect_at = {};
    base::MonoTime observed_at = {};
    std::uint64_t seen_version = 0;
    std::uint64_t seen_changes = 0;
  };

  explicit SimLink(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~SimLink() override {
    state_->closed = true;
    if (state_->connected) state_->connections->erase(state_->pod);
  }
  SimLink(const SimLink&) = delete;
  SimLink& operator=(const SimLink&) = delete;

  static void tick(const std::shared_ptr<State>& state);

  void configure(std::uint64_t epoch, std::string manifest,
                 std::function<void(base::Status)> done) override {
    const auto state = state_;
    done(call<base::Status>(
        [&](const BrokerPlace& place) { return state->field.configure(place, epoch, manifest); }));
  }
  void remove_queue(std::uint64_t epoch, std::string queue, link::RemoveMode mode,
                    std::function<void(base::Result<link::QueueRemoval>)> done) override {
    const auto state = state_;
    done(call<base::Result<link::QueueRemoval>>([&](const BrokerPlace& place) {
      return state->field.remove_queue(place, epoch, queue, mode);
    }));
  }
  void cordon(std::uint64_t epoch, std::string consumer, base::Millis lease,
              std::function<void(base::Result<std::uint64_t>)> done) override {
    BrokerField& field = state_->field;
    const bool lost = field.prng.chance(field.faults.link_call_lost);
    const auto place = field.find(state_->address.endpoint);
    base::Result<std::uint64_t> answer = base::unavailable("no connection to the broker");
    if (state_->connected && place && !field.is_silent(*place)) {
      answer = field.cordon(*place, epoch, consumer, lease);
    }
    if (lost) answer = base::unavailable("the connection broke before the answer");
    field.loop.post(state_->process, base::Millis(5), [state = state_, done, answer] {
      if (!state->closed) done(answer);
    });
  }

 private:
  // With what an answer may meet on its way.
  template <typename Answer, typename Carry>
  Answer call(const Carry& carry_out) {
    const auto state = state_;  // the link may be closed meanwhile
    BrokerField& field = state->field;
    if (field.prng.chance(field.faults.link_call_slow)) {
      field.loop.linger(base::Millis(static_cast<std::int64_t>(field.prng.below(5'000))));
    } else {
      field.loop.linger(base::Millis(2));
    }
    const auto place = field.find(state->address.endpoint);
    if (!state->connected || !place || field.is_silent(*place)) {
      field.loop.linger(kCallTimeout);
      return base::unavailable("no connection to the broker");
    }
    if (!field.prng.chance(field.faults.link_call_lost)) return carry_out(*place);
    if (field.prng.chance(0.5)) static_cast<void>(carry_out(*place));
    field.loop.linger(kCallTimeout);
    return base::Error(base::ErrorCode::kDeadlineExceeded, "the broker did not answer in time");
  }

  static void tell(State& state, bool connected, const std::string& problem) {
    if (state.connected == connected && state.problem == problem) return;
    state.connected = connected;
    state.problem = problem;
    if (state.events.status_changed) state.events.status_changed({connected, problem});
  }
  static void lose(State& state, const std::string& why) {
    state.connect_at = state.field.loop.now() +
                       base::Millis(100 + static_cast<std::int64_t>(state.field.prng.below(900)));
    if (state.connected) state.connections->erase(state.pod);
    tell(state, false, why);
  }
  static void observe(State& state, const BrokerPlace& place);

  std::shared_ptr<State> state_;
};

void SimLink::observe(State& state, const BrokerPlace& place) {
  BrokerField& field = state.field;
  const base::MonoTime now = field.loop.now();
  const bool news = state.seen_version != field.store.version() ||
                    state.seen_changes != field.changes || !state.connected;
  if (!news && now < state.observed_at + base::Nanos(kRepeat)) return;
  auto told = field.observation(place);
  if (told == nullptr) return lose(state, "the connection was lost");
  if (state.connected && told->incarnation != state.incarnation) {
    return lose(state, "the connection was lost");
  }
  state.seen_version = field.store.version();
  state.seen_changes = field.changes;
  state.incarnation = told->incarnation;
  state.observed_at = now;
  told->received_at = now;
  if (!state.connected) {
    state.pod = place.name_space + "/" + place.pod;
    state.connections->insert_or_assign(state.pod, now);
  }
  tell(state, true, "");
  if (state.events.observed && !state.closed) state.events.observed(std::move(told));
}

void SimLink::tick(const std::shared_ptr<State>& state) {
  if (state->closed) return;
  BrokerField& field = state->field;
  const base::MonoTime now = field.loop.now();
  const auto place = field.find(state->address.endpoint);
  const bool reachable = place && !field.is_silent(*place);
  if (state->connected) {
    if (!place) {
      lose(*state, "the connection was lost");
    } else if (reachable) {
      observe(*state, *place);
    } else if (now >= state->observed_at + base::Nanos(link::kStaleAfter)) {
      lose(*state, "no observation came for 6000 ms");
    }
  } else if (now >= state->connect_at) {
    if (reachable) {
      observe(*state, *place);
    } else {
      lose(*state, "nobody answers there");
    }
  }
  if (!state->closed) field.loop.post(state->process, kTick, [state] { tick(state); });
}

}  // namespace

std::optional<BrokerPlace> BrokerField::find(const std::string& endpoint) {
  if (pods_version_ != store.version()) {
    pods_version_ = store.version();
    places_.clear();
    for (const kube::Json* pod : store.all(kube::kPods)) {
      const std::string ip = kube::text_in(kube::value_in(*pod, {"status"}), "podIP");
      if (ip.empty()) continue;
      places_[ip] = {kube::namespace_of(*pod), kube::name_of(*pod), kube::uid_of(*pod)};
    }
  }
  const auto found = places_.find(ip_of(endpoint));
  if (found == places_.end()) return std::nullopt;
  if (!brokers.runs(found->second.name_space, found->second.pod)) return std::nullopt;
  return found->second;
}

bool BrokerField::is_silent(const BrokerPlace& place) const {
  const auto found = silent_until_.find(place.uid);
  return found != silent_until_.end() && loop.now() < found->second;
}

void BrokerField::silence(const std::string& pod_uid, base::Nanos time) {
  silent_until_[pod_uid] = loop.now() + time;
}

std::shared_ptr<link::BrokerObservation> BrokerField::observation(const BrokerPlace& place) {
  const reconcile::ShardState state = brokers.shard(place.name_space, place.pod);
  if (!state.connected) return nullptr;
  auto told = std::make_shared<link::BrokerObservation>(*state.observation);
  for (link::QueueObservation& queue : told->queues) {
    for (link::SubscriptionObservation& one : queue.subscriptions) {
      for (link::ConsumerObservation& consumer : one.consumers) {
        consumer.cordoned = is_cordoned(place, consumer.name);
      }
    }
  }
  return told;
}

base::Result<std::uint64_t> BrokerField::cordon(const BrokerPlace& place, std::uint64_t epoch,
                                                const std::string& consumer, base::Millis lease) {
  RETURN_IF_ERROR(brokers.admit(place.name_space, place.pod, epoch));
  cordons_[place.uid][consumer] = loop.now() + base::Nanos(lease);
  touch();
  std::uint64_t holds = 0;
  const auto state = brokers.shard(place.name_space, place.pod);
  for (const link::QueueObservation& queue : state.observation->queues) {
    for (const link::SubscriptionObservation& one : queue.subscriptions) {
      for (const link::ConsumerObservation& there : one.consumers) {
        if (there.name == consumer) holds += there.in_flight;
      }
    }
  }
  return holds;
}

bool BrokerField::is_cordoned(const BrokerPlace& place, const std::string& consumer) const {
  const auto broker = cordons_.find(place.uid);
  if (broker == cordons_.end()) return false;
  const auto found = broker->second.find(consumer);
  return found != broker->second.end() && loop.now() < found->second;
}

base::Status BrokerField::configure(const BrokerPlace& place, std::uint64_t epoch,
                                    const std::string& manifest) {
  RETURN_IF_ERROR(brokers.admit(place.name_space, place.pod, epoch));
  touch();
  const base::Status status = brokers.configure(place.name_space, place.pod, manifest);
  if (status.has_value() && on_configured) on_configured(place, manifest);
  return status;
}

base::Result<link::QueueRemoval> BrokerField::remove_queue(const BrokerPlace& place,
                                                           std::uint64_t epoch,
                                                           const std::string& queue,
                                                           link::RemoveMode mode) {
  RETURN_IF_ERROR(brokers.admit(place.name_space, place.pod, epoch));
  brokers.remove_queue(place.name_space, place.pod, queue, mode);
  touch();
  link::QueueRemoval removal;
  removal.removed = brokers.messages(place.name_space, place.pod, queue) < 0;
  return removal;
}

std::unique_ptr<link::BrokerLink> SimLinks::open(const link::LinkAddress& address,
                                                 link::LinkEvents events) {
  auto state = std::make_shared<SimLink::State>(
      SimLink::State{field_, process_, address, std::move(events), connections_});
  state->connect_at =
      field_.loop.now() + base::Millis(20 + static_cast<std::int64_t>(field_.prng.below(200)));
  field_.loop.post(process_, kTick, [state] { SimLink::tick(state); });
  if (state->events.status_changed) state->events.status_changed({false, "not connected yet"});
  return std::make_unique<SimLink>(state);
}

}  // namespace sluice::sim
