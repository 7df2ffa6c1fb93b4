#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "storage/message_index.h"
#include "storage/snapshot_codec.h"

// A snapshot file that passes its checks has an index that can be asked, or is refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::base::ByteView file(reinterpret_cast<const std::byte*>(data), size);
  const auto snapshot = sluice::storage::decode_snapshot(file);
  if (snapshot.has_value()) {
    CHECK(snapshot->lsn <= snapshot->durable);
    static_cast<void>(
        sluice::storage::MessageIndex::decode(snapshot->index, snapshot->segment_bytes));
  }
  // Its checksums keep most inputs from getting far; the index is looked at for itself too.
  static_cast<void>(sluice::storage::MessageIndex::decode(file, 1U << 20));
  return 0;
}
