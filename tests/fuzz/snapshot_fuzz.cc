#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "storage/message_index.h"
#include "storage/snapshot_codec.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

namespace storage = sluice::storage;
using sluice::base::ByteView;

constexpr std::uint64_t kSegmentBytes = 1U << 20;

// What an index is read from may be written in several ways; it writes in one.
void check_index(ByteView bytes, std::uint64_t segment_bytes) {
  const auto index = storage::MessageIndex::decode(bytes, segment_bytes);
  if (!index.has_value()) return;
  std::vector<std::byte> once;
  index->encode(once);
  const auto again = storage::MessageIndex::decode(once, segment_bytes);
  CHECK(again.has_value());
  std::vector<std::byte> twice;
  again->encode(twice);
  CHECK(once == twice);
  for (const std::uint64_t segment : index->segments()) {
    for (const auto& range : index->ranges(segment)) {
      CHECK(range.range.first <= range.range.last);
      static_cast<void>(index->find(range.stream, range.range.first));
    }
  }
}

// One that a broker could have written around these sections.
void check_sections(const std::uint8_t* data, std::size_t size) {
  sluice::fuzz::Input input(data, size);
  storage::Snapshot snapshot;
  snapshot.feature_level = storage::kFeatureLevelSupported;
  snapshot.segment_bytes = kSegmentBytes;
  snapshot.lsn = sluice::base::Lsn(input.u32());
  snapshot.durable = snapshot.lsn + input.u8();
  snapshot.clean = input.u8() % 2 == 0;
  snapshot.side.generation = 1 + input.u8();
  snapshot.side.page = input.u8();
  const ByteView broker = input.take(input.below(64));
  snapshot.broker.assign(broker.begin(), broker.end());
  const ByteView index = input.rest();
  snapshot.index.assign(index.begin(), index.end());
  std::vector<std::byte> file = storage::encode_snapshot(snapshot);
  const auto read = storage::decode_snapshot(file);
  CHECK(read.has_value());
  CHECK(read->lsn == snapshot.lsn && read->durable == snapshot.durable);
  CHECK(read->broker == snapshot.broker && read->index == snapshot.index);
  CHECK(read->side == snapshot.side && read->clean == snapshot.clean);
  // Any one bit that is another is found.
  const std::size_t at = (size * 977 + snapshot.lsn.value()) % file.size();
  file[at] ^= std::byte{1};
  const auto flipped = storage::decode_snapshot(file);
  CHECK(!flipped.has_value() ||
        storage::encode_snapshot(*flipped) == storage::encode_snapshot(*read));
}

}  // namespace

// A snapshot file is refused, or all of it can be used; what was written is what is read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView file(reinterpret_cast<const std::byte*>(data), size);
  const auto snapshot = storage::decode_snapshot(file);
  if (snapshot.has_value()) {
    CHECK(snapshot->lsn <= snapshot->durable);
    check_index(snapshot->index, snapshot->segment_bytes);
    const auto again = storage::decode_snapshot(storage::encode_snapshot(*snapshot));
    CHECK(again.has_value() && again->index == snapshot->index);
  }
  check_index(file, kSegmentBytes);
  check_sections(data, size);
  return 0;
}
