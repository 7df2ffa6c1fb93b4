#include "frontend/http/queue_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/duration.h"
#include "storage/fact.h"
#include "wire/error_code.h"

namespace sluice::frontend::http {
namespace {

// Fields keep the order in which they are written here.
using Json = nlohmann::ordered_json;

std::string_view name_of(broker::FsyncPolicy policy) {
  switch (policy) {
    case broker::FsyncPolicy::kAlways:
      return "Always";
    case broker::FsyncPolicy::kInterval:
      return "Interval";
    case broker::FsyncPolicy::kNever:
      return "Never";
  }
  return "Unknown";
}

std::string_view name_of(broker::Overflow overflow) {
  switch (overflow) {
    case broker::Overflow::kReject:
      return "Reject";
    case broker::Overflow::kBlock:
      return "Block";
    case broker::Overflow::kDropOldest:
      return "DropOldest";
    case broker::Overflow::kDeadLetterOldest:
      return "DeadLetterOldest";
  }
  return "Unknown";
}

std::string_view name_of(broker::DeadOverflow overflow) {
  return overflow == broker::DeadOverflow::kBlock ? "Block" : "DropOldestDead";
}
std::string_view name_of(broker::Ordering ordering) {
  return ordering == broker::Ordering::kGrouped ? "Grouped" : "Unordered";
}
std::string_view name_of(broker::ExpiryAction action) {
  return action == broker::ExpiryAction::kDeadLetter ? "DeadLetter" : "Drop";
}

// A configuration that came from an older log may hold more than a manifest may say.
std::string duration_text(base::Millis duration) {
  return base::format_duration(std::clamp(duration, base::Millis(0), base::kDurationMax));
}

Json delivery_json(const broker::DeliveryConfig& delivery) {
  return {{"leaseDuration", duration_text(delivery.lease)},
          {"maxLease", duration_text(delivery.max_lease)},
          {"maxAttempts", delivery.max_attempts},
          {"maxStalls", delivery.max_stalls},
          {"backoff",
           {{"initial", duration_text(delivery.backoff.initial)},
            {"max", duration_text(delivery.backoff.max)},
            {"multiplier", delivery.backoff.multiplier},
            {"jitter", delivery.backoff.jitter}}}};
}

Json dead_letter_json(const broker::DeadLetterConfig& dead) {
  return {{"retention", duration_text(dead.retention)},
          {"bytes", base::format_bytes(dead.bytes_max)},
          {"messages", dead.messages_max},
          {"overflow", name_of(dead.overflow)}};
}

Json retention_json(const broker::RetentionConfig& retention) {
  const bool by_time = retention.time.count() > 0;
  const bool by_size = retention.bytes > 0;
  Json json = {{"policy", by_time ? (by_size ? "TimeAndSize" : "Time")
                                  : (by_size ? "Size" : "UntilSettled")}};
  if (by_time) json["time"] = duration_text(retention.time);
  if (by_size) json["bytes"] = base::format_bytes(retention.bytes);
  return json;
}

Json config_json(const broker::QueueConfig& config) {
  Json json = {
      {"shards", config.shards},
      {"durability", {{"fsync", name_of(config.fsync)}}},
      {"ordering", name_of(config.ordering)},
      {"ttl", duration_text(config.ttl)},
      {"onExpiry", name_of(config.expiry_action)},
      {"limits",
       {{"messages", config.limits.messages_max},
        {"bytes", base::format_bytes(config.limits.bytes_max)},
        {"messageBytes", base::format_bytes(config.limits.message_bytes_max)},
        {"overflow", name_of(config.limits.overflow)}}},
      {"retention", retention_json(config.retention)},
      {"paused", config.paused},
  };
  json["subscriptionPolicy"] = config.created.allowed ? "AllowCreate" : "Refuse";
  if (config.created.allowed) {
    json["createdSubscriptions"] = {
        {"start", config.created.defaults.start == broker::StartPosition::kNew ? "New" : "All"},
        {"idleExpiry", duration_text(config.created.idle_expiry)},
        {"max", config.created.max}};
  }
  if (config.fsync == broker::FsyncPolicy::kInterval) {
    json["durability"]["interval"] = duration_text(config.fsync_interval);
  }
  return json;
}

Json subscription_json(const broker::SubscriptionStats& stats, const broker::QueueConfig& config) {
  Json dead = Json::object();
  for (const auto& [reason, count] : stats.dead_by_reason) {
    dead[std::string(storage::to_string(reason))] = count;
  }
  Json removed = Json::object();
  for (const auto& [cause, count] : stats.removed_by_cause) {
    removed[std::string(storage::to_string(cause))] = count;
  }
  Json json = {
      {"name", stats.name},
      {"created", stats.created},
      {"messages",
       {{"ready", stats.ready},
        {"inFlight", stats.in_flight},
        {"delayed", stats.delayed},
        {"deadLettered", stats.dead_lettered},
        {"deadInFlight", stats.dead_in_flight},
        {"damaged", stats.damaged}}},
      {"deadLettersFull", stats.dead_letters_full},
      {"oldestMessageAgeSeconds", stats.oldest_age_seconds},
      {"consumers", {{"count", stats.consumers}, {"names", stats.consumer_names}}},
      {"sinceStart",
       {{"delivered", stats.delivered},
        {"redelivered", stats.redelivered},
        {"acked", stats.acked},
        {"released", stats.released},
        {"failed", stats.failed},
        {"rejected", stats.rejected},
        {"stalled", stats.stalled},
        {"expired", stats.expired},
        {"staleReceipts", stats.stale_receipts},
        {"deadLettered", std::move(dead)},
        {"removed", std::move(removed)}}},
  };
  const auto settings =
      std::find_if(config.subscriptions.begin(), config.subscriptions.end(),
                   [&](const broker::SubscriptionConfig& one) { return one.name == stats.name; });
  if (stats.created) json["idleSeconds"] = stats.idle_seconds;
  if (settings != config.subscriptions.end()) {
    json["settings"] = {{"delivery", delivery_json(settings->delivery)},
                        {"deadLetter", dead_letter_json(settings->dead_letter)}};
  }
  return json;
}

// As Kubernetes has them: what a person must do something about.
Json conditions_json(bool needs_repair, const std::string& message) {
  return Json::array({{{"type", "NeedsRepair"},
                       {"status", needs_repair ? "True" : "False"},
                       {"reason", needs_repair ? "DataDamaged" : "NoDamage"},
                       {"message", message}}});
}

std::uint64_t damaged_in(const broker::QueueStats& stats) {
  std::uint64_t damaged = 0;
  for (const broker::SubscriptionStats& one : stats.subscriptions) damaged += one.damaged;
  return damaged;
}

Json conditions_json(const broker::QueueStats& stats) {
  const std::uint64_t damaged = damaged_in(stats);
  if (damaged == 0) return conditions_json(false, "");
  return conditions_json(
      true, std::to_string(damaged) +
                " messages cannot be read any more, over all subscriptions: " +
                "`sluice log verify` tells where; put the file back from a backup, or give them up "
                "with `sluice queue discard-damaged`");
}

std::string_view name_of(storage::TaskKind kind) {
  switch (kind) {
    case storage::TaskKind::kRedrive:
      return "Redrive";
    case storage::TaskKind::kPurge:
      return "Purge";
    case storage::TaskKind::kCopy:
      return "Copy";
    case storage::TaskKind::kMove:
      return "Move";
  }
  return "Unknown";
}

std::string_view name_of(storage::TaskState state) {
  switch (state) {
    case storage::TaskState::kRunning:
      return "Running";
    case storage::TaskState::kCompleted:
      return "Completed";
    case storage::TaskState::kCancelled:
      return "Cancelled";
    case storage::TaskState::kFailed:
      return "Failed";
  }
  return "Unknown";
}

Json task_json(const broker::TaskStats& task) {
  return {{"task", task.id.to_hex()},         {"kind", name_of(task.kind)},
          {"state", name_of(task.state)},     {"subscription", task.subscription},
          {"deadLetters", task.dead_letters}, {"target", task.target},
          {"waitsFor", task.waits_for},       {"ratePerSecondMax", task.rate_per_second_max},
          {"matched", task.matched},          {"done", task.done}};
}

Json one_queue_json(const broker::QueueStats& stats) {
  Json refused = Json::object();
  for (const auto& [code, count] : stats.refused_by_code) {
    const std::string name(wire::to_string(static_cast<wire::Code>(code)));
    refused[name] = refused.value(name, std::uint64_t{0}) + count;
  }
  Json subscriptions = Json::array();
  for (const broker::SubscriptionStats& one : stats.subscriptions) {
    subscriptions.push_back(subscription_json(one, stats.config));
  }
  Json tasks = Json::array();
  for (const broker::TaskStats& task : stats.tasks) tasks.push_back(task_json(task));
  return {{"name", stats.name},
          {"id", stats.id.to_hex()},
          {"messages", stats.messages},
          {"bytes", stats.bytes},
          {"deadLetterBytes", stats.dead_bytes},
          {"retained", {{"messages", stats.retained_messages}, {"bytes", stats.retained_bytes}}},
          {"publishers", stats.publishers},
          {"nextSequence", stats.next_sequence},
          {"sinceStart",
           {{"published", stats.published},
            {"publishedBytes", stats.published_bytes},
            {"duplicates", stats.duplicates},
            {"refused", std::move(refused)}}},
          {"conditions", conditions_json(stats)},
          {"subscriptions", std::move(subscriptions)},
          {"tasks", std::move(tasks)},
          {"settings", config_json(stats.config)}};
}

// Names of consumers come from clients and need not be UTF-8.
std::string to_text(const Json& json) {
  constexpr int kIndent = 2;
  return json.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string queues_json(const ProcessStats& stats) {
  Json queues = Json::array();
  std::uint64_t damaged = 0;
  for (const broker::QueueStats& queue : stats.broker.queues) {
    queues.push_back(one_queue_json(queue));
    damaged += damaged_in(queue);
  }
  const std::uint64_t ranges = stats.storage.corrupt_ranges;
  const bool needs_repair = damaged > 0 || ranges > 0;
  const std::string message = needs_repair ? std::to_string(ranges) + " ranges of the log and " +
                                                 std::to_string(damaged) + " messages are damaged"
                                           : "";
  return to_text({{"takenAt", stats.taken_at.value()},
                  {"incarnation", stats.broker.incarnation},
                  {"conditions", conditions_json(needs_repair, message)},
                  {"queues", std::move(queues)}});
}

std::optional<std::string> queue_json(const ProcessStats& stats, std::string_view name) {
  for (const broker::QueueStats& queue : stats.broker.queues) {
    if (queue.name == name) return to_text(one_queue_json(queue));
  }
  return std::nullopt;
}

}  // namespace sluice::frontend::http
