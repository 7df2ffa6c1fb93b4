#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "broker/broker.h"
#include "broker/state.h"

// The state as bytes: the `broker state` section of a snapshot file. u32 version, then sections of
// { u16 tag, u32 length, content } in a fixed order. Equal states give equal bytes: every list is
// sorted, derived values (what is ready, timers, counters since the start) are left out.
namespace sluice::broker {

inline constexpr std::uint32_t kWholeSnapshotVersion = 1;
inline constexpr std::uint32_t kSnapshotVersion = 2;  // beside the side index

std::vector<std::byte> encode_state(const State& state, SnapshotForm form);
// REQUIRES: an empty state, with an index that holds what it held at the snapshot; what it holds
// beside a whole one goes. Corruption for anything encode_state() cannot have written; the state
// is then of no use.
base::Status decode_state(base::ByteView data, State& state);

}  // namespace sluice::broker
