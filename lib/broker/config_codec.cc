#include "broker/config_codec.h"

#include <algorithm>
#include <utility>

#include "broker/tlv.h"

namespace sluice::broker {

namespace {

enum class Tag : std::uint16_t {
  kName = 1,
  kShards = 2,
  kFsync = 3,  // policy, interval
  kOrdering = 4,
  kExpiry = 5,  // ttl, action
  kLimits = 6,
  kPaused = 7,
  kNextId = 8,        // of subscriptions
  kSubscription = 9,  // repeated; holds the fields below
  kRetention = 10,    // time, bytes; only where there is one
  kCreated = 11,      // idle expiry, limit, start, delivery, dead letter; only where allowed
};
enum class SubscriptionTag : std::uint16_t {
  kId = 1,
  kName = 2,
  kStart = 3,
  kDelivery = 4,
  kDeadLetter = 5,
  kCreated = 7,  // no value; only on created ones
  kBegin = 6,    // a sequence for each shard, where a new one begins at a sequence or a time
};

bool has_place(StartPosition start) {
  return start == StartPosition::kSequence || start == StartPosition::kTime;
}

constexpr std::uint16_t tag(Tag value) { return static_cast<std::uint16_t>(value); }
constexpr std::uint16_t tag(SubscriptionTag value) { return static_cast<std::uint16_t>(value); }

template <typename Enum>
bool get_enum(base::ByteReader& in, Enum last, Enum& out) {
  const std::uint8_t value = in.u8();
  if (value > static_cast<std::uint8_t>(last)) return false;
  out = static_cast<Enum>(value);
  return true;
}

base::Millis get_millis(base::ByteReader& in) { return base::Millis(in.i64()); }

void put_delivery(const DeliveryConfig& delivery, base::ByteWriter& out) {
  out.i64(delivery.lease.count());
  out.i64(delivery.max_lease.count());
  out.u16(delivery.max_attempts);
  out.u16(delivery.max_stalls);
  out.i64(delivery.backoff.initial.count());
  out.i64(delivery.backoff.max.count());
  put_double(out, delivery.backoff.multiplier);
  put_double(out, delivery.backoff.jitter);
}
void get_delivery(base::ByteReader& in, DeliveryConfig& delivery) {
  delivery.lease = get_millis(in);
  delivery.max_lease = get_millis(in);
  delivery.max_attempts = in.u16();
  delivery.max_stalls = in.u16();
  delivery.backoff.initial = get_millis(in);
  delivery.backoff.max = get_millis(in);
  delivery.backoff.multiplier = get_double(in);
  delivery.backoff.jitter = get_double(in);
}

void put_dead_letter(const DeadLetterConfig& dead_letter, base::ByteWriter& out) {
  out.i64(dead_letter.retention.count());
  out.u64(dead_letter.bytes_max);
  out.u8(static_cast<std::uint8_t>(dead_letter.overflow));
  // Only where it is set, so that a log of feature level 1 holds what it always held.
  if (dead_letter.messages_max > 0) out.u64(dead_letter.messages_max);
}
bool get_dead_letter(base::ByteReader& in, DeadLetterConfig& dead_letter) {
  dead_letter.retention = get_millis(in);
  dead_letter.bytes_max = in.u64();
  if (!get_enum(in, DeadOverflow::kBlock, dead_letter.overflow)) return false;
  if (in.remaining() == 0) return true;
  dead_letter.messages_max = in.u64();
  return dead_letter.messages_max > 0;
}

void put_subscription(const SubscriptionConfig& config, base::SubscriptionId id,
                      const Begins& begins, std::vector<std::byte>& out) {
  TlvField(out, tag(SubscriptionTag::kId))->u16(id.value());
  TlvField(out, tag(SubscriptionTag::kName))->bytes(base::as_bytes(config.name));
  {
    TlvField field(out, tag(SubscriptionTag::kStart));
    field->u8(static_cast<std::uint8_t>(config.start));
    if (has_place(config.start)) field->u64(config.start_at);
  }
  if (const auto begin = begins.find(id); begin != begins.end()) {
    TlvField field(out, tag(SubscriptionTag::kBegin));
    for (const base::Sequence sequence : begin->second) field->u64(sequence.value());
  }
  put_delivery(config.delivery, *TlvField(out, tag(SubscriptionTag::kDelivery)));
  put_dead_letter(config.dead_letter, *TlvField(out, tag(SubscriptionTag::kDeadLetter)));
  if (config.created) TlvField(out, tag(SubscriptionTag::kCreated));
}

bool get_subscription(base::ByteReader& in, StoredConfig& stored) {
  SubscriptionConfig config;
  base::SubscriptionId id;
  std::vector<base::Sequence> begin;
  const bool good = for_each_field(in.rest(), [&](std::uint16_t field, base::ByteReader& value) {
    switch (static_cast<SubscriptionTag>(field)) {
      case SubscriptionTag::kId:
        id = base::SubscriptionId(value.u16());
        return true;
      case SubscriptionTag::kName:
        config.name = base::as_text(value.rest());
        return true;
      case SubscriptionTag::kStart:
        if (!get_enum(value, StartPosition::kTime, config.start)) return false;
        if (has_place(config.start)) config.start_at = value.u64();
        return true;
      case SubscriptionTag::kBegin:
        while (value.ok() && value.remaining() > 0) begin.emplace_back(value.u64());
        return true;
      case SubscriptionTag::kDelivery:
        get_delivery(value, config.delivery);
        return true;
      case SubscriptionTag::kDeadLetter:
        return get_dead_letter(value, config.dead_letter);
      case SubscriptionTag::kCreated:
        config.created = true;
        return true;
    }
    return false;
  });
  if (!good || id == base::SubscriptionId() || config.name.empty()) return false;
  stored.ids.push_back(id);
  if (!begin.empty()) stored.begins.emplace(id, std::move(begin));
  stored.config.subscriptions.push_back(std::move(config));
  return true;
}

bool begins_fit(const StoredConfig& stored) {
  return std::all_of(stored.begins.begin(), stored.begins.end(), [&](const auto& begin) {
    return begin.second.size() == stored.config.shards;
  });
}

bool get_field(Tag field, base::ByteReader& value, StoredConfig& stored) {
  QueueConfig& config = stored.config;
  switch (field) {
    case Tag::kName:
      config.name = base::as_text(value.rest());
      return true;
    case Tag::kShards:
      config.shards = value.u16();
      return true;
    case Tag::kFsync: {
      const bool good = get_enum(value, FsyncPolicy::kNever, config.fsync);
      config.fsync_interval = get_millis(value);
      return good;
    }
    case Tag::kOrdering:
      return get_enum(value, Ordering::kGrouped, config.ordering);
    case Tag::kExpiry:
      config.ttl = get_millis(value);
      return get_enum(value, ExpiryAction::kDeadLetter, config.expiry_action);
    case Tag::kLimits:
      config.limits.messages_max = value.u64();
      config.limits.bytes_max = value.u64();
      config.limits.message_bytes_max = value.u32();
      return get_enum(value, Overflow::kDeadLetterOldest, config.limits.overflow);
    case Tag::kPaused:
      config.paused = value.u8() != 0;
      return true;
    case Tag::kNextId:
      stored.next_id = base::SubscriptionId(value.u16());
      return true;
    case Tag::kSubscription:
      return get_subscription(value, stored);
    case Tag::kCreated: {
      CreatedConfig& created = config.created;
      created.allowed = true;
      created.idle_expiry = get_millis(value);
      created.max = value.u16();
      const bool good = get_enum(value, StartPosition::kNew, created.defaults.start);
      get_delivery(value, created.defaults.delivery);
      return good && get_dead_letter(value, created.defaults.dead_letter);
    }
    case Tag::kRetention:
      config.retention.time = get_millis(value);
      config.retention.bytes = value.u64();
      return config.retention.time.count() >= 0 && config.retention.keeps();
  }
  return false;
}

}  // namespace

std::vector<std::byte> encode_config(const StoredConfig& stored) {
  const QueueConfig& config = stored.config;
  std::vector<std::byte> out;
  TlvField(out, tag(Tag::kName))->bytes(base::as_bytes(config.name));
  TlvField(out, tag(Tag::kShards))->u16(config.shards);
  {
    TlvField field(out, tag(Tag::kFsync));
    field->u8(static_cast<std::uint8_t>(config.fsync));
    field->i64(config.fsync_interval.count());
  }
  TlvField(out, tag(Tag::kOrdering))->u8(static_cast<std::uint8_t>(config.ordering));
  {
    TlvField field(out, tag(Tag::kExpiry));
    field->i64(config.ttl.count());
    field->u8(static_cast<std::uint8_t>(config.expiry_action));
  }
  {
    TlvField field(out, tag(Tag::kLimits));
    field->u64(config.limits.messages_max);
    field->u64(config.limits.bytes_max);
    field->u32(config.limits.message_bytes_max);
    field->u8(static_cast<std::uint8_t>(config.limits.overflow));
  }
  TlvField(out, tag(Tag::kPaused))->u8(config.paused ? 1 : 0);
  TlvField(out, tag(Tag::kNextId))->u16(stored.next_id.value());
  for (std::size_t i = 0; i < stored.ids.size(); ++i) {
    TlvField field(out, tag(Tag::kSubscription));
    put_subscription(config.subscriptions[i], stored.ids[i], stored.begins, out);
  }
  // Only where it is set, so that a log of feature level 1 holds what it always held.
  if (config.retention.keeps()) {
    TlvField field(out, tag(Tag::kRetention));
    field->i64(config.retention.time.count());
    field->u64(config.retention.bytes);
  }
  if (config.created.allowed) {
    TlvField field(out, tag(Tag::kCreated));
    field->i64(config.created.idle_expiry.count());
    field->u16(config.created.max);
    field->u8(static_cast<std::uint8_t>(config.created.defaults.start));
    put_delivery(config.created.defaults.delivery, *field);
    put_dead_letter(config.created.defaults.dead_letter, *field);
  }
  return out;
}

namespace {

bool are_distinct(std::vector<base::SubscriptionId> ids) {
  std::sort(ids.begin(), ids.end());
  return std::adjacent_find(ids.begin(), ids.end()) == ids.end();
}

}  // namespace

base::Result<StoredConfig> decode_config(base::ByteView data) {
  StoredConfig stored;
  const bool good = for_each_field(data, [&](std::uint16_t field, base::ByteReader& value) {
    return get_field(static_cast<Tag>(field), value, stored);
  });
  const QueueConfig& config = stored.config;
  if (!good || config.name.empty() || config.shards == 0 || config.shards > kShardsMax ||
      config.subscriptions.empty() || !are_distinct(stored.ids) || !begins_fit(stored)) {
    return base::corruption("queue configuration: malformed, or written by a newer version");
  }
  return stored;
}

}  // namespace sluice::broker
