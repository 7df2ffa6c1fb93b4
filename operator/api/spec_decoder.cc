#include "operator/api/spec_decoder.h"

#include <map>
#include <string>
#include <utility>

#include "base/duration.h"
#include "base/wall_text.h"
#include "operator/api/field_limits.h"
#include "operator/api/names.h"

namespace sluice::api {
namespace {

constexpr Choice<Fsync> kFsyncs[] = {
    {"Always", Fsync::kAlways}, {"Interval", Fsync::kInterval}, {"Never", Fsync::kNever}};
constexpr Choice<Ordering> kOrderings[] = {{"Unordered", Ordering::kUnordered},
                                           {"Grouped", Ordering::kGrouped, false}};
constexpr Choice<Overflow> kOverflows[] = {{"Reject", Overflow::kReject},
                                           {"Block", Overflow::kBlock},
                                           {"DropOldest", Overflow::kDropOldest},
                                           {"DeadLetterOldest", Overflow::kDeadLetterOldest}};
constexpr Choice<ExpiryAction> kExpiryActions[] = {{"Drop", ExpiryAction::kDrop},
                                                   {"DeadLetter", ExpiryAction::kDeadLetter}};
constexpr Choice<SubscriptionPolicy> kSubscriptionPolicies[] = {
    {"Refuse", SubscriptionPolicy::kRefuse}, {"AllowCreate", SubscriptionPolicy::kAllowCreate}};
constexpr Choice<RetentionPolicy> kRetentionPolicies[] = {
    {"UntilSettled", RetentionPolicy::kUntilSettled},
    {"Time", RetentionPolicy::kTime},
    {"Size", RetentionPolicy::kSize},
    {"TimeAndSize", RetentionPolicy::kTimeAndSize}};
constexpr Choice<DeletionPolicy> kDeletionPolicies[] = {
    {"Retain", DeletionPolicy::kRetain},
    {"Delete", DeletionPolicy::kDelete},
    {"DeleteIfEmpty", DeletionPolicy::kDeleteIfEmpty}};

void decode_durability(const YamlNode* node, const std::string& path, DecodeContext& context,
                       Durability& out) {
  ObjectReader reader(node, path, context);
  reader.choice("fsync", kFsyncs, out.fsync);
  reader.duration("interval", kFsyncInterval, out.interval);
  if (reader.has("interval") && out.fsync != Fsync::kInterval) {
    reader.problem("interval", "has no meaning here; it is allowed with fsync: Interval only");
  }
  reader.finish();
}

void decode_limits(const YamlNode* node, const std::string& path, DecodeContext& context,
                   Limits& out) {
  ObjectReader reader(node, path, context);
  reader.integer("messages", kMessages, out.messages);
  reader.bytes("bytes", kBytes, out.bytes);
  reader.bytes("messageBytes", kMessageBytes, out.message_bytes);
  reader.choice("overflow", kOverflows, out.overflow);
  if (reader.present() && out.message_bytes > out.bytes) {
    reader.problem(reader.has("messageBytes") ? "messageBytes" : "bytes",
                   "messageBytes is " + base::format_bytes(out.message_bytes) + " and bytes is " +
                       base::format_bytes(out.bytes) + "; messageBytes may not exceed bytes");
  }
  reader.finish();
}

void decode_retention(const YamlNode* node, const std::string& path, DecodeContext& context,
                      std::uint64_t message_bytes, Retention& out) {
  ObjectReader reader(node, path, context);
  reader.choice("policy", kRetentionPolicies, out.policy);
  reader.duration("time", kRetentionTime, out.time);
  reader.bytes("bytes", kBytes, out.bytes);
  const bool by_time =
      out.policy == RetentionPolicy::kTime || out.policy == RetentionPolicy::kTimeAndSize;
  const bool by_size =
      out.policy == RetentionPolicy::kSize || out.policy == RetentionPolicy::kTimeAndSize;
  if (by_time) reader.require("time", "a duration of 1s to 3650d");
  if (by_size) reader.require("bytes", "a size of 1Ki to 1Pi");
  if (reader.has("time") && !by_time) {
    reader.problem("time", "has no meaning here; it is allowed with policy: Time or TimeAndSize");
  }
  if (reader.has("bytes") && !by_size) {
    reader.problem("bytes", "has no meaning here; it is allowed with policy: Size or TimeAndSize");
  }
  if (by_size && reader.has("bytes") && out.bytes < message_bytes) {
    reader.problem("bytes", base::format_bytes(out.bytes) +
                                " is less than one message of limits.messageBytes; at least " +
                                base::format_bytes(message_bytes));
  }
  reader.finish();
}

// `dlq` would be taken for the queue's dead letters (NAME/dlq).
bool is_subscription_name(std::string_view name) { return is_label(name) && name != "dlq"; }

// Where a new subscription begins: a word, and for two of them a place.
void decode_start(ObjectReader& reader, StartPosition& start, std::uint64_t& sequence,
                  base::WallTime& time) {
  static constexpr Choice<StartPosition> kStarts[] = {{"All", StartPosition::kAll},
                                                      {"New", StartPosition::kNew},
                                                      {"Sequence", StartPosition::kSequence},
                                                      {"Time", StartPosition::kTime}};
  constexpr std::string_view kTimeForm = "a time in UTC, 2026-01-31T12:00:00Z";
  reader.choice("start", kStarts, start);
  reader.integer("startSequence", kStartSequence, sequence);
  std::string text;
  const auto is_time = [](std::string_view word) { return base::parse_wall(word).has_value(); };
  reader.text("startTime", is_time, kTimeForm, text);
  if (const auto parsed = base::parse_wall(text)) time = *parsed;
  const auto belongs = [&](std::string_view field, StartPosition to, std::string_view word,
                           std::string_view form) {
    if (start == to && reader.present()) reader.require(field, form);
    if (start != to && reader.has(field)) {
      reader.problem(field, "has no meaning here; it is allowed with start: " + std::string(word));
    }
  };
  belongs("startSequence", StartPosition::kSequence, "Sequence", "a whole number from 1");
  belongs("startTime", StartPosition::kTime, "Time", kTimeForm);
}

void decode_subscription(const YamlNode* node, const std::string& path, DecodeContext& context,
                         Subscription& out) {
  ObjectReader reader(node, path, context);
  reader.text("name", is_subscription_name, std::string(kLabelForm) + "; dlq is taken", out.name);
  if (reader.present()) reader.require("name", kLabelForm);
  decode_start(reader, out.start, out.start_sequence, out.start_time);
  reader.not_in_this_version("filter");
  decode_delivery(reader.find("delivery"), reader.field_path("delivery"), context, out.delivery);
  decode_dead_letter(reader.find("deadLetter"), reader.field_path("deadLetter"), context,
                     out.dead_letter);
  const YamlNode* consumers = reader.find("consumers");
  Consumers decoded;
  decode_consumers(consumers, reader.field_path("consumers"), context, decoded);
  if (consumers != nullptr) out.consumers = std::move(decoded);
  reader.finish();
}

void decode_subscriptions(ObjectReader& spec, DecodeContext& context, QueueSpec& out) {
  Subscription defaults;
  defaults.delivery = out.delivery;
  defaults.dead_letter = out.dead_letter;
  std::map<std::string, int> line_of;
  spec.list("subscriptions", kSubscriptionsMax, [&](const YamlNode& item, const std::string& path) {
    Subscription one = defaults;
    decode_subscription(&item, path, context, one);
    const auto [first, is_new] = line_of.emplace(one.name, item.line);
    if (!is_new && !one.name.empty()) {
      context.problems.add(item.line, path + ".name",
                           shown(one.name) + " is taken by the subscription of line " +
                               std::to_string(first->second) + "; each name once");
    }
    out.subscriptions.push_back(std::move(one));
  });
  if (context.fields != nullptr) {
    Subscription none;
    decode_subscription(nullptr, spec.field_path("subscriptions[]"), context, none);
  }

  const YamlNode* consumers = spec.find("consumers");
  Consumers decoded;
  decode_consumers(consumers, spec.field_path("consumers"), context, decoded);
  if (out.subscriptions.empty()) {
    defaults.name = kDefaultSubscription;
    if (consumers != nullptr) defaults.consumers = std::move(decoded);
    out.subscriptions.push_back(std::move(defaults));
  } else if (consumers != nullptr) {
    spec.problem("consumers",
                 "belongs to the subscription \"default\", which does not exist beside declared "
                 "ones; write it into an entry of subscriptions");
  }
}

void decode_created(ObjectReader& spec, DecodeContext& context, SubscriptionPolicy policy,
                    CreatedSubscriptions& out) {
  static constexpr Choice<StartPosition> kStarts[] = {{"All", StartPosition::kAll},
                                                      {"New", StartPosition::kNew}};
  constexpr std::string_view kField = "createdSubscriptions";
  ObjectReader reader(spec.find(kField), spec.field_path(kField), context);
  reader.choice("start", kStarts, out.start);
  reader.duration("idleExpiry", kIdleExpiry, out.idle_expiry);
  reader.integer("max", kCreatedMax, out.max);
  if (reader.present() && policy != SubscriptionPolicy::kAllowCreate) {
    spec.problem(kField, "has no meaning here; it is allowed with subscriptionPolicy: AllowCreate");
  }
  reader.finish();
}

// An unset size is derived from the limits, so only one that was written can be too small.
void check_storage(const ObjectReader& spec, DecodeContext& context, const YamlNode* broker,
                   const QueueSpec& out) {
  if (!out.broker.storage.size) return;
  const std::uint64_t needed = storage_bytes_needed(out);
  if (*out.broker.storage.size >= needed) return;
  context.problems.add(
      broker->find("storage")->find("size")->line, spec.field_path("broker.storage.size"),
      base::format_bytes(*out.broker.storage.size) +
          " is too little for limits.bytes and the deadLetter.bytes of each subscription, which "
          "may fill " +
          std::to_string(kStoragePercentMax) + " % of it; at least " +
          std::to_string((needed + kGiB - 1) / kGiB) + "Gi");
}

}  // namespace

void decode_spec(const YamlNode* node, DecodeContext& context, QueueSpec& out) {
  ObjectReader reader(node, "spec", context);
  reader.integer("shards", kShards, out.shards);
  decode_durability(reader.find("durability"), reader.field_path("durability"), context,
                    out.durability);
  reader.choice("ordering", kOrderings, out.ordering);
  reader.duration("ttl", kTtl, out.ttl);
  reader.choice("onExpiry", kExpiryActions, out.on_expiry);
  decode_limits(reader.find("limits"), reader.field_path("limits"), context, out.limits);
  decode_retention(reader.find("retention"), reader.field_path("retention"), context,
                   out.limits.message_bytes, out.retention);
  decode_delivery(reader.find("delivery"), reader.field_path("delivery"), context, out.delivery);
  decode_dead_letter(reader.find("deadLetter"), reader.field_path("deadLetter"), context,
                     out.dead_letter);
  decode_subscriptions(reader, context, out);
  reader.choice("subscriptionPolicy", kSubscriptionPolicies, out.subscription_policy);
  decode_created(reader, context, out.subscription_policy, out.created_subscriptions);
  const YamlNode* broker = reader.find("broker");
  decode_broker(broker, reader.field_path("broker"), context, out.broker);
  decode_access(reader.find("access"), reader.field_path("access"), context, out.access_from);
  reader.choice("deletionPolicy", kDeletionPolicies, out.deletion_policy);
  reader.boolean("paused", out.paused);
  reader.not_in_this_version("deduplication");
  reader.not_in_this_version("priorities");
  reader.not_in_this_version("schedules");
  check_storage(reader, context, broker, out);
  reader.finish();
}

}  // namespace sluice::api
