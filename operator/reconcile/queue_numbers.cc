#include "operator/reconcile/queue_numbers.h"

#include <algorithm>
#include <cmath>

#include "base/duration.h"
#include "base/wall_text.h"
#include "operator/api/problem.h"
#include "operator/reconcile/fields.h"

namespace sluice::reconcile {
namespace {

constexpr std::uint64_t kMaterialPart = 10;
// The schema allows 1,024 characters.
constexpr std::size_t kMessageBytesMax = 1'000;

void add(MessageNumbers& to, const MessageNumbers& from) {
  to.ready += from.ready;
  to.in_flight += from.in_flight;
  to.delayed += from.delayed;
  to.dead += from.dead;
  if (from.oldest_age)
    to.oldest_age = std::max(to.oldest_age.value_or(*from.oldest_age), *from.oldest_age);
}

const link::QueueObservation* find_queue(const link::BrokerObservation& broker,
                                         const std::string& name) {
  for (const link::QueueObservation& queue : broker.queues) {
    if (queue.name == name) return &queue;
  }
  return nullptr;
}

Json messages_json(const MessageNumbers& numbers) {
  return {{"ready", numbers.ready},
          {"inFlight", numbers.in_flight},
          {"delayed", numbers.delayed},
          {"deadLettered", numbers.dead}};
}

Json consumers_json(const ScalingResult& result) {
  // Names of pods may be in it, and there may be many.
  const bool fits = result.message.size() <= kMessageBytesMax;
  Json out = {
      {"reason", result.reason},
      {"limitedBy", result.limited_by},
      {"message", fits ? result.message : api::printable(result.message, kMessageBytesMax)}};
  if (result.current) out["current"] = *result.current;
  if (result.desired) out["desired"] = *result.desired;
  if (result.last_scale) out["lastScaleTime"] = base::format_wall(*result.last_scale);
  return out;
}

Json& entry_of(Json& fields, const std::string& subscription) {
  Json& list = fields["subscriptions"];
  if (!list.is_array()) list = Json::array();
  for (Json& one : list) {
    if (text_at(one, {"name"}) == subscription) return one;
  }
  list.push_back({{"name", subscription}});
  return list.back();
}

// Of what is scaled, and of which the autoscaler has not said anything yet since this process
// began: that stays as it was said last. True if there is any.
bool keep_scaling(const Inputs& inputs, const Member& member, const Json& live, Json& fields) {
  if (!member.queue) return false;
  bool kept = false;
  for (const api::Subscription& one : member.queue->spec.subscriptions) {
    if (!one.consumers || inputs.scaling.contains({member.name, one.name})) continue;
    kept = true;
    const Json* list = find_at(live, {"subscriptions"});
    if (list == nullptr || !list->is_array()) continue;
    for (const Json& there : *list) {
      const Json* consumers = find_at(there, {"consumers"});
      if (consumers == nullptr || text_at(there, {"name"}) != one.name) continue;
      entry_of(fields, one.name)["consumers"] = *consumers;
    }
  }
  const Json* sums = find_at(live, {"consumers"});
  if (kept && sums != nullptr) fields["consumers"] = *sums;
  return kept;
}

// Adds what the autoscaler says to the list of subscriptions, and to the sums.
void add_scaling(const Inputs& inputs, const Member& member, const Json& live, Json& fields) {
  std::uint64_t current = 0;
  std::uint64_t desired = 0;
  bool known = false;
  for (const auto& [key, result] : inputs.scaling) {
    if (key.first != member.name) continue;
    entry_of(fields, key.second)["consumers"] = consumers_json(result);
    if (!result.current || !result.desired) continue;
    known = true;
    current += *result.current;
    desired += *result.desired;
  }
  if (keep_scaling(inputs, member, live, fields)) return;
  if (known) fields["consumers"] = {{"current", current}, {"desired", desired}};
}

bool is_material_number(double wanted, double live) {
  if ((wanted == 0) != (live == 0)) return true;
  return std::abs(wanted - live) * static_cast<double>(kMaterialPart) >= live && wanted != live;
}

// Ages and sizes count as the numbers that they are.
bool is_material_text(const std::string& wanted, const std::string& live) {
  if (wanted == live) return false;
  if (const auto left = base::parse_duration(wanted), right = base::parse_duration(live);
      left.has_value() && right.has_value()) {
    return is_material_number(static_cast<double>(left->count()),
                              static_cast<double>(right->count()));
  }
  if (const auto left = base::parse_bytes(wanted), right = base::parse_bytes(live);
      left.has_value() && right.has_value()) {
    return is_material_number(static_cast<double>(*left), static_cast<double>(*right));
  }
  return true;
}

}  // namespace

std::optional<QueueNumbers> add_up(const std::vector<ShardState>& shards, std::size_t shard_count,
                                   const std::string& queue) {
  if (shards.size() < shard_count || shard_count == 0) return std::nullopt;
  QueueNumbers sum;
  for (std::size_t i = 0; i < shard_count; ++i) {
    const link::QueueObservation* seen =
        shards[i].is_heard() ? find_queue(*shards[i].observation, queue) : nullptr;
    if (seen == nullptr) return std::nullopt;
    sum.messages += seen->messages;
    sum.retained += seen->retained;
    sum.bytes += seen->bytes;
    sum.damaged += seen->damaged;
    for (const link::SubscriptionObservation& one : seen->subscriptions) {
      const MessageNumbers numbers{one.ready, one.in_flight, one.delayed, one.dead, one.oldest_age};
      add(sum.subscriptions[one.name], numbers);
      add(sum.all, numbers);
    }
  }
  return sum;
}

kube::Json numbers_json(const Inputs& inputs, const Member& member,
                        const std::optional<QueueNumbers>& numbers, const kube::Json& live) {
  Json fields = Json::object();
  if (numbers) {
    fields["messages"] = messages_json(numbers->all);
    fields["messages"]["bytes"] = rounded_bytes(numbers->bytes);
    fields["messages"]["damaged"] = numbers->damaged;
    if (numbers->all.oldest_age) {
      fields["messages"]["oldestAge"] = rounded_age(*numbers->all.oldest_age);
    }
    fields["subscriptions"] = Json::array();
    for (const auto& [name, one] : numbers->subscriptions) {
      Json entry = messages_json(one);
      entry["name"] = name;
      if (one.oldest_age) entry["oldestMessageAge"] = rounded_age(*one.oldest_age);
      fields["subscriptions"].push_back(std::move(entry));
    }
  } else {
    for (const char* name : {"messages", "subscriptions"}) {
      if (const Json* there = find_at(live, {name})) fields[name] = *there;
    }
  }
  add_scaling(inputs, member, live, fields);
  if (const auto found = inputs.rates.find(member.name); found != inputs.rates.end()) {
    fields["rates"] = {{"inPerSecond", std::llround(found->second.in_per_second)},
                       {"outPerSecond", std::llround(found->second.out_per_second)}};
  } else if (const Json* there = find_at(live, {"rates"})) {
    fields["rates"] = *there;
  }
  return fields;
}

bool is_material(const kube::Json& wanted, const kube::Json& live) {
  if (wanted.is_object() && live.is_object()) {
    if (wanted.size() != live.size()) return true;
    for (const auto& [name, value] : wanted.items()) {
      const auto there = live.find(name);
      if (there == live.end()) return true;
      if (name == "message") continue;  // of a decision: goes with its reason
      const bool exact = name == "current" || name == "desired";
      if (exact ? value != *there : is_material(value, *there)) return true;
    }
    return false;
  }
  if (wanted.is_array() && live.is_array()) {
    if (wanted.size() != live.size()) return true;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (is_material(wanted[i], live[i])) return true;
    }
    return false;
  }
  if (wanted.is_number() && live.is_number()) {
    return is_material_number(wanted.get<double>(), live.get<double>());
  }
  if (wanted.is_string() && live.is_string()) {
    return is_material_text(wanted.get<std::string>(), live.get<std::string>());
  }
  return wanted != live;
}

std::string rounded_age(base::Millis age) {
  using std::chrono::hours;
  using std::chrono::minutes;
  using std::chrono::seconds;
  base::Millis step = seconds(1);
  if (age >= seconds(10)) step = seconds(5);
  if (age >= minutes(1)) step = seconds(30);
  if (age >= minutes(10)) step = minutes(5);
  if (age >= hours(1)) step = minutes(30);
  if (age >= hours(12)) step = hours(6);
  if (age >= hours(240)) step = hours(24);
  const base::Millis rounded = age / step * step;
  return base::format_duration(std::min(rounded, base::kDurationMax));
}

std::string rounded_bytes(std::uint64_t bytes) {
  constexpr std::uint64_t kKiB = 1024;
  std::uint64_t unit = 1;
  while (bytes / unit >= 10 * kKiB) unit *= kKiB;
  return base::format_bytes(bytes / unit * unit);
}

}  // namespace sluice::reconcile
