#include "storage/snapshot_codec.h"

#include <string_view>

#include "base/check.h"
#include "base/crc32c.h"
#include "storage/fact_codec.h"
#include "storage/record_codec.h"

namespace sluice::storage {

using base::ByteReader;
using base::ByteView;
using base::ByteWriter;
using base::Result;

namespace {

constexpr std::string_view kMagic = "SLUICSNP";
constexpr std::size_t kSnapshotCrcOffset = 124;
constexpr std::uint32_t kFlagClean = 1;
constexpr std::uint32_t kBrokerSection = 1;
constexpr std::uint32_t kIndexSection = 2;
constexpr std::uint32_t kSideSection = 3;

std::uint32_t header_crc(ByteView file, std::size_t sections) {
  const std::uint32_t crc = base::crc32c(file.first(kSnapshotCrcOffset));
  return base::crc32c(file.subspan(kSnapshotHeaderBytes, sections * kSnapshotSectionBytes), crc);
}

base::Error bad(std::string_view what) {
  return base::corruption("snapshot: " + std::string(what));
}

}  // namespace

std::vector<std::byte> encode_snapshot(const Snapshot& snapshot) {
  const bool has_side = snapshot.side.generation > 0;
  const std::vector<std::byte> side = has_side ? encode(snapshot.side) : std::vector<std::byte>();
  const std::size_t sections = has_side ? 3 : 2;
  const std::size_t broker_at = kSnapshotHeaderBytes + sections * kSnapshotSectionBytes;
  const std::size_t index_at = broker_at + align_record(snapshot.broker.size());
  const std::size_t side_at = index_at + align_record(snapshot.index.size());
  const std::size_t end = side_at + align_record(side.size());
  std::vector<std::byte> file;
  file.reserve(end);
  ByteWriter writer(file);
  writer.bytes(base::as_bytes(kMagic));
  writer.u32(kFormatVersion);
  writer.u32(snapshot.feature_level);
  writer.array(snapshot.log_id.bytes);
  writer.u64(snapshot.lsn.value());
  writer.u64(snapshot.durable.value());
  writer.u64(end);
  writer.u32(snapshot.clean ? kFlagClean : 0);
  writer.u32(static_cast<std::uint32_t>(sections));
  writer.u64(snapshot.segment_bytes);
  file.resize(kSnapshotHeaderBytes);
  const auto put_section = [&](std::uint32_t id, std::size_t at, ByteView bytes) {
    writer.u32(id);
    writer.u32(base::crc32c(bytes));
    writer.u64(at);
    writer.u64(bytes.size());
    writer.u64(0);
  };
  put_section(kBrokerSection, broker_at, snapshot.broker);
  put_section(kIndexSection, index_at, snapshot.index);
  if (has_side) put_section(kSideSection, side_at, side);
  writer.bytes(snapshot.broker);
  file.resize(index_at);
  writer.bytes(snapshot.index);
  file.resize(side_at);
  writer.bytes(side);
  file.resize(end);
  base::store(file.data() + kSnapshotCrcOffset, header_crc(file, sections));
  return file;
}

Result<Snapshot> decode_snapshot(ByteView file) {
  if (file.size() < kSnapshotHeaderBytes) return bad("too short");
  ByteReader in(file);
  if (base::as_text(in.bytes(kMagic.size())) != kMagic) return bad("wrong magic");
  const std::uint32_t version = in.u32();
  Snapshot snapshot;
  snapshot.feature_level = in.u32();
  snapshot.log_id.bytes = in.array<16>();
  snapshot.lsn = base::Lsn(in.u64());
  snapshot.durable = base::Lsn(in.u64());
  const std::uint64_t file_bytes = in.u64();
  snapshot.clean = (in.u32() & kFlagClean) != 0;
  const std::uint32_t sections = in.u32();
  snapshot.segment_bytes = in.u64();
  if (file_bytes != file.size()) return bad("wrong size");
  const bool counts = sections <= kSnapshotSectionsMax &&
                      kSnapshotHeaderBytes + sections * kSnapshotSectionBytes <= file.size();
  if (!counts) return bad("too many sections");
  if (header_crc(file, sections) != base::load<std::uint32_t>(file.data() + kSnapshotCrcOffset)) {
    return bad("wrong checksum of the header");
  }
  // Only now is it sure that these are no flipped bits.
  if (version != kFormatVersion || snapshot.feature_level > kFeatureLevelSupported) {
    return base::failed_precondition("snapshot: written by a newer version of Sluice");
  }
  ByteReader table(file.subspan(kSnapshotHeaderBytes, sections * kSnapshotSectionBytes));
  for (std::uint32_t i = 0; i < sections; ++i) {
    const std::uint32_t id = table.u32();
    const std::uint32_t crc = table.u32();
    const std::uint64_t at = table.u64();
    const std::uint64_t bytes = table.u64();
    table.u64();
    if (at > file.size() || bytes > file.size() - at) return bad("section outside the file");
    const ByteView section = file.subspan(at, bytes);
    if (base::crc32c(section) != crc) return bad("wrong checksum of a section");
    if (id == kBrokerSection) {
      snapshot.broker.assign(section.begin(), section.end());
    } else if (id == kIndexSection) {
      snapshot.index.assign(section.begin(), section.end());
    } else if (id == kSideSection) {
      const Result<SideRoot> side = decode_side_root(section);
      if (!side) return side.error().with_prefix("snapshot");
      snapshot.side = *side;
    } else if (id < kSkippableTypesBegin) {
      return base::failed_precondition("snapshot: section " + std::to_string(id) +
                                       " is of a newer version of Sluice");
    }
  }
  const bool sane = snapshot.segment_bytes > 0 && snapshot.durable >= snapshot.lsn;
  if (!sane) return bad("impossible positions");
  return snapshot;
}

}  // namespace sluice::storage
