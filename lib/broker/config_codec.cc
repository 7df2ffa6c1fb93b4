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
};
enum class SubscriptionTag : std::uint16_t {
  kId = 1,
  kName = 2,
  kStart = 3,
  kDelivery = 4,
  kDeadLetter = 5,
};

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

void put_subscription(const SubscriptionConfig& config, base::SubscriptionId id,
                      std::vector<std::byte>& out) {
  TlvField(out, tag(SubscriptionTag::kId))->u16(id.value());
  TlvField(out, tag(SubscriptionTag::kName))->bytes(base::as_bytes(config.name));
  TlvField(out, tag(SubscriptionTag::kStart))->u8(static_cast<std::uint8_t>(config.start));
  {
    TlvField field(out, tag(SubscriptionTag::kDelivery));
    field->i64(config.delivery.lease.count());
    field->i64(config.delivery.max_lease.count());
    field->u16(config.delivery.max_attempts);
    field->u16(config.delivery.max_stalls);
    field->i64(config.delivery.backoff.initial.count());
    field->i64(config.delivery.backoff.max.count());
    put_double(*field, config.delivery.backoff.multiplier);
    put_double(*field, config.delivery.backoff.jitter);
  }
  TlvField field(out, tag(SubscriptionTag::kDeadLetter));
  field->i64(config.dead_letter.retention.count());
  field->u64(config.dead_letter.bytes_max);
  field->u8(static_cast<std::uint8_t>(config.dead_letter.overflow));
}

bool get_subscription(base::ByteReader& in, StoredConfig& stored) {
  SubscriptionConfig config;
  base::SubscriptionId id;
  const bool good = for_each_field(in.rest(), [&](std::uint16_t field, base::ByteReader& value) {
    switch (static_cast<SubscriptionTag>(field)) {
      case SubscriptionTag::kId:
        id = base::SubscriptionId(value.u16());
        return true;
      case SubscriptionTag::kName:
        config.name = base::as_text(value.rest());
        return true;
      case SubscriptionTag::kStart:
        return get_enum(value, StartPosition::kTime, config.start);
      case SubscriptionTag::kDelivery:
        config.delivery.lease = get_millis(value);
        config.delivery.max_lease = get_millis(value);
        config.delivery.max_attempts = value.u16();
        config.delivery.max_stalls = value.u16();
        config.delivery.backoff.initial = get_millis(value);
        config.delivery.backoff.max = get_millis(value);
        config.delivery.backoff.multiplier = get_double(value);
        config.delivery.backoff.jitter = get_double(value);
        return true;
      case SubscriptionTag::kDeadLetter:
        config.dead_letter.retention = get_millis(value);
        config.dead_letter.bytes_max = value.u64();
        return get_enum(value, DeadOverflow::kBlock, config.dead_letter.overflow);
    }
    return false;
  });
  if (!good || id == base::SubscriptionId() || config.name.empty()) return false;
  stored.ids.push_back(id);
  stored.config.subscriptions.push_back(std::move(config));
  return true;
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
    put_subscription(config.subscriptions[i], stored.ids[i], out);
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
      config.subscriptions.empty() || !are_distinct(stored.ids)) {
    return base::corruption("queue configuration: malformed, or written by a newer version");
  }
  return stored;
}

}  // namespace sluice::broker
