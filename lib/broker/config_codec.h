#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "broker/queue.h"

// A queue's configuration as QueueConfiguredFact.config and snapshots hold it: fields of { u16 tag,
// u32 length, value }. Equal configurations give equal bytes. A new field gets a new tag and a
// feature level (docs/log-format.md, "Versions"); tags are never reused.
namespace sluice::broker {

std::vector<std::byte> encode_config(const StoredConfig& stored);
// Corruption for anything encode_config() cannot have written.
base::Result<StoredConfig> decode_config(base::ByteView data);

}  // namespace sluice::broker
