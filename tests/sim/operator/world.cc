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
const char* const kLeaseName = "sluice-operator";

const Workload& workload_named(const Request& request, base::Prng& prng) {
  const std::size_t drawn = prng.below(workloads().size());
  for (const Workload& one : workloads()) {
    if (one.name == request.workload) return one;
  }
  return workloads()[drawn];
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
    checks_.sent(sender, call, process_of(sender.process));
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
  if (namespace_ended_) return;
  if (chance(faults_.meddling)) users_.meddle();
  if (chance(faults_.rival)) users_.rival(users_.any_slot());
  if (chance(faults_.namespace_ends)) end_namespace();
}

void World::end_namespace() {
  loop_.note("user deletes the namespace");
  namespace_ended_ = true;
  checks_.namespace_ends();
  store_.terminating.insert(kNameSpace);
  CHECK(store_.remove({&kube::kNamespaces, "", kNameSpace}, {}, kube::Propagation::kBackground)
            .has_value());
}

// Goes through what is there, in no order, until nothing is left.
void World::empty_namespace() {
  std::vector<kube::ObjectRef> refs;
  for (const Json* object : store_.all()) {
    if (kube::namespace_of(*object) == kNameSpace) refs.push_back(*kube::ref_of(*object));
  }
  for (const kube::ObjectRef& ref : refs) {
    const Json* object = store_.find(*ref.type, ref.name_space, ref.name);
    if (object == nullptr || !prng_.chance(0.2)) continue;
    if (!reconcile::is_being_removed(*object)) {
      CHECK(store_.remove(ref, {}, kube::Propagation::kBackground).has_value());
    } else if (ref.type == &kube::kPods) {
      store_.erase(*ref.type, ref.name_space, ref.name);  // its grace is over
    }
  }
  if (refs.empty() && store_.find(kube::kNamespaces, "", kNameSpace) != nullptr) {
    loop_.note("the namespace is gone");
    store_.erase(kube::kNamespaces, "", kNameSpace);
  }
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
    if (!namespace_ended_ && prng_.chance(workload_.pace)) users_.act();
    second_of_faults();
    if (!namespace_ended_) users_.rivals_scale();
  }
  for (const Operator& one : operators_) {
    if (one.process != nullptr && one.process->works() && one.process->leads()) {
      checks_.listen(*one.process);
    }
  }
  if (namespace_ended_) empty_namespace();
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
                {{"apiVersion", "v1"},
                 {"kind", "Namespace"},
                 {"metadata", {{"name", kNameSpace}, {"finalizers", Json::array({"kubernetes"})}}}})
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
