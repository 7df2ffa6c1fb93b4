#include "tests/sim/operator/world.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/live_settings.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/rollout.h"
#include "tests/support/kstatus.h"

namespace sluice::sim {
namespace {

using kube::Json;

constexpr base::Nanos kLivenessMax = std::chrono::minutes(30);
constexpr base::Nanos kSteady = std::chrono::minutes(3);
constexpr base::Nanos kAnew = std::chrono::minutes(2);
constexpr base::Millis kTenMinutes = std::chrono::minutes(10);
constexpr std::array kHeldBack{&kube::kQueues, &kube::kStatefulSets,           &kube::kConfigMaps,
                               &kube::kPods,   &kube::kPersistentVolumeClaims, &kube::kServices};
const char* const kNameSpace = "shop";
const char* const kLeaseName = "sluice-operator";

const Workload& workload_named(const Request& request, base::Prng& prng) {
  const std::size_t drawn = prng.below(workloads().size());
  for (const Workload& one : workloads()) {
    if (one.name == request.workload) return one;
  }
  return workloads()[drawn];
}

std::string condition(const Json& queue, std::string_view type, std::string_view field) {
  for (const Json& one : kube::value_in(queue, {"status", "conditions"})) {
    if (kube::text_in(one, "type") == type) return kube::text_in(one, field);
  }
  return {};
}

}  // namespace

World::World(const Request& request)
    : request_(request),
      prng_(request.seed, "world"),
      workload_(workload_named(request, prng_)),
      api_(loop_, store_),
      field_(loop_, store_, brokers_, faults_, base::Prng(request.seed, "field")),
      consumers_(loop_, store_, field_, slots_, base::Prng(request.seed, "consumers")),
      checks_(loop_, store_, brokers_, slots_, consumers_),
      users_(loop_, store_, field_, checks_, slots_, workload_, base::Prng(request.seed, "users")),
      network_{loop_, api_, faults_, base::Prng(request.seed, "network"), {}, {}, {}, {}, {}, {}},
      bugs_(request.bug) {
  base::Prng faults(request.seed, "faults");
  drawn_ = draw_faults(faults, request);
  faults_ = drawn_;
  slots_ = UsersSim::draw_slots(workload_, prng_);
  if (!request.scenario.empty()) {
    auto scenario = parse_scenario(request.scenario);
    CHECK(scenario.has_value());
    scenario_ = std::move(*scenario);
    drawn_ = {};
    faults_ = {};
    slots_ = scenario_->slots;
  }
  loop_.log = request.log;
  safety_ = std::chrono::seconds(60 + prng_.below(400));
  if (scenario_) safety_ = scenario_->end;
  api_.page_items = prng_.chance(0.3) ? 2 + prng_.below(4) : 500;
  process_options_.name_space = "sluice-system";
  process_options_.workers = 1 + prng_.below(3);
  store_.set_now(wall_of(loop_.now()));
  api_.on_change = [this](const kube::ObjectRef& ref, const Json& before, const Json& after) {
    checks_.changed(ref, before, after);
  };
  network_.on_sent = [this](const Sender& sender, const ApiCall& call) {
    checks_.sent(sender, call);
  };
  network_.on_carry_out = [this](const Sender& sender, const ApiCall& call) {
    store_.set_now(wall_of(loop_.now()));
    checks_.carry_out(sender, call, process_of(sender.process));
  };
  network_.on_carried_out = [this] { checks_.carried_out(); };
  network_.crash = [this](ProcessId id) { crash(id); };
  field_.on_configured = [this](const BrokerPlace& place, const std::string& manifest) {
    checks_.configured(place, manifest);
  };
  operators_.resize(drawn_.second_operator ? 2 : 1);
  for (Operator& one : operators_) {
    if (drawn_.clocks_apart)
      one.clock_offset =
          base::Millis(static_cast<std::int64_t>(prng_.below(1'200'000))) - kTenMinutes;
  }
  if (scenario_) operators_.resize(scenario_->operators);
  note_drawn(drawn_options());
}

World::~World() {
  for (Operator& one : operators_) one.process.reset();
}

void World::every(base::Nanos period, const std::function<void()>& call) {
  loop_.post(0, period, [this, period, call] {
    call();
    every(period, call);
  });
}

OperatorProcess* World::process_of(ProcessId id) {
  for (Operator& one : operators_) {
    if (one.process != nullptr && one.process->id() == id) return one.process.get();
  }
  return nullptr;
}

void World::crash(ProcessId id) {
  for (Operator& one : operators_) {
    if (one.process == nullptr || one.process->id() != id) continue;
    loop_.note(one.process->identity() + " is killed");
    one.process.reset();
    one.start_at = loop_.now() + base::Millis(200 + static_cast<std::int64_t>(prng_.below(20'000)));
  }
}

void World::start_operator(Operator& one) {
  const std::uint64_t seed = prng_.next();
  ++started_;
  loop_.note("op-" + std::to_string(started_) + " starts");
  one.process = std::make_unique<OperatorProcess>(loop_, network_, field_, keys_, bugs_,
                                                  process_options_, started_, seed);
  one.process->clock.offset = one.clock_offset;
  if (faults_.clock_step > 0 && prng_.chance(0.3)) {
    one.process->clock.offset +=
        base::Millis(static_cast<std::int64_t>(prng_.below(7'200'000)) - 3'600'000);
  }
}

void World::step_cluster() {
  store_.set_now(wall_of(loop_.now()));
  consumers_.control();
  if (store_.version() == cluster_version_) return;
  cluster_version_ = store_.version();
  if (controllers_.step()) field_.touch();
  checks_.brokers_start();
  if (brokers_.step()) field_.touch();
}

void World::second_of_faults() {
  const auto chance = [this](double probability) {
    return probability > 0 && prng_.chance(probability);
  };
  const auto seconds = [this](std::uint64_t most) -> base::Nanos {
    return std::chrono::seconds(1 + prng_.below(most));
  };
  if (chance(faults_.cache_held)) {
    api_.hold_back(*kHeldBack.at(prng_.below(kHeldBack.size())), prng_.below(ApiSim::kReplicas),
                   seconds(40));
  }
  if (chance(faults_.caches_held)) {
    const std::size_t replica = prng_.below(ApiSim::kReplicas);
    const base::Nanos time = seconds(60);
    for (const kube::ResourceType* type : kHeldBack) api_.hold_back(*type, replica, time);
  }
  if (chance(faults_.history_forgotten)) api_.forget_history();
  for (Operator& one : operators_) {
    if (one.process == nullptr) continue;
    if (chance(faults_.pause)) {
      const base::Nanos time = seconds(prng_.chance(0.5) ? 40 : 5);
      loop_.note(one.process->identity() + " stands still for " +
                 std::to_string(time.count() / 1'000'000'000) + " s");
      loop_.pause(one.process->id(), time);
    }
    if (chance(faults_.cut)) {
      const base::Nanos time = seconds(prng_.chance(0.3) ? 40 : 9);
      loop_.note(one.process->identity() + " is cut off");
      network_.cut_until[one.process->id()] = loop_.now() + time;
    }
    if (chance(faults_.clock_step)) {
      one.process->clock.offset +=
          base::Millis(static_cast<std::int64_t>(prng_.below(1'200'000)) - 600'000);
    }
    if (chance(faults_.stop)) one.process->request_stop();
    if (chance(faults_.crash)) crash(one.process->id());
  }
  const Json* lease = store_.find(kube::kLeases, process_options_.name_space, kLeaseName);
  if (lease != nullptr && chance(faults_.lease_deleted)) {
    loop_.note("somebody deletes the Lease");
    checks_.lease_meddled();
    store_.erase(kube::kLeases, process_options_.name_space, kLeaseName);
  } else if (lease != nullptr && chance(faults_.lease_stolen)) {
    loop_.note("somebody takes the Lease");
    checks_.lease_meddled();
    store_.change(kube::kLeases, process_options_.name_space, kLeaseName, [&](Json& one) {
      one["spec"]["holderIdentity"] = prng_.chance(0.5) ? "somebody" : "";
    });
  }
  std::vector<const Json*> pods;
  for (const Json* pod : store_.all(kube::kPods)) {
    if (!reconcile::annotation(*pod, reconcile::kSettingsAnnotation).empty()) pods.push_back(pod);
  }
  if (!pods.empty() && chance(faults_.broker_silent)) {
    field_.silence(kube::uid_of(*pods[prng_.below(pods.size())]), seconds(60));
  }
  if (!pods.empty() && chance(faults_.broker_restart)) {
    const std::string pod = kube::name_of(*pods[prng_.below(pods.size())]);
    loop_.note("broker " + pod + " restarts");
    store_.erase(kube::kPods, kNameSpace, pod);
  }
  if (chance(faults_.meddling)) users_.meddle();
}

void World::second() {
  for (Operator& one : operators_) {
    if (one.process != nullptr && one.process->ended()) {
      one.process.reset();
      one.start_at = loop_.now() + std::chrono::seconds(1);
    }
    if (one.process == nullptr && one.start_at <= loop_.now()) start_operator(one);
  }
  if (!healed_ && !scenario_) {
    if (prng_.chance(workload_.pace)) users_.act();
    second_of_faults();
  }
  step_cluster();
}

void World::heal() {
  loop_.note("faults end");
  faults_ = {};
  healed_ = true;
  api_.catch_up();
  field_.heal();
  network_.cut_until.clear();
  network_.behind.clear();
  for (Operator& one : operators_) {
    one.start_at = std::min(one.start_at, loop_.now());
    if (one.process != nullptr) one.process->clock.offset = one.clock_offset;
  }
}

// What a broker is made of, as far as somebody may have laid hands on it.
std::string World::objects_unrest(const QueueSlot& slot, const std::string& manifest) {
  const std::string& broker = slot.broker;
  const std::pair<const kube::ResourceType*, std::string> wanted[] = {
      {&kube::kStatefulSets, broker},
      {&kube::kServices, broker},
      {&kube::kServices, reconcile::shards_service_name(broker)},
      {&kube::kConfigMaps, reconcile::queues_config_name(broker)},
      {&kube::kServiceAccounts, broker},
      {&kube::kPodDisruptionBudgets, broker},
      {&kube::kNetworkPolicies, broker},
      {&kube::kSecrets, reconcile::broker_secret_name(broker)},
      {&kube::kSecrets, reconcile::operator_secret_name(broker)},
      {&kube::kSecrets, reconcile::admin_secret_name(broker)}};
  for (const auto& [type, name] : wanted) {
    if (store_.find(*type, slot.name_space, name) == nullptr) {
      return " is Current without " + std::string(type->kind) + " " + name;
    }
  }
  const Json& config =
      *store_.find(kube::kConfigMaps, slot.name_space, reconcile::queues_config_name(broker));
  if (kube::value_in(config, {"data", reconcile::manifest_file(slot.name)}) != manifest) {
    return " is Current, and its broker starts with other settings";
  }
  const Json& set = *store_.find(kube::kStatefulSets, slot.name_space, broker);
  if (reconcile::integer_at(set, {"spec", "replicas"}) !=
      std::optional(static_cast<std::int64_t>(slot.shards))) {
    return " is Current with another number of shards";
  }
  const Json& policy = *store_.find(kube::kNetworkPolicies, slot.name_space, broker);
  if (kube::value_in(policy, {"spec", "ingress"}).empty()) {
    return " is Current, and nobody is let in";
  }
  return {};
}

std::string World::unrest_of(const QueueSlot& slot, const Json& queue) {
  const std::string name = "Queue " + slot.name;
  if (kube::value_in(queue, {"metadata", "deletionTimestamp"}).is_string()) {
    // People have to say what becomes of the messages.
    if (condition(queue, "Stalled", "status") == "True") return {};
    return name + " is still being deleted";
  }
  if (kube::value_in(queue, {"status", "observedGeneration"}) !=
      kube::value_in(queue, {"metadata", "generation"})) {
    return name + " has a status of another generation";
  }
  const test::KStatus status = test::kstatus(queue);
  if (status == test::KStatus::kFailed) {
    const std::string reason = condition(queue, "Stalled", "reason");
    if (reason == "NameTaken") return {};
    return name + " is stalled: " + reason + ": " + condition(queue, "Stalled", "message");
  }
  if (status != test::KStatus::kCurrent) {
    return name + " is not ready: " + condition(queue, "Ready", "reason") + ", " +
           condition(queue, "Reconciling", "reason");
  }
  reconcile::Inputs inputs;
  inputs.name_space = slot.name_space;
  inputs.broker = slot.broker;
  inputs.queues.push_back(queue);
  const std::vector<reconcile::Member> members = reconcile::read_members(inputs);
  const std::string manifest = members.front().manifest();
  if (std::string what = objects_unrest(slot, manifest); !what.empty()) return name + what;
  const std::uint64_t revision = link::manifest_revision(manifest);
  std::uint64_t ready = 0;
  for (std::size_t shard = 0; shard < slot.shards; ++shard) {
    const link::QueueObservation* there =
        brokers_.queue(slot.name_space, reconcile::pod_name(slot.broker, shard), slot.name);
    const std::string at = " at shard " + std::to_string(shard);
    if (there == nullptr) return name + " is Current, and there is no such queue" + at;
    if (there->revision != revision) return name + " is Current with older settings" + at;
    ready += there->subscriptions.front().ready;
  }
  const Json& messages = kube::value_in(queue, {"status", "messages"});
  if (!messages.is_object()) return name + " has no numbers in its status";
  const std::uint64_t told = messages.value("ready", std::uint64_t{0});
  // Small changes are not worth a write.
  const std::uint64_t differs = told > ready ? told - ready : ready - told;
  if ((told == 0) != (ready == 0) || differs * 9 > ready) {
    return name + " has " + std::to_string(ready) + " messages, and its status says " +
           messages.dump();
  }
  return {};
}

std::string World::scaling_unrest() {
  for (const QueueSlot& slot : slots_) {
    const Json* queue = store_.find(kube::kQueues, slot.name_space, slot.name);
    if (slot.target.empty() || queue == nullptr || condition(*queue, "Ready", "status") != "True") {
      continue;
    }
    for (std::size_t shard = 0; shard < slot.shards; ++shard) {
      const link::QueueObservation* there =
          brokers_.queue(slot.name_space, reconcile::pod_name(slot.broker, shard), slot.name);
      if (there != nullptr && there->messages > 0) {
        return "Queue " + slot.name + " is not drained by its consumers";
      }
    }
    // Of several Queues of a target the largest minimum counts.
    std::uint32_t least = 0;
    bool all_ready = true;
    for (const QueueSlot& other : slots_) {
      if (other.target != slot.target) continue;
      const Json* one = store_.find(kube::kQueues, other.name_space, other.name);
      if (one == nullptr) continue;
      all_ready = all_ready && condition(*one, "Ready", "status") == "True";
      least = std::max(least, other.min_replicas);
    }
    const Json* target = store_.find(kube::kDeployments, slot.name_space, slot.target);
    const auto replicas = (*target)["spec"].value("replicas", std::uint32_t{0});
    if (all_ready && replicas != least) {
      return "Deployment " + slot.target + " has " + std::to_string(replicas) +
             " replicas with nothing to do; " + std::to_string(least) + " are wanted";
    }
  }
  return {};
}

std::string World::unrest() {
  if (users_.mend()) return "people put something right";
  bool works = false;
  for (const Operator& one : operators_) {
    works = works || (one.process != nullptr && one.process->works() && one.process->leads());
  }
  if (!works) return "no operator works";
  for (const QueueSlot& slot : slots_) {
    const Json* queue = store_.find(kube::kQueues, slot.name_space, slot.name);
    if (queue == nullptr) continue;
    if (std::string what = unrest_of(slot, *queue); !what.empty()) return what;
  }
  // Objects of brokers that no Queue is left of.
  for (const Json* set : store_.all(kube::kStatefulSets)) {
    const bool used = std::any_of(slots_.begin(), slots_.end(), [&](const QueueSlot& slot) {
      return slot.broker == kube::name_of(*set) &&
             store_.find(kube::kQueues, slot.name_space, slot.name) != nullptr;
    });
    if (!used) return "StatefulSet " + kube::name_of(*set) + " is left over";
  }
  return scaling_unrest();
}

std::vector<std::string> World::drawn_options() const {
  std::vector<std::string> drawn;
  drawn.push_back(scenario_ ? "scenario " + request_.scenario_file : "workload " + workload_.name);
  drawn.push_back("safety phase " + std::to_string(safety_.count() / 1'000) + " s");
  drawn.push_back("workers " + std::to_string(process_options_.workers));
  drawn.push_back("list pages of " + std::to_string(api_.page_items));
  for (const QueueSlot& slot : slots_) {
    drawn.push_back("queue " + slot.name + " on " + slot.broker + ", " +
                    std::to_string(slot.shards) + " shards" +
                    (slot.target.empty() ? "" : ", consumers " + slot.target));
  }
  for (const std::string& fault : drawn_.names()) drawn.push_back(fault);
  return drawn;
}

Outcome World::outcome(Verdict verdict, std::string what) {
  Outcome outcome;
  outcome.verdict = verdict;
  outcome.what = std::move(what);
  outcome.hash = loop_.hash();
  outcome.events = loop_.last_events();
  outcome.drawn = drawn_options();
  return outcome;
}

// Who begins anew and looks at everything finds nothing to do, or its forerunner left something.
Outcome World::outcome_of_new_operators() {
  loop_.note("operators begin anew");
  const std::uint64_t writes = checks_.lasting_writes();
  for (Operator& one : operators_) {
    one.process.reset();
    one.start_at = loop_.now();
  }
  loop_.run_until(loop_.now() + kAnew);
  if (checks_.failure()) return outcome(Verdict::kCorrectness, *checks_.failure());
  if (checks_.lasting_writes() != writes) {
    return outcome(Verdict::kCorrectness,
                   std::to_string(checks_.lasting_writes() - writes) +
                       " writes of an operator that begins when all is done; the last one is " +
                       checks_.last_write());
  }
  if (const std::string what = unrest(); !what.empty()) {
    return outcome(Verdict::kLiveness, "after new operators began, " + what);
  }
  return outcome(Verdict::kPass, "");
}

Outcome World::run() {
  CHECK(store_
            .create(
                {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", kNameSpace}}}})
            .has_value());
  CHECK(store_
            .create({{"apiVersion", "storage.k8s.io/v1"},
                     {"kind", "StorageClass"},
                     {"metadata", {{"name", "standard"}}},
                     {"allowVolumeExpansion", true}})
            .has_value());
  consumers_.make_deployments();
  if (scenario_) {
    for (const ScenarioStep& step : scenario_->steps) {
      loop_.post(0, base::Nanos(step.at), [this, &step] { play(step); });
    }
  }
  every(std::chrono::seconds(1), [this] { second(); });
  every(base::Millis(500), [this] { consumers_.consume(); });
  loop_.run_until(loop_.now() + base::Nanos(safety_));
  heal();
  const base::MonoTime end = loop_.now() + kLivenessMax;
  std::string what = "it did not begin";
  while (!checks_.failure() && loop_.now() < end && !what.empty()) {
    loop_.run_until(loop_.now() + std::chrono::seconds(10));
    if (!checks_.failure()) what = unrest();
  }
  if (checks_.failure()) return outcome(Verdict::kCorrectness, *checks_.failure());
  if (!what.empty()) return outcome(Verdict::kLiveness, what);
  loop_.note("at rest");
  // Numbers of a status and Events may still be on their way.
  loop_.run_until(loop_.now() + std::chrono::seconds(90));
  const std::uint64_t writes = checks_.writes();
  loop_.run_until(loop_.now() + kSteady);
  if (checks_.failure()) return outcome(Verdict::kCorrectness, *checks_.failure());
  if (checks_.writes() != writes) {
    return outcome(Verdict::kCorrectness, std::to_string(checks_.writes() - writes) +
                                              " writes in steady state; the last one is " +
                                              checks_.last_write());
  }
  if (what = unrest(); !what.empty()) return outcome(Verdict::kLiveness, "later, " + what);
  return outcome_of_new_operators();
}

}  // namespace sluice::sim
