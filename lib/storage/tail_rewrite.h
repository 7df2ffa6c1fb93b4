#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/file_system.h"

namespace sluice::storage {

// Replaces a segment's file by a new one that holds its first `bytes`, then `record` and nothing
// else, synced before it takes the name. For a segment whose end the page cache may have and the
// disk may not, or behind whose end old records would still verify. Blocks that cannot be read
// become zeros. Crash-safe: either file stands under the name at any time. `into`: the path of a
// file of the pool or the reserve that becomes the new one, for a full disk; its other bytes are no
// records.
base::Result<std::shared_ptr<runtime::File>> rewrite_segment(
    runtime::FileSystem& fs, const std::string& folder, std::uint64_t number,
    const runtime::File& old, std::uint64_t bytes, base::ByteView record,
    const std::optional<std::string>& into);

}  // namespace sluice::storage
