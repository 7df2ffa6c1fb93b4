#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "broker/core.h"

// Single messages and error texts read back from the log, for peeking and for selectors.
namespace sluice::broker {

struct StoredMessage {
  base::WallTime accepted_at;
  // base/message.h layout; valid until the next read. Of a large message all attributes and the
  // beginning of the body, with base::kAttributeWholeBody.
  base::ByteView entry;
  std::uint64_t body_bytes = 0;  // of the whole body
  storage::EntrySlice slice;     // where it lies
  bool cut() const { return slice.large(); }
};
// nullopt = it cannot be read.
std::optional<StoredMessage> read_message(Core& core, const Stream& stream,
                                          base::Sequence sequence);

// True when the message has the header with that value.
bool has_header(Core& core, const Stream& stream, base::Sequence sequence,
                const std::pair<std::string, std::string>& header);

// True when the error texts can be read without waiting for a disk; else storage brings them in, as
// MessageStore::ready() does messages.
bool text_ready(Core& core, base::Lsn record);
bool texts_ready(Core& core, const DeadLetter& letter);

struct ErrorText {
  std::string error;
  std::string consumer;
};
// What the record of a failure or death says. Empty when it is no longer in the log.
ErrorText read_error(Core& core, base::Lsn record);

}  // namespace sluice::broker
