#include "broker/side_table.h"

#include <cstring>

#include "base/check.h"

namespace sluice::broker {

namespace {

std::uint64_t big_endian_at(base::ByteView bytes, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    value = (value << 8) | std::to_integer<std::uint64_t>(bytes[offset + i]);
  }
  return value;
}

}  // namespace

SideKey::SideKey(const base::QueueId& queue) {
  std::memcpy(bytes_.data(), queue.bytes.data(), kQueueBytes);
  size_ = kQueueBytes;
}

SideKey::SideKey(const storage::SubscriptionKey& owner) : SideKey(owner.stream.queue) {
  const std::uint16_t shard = owner.stream.shard.value();
  const std::uint16_t subscription = owner.subscription.value();
  u8(static_cast<std::uint8_t>(shard >> 8)).u8(static_cast<std::uint8_t>(shard));
  u8(static_cast<std::uint8_t>(subscription >> 8)).u8(static_cast<std::uint8_t>(subscription));
}

SideKey& SideKey::u8(std::uint8_t value) {
  bytes_[size_++] = static_cast<std::byte>(value);
  return *this;
}

SideKey& SideKey::u64(std::uint64_t value) {
  for (unsigned shift = 64; shift > 0; shift -= 8) {
    bytes_[size_++] = static_cast<std::byte>(value >> (shift - 8));
  }
  return *this;
}

SideKey SideKey::behind() const {
  SideKey next = *this;
  while (next.size_ > 0 && next.bytes_[next.size_ - 1] == std::byte{255}) --next.size_;
  CHECK(next.size_ > 0);
  std::byte& last = next.bytes_[next.size_ - 1];
  last = static_cast<std::byte>(std::to_integer<unsigned>(last) + 1);
  return next;
}

std::optional<SideTable::Row> SideTable::seek(const SideKey& from) const {
  const auto entry = index_.at_or_after(from.view());
  if (!entry) return std::nullopt;
  const base::ByteView key = entry->key;
  const std::size_t prefix = prefix_.size();
  if (key.size() != from.size() || std::memcmp(key.data(), from.view().data(), prefix) != 0) {
    return std::nullopt;
  }
  Row row;
  row.a = big_endian_at(key, prefix);
  if (key.size() >= prefix + 16) row.b = big_endian_at(key, prefix + 8);
  row.value = entry->value;
  return row;
}

}  // namespace sluice::broker
