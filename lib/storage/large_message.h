#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ids.h"

// Where the pieces of a large message lie (docs/log-format.md, "Large messages"). Piece 0 is in the
// messages record, the others in the chunk records that stand before it without a gap: so one
// position tells them all. Pure.
namespace sluice::storage {

std::size_t piece_count(std::uint64_t entry_bytes);
// REQUIRES: piece < piece_count(entry_bytes).
std::size_t piece_bytes(std::uint64_t entry_bytes, std::size_t piece);

// The chunk record of piece 1, 2, ... `chunks` is that of piece 1.
base::Lsn piece_lsn(base::Lsn chunks, std::size_t piece, std::uint64_t entry_bytes,
                    std::uint64_t segment_bytes);

}  // namespace sluice::storage
