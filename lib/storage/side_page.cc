#include "storage/side_page.h"

#include <vector>

#include "base/check.h"
#include "base/crc32c.h"

namespace sluice::storage {

using base::ByteView;

namespace {

constexpr std::size_t kEntryHeaderBytes = 3;  // u8 bytes of the suffix, u16 bytes of the value
constexpr std::size_t kSlotBytes = 2;
constexpr std::size_t kEntryCostBytes = kEntryHeaderBytes + kSlotBytes;
constexpr std::size_t kMergedBytesMax = kSidePageBytes * 3 / 4;

bool has_prefix(ByteView key, ByteView prefix) {
  return key.size() >= prefix.size() &&
         (prefix.empty() || std::memcmp(key.data(), prefix.data(), prefix.size()) == 0);
}

std::size_t common_prefix(ByteView a, ByteView b) {
  const std::size_t both = std::min(a.size(), b.size());
  std::size_t same = 0;
  while (same < both && a[same] == b[same]) ++same;
  return same;
}

}  // namespace

// Entries on their way into a page. They point into other pages, which must stay as they are.
class SidePageBuilder {
 public:
  SidePageBuilder() { entries_.reserve(kSidePageBytes / kEntryCostBytes + 1); }

  void add(ByteView prefix, ByteView suffix, ByteView value) {
    entries_.push_back({prefix, suffix, value});
  }
  void add_all(const SidePage& page, unsigned first, unsigned end) {
    for (unsigned at = first; at < end; ++at) add(page.prefix(), page.suffix(at), page.value(at));
  }
  // Bytes that entries [first, end) take with a common prefix of `prefix` bytes.
  std::size_t bytes(std::size_t first, std::size_t end, std::size_t prefix) const {
    std::size_t sum = kSidePageHeaderBytes + prefix;
    for (std::size_t at = first; at < end; ++at) sum += cost(at) - prefix;
    return sum;
  }
  // Header and prefix not counted.
  std::size_t cost(std::size_t at) const {
    const Entry& entry = entries_[at];
    return kEntryCostBytes + entry.prefix.size() + entry.suffix.size() + entry.value.size();
  }
  std::size_t size() const { return entries_.size(); }
  SideKey key(std::size_t at) const { return {entries_[at].prefix, entries_[at].suffix}; }

  // The key of entry 0 of a higher page is in no order, so three keys decide.
  std::size_t prefix_bytes(std::size_t first, std::size_t end) const {
    if (first == end) return 0;
    const SideKey begin = key(first);
    const SideKey second = key(std::min(first + 1, end - 1));
    const SideKey last = key(end - 1);
    return std::min(common_prefix(begin.view(), last.view()),
                    common_prefix(begin.view(), second.view()));
  }

  // REQUIRES: they fit.
  void build(SidePage page, std::size_t first, std::size_t end, std::size_t prefix) const {
    page.clear(page.level());
    page.set_prefix_of(first == end ? SideKey() : key(first), prefix);
    std::size_t heap = kSidePageBytes;
    std::size_t slot = page.slots_begin();
    for (std::size_t at = first; at < end; ++at) {
      const Entry& entry = entries_[at];
      const SideKey whole = key(at);
      const ByteView suffix = whole.view().subspan(prefix);
      heap -= kEntryHeaderBytes + suffix.size() + entry.value.size();
      page.write_entry(heap, suffix, entry.value);
      page.set_u16(slot, heap);
      slot += kSlotBytes;
    }
    CHECK(slot <= heap);
    page.set_u16(6, end - first);
    page.set_u16(12, heap);
    page.set_u16(14, kSidePageBytes - heap);
  }

 private:
  struct Entry {
    ByteView prefix;
    ByteView suffix;
    ByteView value;
  };
  std::vector<Entry> entries_;
};

void SidePage::clear(unsigned level) {
  std::memset(bytes_ + kSidePageHeaderBytes, 0, kSidePageBytes - kSidePageHeaderBytes);
  base::store(bytes_ + 4, static_cast<std::uint8_t>(level));
  base::store(bytes_ + 5, std::uint8_t{0});
  set_u16(6, 0);
  set_u16(12, kSidePageBytes);
  set_u16(14, 0);
}

void SidePage::set_identity(std::uint32_t number, std::uint64_t generation) {
  base::store(bytes_ + 8, number);
  base::store(bytes_ + 16, generation);
}

void SidePage::set_prefix_of(const SideKey& key, std::size_t bytes) {
  base::store(bytes_ + 5, static_cast<std::uint8_t>(bytes));
  if (bytes > 0) std::memcpy(bytes_ + kSidePageHeaderBytes, key.view().data(), bytes);
}

void SidePage::write_entry(std::size_t offset, ByteView suffix, ByteView value) {
  base::store(bytes_ + offset, static_cast<std::uint8_t>(suffix.size()));
  set_u16(offset + 1, value.size());
  std::byte* const to = bytes_ + offset + kEntryHeaderBytes;
  if (!suffix.empty()) std::memcpy(to, suffix.data(), suffix.size());
  if (!value.empty()) std::memcpy(to + suffix.size(), value.data(), value.size());
}

ByteView SidePage::suffix(unsigned at) const {
  const std::byte* const entry = bytes_ + offset(at);
  return {entry + kEntryHeaderBytes, base::load<std::uint8_t>(entry)};
}

ByteView SidePage::value(unsigned at) const {
  const std::byte* const entry = bytes_ + offset(at);
  return {entry + kEntryHeaderBytes + base::load<std::uint8_t>(entry),
          base::load<std::uint16_t>(entry + 1)};
}

std::size_t SidePage::stored_bytes(unsigned at) const {
  const std::byte* const entry = bytes_ + offset(at);
  return kEntryHeaderBytes + base::load<std::uint8_t>(entry) + base::load<std::uint16_t>(entry + 1);
}

void SidePage::set_child(unsigned at, std::uint32_t page) {
  const std::size_t where = offset(at) + kEntryHeaderBytes + suffix(at).size();
  base::store(bytes_ + where, page);
}

SidePage::Place SidePage::find(ByteView key) const {
  const ByteView common = prefix();
  const std::size_t head = std::min(common.size(), key.size());
  const int order = head == 0 ? 0 : std::memcmp(key.data(), common.data(), head);
  if (order != 0) return {order < 0 ? 0 : count(), false};
  if (key.size() < common.size()) return {0, false};
  const ByteView rest = key.subspan(common.size());
  unsigned low = 0;
  unsigned high = count();
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    const int compared = compare_keys(suffix(middle), rest);
    if (compared == 0) return {middle, true};
    if (compared < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {low, false};
}

unsigned SidePage::child_for(ByteView key) const {
  const ByteView common = prefix();
  const std::size_t head = std::min(common.size(), key.size());
  const int order = head == 0 ? 0 : std::memcmp(key.data(), common.data(), head);
  if (order != 0) return order < 0 ? 0 : count() - 1;
  if (key.size() < common.size()) return 0;
  const ByteView rest = key.subspan(common.size());
  unsigned low = 1;
  unsigned high = count();
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    if (compare_keys(suffix(middle), rest) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

std::size_t SidePage::used_bytes() const {
  return slots_begin() + kSlotBytes * count() + entry_bytes();
}

// Makes one contiguous hole, and a prefix that `key` has too. False where that does not fit.
bool SidePage::remake_for(ByteView key, std::size_t value_bytes) {
  std::array<std::byte, kSidePageBytes> copy{};
  std::memcpy(copy.data(), bytes_, kSidePageBytes);
  SidePageBuilder builder;
  builder.add_all(SidePage(copy.data()), 0, count());
  const std::size_t prefix =
      count() == 0 ? key.size() : std::min(common_prefix(key, this->prefix()), prefix_bytes());
  const std::size_t added = kEntryCostBytes + key.size() - prefix + value_bytes;
  if (builder.bytes(0, builder.size(), prefix) + added > kSidePageBytes) return false;
  builder.build(*this, 0, builder.size(), prefix);
  if (count() == 0) set_prefix_of(SideKey(key), prefix);
  return true;
}

bool SidePage::insert(unsigned at, ByteView key, ByteView value) {
  const auto hole = [&] {
    return slots_begin() + kSlotBytes * count() + kEntryCostBytes + key.size() - prefix_bytes() +
           value.size();
  };
  if (count() == 0 || !has_prefix(key, prefix()) || hole() > heap_begin()) {
    if (!remake_for(key, value.size())) return false;
  }
  const ByteView suffix = key.subspan(prefix_bytes());
  const std::size_t bytes = kEntryHeaderBytes + suffix.size() + value.size();
  const std::size_t where = heap_begin() - bytes;
  write_entry(where, suffix, value);
  std::byte* const slot = bytes_ + slots_begin() + kSlotBytes * at;
  std::memmove(slot + kSlotBytes, slot, kSlotBytes * (count() - at));
  base::store(slot, static_cast<std::uint16_t>(where));
  set_u16(6, count() + 1);
  set_u16(12, where);
  set_u16(14, entry_bytes() + bytes);
  return true;
}

bool SidePage::replace(unsigned at, ByteView value) {
  if (this->value(at).size() == value.size()) {
    write_entry(offset(at), suffix(at), value);
    return true;
  }
  const std::size_t after = used_bytes() - this->value(at).size() + value.size();
  if (after > kSidePageBytes) return false;
  const SideKey whole = key(at);
  remove(at);
  CHECK(insert(at, whole.view(), value));
  return true;
}

void SidePage::remove(unsigned at, unsigned entries) {
  std::size_t bytes = 0;
  for (unsigned one = at; one < at + entries; ++one) bytes += stored_bytes(one);
  std::byte* const slot = bytes_ + slots_begin() + kSlotBytes * at;
  std::memmove(slot, slot + kSlotBytes * entries, kSlotBytes * (count() - at - entries));
  set_u16(6, count() - entries);
  set_u16(14, entry_bytes() - bytes);
}

SideKey SidePage::split(SidePage right, unsigned at, ByteView key, ByteView value, bool in_order) {
  std::array<std::byte, kSidePageBytes> copy{};
  std::memcpy(copy.data(), bytes_, kSidePageBytes);
  const SidePage old(copy.data());
  SidePageBuilder builder;
  builder.add_all(old, 0, at);
  builder.add({}, key, value);
  builder.add_all(old, at, old.count());
  const std::size_t end = builder.size();
  const auto fits = [&](std::size_t first, std::size_t last) {
    return builder.bytes(first, last, builder.prefix_bytes(first, last)) <= kSidePageBytes;
  };
  // In the middle of the bytes, as a rule.
  std::size_t total = 0;
  for (std::size_t one = 0; one < end; ++one) total += builder.cost(one);
  std::size_t cut = 0;
  for (std::size_t sum = 0; cut + 1 < end && (cut == 0 || sum < total / 2); ++cut) {
    sum += builder.cost(cut);
  }
  // A row that grows in front of others' keys parts from them and has its page to itself.
  const std::size_t row_end = at + 1 == end ? at : at + 1;
  if (in_order && at > 0 && fits(0, row_end) && fits(row_end, end)) cut = row_end;
  // A key that shares the prefix of none of the others has them on one side of it.
  if (!fits(0, cut) || !fits(cut, end)) cut = row_end;
  CHECK(fits(0, cut) && fits(cut, end));
  builder.build(*this, 0, cut, builder.prefix_bytes(0, cut));
  builder.build(right, cut, end, builder.prefix_bytes(cut, end));
  const SideKey first = builder.key(cut);
  if (level() > 0) return first;
  const SideKey last = builder.key(cut - 1);
  return SideKey(first.view().first(common_prefix(last.view(), first.view()) + 1));
}

bool SidePage::absorb(const SidePage& right, ByteView right_key) {
  if (used_bytes() + right.used_bytes() > kSidePageBytes + kMergedBytesMax) return false;
  std::array<std::byte, kSidePageBytes> copy{};
  std::memcpy(copy.data(), bytes_, kSidePageBytes);
  SidePageBuilder builder;
  builder.add_all(SidePage(copy.data()), 0, count());
  const bool renamed = level() > 0 && right.count() > 0;
  if (renamed) builder.add({}, right_key, right.value(0));
  builder.add_all(right, renamed ? 1 : 0, right.count());
  const std::size_t prefix = builder.prefix_bytes(0, builder.size());
  if (builder.bytes(0, builder.size(), prefix) > kMergedBytesMax) return false;
  builder.build(*this, 0, builder.size(), prefix);
  return true;
}

std::uint32_t SidePage::checksum(const base::Id128& log_id) const {
  const std::uint32_t crc = base::crc32c(std::as_bytes(std::span(log_id.bytes)));
  return base::crc32c({bytes_ + 4, kSidePageBytes - 4}, crc);
}

std::string SidePage::structure_fault() const {
  const std::size_t slots_end = slots_begin() + kSlotBytes * count();
  if (level() >= kSideLevelsMax) return "an impossible level";
  if (prefix_bytes() > kSideKeyBytesMax || heap_begin() > kSidePageBytes ||
      slots_end > heap_begin() || count() == 0) {
    return "impossible lengths";
  }
  std::size_t sum = 0;
  for (unsigned at = 0; at < count(); ++at) {
    const std::size_t begin = offset(at);
    if (begin < heap_begin() || begin + kEntryHeaderBytes > kSidePageBytes) {
      return "an entry outside the page";
    }
    const std::size_t key_bytes = prefix_bytes() + base::load<std::uint8_t>(bytes_ + begin);
    const std::size_t value_bytes = base::load<std::uint16_t>(bytes_ + begin + 1);
    sum += stored_bytes(at);
    if (begin + stored_bytes(at) > kSidePageBytes) return "an entry outside the page";
    const bool sane = key_bytes <= kSideKeyBytesMax && value_bytes <= kSideValueBytesMax &&
                      (level() == 0 ? key_bytes > 0 : value_bytes == sizeof(std::uint32_t));
    if (!sane) return "an impossible entry";
    const unsigned ordered_from = level() == 0 ? 1 : 2;
    if (at >= ordered_from && compare_keys(suffix(at - 1), suffix(at)) >= 0) {
      return "keys out of order";
    }
  }
  return sum == entry_bytes() ? "" : "impossible lengths";
}

}  // namespace sluice::storage
