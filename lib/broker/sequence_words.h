#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "broker/sequence_runs.h"

// Sequences as words of 64, for lists in which few of them touch: every second one of many costs
// two bits, not a range each. docs/log-format.md, "Words", has the bytes. Equal sequences give
// equal bytes.
namespace sluice::broker {

// REQUIRES: ascending, disjoint.
void put_words(base::ByteWriter& out, const Ranges& ranges);

// Ascending, neighbours joined. nullopt for rows that put_words() cannot have written, and where
// there are more than `ranges_max` ranges.
std::optional<Ranges> get_words(base::ByteReader& in, std::size_t ranges_max);

}  // namespace sluice::broker
