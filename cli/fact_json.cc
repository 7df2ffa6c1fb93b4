#include "cli/fact_json.h"

#include <nlohmann/json.hpp>
#include <string>

#include "cli/wall_text.h"
#include "storage/fact_codec.h"

namespace sluice::cli {
namespace {

using OrderedJson = nlohmann::ordered_json;
using storage::RecordType;

OrderedJson ranges_json(const std::vector<base::SequenceRange>& ranges) {
  OrderedJson json = OrderedJson::array();
  for (const base::SequenceRange& range : ranges) {
    json.push_back({range.first.value(), range.last.value()});
  }
  return json;
}

OrderedJson stream_json(const storage::StreamId& stream) {
  return {{"queue", stream.queue.to_hex()}, {"shard", stream.shard.value()}};
}

OrderedJson key_json(const storage::SubscriptionKey& key) {
  OrderedJson json = stream_json(key.stream);
  json["subscription"] = key.subscription.value();
  return json;
}

template <typename Entries>
OrderedJson entries_json(const Entries& entries) {
  OrderedJson json = OrderedJson::array();
  for (const auto& entry : entries) {
    json.push_back({{"sequence", entry.sequence.value()},
                    {"attempts", entry.attempts},
                    {"stalls", entry.stalls}});
  }
  return json;
}

OrderedJson describe(const storage::IncarnationFact& fact) {
  return {{"incarnation", fact.incarnation}, {"unclean", fact.unclean},
          {"at", format_wall(fact.at)},      {"sequenceJump", fact.sequence_jump},
          {"log", fact.log_id.to_hex()},     {"software", fact.software}};
}
OrderedJson describe(const storage::FeatureLevelFact& fact) { return {{"level", fact.level}}; }
OrderedJson describe(const storage::QueueConfiguredFact& fact) {
  return {{"queue", fact.queue.to_hex()}, {"name", fact.name}, {"revision", fact.revision}};
}
OrderedJson describe(const storage::QueueDeletedFact& fact) {
  return {{"queue", fact.queue.to_hex()}};
}
OrderedJson describe(const storage::DecodedMessages& decoded) {
  const storage::MessagesFact& fact = decoded.fact;
  OrderedJson json = stream_json(fact.stream);
  json["first"] = fact.first.value();
  json["count"] = fact.count;
  json["acceptedAt"] = format_wall(fact.accepted_at);
  json["producer"] = fact.producer.to_hex();
  json["producerSequence"] = fact.producer_sequence;
  json["bodyBytes"] = fact.body_bytes;
  return json;
}
OrderedJson describe(const storage::DecodedChunk& decoded) {
  const storage::MessageChunkFact& fact = decoded.fact;
  OrderedJson json = stream_json(fact.stream);
  json["sequence"] = fact.sequence.value();
  json["entryBytes"] = fact.entry_bytes;
  json["offset"] = fact.offset;
  return json;
}
OrderedJson describe(const storage::LeasedFact& fact) {
  OrderedJson json = key_json(fact.key);
  json["session"] = fact.session.to_hex();
  json["epoch"] = fact.epoch.value();
  json["leaseMs"] = fact.lease_ms;
  json["ranges"] = ranges_json(fact.ranges);
  return json;
}
// Settled, Released, Redriven, Rewound and Removed say the same of their messages: these ranges.
template <typename Fact>
OrderedJson describe_ranges(const Fact& fact) {
  OrderedJson json = key_json(fact.key);
  json["ranges"] = ranges_json(fact.ranges);
  return json;
}
OrderedJson describe(const storage::SettledFact& fact) { return describe_ranges(fact); }
OrderedJson describe(const storage::ReleasedFact& fact) { return describe_ranges(fact); }
OrderedJson describe(const storage::RedrivenFact& fact) { return describe_ranges(fact); }
OrderedJson describe(const storage::RewoundFact& fact) { return describe_ranges(fact); }
OrderedJson describe(const storage::RemovedFact& fact) { return describe_ranges(fact); }
OrderedJson describe(const storage::DamagedFact& fact) {
  OrderedJson json = describe_ranges(fact);
  json["event"] = storage::to_string(fact.event);
  json["at"] = format_wall(fact.at);
  json["begin"] = fact.begin.value();
  json["end"] = fact.end.value();
  return json;
}
OrderedJson describe(const storage::SubscriptionExpiredFact& fact) {
  return {{"queue", fact.queue.to_hex()},
          {"subscription", fact.subscription.value()},
          {"at", format_wall(fact.at)}};
}
OrderedJson describe(const storage::DroppedFact& fact) {
  OrderedJson json = stream_json(fact.stream);
  json["cause"] = fact.cause == storage::DropCause::kTime ? "Time" : "Size";
  json["ranges"] = ranges_json(fact.ranges);
  return json;
}
template <typename Fact>
OrderedJson describe_counters(const Fact& fact) {
  OrderedJson json = key_json(fact.key);
  json["at"] = format_wall(fact.at);
  json["consumer"] = fact.consumer;
  json["messages"] = entries_json(fact.entries);
  return json;
}
OrderedJson describe(const storage::StalledFact& fact) { return describe_counters(fact); }
OrderedJson describe(const storage::FailedFact& fact) {
  OrderedJson json = describe_counters(fact);
  json["error"] = fact.error;
  return json;
}
OrderedJson describe(const storage::DeadFact& fact) {
  OrderedJson json = describe_counters(fact);
  json["reason"] = storage::to_string(fact.reason);
  if (fact.keeps_deliver_at) json["keepsDeliverAt"] = true;
  json["error"] = fact.error;
  return json;
}

OrderedJson describe(const storage::TransferFact& fact) {
  OrderedJson json = key_json(fact.from);
  json["task"] = fact.task.to_hex();
  json["kind"] = fact.kind == storage::TaskKind::kMove ? "move" : "copy";
  json["deadLetters"] = fact.dead_letters;
  json["ranges"] = ranges_json(fact.ranges);
  json["to"] = {{"queue", fact.to.queue.to_hex()},
                {"shard", fact.to.shard.value()},
                {"first", fact.first.value()},
                {"count", fact.count}};
  return json;
}

template <typename Fact>
OrderedJson or_undecodable(const base::Result<Fact>& fact) {
  if (fact) return describe(*fact);
  return {{"undecodable", fact.error().message()}};
}

}  // namespace

OrderedJson fact_json(RecordType type, base::ByteView payload) {
  switch (type) {
    case RecordType::kIncarnation:
      return or_undecodable(storage::decode_incarnation(payload));
    case RecordType::kFeatureLevel:
      return or_undecodable(storage::decode_feature_level(payload));
    case RecordType::kQueueConfigured:
      return or_undecodable(storage::decode_queue_configured(payload));
    case RecordType::kQueueDeleted:
      return or_undecodable(storage::decode_queue_deleted(payload));
    case RecordType::kMessages:
      return or_undecodable(storage::decode_messages(payload));
    case RecordType::kLeased:
      return or_undecodable(storage::decode_leased(payload));
    case RecordType::kSettled:
      return or_undecodable(storage::decode_settled(payload));
    case RecordType::kReleased:
      return or_undecodable(storage::decode_released(payload));
    case RecordType::kFailed:
      return or_undecodable(storage::decode_failed(payload));
    case RecordType::kStalled:
      return or_undecodable(storage::decode_stalled(payload));
    case RecordType::kDead:
      return or_undecodable(storage::decode_dead(payload));
    case RecordType::kRedriven:
      return or_undecodable(storage::decode_redriven(payload));
    case RecordType::kRewound:
      return or_undecodable(storage::decode_rewound(payload));
    case RecordType::kDamaged:
      return or_undecodable(storage::decode_damaged(payload));
    case RecordType::kTransfer:
      return or_undecodable(storage::decode_transfer(payload));
    case RecordType::kSubscriptionExpired:
      return or_undecodable(storage::decode_subscription_expired(payload));
    case RecordType::kDropped:
      return or_undecodable(storage::decode_dropped(payload));
    case RecordType::kRemoved:
      return or_undecodable(storage::decode_removed(payload));
    case RecordType::kMessageChunk:
      return or_undecodable(storage::decode_message_chunk(payload));
    default:
      return OrderedJson::object();
  }
}

}  // namespace sluice::cli
