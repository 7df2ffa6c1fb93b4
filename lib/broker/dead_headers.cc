#include "broker/dead_headers.h"

#include <algorithm>
#include <utility>

#include "broker/message_reader.h"

namespace sluice::broker {

namespace {

using base::AttributeType;
using base::ByteReader;
using base::ByteView;
using base::ByteWriter;

std::size_t header_bytes(const std::pair<std::string, std::string>& header) {
  return base::kAttributeHeaderBytes + sizeof(std::uint16_t) + header.first.size() +
         header.second.size();
}

std::size_t header_bytes(const Headers& headers) {
  std::size_t bytes = 0;
  for (const auto& header : headers) bytes += header_bytes(header);
  return bytes;
}

bool is_replaced(ByteView value, const Headers& headers) {
  ByteReader in(value);
  const std::string_view name = in.text16();
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& header) { return header.first == name; });
}

bool is_kept(AttributeType type, ByteView value, KeptTimes times) {
  if (times.all) return true;
  if (type == AttributeType::kExpiresAt) return false;
  return type != AttributeType::kDeliverAt || base::WallTime(ByteReader(value).i64()) > times.after;
}

// The attributes as they are, without those that are dropped.
std::vector<std::byte> kept_attributes(ByteView attributes, const Headers& headers,
                                       KeptTimes times) {
  std::vector<std::byte> kept;
  ByteReader in(attributes);
  while (in.remaining() > 0) {
    const std::size_t at = attributes.size() - in.remaining();
    const auto type = static_cast<AttributeType>(in.u8());
    in.u8();
    const std::uint16_t length = in.u16();
    const ByteView value = in.bytes(length);
    if (!is_kept(type, value, times)) continue;
    if (type == AttributeType::kHeader && is_replaced(value, headers)) continue;
    const ByteView whole = attributes.subspan(at, base::kAttributeHeaderBytes + length);
    kept.insert(kept.end(), whole.begin(), whole.end());
  }
  return kept;
}

}  // namespace

Headers dead_headers(Core& core, const DeadLetter& letter, std::size_t error_bytes_max) {
  ErrorText death = read_error(core, letter.record);
  const std::string error =
      letter.text == letter.record ? std::move(death.error) : read_error(core, letter.text).error;
  Headers headers;
  headers.emplace_back("sluice-dead-reason", storage::to_string(letter.reason));
  headers.emplace_back("sluice-dead-attempts", std::to_string(letter.attempts));
  headers.emplace_back("sluice-dead-stalls", std::to_string(letter.stalls));
  headers.emplace_back("sluice-dead-first-ms", std::to_string(letter.first_failed.value()));
  headers.emplace_back("sluice-dead-at-ms", std::to_string(letter.died_at.value()));
  if (!error.empty()) {
    headers.emplace_back("sluice-dead-error", error.substr(0, error_bytes_max));
  }
  if (!death.consumer.empty()) headers.emplace_back("sluice-dead-consumer", death.consumer);
  return headers;
}

std::string dead_letters_name(const Queue& queue, base::SubscriptionId subscription) {
  const std::string& name = queue.settings(subscription).name;
  return queue.name() + (name == "default" ? "" : "/" + name) + "/dlq";
}

namespace {

// Of a large entry what its front shows. REQUIRES: it was summarized.
base::MessageView view_of_front(ByteView front) {
  ByteReader in(front);
  in.u32();
  const std::size_t attribute_bytes = in.u16();
  base::MessageView view;
  view.entry = front;
  view.priority = in.u8();
  in.u8();
  view.attributes = in.bytes(attribute_bytes);
  view.body = in.rest();
  return view;
}

// Of an entry with a body of so many bytes: all but the body.
void append_front(const base::MessageView& message, std::uint64_t body_bytes, Headers headers,
                  KeptTimes times, std::vector<std::byte>& out) {
  const std::vector<std::byte> kept = kept_attributes(message.attributes, headers, times);
  while (kept.size() + header_bytes(headers) > base::kAttributesBytesMax && !headers.empty()) {
    headers.erase(std::max_element(
        headers.begin(), headers.end(),
        [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); }));
  }
  const std::size_t attribute_bytes = kept.size() + header_bytes(headers);
  ByteWriter writer(out);
  writer.u32(static_cast<std::uint32_t>(base::kEntryHeaderBytes + attribute_bytes + body_bytes));
  writer.u16(static_cast<std::uint16_t>(attribute_bytes));
  writer.u8(message.priority);
  writer.u8(0);
  writer.bytes(kept);
  for (const auto& [name, value] : headers) {
    writer.u8(static_cast<std::uint8_t>(AttributeType::kHeader));
    writer.u8(0);
    writer.u16(static_cast<std::uint16_t>(sizeof(std::uint16_t) + name.size() + value.size()));
    writer.text16(name);
    writer.bytes(base::as_bytes(value));
  }
}

}  // namespace

void append_with_headers(const base::MessageView& message, Headers headers, KeptTimes times,
                         std::vector<std::byte>& out) {
  append_front(message, message.body.size(), std::move(headers), times, out);
  out.insert(out.end(), message.body.begin(), message.body.end());
}

std::optional<LargeFront> front_with_headers(Core& core, const storage::EntrySlice& slice,
                                             Headers headers, KeptTimes times) {
  const auto stored = core.messages.read_piece(slice, 0);
  if (!stored) return std::nullopt;
  const auto summary = base::summarize_large(*stored, slice.bytes);
  if (!summary) return std::nullopt;
  LargeFront front;
  front.replaced = static_cast<std::uint32_t>(slice.bytes - summary->body_bytes);
  append_front(view_of_front(*stored), summary->body_bytes, std::move(headers), times, front.bytes);
  front.entry_bytes = front.bytes.size() + summary->body_bytes;
  return front;
}

}  // namespace sluice::broker
