#include "broker/message_reader.h"

#include <algorithm>

#include "base/message.h"

namespace sluice::broker {

namespace {

// Of a large message's body, for people to look at.
constexpr std::size_t kCutBodyBytes = 16 * 1024;

}  // namespace

std::optional<StoredMessage> read_message(Core& core, const Stream& stream,
                                          base::Sequence sequence) {
  const auto batch = core.messages.locate(stream.id(), sequence);
  if (!batch || !batch->has_value()) return std::nullopt;
  const storage::BatchLocation& location = **batch;
  if (sequence < location.first || location.last() < sequence) return std::nullopt;
  const auto slice = core.messages.slice(location, sequence, sequence, location.entries_bytes);
  if (!slice || slice->damaged) return std::nullopt;
  if (slice->large()) {
    const auto front = core.messages.read_piece(*slice, 0);
    if (!front) return std::nullopt;
    const auto summary = base::summarize_large(*front, slice->bytes);
    if (!summary) return std::nullopt;
    core.cut_entry.clear();
    base::append_cut_entry(*front, kCutBodyBytes, true, core.cut_entry);
    return StoredMessage{location.accepted_at, core.cut_entry, summary->body_bytes, *slice};
  }
  const auto bytes = core.messages.read(*slice);
  if (!bytes) return std::nullopt;
  base::ByteView entries = *bytes;
  const std::uint64_t body_bytes = base::take_entry(entries).body.size();
  return StoredMessage{location.accepted_at, *bytes, body_bytes, *slice};
}

bool has_header(Core& core, const Stream& stream, base::Sequence sequence,
                const std::pair<std::string, std::string>& header) {
  const auto message = read_message(core, stream, sequence);
  if (!message) return false;
  base::ByteView entries = message->entry;
  const base::MessageView view = base::take_entry(entries);
  const auto attributes = base::decode_attributes(view.attributes);
  if (!attributes) return false;
  return std::any_of(attributes->headers.begin(), attributes->headers.end(), [&](const auto& has) {
    return has.first == header.first && has.second == header.second;
  });
}

bool text_ready(Core& core, base::Lsn record) { return core.messages.record_ready(record); }

bool texts_ready(Core& core, const DeadLetter& letter) {
  // Both are asked for at once.
  const bool death = text_ready(core, letter.record);
  const bool text = letter.text == letter.record || text_ready(core, letter.text);
  return death && text;
}

ErrorText read_error(Core& core, base::Lsn record) {
  if (record == base::Lsn()) return {};
  std::vector<std::byte> buffer;
  const auto view = core.log.read(record, buffer);
  if (!view) return {};
  if (view->type == storage::RecordType::kDead) {
    auto fact = storage::decode_dead(view->payload);
    if (fact) return {std::move(fact->error), std::move(fact->consumer)};
  }
  if (view->type == storage::RecordType::kFailed) {
    auto fact = storage::decode_failed(view->payload);
    if (fact) return {std::move(fact->error), std::move(fact->consumer)};
  }
  if (view->type == storage::RecordType::kStalled) {
    auto fact = storage::decode_stalled(view->payload);
    if (fact) return {"", std::move(fact->consumer)};
  }
  return {};
}

}  // namespace sluice::broker
