#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "broker/broker.h"
#include "broker/stream.h"

// A stream and its subscriptions inside a snapshot (snapshot_codec.h).
namespace sluice::broker {

void put_stream(const Stream& stream, SnapshotForm form, std::vector<std::byte>& out);
// REQUIRES: a new stream with the subscriptions of the queue's configuration. False = malformed.
bool get_stream(base::ByteReader& in, SnapshotForm form, Stream& stream);

}  // namespace sluice::broker
