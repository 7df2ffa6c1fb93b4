#include "broker/replay_index.h"

#include <algorithm>
#include <cstring>

#include "broker/side_table.h"

namespace sluice::broker {

namespace {

using base::ByteView;

// Of keys and values that are collected: some 300,000 changes.
constexpr std::size_t kCollectedBytesMax = 12U << 20;

bool is_by_time(ByteView key) {
  if (key.size() <= SideKey::kOwnerBytes) return false;
  switch (static_cast<SideTag>(key[SideKey::kOwnerBytes])) {
    case SideTag::kRetriesByDue:
    case SideTag::kDelaysByTime:
    case SideTag::kExpiryByTime:
      return true;
    default:
      return false;
  }
}

}  // namespace

void ReplayIndex::end_replay() {
  make_changes();
  replaying_ = false;
  bytes_ = {};
  changes_ = {};
}

bool ReplayIndex::collects(ByteView key) const { return replaying_ && is_by_time(key); }

void ReplayIndex::collect(ByteView key, ByteView value, bool erases) {
  if (bytes_.size() + key.size() + value.size() > kCollectedBytesMax) make_changes();
  changes_.push_back({static_cast<std::uint32_t>(bytes_.size()),
                      static_cast<std::uint16_t>(value.size()),
                      static_cast<std::uint8_t>(key.size()), erases});
  bytes_.insert(bytes_.end(), key.begin(), key.end());
  bytes_.insert(bytes_.end(), value.begin(), value.end());
}

ByteView ReplayIndex::key_of(const Change& change) const {
  return ByteView(bytes_).subspan(change.at, change.key_bytes);
}

void ReplayIndex::make_changes() {
  if (changes_.empty()) return;
  std::sort(changes_.begin(), changes_.end(), [this](const Change& a, const Change& b) {
    const ByteView x = key_of(a);
    const ByteView y = key_of(b);
    const int order = std::memcmp(x.data(), y.data(), std::min(x.size(), y.size()));
    if (order != 0) return order < 0;
    return x.size() != y.size() ? x.size() < y.size() : a.at < b.at;
  });
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = changes_[i];
    const ByteView key = key_of(change);
    // Only the last change of a key counts.
    if (i + 1 < changes_.size()) {
      const ByteView next = key_of(changes_[i + 1]);
      if (std::equal(key.begin(), key.end(), next.begin(), next.end())) continue;
    }
    if (change.erases) {
      index_.erase(key);
    } else {
      index_.put(key, ByteView(bytes_).subspan(change.at + change.key_bytes, change.value_bytes));
    }
  }
  bytes_.clear();
  changes_.clear();
}

void ReplayIndex::put(ByteView key, ByteView value) {
  if (!collects(key)) return index_.put(key, value);
  collect(key, value, false);
}

bool ReplayIndex::erase(ByteView key) {
  if (!collects(key)) return index_.erase(key);
  collect(key, {}, true);
  return true;
}

std::uint64_t ReplayIndex::erase_range(ByteView first, ByteView end, std::uint64_t entries_max) {
  make_changes();
  return index_.erase_range(first, end, entries_max);
}

std::optional<ByteView> ReplayIndex::find(ByteView key) {
  if (collects(key)) make_changes();
  return index_.find(key);
}

std::optional<storage::SideIndex::Entry> ReplayIndex::at_or_after(ByteView key) {
  // From elsewhere nobody reads on into them: a reader stays in its own table.
  if (collects(key)) make_changes();
  return index_.at_or_after(key);
}

}  // namespace sluice::broker
