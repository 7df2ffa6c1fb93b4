#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/result.h"
#include "base/time.h"

// The layout of one message inside a batch: the same bytes on the wire, in the log and on the wire
// again, so that nothing between a producer and a consumer encodes them anew. docs/protocol.md,
// "Message entry", holds the byte table.
//
//   u32 entry_bytes      whole entry, this field included
//   u16 attribute_bytes  bytes of the attribute section
//   u8  priority         0..31; 0xFF = unset
//   u8  reserved         0
//   attributes           attribute_bytes: { u8 type, u8 reserved 0, u16 length, value }*
//   body                 the rest
namespace sluice::base {

inline constexpr std::size_t kEntryHeaderBytes = 8;
inline constexpr std::size_t kAttributeHeaderBytes = 4;
inline constexpr std::uint8_t kPriorityUnset = 0xFF;
inline constexpr std::uint8_t kPriorityMax = 31;
// A batch's entries must fit one log record (docs/log-format.md); longer bodies travel as chunks.
inline constexpr std::size_t kBatchEntriesBytesMax = 255 * 1024;
// Of a message that travels and lies in pieces: body, attributes and header.
inline constexpr std::size_t kLargeBodyBytesMax = 16U << 20;
inline constexpr std::size_t kLargeEntryBytesMax = kLargeBodyBytesMax + 16 * 1024 + 8;
inline constexpr std::uint32_t kBatchMessagesMax = 65'535;
inline constexpr std::size_t kKeyBytesMax = 1024;
inline constexpr std::size_t kGroupBytesMax = 256;
inline constexpr std::size_t kDedupIdBytesMax = 256;
inline constexpr std::size_t kHeaderNameBytesMax = 256;
inline constexpr std::size_t kAttributesBytesMax = 16 * 1024;

// Types at or above 128 are passed on unread; below, an unknown one refuses the batch.
enum class AttributeType : std::uint8_t {
  kKey = 1,        // bytes
  kGroup = 2,      // bytes
  kDedupId = 3,    // bytes
  kDeliverAt = 4,  // i64 wall ms
  kExpiresAt = 5,  // i64 wall ms
  kHeader = 6,     // u16 name length, name, value; may repeat
};
// Added by the broker to an entry that it shows cut: u64 bytes of the whole body.
inline constexpr std::uint8_t kAttributeWholeBody = 130;

// A message as applications see it; owns its bytes.
struct Message {
  std::string body;
  std::string key;
  std::string group;
  std::string dedup_id;
  std::uint8_t priority = kPriorityUnset;
  WallTime deliver_at;  // 0 = at once
  WallTime expires_at;  // 0 = never
  std::vector<std::pair<std::string, std::string>> headers;
};

// The first 8 bytes of an entry.
struct EntryHeader {
  explicit EntryHeader(std::uint64_t word)
      : entry_bytes(static_cast<std::uint32_t>(word)),
        attribute_bytes(static_cast<std::uint16_t>(word >> 32)),
        priority(static_cast<std::uint8_t>(word >> 48)),
        reserved(static_cast<std::uint8_t>(word >> 56)) {}

  std::uint32_t entry_bytes;
  std::uint16_t attribute_bytes;
  std::uint8_t priority;
  std::uint8_t reserved;
};

// One entry, borrowed from a batch. Valid as long as the batch's bytes.
struct MessageView {
  ByteView entry;  // the whole entry
  ByteView attributes;
  ByteView body;
  std::uint8_t priority = kPriorityUnset;
};

// The attributes that a broker acts on, in one pass. Absent ones are empty or 0.
struct MessageAttributes {
  std::string_view key;
  std::string_view group;
  std::string_view dedup_id;
  WallTime deliver_at;
  WallTime expires_at;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

// Appends the entry of `message` to `out`. Fails with InvalidArgument, and leaves `out` as it was,
// where a field is over its limit.
Status append_entry(const Message& message, std::vector<std::byte>& out);
// Fast path for a bare body. REQUIRES: body.size() + kEntryHeaderBytes fits u32.
void append_entry(ByteView body, std::vector<std::byte>& out);

// Splits the first entry off `entries`. REQUIRES: the batch was validated. Advances `entries`.
// Inline, so that the views stay in registers: it is called for each message of everything.
inline MessageView take_entry(ByteView& entries) {
  DCHECK(entries.size() >= kEntryHeaderBytes);
  const EntryHeader header(load<std::uint64_t>(entries.data()));
  MessageView view;
  view.entry = entries.first(header.entry_bytes);
  view.attributes = view.entry.subspan(kEntryHeaderBytes, header.attribute_bytes);
  view.body = view.entry.subspan(kEntryHeaderBytes + header.attribute_bytes);
  view.priority = header.priority;
  entries = entries.subspan(header.entry_bytes);
  return view;
}

Result<MessageAttributes> decode_attributes(ByteView attributes);
// An owning copy for applications. REQUIRES: validated.
Message to_message(const MessageView& view);

// What a broker has to know of a whole batch before it accepts it.
struct BatchSummary {
  std::uint32_t count = 0;
  std::uint64_t body_bytes = 0;  // without attributes and entry headers
  std::uint32_t largest_body = 0;
  bool has_attributes = false;  // any entry with attributes or a priority
  bool has_timing = false;      // any deliver-at or expires-at
};

// Walks a batch that came from a peer: every length is checked before it is used, every attribute
// is well formed and within its limit, and the entries fill `entries` exactly.
Result<BatchSummary> summarize_batch(ByteView entries);

// True when summarize_batch() takes `entry` as a batch of one.
bool is_batch_of_one(ByteView entry);

// What summarize_batch() says, of one large entry of `entry_bytes`, of which the front is here; it
// must hold the header and all attributes.
Result<BatchSummary> summarize_large(ByteView front, std::uint64_t entry_bytes);
// Appends a well-formed entry with the attributes and at most the first `body_bytes_max` bytes of
// the body. `tell`: with kAttributeWholeBody, where there is room for it. REQUIRES:
// summarize_large() took `front`.
void append_cut_entry(ByteView front, std::size_t body_bytes_max, bool tell,
                      std::vector<std::byte>& out);
// The whole body's bytes, of an entry that was cut; nullopt = it is whole.
std::optional<std::uint64_t> whole_body_bytes(ByteView attributes);

}  // namespace sluice::base
