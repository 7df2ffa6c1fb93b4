#include "broker/text_index.h"

#include <cstddef>

#include "storage/varint.h"

namespace sluice::broker {

void TextIndex::add(base::Lsn record) {
  if (record == base::Lsn()) return;
  Recent& entry = recent(record);
  ++entry.messages;
  entry.changed = true;
}

void TextIndex::remove(base::Lsn record) {
  if (record == base::Lsn()) return;
  Recent& entry = recent(record);
  if (entry.messages > 0) --entry.messages;
  entry.changed = true;
  if (entry.messages == 0) write(entry);
}

bool TextIndex::any_in(base::Lsn begin, base::Lsn end) const {
  flush();
  const auto row = records_.at_or_after(begin.value());
  return row && row->a < end.value();
}

void TextIndex::flush() const {
  for (Recent& entry : recent_) write(entry);
}

TextIndex::Recent& TextIndex::recent(base::Lsn record) {
  for (Recent& entry : recent_) {
    if (entry.record == record) return entry;
  }
  Recent& entry = recent_[next_];
  next_ = (next_ + 1) % recent_.size();
  write(entry);
  entry = Recent{record, 0, false};
  if (const auto value = records_.find(record.value())) {
    base::ByteReader in(*value);
    entry.messages = storage::get_varint(in);
  }
  return entry;
}

void TextIndex::write(Recent& entry) const {
  if (!entry.changed) return;
  entry.changed = false;
  if (entry.messages == 0) {
    records_.erase(entry.record.value());
    return;
  }
  std::vector<std::byte> value;
  base::ByteWriter out(value);
  storage::put_varint(out, entry.messages);
  records_.put(entry.record.value(), value);
}

}  // namespace sluice::broker
