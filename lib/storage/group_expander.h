#pragma once

#include "base/ids.h"
#include "storage/message_index.h"
#include "storage/segment_log.h"

namespace sluice::storage {

// Finds all batches of a closed group: back from its last record through
// MessagesFact::previous; where damage breaks that chain, by walking the segment from `scan_from`
// on. Batches whose header is damaged are left out. REQUIRES: `scan_from` is a record's begin or
// the data_begin() of the group's segment, at or below every record of the group. Loop thread.
MessageIndex::Expanded expand_group(SegmentLog& log, const StreamId& stream,
                                    const MessageIndex::Group& group, base::Lsn scan_from);

// What the index keeps of a messages record. REQUIRES: header verified.
BatchLocation batch_location(const MessagesFact& fact, base::Lsn lsn, std::size_t payload_bytes);

}  // namespace sluice::storage
