#include "storage/segment_header.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"

namespace sluice::storage {

using base::ByteView;

namespace {

constexpr std::string_view kMagic = "SLUICSEG";
constexpr std::size_t kSegmentCrcOffset = 124;

void store_id(std::byte* to, const base::Id128& id) { std::memcpy(to, id.bytes.data(), 16); }

base::Id128 load_id(const std::byte* from) {
  base::Id128 id;
  std::memcpy(id.bytes.data(), from, 16);
  return id;
}

bool valid_copy(ByteView copy) {
  return base::as_text(copy.first(kMagic.size())) == kMagic &&
         base::crc32c(copy.first(kSegmentCrcOffset)) ==
             base::load<std::uint32_t>(copy.data() + kSegmentCrcOffset);
}

std::string hex16(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text(16, '0');
  for (std::size_t i = text.size(); i > 0 && value != 0; value >>= 4)
    text[--i] = kDigits[value & 15];
  return text;
}

// The number between `prefix` and `suffix`, if that is all of the name.
std::optional<std::uint64_t> parse_hex16(std::string_view name, std::string_view prefix,
                                         std::string_view suffix) {
  if (name.size() != prefix.size() + 16 + suffix.size()) return std::nullopt;
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  std::uint64_t value = 0;
  for (const char digit : name.substr(prefix.size(), 16)) {
    const bool decimal = digit >= '0' && digit <= '9';
    if (!decimal && !(digit >= 'A' && digit <= 'F')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(decimal ? digit - '0' : digit - 'A' + 10);
  }
  return value;
}

}  // namespace

void encode_segment_header(const SegmentHeader& header, base::MutableByteView out) {
  CHECK(out.size() == kSegmentDataOffset);
  std::fill(out.begin(), out.end(), std::byte{0});
  std::byte* const at = out.data();
  std::memcpy(at, kMagic.data(), kMagic.size());
  base::store(at + 8, kFormatVersion);
  base::store(at + 12, header.feature_level);
  base::store(at + 16, header.number);
  base::store(at + 24, header.base().value());
  base::store(at + 32, header.segment_bytes);
  store_id(at + 40, header.uuid);
  store_id(at + 56, header.log_id);
  base::store(at + kSegmentCrcOffset, base::crc32c({at, kSegmentCrcOffset}));
  std::memcpy(at + kSegmentHeaderCopyOffset, at, kSegmentHeaderBytes);
}

base::Result<SegmentHeader> decode_segment_header(ByteView block) {
  for (const std::size_t offset : {std::size_t{0}, kSegmentHeaderCopyOffset}) {
    if (block.size() < offset + kSegmentHeaderBytes) continue;
    const ByteView copy = block.subspan(offset, kSegmentHeaderBytes);
    if (!valid_copy(copy)) continue;
    const std::byte* const at = copy.data();
    const auto version = base::load<std::uint32_t>(at + 8);
    if (version != kFormatVersion) {
      return base::failed_precondition("the log has format version " + std::to_string(version) +
                                       "; this version of Sluice reads version " +
                                       std::to_string(kFormatVersion));
    }
    SegmentHeader header;
    header.feature_level = base::load<std::uint32_t>(at + 12);
    if (header.feature_level > kFeatureLevelSupported) {
      return base::failed_precondition(
          "the log has feature level " + std::to_string(header.feature_level) +
          "; this version of Sluice reads up to " + std::to_string(kFeatureLevelSupported));
    }
    header.number = base::load<std::uint64_t>(at + 16);
    header.segment_bytes = base::load<std::uint64_t>(at + 32);
    header.uuid = load_id(at + 40);
    header.log_id = load_id(at + 56);
    const bool sizes = header.segment_bytes > kSegmentDataOffset &&
                       header.segment_bytes % kBlockBytes == 0 &&
                       header.base().value() == base::load<std::uint64_t>(at + 24);
    if (sizes) return header;
  }
  return base::corruption("no valid segment header");
}

std::string segment_name(std::uint64_t number) { return hex16(number) + ".log"; }
std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  return parse_hex16(name, "", ".log");
}
std::string pool_name(std::uint64_t number) { return "free-" + hex16(number) + ".seg"; }
std::optional<std::uint64_t> parse_pool_name(std::string_view name) {
  return parse_hex16(name, "free-", ".seg");
}
std::string snapshot_name(base::Lsn lsn) { return hex16(lsn.value()) + ".snap"; }
std::optional<base::Lsn> parse_snapshot_name(std::string_view name) {
  const std::optional<std::uint64_t> value = parse_hex16(name, "", ".snap");
  if (!value) return std::nullopt;
  return base::Lsn(*value);
}

std::string lock_path(const std::string& folder) { return folder + "/LOCK"; }
std::string segments_folder(const std::string& folder) { return folder + "/segments"; }
std::string snapshots_folder(const std::string& folder) { return folder + "/snapshots"; }

}  // namespace sluice::storage
