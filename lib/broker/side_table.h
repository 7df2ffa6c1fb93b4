#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "storage/fact.h"
#include "storage/side_index.h"

namespace sluice::broker {

// What a key of the side index is about (docs/log-format.md, "Side index entries"). Never reused.
enum class SideTag : std::uint8_t {
  kRetries = 1,       // by sequence
  kRetriesByDue = 2,  // by generation of the clock, due time and sequence
  kRetryTexts = 3,    // by record
  kDead = 4,          // by sequence
  kDeadByDeath = 5,   // by record and sequence
  kDeadTexts = 6,     // by record
  kDelays = 7,        // by last sequence of a run
  kDelaysByTime = 8,  // by time and first sequence
  kExpiry = 9,
  kExpiryByTime = 10,
};

// Times as numbers that rise with them, those before 1970 too.
constexpr std::uint64_t to_side_number(base::WallTime time) {
  return static_cast<std::uint64_t>(time.value()) ^ (std::uint64_t{1} << 63);
}
constexpr base::WallTime from_side_number(std::uint64_t number) {
  return base::WallTime(static_cast<std::int64_t>(number ^ (std::uint64_t{1} << 63)));
}

// A key: queue, shard, subscription (0 = the stream itself), tag, then numbers with their highest
// byte first.
class SideKey {
 public:
  static constexpr std::size_t kQueueBytes = 16;
  static constexpr std::size_t kOwnerBytes = 20;

  SideKey() = default;
  // Everything of the owner begins with it.
  explicit SideKey(const storage::SubscriptionKey& owner);
  // Everything of the queue does.
  explicit SideKey(const base::QueueId& queue);

  SideKey& u8(std::uint8_t value);
  SideKey& u64(std::uint64_t value);
  base::ByteView view() const { return {bytes_.data(), size_}; }
  std::size_t size() const { return size_; }
  // The first key behind all that begin with this one. REQUIRES: some byte is not 255.
  SideKey behind() const;

 private:
  std::array<std::byte, storage::kSideKeyBytesMax> bytes_{};
  std::size_t size_ = 0;
};

// The entries of one owner and tag, with one or two numbers in their keys. The index may have lost
// pages (then it is dead, and the process ends soon), so whatever is looked up may be missing.
class SideTable {
 public:
  struct Row {
    std::uint64_t a = 0;
    std::uint64_t b = 0;   // of keys with two numbers
    base::ByteView value;  // valid until the next call on the index
  };

  SideTable(storage::SideIndex& index, const storage::SubscriptionKey& owner, SideTag tag)
      : SideTable(index, SideKey(owner).u8(static_cast<std::uint8_t>(tag))) {}
  // All keys that begin with `prefix`.
  SideTable(storage::SideIndex& index, const SideKey& prefix) : index_(index), prefix_(prefix) {}

  void put(std::uint64_t a, base::ByteView value) const { index_.put(key(a).view(), value); }
  void put(std::uint64_t a, std::uint64_t b, base::ByteView value) const {
    index_.put(key(a).u64(b).view(), value);
  }
  bool erase(std::uint64_t a) const { return index_.erase(key(a).view()); }
  bool erase(std::uint64_t a, std::uint64_t b) const { return index_.erase(key(a).u64(b).view()); }
  std::optional<base::ByteView> find(std::uint64_t a) const { return index_.find(key(a).view()); }
  // The first row at or after it; nullopt = none in this table.
  std::optional<Row> at_or_after(std::uint64_t a) const { return seek(key(a)); }
  std::optional<Row> at_or_after(std::uint64_t a, std::uint64_t b) const {
    return seek(key(a).u64(b));
  }

 private:
  SideKey key(std::uint64_t a) const { return SideKey(prefix_).u64(a); }
  std::optional<Row> seek(const SideKey& from) const;

  storage::SideIndex& index_;
  SideKey prefix_;
};

}  // namespace sluice::broker
