#include "base/message.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace sluice::base {
namespace {

// The upper half of the header of an entry that has a body and nothing else.
constexpr std::uint32_t kBareHeader = std::uint32_t{kPriorityUnset} << 16;
constexpr std::uint8_t kAttributePassedOn = 128;

// What is wrong with one value; empty = nothing. Literals, so that a check costs no allocation.
using Problem = std::string_view;

Problem check_limit(AttributeType type, ByteView value) {
  switch (type) {
    case AttributeType::kKey:
      return value.size() > kKeyBytesMax ? "key is longer than 1024 bytes" : "";
    case AttributeType::kGroup:
      return value.size() > kGroupBytesMax ? "group is longer than 256 bytes" : "";
    case AttributeType::kDedupId:
      return value.size() > kDedupIdBytesMax ? "dedup id is longer than 256 bytes" : "";
    case AttributeType::kDeliverAt:
      if (value.size() != sizeof(std::int64_t)) return "deliver-at is not 8 bytes long";
      return load<std::int64_t>(value.data()) < 0 ? "deliver-at is negative" : "";
    case AttributeType::kExpiresAt:
      if (value.size() != sizeof(std::int64_t)) return "expires-at is not 8 bytes long";
      return load<std::int64_t>(value.data()) < 0 ? "expires-at is negative" : "";
    case AttributeType::kHeader: {
      if (value.size() < sizeof(std::uint16_t)) return "header ends before its name's length";
      const std::size_t name_bytes = load<std::uint16_t>(value.data());
      if (name_bytes == 0) return "header name is empty";
      if (name_bytes > kHeaderNameBytesMax) return "header name is longer than 256 bytes";
      return name_bytes > value.size() - sizeof(std::uint16_t) ? "header ends inside its name" : "";
    }
  }
  return "attribute type is unknown";
}

Problem given_twice(AttributeType type) {
  switch (type) {
    case AttributeType::kKey:
      return "key is given twice";
    case AttributeType::kGroup:
      return "group is given twice";
    case AttributeType::kDedupId:
      return "dedup id is given twice";
    case AttributeType::kDeliverAt:
      return "deliver-at is given twice";
    default:
      return "expires-at is given twice";
  }
}

// Calls fn(type, value) for every attribute that we know, after it was checked.
template <typename Fn>
Problem walk_attributes(ByteView attributes, Fn&& fn) {
  std::uint32_t seen = 0;
  while (!attributes.empty()) {
    if (attributes.size() < kAttributeHeaderBytes) return "attribute ends inside its header";
    const auto number = load<std::uint8_t>(attributes.data());
    const auto reserved = load<std::uint8_t>(attributes.data() + 1);
    const std::size_t length = load<std::uint16_t>(attributes.data() + 2);
    if (reserved != 0) return "attribute reserved byte is not 0";
    attributes = attributes.subspan(kAttributeHeaderBytes);
    if (length > attributes.size()) return "attribute is longer than the attribute section";
    const ByteView value = attributes.first(length);
    attributes = attributes.subspan(length);
    if (number >= kAttributePassedOn) continue;

    const auto type = static_cast<AttributeType>(number);
    const Problem problem = check_limit(type, value);
    if (!problem.empty()) return problem;
    if (type != AttributeType::kHeader) {
      if ((seen >> number & 1) != 0) return given_twice(type);
      seen |= 1U << number;
    }
    fn(type, value);
  }
  return {};
}

Problem check_priority(std::uint8_t priority) {
  const bool good = priority <= kPriorityMax || priority == kPriorityUnset;
  return good ? "" : "priority is above 31";
}

// Everything about an entry that is more than a body; its length was checked.
Problem check_rare(const std::byte* entry, EntryHeader header, BatchSummary& summary) {
  if (header.reserved != 0) return "reserved byte is not 0";
  if (header.attribute_bytes > kAttributesBytesMax) return "attribute_bytes is above 16384";
  if (header.attribute_bytes > header.entry_bytes - kEntryHeaderBytes) {
    return "attribute_bytes is more than the entry holds";
  }
  summary.has_attributes = true;
  const Problem problem = check_priority(header.priority);
  if (!problem.empty()) return problem;
  return walk_attributes({entry + kEntryHeaderBytes, header.attribute_bytes},
                         [&summary](AttributeType type, ByteView) {
                           summary.has_timing |= type == AttributeType::kDeliverAt ||
                                                 type == AttributeType::kExpiresAt;
                         });
}

Error bad_message(std::uint32_t index, Problem problem) {
  return invalid_argument("message " + std::to_string(index) +
                          " of the batch: " + std::string(problem));
}

class AttributeWriter {
 public:
  explicit AttributeWriter(std::vector<std::byte>& out) : writer_(out) {}

  void text(AttributeType type, std::string_view value) {
    if (value.empty()) return;
    begin(type, value.size());
    writer_.bytes(as_bytes(value));
  }
  void time(AttributeType type, WallTime value) {
    if (value.value() == 0) return;
    begin(type, sizeof(std::int64_t));
    writer_.i64(value.value());
  }
  void header(std::string_view name, std::string_view value) {
    begin(AttributeType::kHeader, sizeof(std::uint16_t) + name.size() + value.size());
    writer_.text16(name);
    writer_.bytes(as_bytes(value));
  }

 private:
  void begin(AttributeType type, std::size_t length) {
    writer_.u32(static_cast<std::uint32_t>(type) | static_cast<std::uint32_t>(length) << 16);
  }

  ByteWriter writer_;
};

// The size of the attribute section, or why there can be none.
Result<std::size_t> attribute_bytes(const Message& message) {
  std::size_t bytes = 0;
  const auto add = [&bytes](std::size_t length) { bytes += kAttributeHeaderBytes + length; };
  for (const auto& [type, text] : {std::pair{AttributeType::kKey, std::string_view(message.key)},
                                   {AttributeType::kGroup, std::string_view(message.group)},
                                   {AttributeType::kDedupId, std::string_view(message.dedup_id)}}) {
    const Problem problem = check_limit(type, as_bytes(text));
    if (!problem.empty()) return invalid_argument(std::string(problem));
    if (!text.empty()) add(text.size());
  }
  if (message.deliver_at.value() < 0) return invalid_argument("deliver-at is negative");
  if (message.expires_at.value() < 0) return invalid_argument("expires-at is negative");
  if (message.deliver_at.value() != 0) add(sizeof(std::int64_t));
  if (message.expires_at.value() != 0) add(sizeof(std::int64_t));
  for (const auto& [name, value] : message.headers) {
    if (name.empty()) return invalid_argument("header name is empty");
    if (name.size() > kHeaderNameBytesMax) {
      return invalid_argument("header name is longer than 256 bytes");
    }
    add(sizeof(std::uint16_t) + name.size() + value.size());
  }
  if (bytes > kAttributesBytesMax) {
    return invalid_argument("key, group, dedup id and headers take " + std::to_string(bytes) +
                            " bytes, 16384 at most");
  }
  return bytes;
}

}  // namespace

Status append_entry(const Message& message, std::vector<std::byte>& out) {
  ASSIGN_OR_RETURN(const std::size_t attributes, attribute_bytes(message));
  const Problem problem = check_priority(message.priority);
  if (!problem.empty()) return invalid_argument(std::string(problem));
  if (message.body.size() > kLargeBodyBytesMax) {
    return invalid_argument("body is " + std::to_string(message.body.size()) + " bytes, " +
                            std::to_string(kLargeBodyBytesMax) + " at most");
  }

  ByteWriter writer(out);
  writer.u64((kEntryHeaderBytes + attributes + message.body.size()) |
             std::uint64_t{attributes} << 32 | std::uint64_t{message.priority} << 48);
  AttributeWriter attribute(out);
  attribute.text(AttributeType::kKey, message.key);
  attribute.text(AttributeType::kGroup, message.group);
  attribute.text(AttributeType::kDedupId, message.dedup_id);
  attribute.time(AttributeType::kDeliverAt, message.deliver_at);
  attribute.time(AttributeType::kExpiresAt, message.expires_at);
  for (const auto& [name, value] : message.headers) attribute.header(name, value);
  writer.bytes(as_bytes(message.body));
  return {};
}

void append_entry(ByteView body, std::vector<std::byte>& out) {
  const std::size_t bytes = kEntryHeaderBytes + body.size();
  CHECK(bytes <= std::numeric_limits<std::uint32_t>::max());
  ByteWriter writer(out);
  writer.u64(std::uint64_t{kBareHeader} << 32 | bytes);
  writer.bytes(body);
}

Result<MessageAttributes> decode_attributes(ByteView attributes) {
  MessageAttributes decoded;
  const Problem problem =
      walk_attributes(attributes, [&decoded](AttributeType type, ByteView value) {
        switch (type) {
          case AttributeType::kKey:
            decoded.key = as_text(value);
            break;
          case AttributeType::kGroup:
            decoded.group = as_text(value);
            break;
          case AttributeType::kDedupId:
            decoded.dedup_id = as_text(value);
            break;
          case AttributeType::kDeliverAt:
            decoded.deliver_at = WallTime(load<std::int64_t>(value.data()));
            break;
          case AttributeType::kExpiresAt:
            decoded.expires_at = WallTime(load<std::int64_t>(value.data()));
            break;
          case AttributeType::kHeader: {
            ByteReader reader(value);
            const std::string_view name = reader.text16();
            decoded.headers.emplace_back(name, as_text(reader.rest()));
            break;
          }
        }
      });
  if (!problem.empty()) return invalid_argument(std::string(problem));
  return decoded;
}

Message to_message(const MessageView& view) {
  const Result<MessageAttributes> attributes = decode_attributes(view.attributes);
  CHECK(attributes.has_value());
  Message message;
  message.body = as_text(view.body);
  message.key = attributes->key;
  message.group = attributes->group;
  message.dedup_id = attributes->dedup_id;
  message.priority = view.priority;
  message.deliver_at = attributes->deliver_at;
  message.expires_at = attributes->expires_at;
  message.headers.assign(attributes->headers.begin(), attributes->headers.end());
  return message;
}

Result<BatchSummary> summarize_batch(ByteView entries) {
  if (entries.empty()) return invalid_argument("the batch is empty");
  if (entries.size() > kBatchEntriesBytesMax) {
    return invalid_argument("the batch has " + std::to_string(entries.size()) + " bytes, " +
                            std::to_string(kBatchEntriesBytesMax) + " at most");
  }
  BatchSummary summary;
  const std::byte* at = entries.data();
  std::size_t left = entries.size();
  std::uint64_t attribute_bytes = 0;
  while (left > 0) {
    if (left < kEntryHeaderBytes) return bad_message(summary.count, "ends inside its header");
    const auto word = load<std::uint64_t>(at);
    const auto entry_bytes = static_cast<std::uint32_t>(word);
    if (entry_bytes < kEntryHeaderBytes) {
      return bad_message(summary.count, "entry_bytes is less than its header");
    }
    if (entry_bytes > left) {
      return bad_message(summary.count, "entry_bytes is more than the batch holds");
    }
    auto body_bytes = entry_bytes - static_cast<std::uint32_t>(kEntryHeaderBytes);
    if (word >> 32 != kBareHeader) {
      const EntryHeader header(word);
      const Problem problem = check_rare(at, header, summary);
      if (!problem.empty()) return bad_message(summary.count, problem);
      attribute_bytes += header.attribute_bytes;
      body_bytes -= header.attribute_bytes;
    }
    summary.largest_body = std::max(summary.largest_body, body_bytes);
    ++summary.count;
    at += entry_bytes;
    left -= entry_bytes;
  }
  static_assert(kBatchEntriesBytesMax / kEntryHeaderBytes <= kBatchMessagesMax,
                "a batch that fits its bytes fits its count");
  summary.body_bytes = entries.size() - summary.count * kEntryHeaderBytes - attribute_bytes;
  return summary;
}

bool is_batch_of_one(ByteView entry) {
  if (entry.size() < kEntryHeaderBytes || entry.size() > kBatchEntriesBytesMax) return false;
  const auto word = load<std::uint64_t>(entry.data());
  if (static_cast<std::uint32_t>(word) != entry.size()) return false;
  if (word >> 32 == kBareHeader) return true;
  BatchSummary summary;
  return check_rare(entry.data(), EntryHeader(word), summary).empty();
}

Result<BatchSummary> summarize_large(ByteView front, std::uint64_t entry_bytes) {
  if (front.size() < kEntryHeaderBytes) return invalid_argument("the message has no header");
  const EntryHeader header(load<std::uint64_t>(front.data()));
  if (header.entry_bytes != entry_bytes || front.size() > entry_bytes ||
      entry_bytes > kLargeEntryBytesMax) {
    return bad_message(0, "entry_bytes is not what the message has");
  }
  const std::size_t before_body = kEntryHeaderBytes + header.attribute_bytes;
  if (front.size() < before_body) return bad_message(0, "the first piece lacks attributes");
  BatchSummary summary;
  const bool bare = load<std::uint64_t>(front.data()) >> 32 == kBareHeader;
  if (const Problem problem = bare ? Problem() : check_rare(front.data(), header, summary);
      !problem.empty()) {
    return bad_message(0, problem);
  }
  summary.count = 1;
  summary.body_bytes = entry_bytes - before_body;
  summary.largest_body = static_cast<std::uint32_t>(summary.body_bytes);
  return summary;
}

void append_cut_entry(ByteView front, std::size_t body_bytes_max, bool tell,
                      std::vector<std::byte>& out) {
  const EntryHeader header(load<std::uint64_t>(front.data()));
  const ByteView attributes = front.subspan(kEntryHeaderBytes, header.attribute_bytes);
  const ByteView rest = front.subspan(kEntryHeaderBytes + attributes.size());
  const ByteView body = rest.first(std::min(rest.size(), body_bytes_max));
  const std::size_t told = kAttributeHeaderBytes + sizeof(std::uint64_t);
  tell = tell && attributes.size() + told <= kAttributesBytesMax;
  const std::size_t attribute_bytes = attributes.size() + (tell ? told : 0);

  ByteWriter writer(out);
  writer.u64((kEntryHeaderBytes + attribute_bytes + body.size()) |
             std::uint64_t{attribute_bytes} << 32 | std::uint64_t{header.priority} << 48);
  writer.bytes(attributes);
  if (tell) {
    writer.u32(kAttributeWholeBody | static_cast<std::uint32_t>(sizeof(std::uint64_t)) << 16);
    writer.u64(header.entry_bytes - kEntryHeaderBytes - attributes.size());
  }
  writer.bytes(body);
}

std::optional<std::uint64_t> whole_body_bytes(ByteView attributes) {
  std::optional<std::uint64_t> whole;
  while (attributes.size() >= kAttributeHeaderBytes) {
    const auto number = load<std::uint8_t>(attributes.data());
    const std::size_t length = load<std::uint16_t>(attributes.data() + 2);
    attributes = attributes.subspan(kAttributeHeaderBytes);
    if (length > attributes.size()) break;
    // The last one counts: the broker's stands behind the message's own.
    if (number == kAttributeWholeBody && length == sizeof(std::uint64_t)) {
      whole = load<std::uint64_t>(attributes.data());
    }
    attributes = attributes.subspan(length);
  }
  return whole;
}

}  // namespace sluice::base
