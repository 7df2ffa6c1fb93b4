#include "storage/extent_header.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/crc32c.h"
#include "storage/segment_header.h"

namespace sluice::storage {

using base::ByteView;

namespace {

constexpr std::string_view kExtentMagic = "SLUICEXT";
constexpr std::size_t kExtentCrcOffset = kSegmentHeaderBytes - 4;
constexpr std::string_view kExtentSuffix = ".ext";
constexpr std::string_view kSegmentSuffix = ".log";

void put_id_at(std::byte* at, const base::Id128& id) {
  std::memcpy(at, id.bytes.data(), id.bytes.size());
}

base::Id128 id_at(const std::byte* at) {
  base::Id128 id;
  std::memcpy(id.bytes.data(), at, id.bytes.size());
  return id;
}

}  // namespace

std::uint32_t encode_extent_header(const ExtentHeader& header, base::MutableByteView out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  std::byte* const at = out.data();
  std::memcpy(at, kExtentMagic.data(), kExtentMagic.size());
  base::store(at + 8, kFormatVersion);
  base::store(at + 12, kExtentFeatureLevel);
  base::store(at + 16, header.number);
  base::store(at + 24, header.number * header.segment_bytes);
  base::store(at + 32, header.segment_bytes);
  put_id_at(at + 40, header.uuid);
  put_id_at(at + 56, header.log_id);
  base::store(at + 72, header.bytes);
  const std::uint32_t crc = base::crc32c({at, kExtentCrcOffset});
  base::store(at + kExtentCrcOffset, crc);
  std::memcpy(at + kSegmentHeaderCopyOffset, at, kSegmentHeaderBytes);
  return crc;
}

base::Result<ExtentHeader> decode_extent_header(ByteView block) {
  for (const std::size_t offset : {std::size_t{0}, kSegmentHeaderCopyOffset}) {
    if (block.size() < offset + kSegmentHeaderBytes) continue;
    const std::byte* const at = block.data() + offset;
    if (std::memcmp(at, kExtentMagic.data(), kExtentMagic.size()) != 0) continue;
    if (base::crc32c({at, kExtentCrcOffset}) != base::load<std::uint32_t>(at + kExtentCrcOffset)) {
      continue;
    }
    if (base::load<std::uint32_t>(at + 8) != kFormatVersion ||
        base::load<std::uint32_t>(at + 12) > kFeatureLevelSupported) {
      return base::failed_precondition("a newer version of Sluice wrote this extent");
    }
    ExtentHeader header;
    header.number = base::load<std::uint64_t>(at + 16);
    header.segment_bytes = base::load<std::uint64_t>(at + 32);
    header.uuid = id_at(at + 40);
    header.log_id = id_at(at + 56);
    header.bytes = base::load<std::uint64_t>(at + 72);
    if (is_extent(header.number) && header.bytes <= header.segment_bytes) return header;
  }
  return base::corruption("no valid extent header");
}

base::Result<ExtentHeader> read_extent_header(const runtime::File& file) {
  std::vector<std::byte> block(kSegmentDataOffset);
  ASSIGN_OR_RETURN(const std::size_t bytes, file.read_at(0, block));
  return decode_extent_header(ByteView(block).first(bytes));
}

std::string data_file_name(std::uint64_t number) {
  return is_extent(number) ? extent_name(number) : segment_name(number);
}

std::string extent_name(std::uint64_t number) {
  std::string name = segment_name(number);
  name.replace(name.size() - kSegmentSuffix.size(), kSegmentSuffix.size(), kExtentSuffix);
  return name;
}

std::optional<std::uint64_t> parse_extent_name(std::string_view name) {
  if (!name.ends_with(kExtentSuffix)) return std::nullopt;
  std::string segment(name.substr(0, name.size() - kExtentSuffix.size()));
  segment += kSegmentSuffix;
  const std::optional<std::uint64_t> number = parse_segment_name(segment);
  return number && is_extent(*number) ? number : std::nullopt;
}

}  // namespace sluice::storage
