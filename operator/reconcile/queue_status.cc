#include "operator/reconcile/queue_status.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "operator/reconcile/conditions.h"
#include "operator/reconcile/fields.h"
#include "operator/reconcile/live_settings.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/queue_numbers.h"
#include "operator/reconcile/status_scaling.h"

namespace sluice::reconcile {
namespace {

using Kind = SettingsState::Kind;

constexpr std::string_view kUnknownFields = "UnknownFields";
constexpr std::size_t kFieldsShown = 8;

class StatusMaker {
 public:
  StatusMaker(const Inputs& inputs, const Member& member, const BrokerFacts& facts)
      : inputs_(inputs),
        member_(member),
        facts_(facts),
        live_(find_at(*member.object, {"status"})),
        generation_(observed_generation()),
        conditions_(live_ == nullptr ? nullptr : find_at(*live_, {"conditions"}), generation_,
                    inputs.now.wall) {}

  StatusPlan make() {
    first_ = !conditions_.has_live(kReady);
    if (member_.queue && member_.standing != Standing::kRefused) {
      settings_ = settings_state(inputs_.shards, facts_.shards, member_.name, member_.manifest());
    }
    if (member_.standing == Standing::kHeld) settings_.kind = Kind::kApplied;  // what it had
    find_obstacle();
    set_ready();
    set_reconciling();
    set_stalled();
    set_broker_available();
    set_metrics_available();
    set_scaling(inputs_, member_, conditions_);
    return plan();
  }

 private:
  // While nothing is done about it, the status is not about the newest generation.
  std::int64_t observed_generation() const {
    if (!facts_.paused) return member_.generation;
    return live_ == nullptr ? 0 : integer_at(*live_, {"observedGeneration"}).value_or(0);
  }

  void find_obstacle() {
    obstacle_ = member_.obstacle;
    if (obstacle_ || member_.standing != Standing::kAccepted) return;
    if (settings_.kind == Kind::kRefused) {
      obstacle_ = {"SettingsRefused",
                   "the broker does not take these settings: " + settings_.message};
    } else if (facts_.keys) {
      obstacle_ = facts_.keys;
    } else if (facts_.volume && member_.queue->spec.broker.storage.size) {
      obstacle_ = facts_.volume;
    }
  }

  bool is_available() const {
    return facts_.exists && facts_.shards > 0 && facts_.ready_shards == facts_.shards;
  }

  std::string shards_text() const {
    return std::to_string(facts_.ready_shards) + " of " + std::to_string(facts_.shards) +
           (facts_.shards == 1 ? " shard is ready" : " shards are ready");
  }

  void ready(Truth truth, std::string_view reason, std::string message) {
    ready_ = truth;
    conditions_.set(kReady, truth, reason, std::move(message));
  }

  void set_ready() {
    if (member_.standing == Standing::kLeaving) {
      return ready(Truth::kFalse, "Deleting", "the Queue is being deleted");
    }
    if (member_.standing != Standing::kAccepted) {
      return ready(Truth::kFalse, obstacle_->reason,
                   member_.standing == Standing::kHeld
                       ? "the broker goes on with the settings from before"
                       : "nothing was made for this Queue");
    }
    if (facts_.volumes_go) {
      return ready(first_ ? Truth::kUnknown : Truth::kFalse, "VolumeTerminating",
                   "volumes of a deleted broker of that name are still being removed");
    }
    if (first_ || (!is_available() && conditions_.live(kReady) == Truth::kUnknown)) {
      return ready(Truth::kUnknown, "Creating", "the broker is being made");
    }
    if (!is_available()) return ready(Truth::kFalse, "BrokerUnavailable", shards_text());
    switch (settings_.kind) {
      case Kind::kApplied:
        return ready(Truth::kTrue, "QueueReady", "the queue takes and delivers messages");
      case Kind::kRefused:
        return ready(Truth::kFalse, "SettingsRefused", "the broker goes by older settings");
      case Kind::kApplying:
      case Kind::kUnknown:
        break;
    }
    // Settings that are on their way make no queue unready that was ready.
    if (conditions_.live(kReady) == Truth::kTrue) {
      return ready(Truth::kTrue, "QueueReady", "the queue takes and delivers messages");
    }
    ready(Truth::kUnknown, "WaitingForBroker", "the broker has not said that it has the queue");
  }

  void set_reconciling() {
    const auto on = [&](std::string_view reason, std::string message) {
      conditions_.set(kReconciling, Truth::kTrue, reason, std::move(message));
    };
    if (facts_.paused) {
      return conditions_.set(kReconciling, Truth::kFalse, "Paused",
                             "annotation " + std::string(kPauseAnnotation) +
                                 " keeps the operator from changing anything");
    }
    if (member_.standing == Standing::kLeaving) return on("Deleting", "the Queue is being deleted");
    if (member_.standing != Standing::kAccepted) {
      return conditions_.set(kReconciling, Truth::kFalse, obstacle_->reason,
                             "it takes a change of this Queue or of another one");
    }
    if (facts_.volumes_go) {
      return on("VolumeTerminating", "waits for the volumes of a deleted broker to be gone");
    }
    if (ready_ == Truth::kUnknown) return on("Creating", "the broker is being made");
    if (settings_.kind == Kind::kApplying) {
      return on("ApplyingSettings", "the broker is told about the changes");
    }
    if (facts_.outdated_pods > 0) {
      return on("UpdatingBroker", "shards are restarted one at a time");
    }
    if (facts_.volumes_grow) return on("GrowingVolume", "the volumes are being made larger");
    if (obstacle_) {
      return conditions_.set(kReconciling, Truth::kFalse, obstacle_->reason,
                             "it takes a change of this Queue");
    }
    if (const std::string unknown = unknown_fields(); !unknown.empty()) {
      if (conditions_.live_reason(kReconciling) != kUnknownFields) {
        event(true, std::string(kUnknownFields), unknown);
      }
      return conditions_.set(kReconciling, Truth::kFalse, kUnknownFields, unknown);
    }
    conditions_.set(kReconciling, Truth::kFalse, "UpToDate", "everything is as the Queue asks for");
  }

  // A newer CustomResourceDefinition has fields, and defaults for them, that are not known here.
  std::string unknown_fields() const {
    if (!member_.queue || member_.queue->passed_over.empty()) return {};
    const std::vector<std::string>& fields = member_.queue->passed_over;
    std::string text =
        "this version of the operator does not know these fields, and passes over "
        "them: ";
    for (std::size_t i = 0; i < std::min(fields.size(), kFieldsShown); ++i) {
      if (i > 0) text += ", ";
      text += fields[i];
    }
    return fields.size() > kFieldsShown ? text + ", ..." : text;
  }

  void set_stalled() {
    if (obstacle_) {
      conditions_.set(kStalled, Truth::kTrue, obstacle_->reason, obstacle_->message);
      if (conditions_.live(kStalled) != Truth::kTrue ||
          conditions_.live_reason(kStalled) != obstacle_->reason) {
        event(true, obstacle_->reason, obstacle_->message);
      }
      return;
    }
    conditions_.set(kStalled, Truth::kFalse, "NoObstacle", "");
  }

  void set_broker_available() {
    if (!facts_.exists) {
      return conditions_.set(kBrokerAvailable, Truth::kUnknown, "Creating",
                             "there is no broker yet");
    }
    if (is_available()) {
      return conditions_.set(kBrokerAvailable, Truth::kTrue, "AllShardsReady", shards_text());
    }
    if (conditions_.live(kBrokerAvailable) == Truth::kTrue) {
      event(true, "BrokerUnavailable", shards_text());
    }
    conditions_.set(
        kBrokerAvailable,
        conditions_.live(kBrokerAvailable) == Truth::kUnknown ? Truth::kUnknown : Truth::kFalse,
        "ShardsNotReady", shards_text());
  }

  void set_metrics_available() {
    std::string problems;
    bool all_connected = facts_.exists;
    bool some_lost = false;
    for (std::size_t i = 0; i < facts_.shards; ++i) {
      const ShardState shard = i < inputs_.shards.size() ? inputs_.shards[i] : ShardState();
      if (shard.connected) continue;
      all_connected = false;
      // Nobody tries to reach one without a pod: it is lost, unless it has yet to come.
      const bool has_pod = inputs_.live.find(kube::kPods, pod_name(inputs_.broker, i)) != nullptr;
      const bool waits =
          has_pod ? is_being_tried(shard) : conditions_.live(kMetricsAvailable) == Truth::kUnknown;
      if (shard.observation == nullptr && waits) continue;
      some_lost = true;
      if (!problems.empty()) problems += "; ";
      problems += "shard " + std::to_string(i);
      if (!has_pod) {
        problems += " has no pod";
      } else {
        problems += shard.problem.empty() ? " is not heard" : ": " + shard.problem;
      }
    }
    if (all_connected) {
      return conditions_.set(kMetricsAvailable, Truth::kTrue, "Fresh", "all shards are heard");
    }
    if (some_lost && !first_) {
      return conditions_.set(kMetricsAvailable, Truth::kFalse, "ShardsUnreachable", problems);
    }
    conditions_.keep(kMetricsAvailable, "WaitingForBroker");
  }

  // Not for long enough to say that it cannot be reached.
  bool is_being_tried(const ShardState& shard) {
    if (shard.problem.empty()) return true;
    const std::optional<base::Millis> left = shard.grace_left(inputs_.now.mono);
    if (left) look_again(*left);
    return left.has_value();
  }

  void look_again(base::Millis after) {
    result_.again = result_.again ? std::min(*result_.again, after) : after;
  }

  void event(bool warning, std::string reason, std::string note) {
    result_.events.emplace_back(
        Event{regarding(member_), warning, std::move(reason), "Reconcile", std::move(note)});
  }

  // As the broker says it, or said it last.
  std::string broker_version() const {
    if (!facts_.version.empty() || live_ == nullptr) return facts_.version;
    return text_at(*live_, {"broker", "version"});
  }

  // All but the numbers.
  Json fixed_part() const {
    Json fixed = {{"conditions", conditions_.list()}};
    if (generation_ > 0) fixed["observedGeneration"] = generation_;
    if (member_.standing != Standing::kRefused) {
      fixed["endpoint"] = facts_.endpoint;
      Json& broker = fixed["broker"];
      broker = {{"name", inputs_.broker},
                {"shards", facts_.shards},
                {"readyShards", facts_.ready_shards}};
      if (const std::string version = broker_version(); !version.empty()) {
        broker["version"] = version;
      }
      if (!facts_.storage.empty()) broker["storage"] = facts_.storage;
    }
    if (!facts_.retained_uid.empty()) fixed["retained"] = {{"uid", facts_.retained_uid}};
    return fixed;
  }

  static Json without_messages(Json conditions) {
    if (!conditions.is_array()) return conditions;
    for (Json& one : conditions) {
      if (one.is_object()) one.erase("message");
    }
    return conditions;
  }

  // Words of conditions are no part of it: they change with every attempt to reach a shard, say.
  bool is_fixed_part_there(const Json& fixed) const {
    if (live_ == nullptr) return false;
    for (const char* name : {"observedGeneration", "endpoint", "broker", "retained"}) {
      const Json* there = find_at(*live_, {name});
      if (fixed.contains(name) ? there == nullptr || *there != fixed[name] : there != nullptr) {
        return false;
      }
    }
    const Json* there = find_at(*live_, {"conditions"});
    return there != nullptr && without_messages(*there) == without_messages(fixed["conditions"]);
  }

  StatusPlan plan() {
    result_.is_first = first_;
    if (ready_ == Truth::kTrue && conditions_.live(kReady) != Truth::kTrue) {
      event(false, "QueueReady", "the queue takes and delivers messages at " + facts_.endpoint);
    }
    Json status = fixed_part();
    const Json none = Json::object();
    const Json& live = live_ == nullptr ? none : *live_;
    Json numbers = Json::object();
    if (member_.standing != Standing::kRefused) {
      const auto sum = add_up(inputs_.shards, facts_.shards, member_.name);
      numbers = numbers_json(inputs_, member_, sum, live);
      // They become less, or known, although the broker has nothing new to tell.
      const bool is_measuring = sum && !numbers.contains("rates");
      if (is_measuring || has_rates(numbers)) look_again(kNumbersEvery);
    }
    if (is_fixed_part_there(status)) {
      Json there = Json::object();
      for (const char* name : {"messages", "subscriptions", "consumers", "rates"}) {
        if (const Json* one = find_at(live, {name})) there[name] = *one;
      }
      const bool says_so = live["conditions"] == status["conditions"];
      if (says_so && !is_material(numbers, there)) return std::move(result_);
      if (const base::Millis wait = time_until_numbers(); wait.count() > 0) {
        look_again(wait);
        return std::move(result_);
      }
    }
    status.update(numbers);
    result_.write =
        ApplyStatus{{{"apiVersion", api::kApiVersion},
                     {"kind", api::kQueueKind},
                     {"metadata", {{"name", member_.name}, {"namespace", inputs_.name_space}}},
                     {"status", std::move(status)}}};
    return std::move(result_);
  }

  static bool has_rates(const Json& numbers) {
    return integer_at(numbers, {"rates", "inPerSecond"}).value_or(0) != 0 ||
           integer_at(numbers, {"rates", "outPerSecond"}).value_or(0) != 0;
  }

  base::Millis time_until_numbers() const {
    const auto written = inputs_.status_written.find(member_.name);
    if (written == inputs_.status_written.end()) return base::Millis(0);
    const base::Nanos since(inputs_.now.mono - written->second);
    const base::Nanos left = base::Nanos(kNumbersEvery) - since;
    return left.count() <= 0 ? base::Millis(0) : std::chrono::ceil<base::Millis>(left);
  }

  const Inputs& inputs_;
  const Member& member_;
  const BrokerFacts& facts_;
  const Json* live_;
  std::int64_t generation_;
  Conditions conditions_;
  bool first_ = false;
  Truth ready_ = Truth::kUnknown;
  SettingsState settings_;
  std::optional<Obstacle> obstacle_;
  StatusPlan result_;
};

}  // namespace

kube::Json regarding(const Member& member) {
  return {{"apiVersion", api::kApiVersion},
          {"kind", api::kQueueKind},
          {"namespace", kube::namespace_of(*member.object)},
          {"name", member.name},
          {"uid", member.uid}};
}

StatusPlan plan_status(const Inputs& inputs, const Member& member, const BrokerFacts& facts) {
  return StatusMaker(inputs, member, facts).make();
}

}  // namespace sluice::reconcile
