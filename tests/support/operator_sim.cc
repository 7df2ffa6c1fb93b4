#include "tests/support/operator_sim.h"

#include <array>
#include <map>
#include <utility>
#include <variant>

#include "access/key_ring.h"
#include "access/key_text.h"
#include "base/check.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/live_settings.h"
#include "operator/reconcile/member.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/rollout.h"
#include "operator/reconcile/secret_files.h"
#include "tests/support/kstatus.h"

namespace sluice::test {
namespace {

using kube::Json;

constexpr int kRoundsMax = 200;

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

reconcile::KeyPair CountingKeyMaker::make() {
  std::array<std::byte, access::kKeyBytes> bytes{};
  const auto text = [&](std::uint64_t number) {
    for (std::size_t i = 0; i < sizeof number; ++i) bytes[i] = std::byte(number >> (8 * i) & 255U);
    return access::to_key_text(bytes);
  };
  ++count_;
  reconcile::KeyPair pair{text(2 * count_), text(2 * count_ + 1)};
  made_[pair.secret_key] = pair.public_key;
  return pair;
}

std::optional<std::string> CountingKeyMaker::public_key_of(const std::string& secret_key) {
  const auto found = made_.find(secret_key);
  return found == made_.end() ? std::nullopt : std::optional(found->second);
}

OperatorSim::OperatorSim(std::string name_space, std::string broker)
    : name_space_(std::move(name_space)), broker_(std::move(broker)) {
  options.version = "1.0.0";
  options.operator_namespace = "sluice-system";
}

void OperatorSim::restart() {
  status_written_.clear();
  waits_ = {};
}

void OperatorSim::advance(base::Millis time) {
  mono_ = mono_ + base::Nanos(time);
  api.set_now(api.now() + time.count());
}

std::vector<Json> OperatorSim::look() const {
  std::vector<Json> objects;
  for (const Json* object : api.all()) {
    if (kube::namespace_of(*object) == name_space_) objects.push_back(*object);
  }
  return objects;
}

reconcile::Inputs OperatorSim::gather() const {
  reconcile::Inputs inputs;
  inputs.name_space = name_space_;
  inputs.broker = broker_;
  const bool is_behind = lag > 0 && !seen_.empty();
  for (const Json& object : is_behind ? seen_.front() : look()) {
    const std::string kind = object.value("kind", "");
    if (kind == "Secret" && is_behind) continue;
    if (kind != "Queue") {
      inputs.live.add(object);
    } else if (reconcile::broker_of(object) == broker_) {
      inputs.queues.push_back(object);
    }
  }
  if (is_behind) {
    for (const Json* secret : api.all(kube::kSecrets)) inputs.live.add(*secret);
  }
  for (std::size_t i = 0; api.find(kube::kPods, name_space_, reconcile::pod_name(broker_, i));
       ++i) {
    inputs.shards.push_back(brokers.shard(name_space_, reconcile::pod_name(broker_, i)));
  }
  inputs.expandable = api.expandable;
  inputs.status_written = status_written_;
  inputs.namespace_terminating = namespace_terminating;
  inputs.options = options;
  inputs.waiting_since = waits_.since();
  inputs.heard = waits_.heard();
  inputs.now = {mono_, api.now() + clock_offset.count()};
  inputs.keys = &keys_;
  return inputs;
}

bool OperatorSim::carry_out(const reconcile::Action& action) {
  const auto ok = [](const auto& result) { return result.has_value(); };
  return std::visit(
      Overloaded{
          [&](const reconcile::Apply& one) {
            return ok(api.apply(one.object, reconcile::kFieldManager));
          },
          [&](const reconcile::Create& one) { return ok(api.create(one.object)); },
          [&](const reconcile::Remove& one) {
            return ok(api.remove(one.ref, one.preconditions, one.propagation));
          },
          [&](const reconcile::Patch& one) { return ok(api.merge_patch(one.ref, one.patch, {})); },
          [&](const reconcile::ApplyStatus& one) {
            if (!ok(api.apply_status(one.object, reconcile::kStatusManager))) return false;
            status_written_[kube::name_of(one.object)] = mono_;
            check_status(kube::name_of(one.object));
            return true;
          },
          [&](const reconcile::Configure& one) {
            return ok(brokers.configure(name_space_, reconcile::pod_name(broker_, one.shard),
                                        one.manifest));
          },
          [&](const reconcile::RemoveQueue& one) {
            brokers.remove_queue(name_space_, reconcile::pod_name(broker_, one.shard), one.queue,
                                 one.mode);
            return true;
          },
          [&](const reconcile::Event& one) {
            events.push_back((one.warning ? "Warning " : "Normal ") + one.reason);
            return true;
          }},
      action);
}

// What tools conclude from a status has to be so.
void OperatorSim::check_status(const std::string& name) {
  const Json* object = queue(name);
  if (object == nullptr || kstatus(*object) != KStatus::kCurrent) return;
  const reconcile::Inputs inputs = gather();
  for (const reconcile::Member& member : reconcile::read_members(inputs)) {
    if (member.name != name) continue;
    if (!member.queue) {
      problems.push_back(name + " is Current with a spec that cannot be read");
      return;
    }
    const std::size_t shards = member.queue->spec.shards;
    const auto state = reconcile::settings_state(inputs.shards, shards, name, member.manifest());
    if (reconcile::count_ready(inputs, shards) != shards ||
        state.kind == reconcile::SettingsState::Kind::kApplying ||
        state.kind == reconcile::SettingsState::Kind::kRefused) {
      problems.push_back(name + " is Current, and the broker is not so far");
    }
  }
}

std::size_t OperatorSim::run_once(std::size_t limit) {
  seen_.push_back(look());
  while (seen_.size() > lag + 1) seen_.pop_front();
  const reconcile::Plan plan = reconcile::reconcile(gather());
  waits_.keep(plan, mono_);
  std::size_t done = 0;
  for (const reconcile::Action& action : plan.actions) {
    if (done == limit) break;
    log.push_back(to_string(action));
    ++done;
    if (!carry_out(action)) {
      log.back() += " failed";
      break;
    }
  }
  actions_done += done;
  return done;
}

bool OperatorSim::settle(std::size_t limit) {
  std::size_t quiet = 0;
  for (int round = 0; round < kRoundsMax; ++round) {
    const std::size_t done = run_once(limit);
    if (limit != kNoLimit) {
      limit -= done;
      if (limit == 0) return true;
    }
    bool changed = controllers.step();
    changed = brokers.step() || changed;
    quiet = done == 0 && !changed ? quiet + 1 : 0;
    if (quiet > lag) return true;
    advance(std::chrono::seconds(1));
  }
  return false;
}

void OperatorSim::put_queue(const std::string& name, const Json& spec, const Json& annotations) {
  if (queue(name) != nullptr) {
    api.change(kube::kQueues, name_space_, name, [&](Json& object) {
      object["spec"] = spec;
      for (const auto& [key, value] : annotations.items()) {
        object["metadata"]["annotations"][key] = value;
      }
    });
    return;
  }
  Json object = {{"apiVersion", "sluice.dev/v1alpha1"},
                 {"kind", "Queue"},
                 {"metadata", {{"name", name}, {"namespace", name_space_}}},
                 {"spec", spec}};
  if (!annotations.empty()) object["metadata"]["annotations"] = annotations;
  CHECK(api.create(object).has_value());
}

void OperatorSim::delete_queue(const std::string& name) {
  CHECK(api.remove({&kube::kQueues, name_space_, name}, {}, kube::Propagation::kBackground)
            .has_value());
}

const Json* OperatorSim::queue(const std::string& name) const {
  return api.find(kube::kQueues, name_space_, name);
}

std::string OperatorSim::condition(const std::string& name, const std::string& type) const {
  const Json* object = queue(name);
  const Json* list =
      object == nullptr ? nullptr : reconcile::find_at(*object, {"status", "conditions"});
  if (list == nullptr) return {};
  for (const Json& one : *list) {
    if (one["type"] == type)
      return one["status"].get<std::string>() + " " + one.value("reason", "");
  }
  return {};
}

std::string OperatorSim::picture() const {
  std::map<std::string, std::string> names;  // by uid
  for (const Json* object : api.all()) {
    names[kube::uid_of(*object)] = object->value("kind", "") + "/" + kube::name_of(*object);
  }
  std::string text;
  for (const Json* object : api.all()) {
    Json copy = *object;
    Json& metadata = copy["metadata"];
    for (const char* field : {"uid", "resourceVersion", "generation", "creationTimestamp"}) {
      metadata.erase(field);
    }
    if (metadata.contains("ownerReferences")) {
      for (Json& owner : metadata["ownerReferences"]) owner["uid"] = names[owner["uid"]];
    }
    if (metadata.contains("annotations")) {
      // Hashes of content in which uids are, and uids of Queues that are gone.
      metadata["annotations"].erase("sluice.dev/applied");
      for (auto& [name, value] : metadata["annotations"].items()) {
        if (name.starts_with("sluice.dev/retained")) value = "...";
      }
    }
    if (copy.value("kind", "") == "Secret") {
      for (auto& [name, value] : copy["data"].items()) value = "...";
    }
    copy.erase("status");
    text += copy.dump(1) + "\n";
  }
  return text;
}

std::string check_keys(const FakeApiServer& api, const std::string& name_space,
                       const std::string& broker_name) {
  const auto files = [&](const std::string& name) {
    return reconcile::secret_files(api.find(kube::kSecrets, name_space, name));
  };
  const auto broker = files(reconcile::broker_secret_name(broker_name));
  if (broker.empty()) return "no Secret of the broker";
  const auto ring = access::KeyRing::parse(broker.at("authorized_keys"));
  if (!ring.has_value()) return ring.error().message();
  const auto next = broker.find("next.pub");
  for (const std::string& name :
       {reconcile::access_secret_name(broker_name), reconcile::admin_secret_name(broker_name),
        reconcile::operator_secret_name(broker_name)}) {
    const auto client = files(name);
    if (client.empty()) return name + " is missing";
    if (ring->find(client.at("client.pub")) == nullptr) return name + " is not let in";
    const std::string& told = client.at("broker.pub");
    if (told != broker.at("server.pub") && (next == broker.end() || told != next->second)) {
      return name + " knows another key of the broker";
    }
  }
  return {};
}

}  // namespace sluice::test
