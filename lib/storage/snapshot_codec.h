#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/log_format.h"
#include "storage/side_root.h"

namespace sluice::storage {

// A snapshot file's content: docs/log-format.md, "Snapshot".
struct Snapshot {
  std::uint32_t feature_level = kFeatureLevelFirst;
  base::Id128 log_id;
  std::uint64_t segment_bytes = 0;
  base::Lsn lsn;      // the state holds all before it and nothing from it on
  base::Lsn durable;  // at least lsn
  bool clean = false;
  std::vector<std::byte> broker;
  std::vector<std::byte> index;  // MessageIndex::encode()
  SideRoot side;                 // generation 0: the snapshot has none (log below level 2)
};

// Pure.
std::vector<std::byte> encode_snapshot(const Snapshot& snapshot);

// Corruption where any check fails; FailedPrecondition where a newer version wrote it.
base::Result<Snapshot> decode_snapshot(base::ByteView file);

}  // namespace sluice::storage
