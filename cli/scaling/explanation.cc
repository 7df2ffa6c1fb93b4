#include "cli/scaling/explanation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/wall_text.h"
#include "cli/format.h"
#include "cli/terminal.h"
#include "operator/autoscale/numbers.h"

namespace sluice::cli::scaling {
namespace {

using In = nlohmann::json;
using Json = nlohmann::ordered_json;
using autoscale::Backlog;
using autoscale::Coverage;
using autoscale::Decision;

const In& child(const In& object, const char* name) {
  static const In kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

std::string text(const In& object, const char* name) {
  const In& value = child(object, name);
  return value.is_string() ? printable(value.get<std::string>()) : std::string();
}

std::uint64_t number(const In& object, const char* name) {
  const In& value = child(object, name);
  if (!value.is_number()) return 0;
  const double real = value.get<double>();
  return real > 0 ? static_cast<std::uint64_t>(std::min(real, 1e15)) : 0;
}

const In* named(const In& list, const std::string& name) {
  for (const In& one : list) {
    if (text(one, "name") == name) return &one;
  }
  return nullptr;
}

// "1 replica", "5 replicas".
std::string replicas_text(std::uint64_t count) {
  return format_count(count) + (count == 1 ? " replica" : " replicas");
}

std::string line(const std::string& content) { return "  " + content + "\n"; }

// "Reason BacklogPerReplica: the backlog ...": names that a later operator has are told as they
// are.
std::string because(const std::string& what, const std::string& name, std::string_view sentence) {
  return what + " " + name + (sentence.empty() ? "" : ": " + std::string(sentence)) + ".";
}

std::string reason_line(const std::string& name) {
  const auto reason = autoscale::find_reason(name);
  return line(because("Reason", name, reason ? autoscale::sentence_of(*reason) : ""));
}

std::string limit_line(const std::string& name) {
  const auto limit = autoscale::find_limit(name);
  return line(because("Limited by", name, limit ? autoscale::sentence_of(*limit) : ""));
}

// Conditions that say that something about scaling is not as it should be.
void add_conditions(const In& queue, std::string& out, Json& json) {
  Json list = Json::array();
  for (const In& one : child(child(queue, "status"), "conditions")) {
    const std::string type = text(one, "type");
    if (type != "ScalingActive" && type != "MetricsAvailable") continue;
    if (text(one, "status") == "True") continue;
    out += "condition " + type + " is " + text(one, "status") + ", " + text(one, "reason") + ": " +
           text(one, "message") + "\n";
    list.push_back({{"type", type},
                    {"status", text(one, "status")},
                    {"reason", text(one, "reason")},
                    {"message", text(one, "message")}});
  }
  if (!list.empty()) json["conditions"] = std::move(list);
}

// Of the spec: name -> consumers.
std::vector<std::pair<std::string, const In*>> consumers_of(const In& queue) {
  std::vector<std::pair<std::string, const In*>> out;
  const In& spec = child(queue, "spec");
  for (const In& one : child(spec, "subscriptions")) {
    if (child(one, "consumers").is_object()) {
      out.emplace_back(text(one, "name"), &child(one, "consumers"));
    }
  }
  if (child(spec, "subscriptions").empty() && child(spec, "consumers").is_object()) {
    out.emplace_back("default", &child(spec, "consumers"));
  }
  return out;
}

std::string target_text(const In& consumers) {
  const In& ref = child(consumers, "scaleTargetRef");
  const std::string kind = text(ref, "kind");
  return (kind.empty() ? "Deployment" : kind) + " " + text(ref, "name");
}

void explain_one(const In& status, const std::string& target, base::WallTime now, std::string& out,
                 Json& json) {
  const In& consumers = child(status, "consumers");
  if (!consumers.is_object() || text(consumers, "reason").empty()) {
    out += "the operator has decided nothing about " + target + " yet\n";
    return;
  }
  const bool known = child(consumers, "current").is_number();
  const std::uint64_t current = number(consumers, "current");
  const std::uint64_t desired = number(consumers, "desired");
  if (!known) {
    out += target + " is not scaled\n";
  } else if (current == desired) {
    out += target + " has " + replicas_text(current) + ", as it should\n";
  } else {
    out += target + " has " + replicas_text(current) + " and is to have " + format_count(desired) +
           "\n";
  }
  out += reason_line(text(consumers, "reason"));
  if (const std::string limit = text(consumers, "limitedBy"); !limit.empty()) {
    out += limit_line(limit);
  }
  if (const std::string message = text(consumers, "message"); !message.empty()) {
    out += line("Numbers: " + message + ".");
  }
  const std::string last = text(consumers, "lastScaleTime");
  if (const auto at = base::parse_wall(last); !last.empty() && at) {
    const double seconds = static_cast<double>(now - *at) / 1'000;
    out += line("Last scaled " + last + ", " + format_age(std::max(seconds, 0.0)) + " ago.");
  }
  for (const char* field :
       {"current", "desired", "reason", "limitedBy", "message", "lastScaleTime"}) {
    if (!child(consumers, field).is_null()) json[field] = child(consumers, field);
  }
  for (const char* field : {"ready", "inFlight", "delayed", "oldestMessageAge"}) {
    if (!child(status, field).is_null()) json[field] = child(status, field);
  }
}

Json answers_json(const std::vector<autoscale::TargetAnswer>& answers) {
  Json list = Json::array();
  for (const autoscale::TargetAnswer& one : answers) {
    list.push_back({{"target", one.target},
                    {"setting", one.setting},
                    {"asksFor", one.asks_for},
                    {"how", one.how}});
  }
  return list;
}

// Statistics of one broker: all that is to be known.
base::Result<Backlog> backlog_of(const In& statistics, const NamedPolicy& policy) {
  const In* one = named(child(statistics, "subscriptions"), policy.subscription);
  if (one == nullptr) {
    return base::not_found("queue " + policy.queue + " has no subscription " + policy.subscription +
                           " there");
  }
  Backlog backlog;
  backlog.coverage = Coverage::kAll;
  const In& messages = child(*one, "messages");
  backlog.ready = number(messages, "ready");
  backlog.in_flight = number(messages, "inFlight");
  const In& paused = child(child(statistics, "settings"), "paused");
  backlog.paused = paused.is_boolean() && paused.get<bool>();
  const In& age = child(*one, "oldestMessageAgeSeconds");
  if (backlog.work() > 0 && age.is_number()) {
    backlog.oldest_age = base::Millis(std::llround(std::min(age.get<double>(), 1e9) * 1'000));
  }
  return backlog;
}

}  // namespace

base::Result<StatusExplanation> explain_status(const nlohmann::json& queue,
                                               const std::string& subscription,
                                               base::WallTime now) {
  const In& metadata = child(queue, "metadata");
  const std::string name = text(metadata, "name");
  if (text(queue, "kind") != "Queue" || name.empty()) {
    return base::invalid_argument("this is no Queue object");
  }
  StatusExplanation told;
  told.json = {{"queue", name}, {"namespace", text(metadata, "namespace")}};
  told.json["subscriptions"] = Json::array();
  const In& statuses = child(child(queue, "status"), "subscriptions");
  for (const auto& [of, consumers] : consumers_of(queue)) {
    if (!subscription.empty() && subscription != of) continue;
    const std::string target = target_text(*consumers);
    told.text += bold(std::string(name).append("/").append(of)) + ": ";
    Json one = {{"subscription", of}, {"target", target}};
    const In* status = named(statuses, of);
    explain_one(status == nullptr ? In() : *status, target, now, told.text, one);
    told.json["subscriptions"].push_back(std::move(one));
  }
  if (told.text.empty()) {
    return base::not_found(subscription.empty()
                               ? "Queue " + name + " has no consumers to scale (spec.consumers)"
                               : "Queue " + name + " has no subscription " + subscription +
                                     " with consumers to scale");
  }
  add_conditions(queue, told.text, told.json);
  return told;
}

base::Result<StatusExplanation> explain_now(const NamedPolicy& policy,
                                            const nlohmann::json& statistics,
                                            std::uint32_t replicas) {
  ASSIGN_OR_RETURN(const Backlog backlog, backlog_of(statistics, policy));
  const autoscale::Observation seen{backlog, {replicas, replicas}};
  // A window that is over, so that what the targets ask for is what is told.
  autoscale::Policy of = policy.policy;
  of.scale_in.stabilization = of.scale_in.idle_before_zero = base::Millis(0);
  of.scale_in.max_percent = 100;
  autoscale::History history;
  const base::MonoTime now{1};
  history.note(of, seen, now);
  const Decision decision = autoscale::decide(of, seen, history, now);
  const auto answers = autoscale::target_answers(policy.policy, backlog, decision);
  const std::string reason(to_string(decision.reason));
  const std::string limit(to_string(decision.limited_by));
  const std::string target =
      policy.policy.scale_target_ref.kind + " " + policy.policy.scale_target_ref.name;

  StatusExplanation told;
  told.text = bold(policy.queue + "/" + policy.subscription) + ": " + target + " with " +
              replicas_text(replicas) + " should have " + format_count(decision.replicas) + "\n";
  told.text += line(
      format_count(backlog.ready) + " ready, " + format_count(backlog.in_flight) + " in flight" +
      (backlog.oldest_age ? ", the oldest " + autoscale::rounded_text(*backlog.oldest_age) + " old"
                          : "") +
      ".");
  for (const autoscale::TargetAnswer& one : answers) {
    told.text += line(std::string(one.target) + " " + one.setting + " asks for " +
                      format_count(one.asks_for) + " (" + one.how + ").");
  }
  told.text += reason_line(reason);
  if (!limit.empty()) told.text += limit_line(limit);
  if (decision.replicas < replicas) {
    told.text += line(
        "A cluster waits for scaleIn first: stabilization " +
        autoscale::rounded_text(policy.policy.scale_in.stabilization) + ", idleBeforeZero " +
        autoscale::rounded_text(policy.policy.scale_in.idle_before_zero) + ", at most " +
        std::to_string(policy.policy.scale_in.max_percent) + " % at a time, each pod drained.");
  }
  told.json = {{"queue", policy.queue},
               {"subscription", policy.subscription},
               {"target", target},
               {"current", replicas},
               {"desired", decision.replicas},
               {"reason", reason},
               {"limitedBy", limit},
               {"ready", backlog.ready},
               {"inFlight", backlog.in_flight},
               {"answers", answers_json(answers)}};
  return told;
}

}  // namespace sluice::cli::scaling
