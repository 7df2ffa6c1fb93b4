#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/message.h"
#include "storage/fact_codec.h"
#include "storage/log.h"
#include "storage/log_format.h"
#include "storage/message_store.h"

namespace sluice::broker {

// A log in memory: keeps every record, is durable when told, can be read again and cut.
class FakeLog final : public storage::Log {
 public:
  struct Record {
    storage::Appended at;
    storage::RecordType type = storage::RecordType::kPadding;
    std::vector<std::byte> payload;
    bool needs_sync = false;
    std::optional<std::uint32_t> rotten;  // a message by its number in the batch

    storage::RecordView view() const {
      storage::RecordView view{at.begin, at.end, type, payload, rotten.has_value(), {}};
      if (!rotten) return view;
      base::ByteView entries = storage::decode_messages(payload)->entries;
      for (std::uint32_t i = 0; !entries.empty(); ++i) {
        const base::ByteView from = entries;
        base::take_entry(entries);
        const base::ByteView entry = from.first(from.size() - entries.size());
        if (i != *rotten) view.readable.push_back({i, 1, entry});
      }
      return view;
    }
  };

  storage::Appended append(storage::RecordType type, base::ByteView head, base::ByteView tail,
                           bool needs_sync) override {
    Record record;
    record.type = type;
    record.payload.assign(head.begin(), head.end());
    record.payload.insert(record.payload.end(), tail.begin(), tail.end());
    CHECK(record.payload.size() <= storage::kRecordBytesMax);
    record.needs_sync = needs_sync;
    record.at.begin = positions_.appended;
    record.at.end = record.at.begin + (32 + record.payload.size());
    positions_.appended = record.at.end;
    records_.push_back(std::move(record));
    return records_.back().at;
  }

  storage::LogPositions positions() const override { return positions_; }

  std::uint32_t feature_level() const override { return level_; }
  void set_feature_level(std::uint32_t level) { level_ = level; }

  base::Result<storage::RecordView> read(base::Lsn begin, std::vector<std::byte>&) override {
    if (is_cold(begin)) ++cold_reads;
    const Record* record = find(begin);
    if (record == nullptr) return base::not_found("no record there");
    return record->view();
  }

  std::uint64_t unwritten_bytes() const override {
    return positions_.appended - positions_.written;
  }

  void sync() { positions_.written = positions_.durable = positions_.appended; }

  // Forgets everything from record number `count` on.
  void cut(std::size_t count) {
    while (records_.size() > count) {
      positions_.appended = records_.back().at.begin;
      records_.pop_back();
    }
    positions_.written = std::min(positions_.written, positions_.appended);
    positions_.durable = std::min(positions_.durable, positions_.appended);
  }
  // One message of a batch lies in a bad block.
  void rot(std::size_t index, std::uint32_t message) { records_.at(index).rotten = message; }
  // A damaged record: nobody can read it any more.
  void damage(std::size_t index) { records_.erase(records_.begin() + std::ptrdiff_t(index)); }

  // What lies before that is still to be brought in, and how often it was read all the same.
  base::Lsn cold_below;
  std::uint64_t cold_reads = 0;
  bool is_cold(base::Lsn record) const { return record != base::Lsn() && record < cold_below; }

  const std::vector<Record>& records() const { return records_; }
  std::size_t count(storage::RecordType type) const {
    return static_cast<std::size_t>(
        std::count_if(records_.begin(), records_.end(),
                      [&](const Record& record) { return record.type == type; }));
  }

  const Record* find(base::Lsn begin) const {
    const auto at =
        std::lower_bound(records_.begin(), records_.end(), begin,
                         [](const Record& record, base::Lsn lsn) { return record.at.begin < lsn; });
    return at != records_.end() && at->at.begin == begin ? &*at : nullptr;
  }

 private:
  std::uint32_t level_ = storage::kFeatureLevelSupported;
  std::vector<Record> records_;
  storage::LogPositions positions_{base::Lsn(4096), base::Lsn(4096), base::Lsn(4096)};
};

// Messages by sequence over a FakeLog; single messages can be declared damaged.
class FakeMessages final : public storage::MessageStore {
 public:
  explicit FakeMessages(FakeLog& log) : log_(log) {}

  storage::Appended append(storage::MessagesFact fact, base::ByteView entries,
                           bool needs_sync) override {
    std::byte head[storage::kMessagesHeadBytes];
    storage::encode(fact, head);
    const auto at = log_.append(storage::RecordType::kMessages, head, entries, needs_sync);
    index(fact, at.begin, entries.size());
    return at;
  }

  storage::Appended append_large(storage::MessagesFact fact, base::ByteView entry,
                                 bool needs_sync) override {
    fact.flags |= storage::kMessagesLarge;
    fact.entry_bytes = entry.size();
    std::byte chunk_head[storage::kChunkHeadBytes];
    for (std::size_t at = storage::kLargePieceBytes; at < entry.size();
         at += storage::kLargePieceBytes) {
      storage::encode(storage::MessageChunkFact{fact.stream, fact.first, entry.size(), at},
                      chunk_head);
      const auto piece = entry.subspan(at, std::min(storage::kLargePieceBytes, entry.size() - at));
      const auto begin =
          log_.append(storage::RecordType::kMessageChunk, chunk_head, piece, false).begin;
      if (fact.chunks == base::Lsn()) fact.chunks = begin;
    }
    std::byte head[storage::kLargeHeadBytes];
    storage::encode_large(fact, head);
    const auto at = log_.append(storage::RecordType::kMessages, head,
                                entry.first(storage::kLargePieceBytes), needs_sync);
    index(fact, at.begin, entry.size());
    return at;
  }

  // Reads the index back from the log's records.
  void recover() {
    streams_.clear();
    for (const FakeLog::Record& record : log_.records()) {
      if (record.type != storage::RecordType::kMessages) continue;
      const auto decoded = storage::decode_messages(record.payload);
      CHECK(decoded.has_value());
      index(decoded->fact, record.at.begin, decoded->entries.size());
    }
  }

  base::Result<std::optional<storage::BatchLocation>> locate(const storage::StreamId& stream,
                                                             base::Sequence sequence) override {
    ++locates;
    const std::vector<storage::BatchLocation>& batches = streams_[stream];
    const auto at = std::lower_bound(
        batches.begin(), batches.end(), sequence,
        [](const storage::BatchLocation& b, base::Sequence s) { return b.last() < s; });
    if (at == batches.end()) return std::optional<storage::BatchLocation>();
    return std::optional<storage::BatchLocation>(*at);
  }

  base::Result<storage::EntrySlice> slice(const storage::BatchLocation& batch, base::Sequence first,
                                          base::Sequence last, std::uint32_t bytes_max) override {
    CHECK(batch.first <= first && first <= last && last <= batch.last());
    if (batch.lsn.value() / kElsewhere != moves_) return base::not_found("no such file");
    storage::EntrySlice slice;
    if (batch.large()) {
      slice.bytes = batch.entries_bytes;
      slice.first = first;
      slice.count = 1;
      slice.lsn = batch.lsn;
      slice.chunks = batch.chunks;
      slice.damaged = damaged.contains(first);
      return slice;
    }
    slice.lsn = batch.lsn;
    slice.first = first;
    slice.damaged = damaged.contains(first);
    base::ByteView entries = entries_of(batch.lsn);
    for (base::Sequence at = batch.first; at <= last; ++at) {
      const std::size_t bytes = base::take_entry(entries).entry.size();
      if (at < first) {
        slice.offset += static_cast<std::uint32_t>(bytes);
        continue;
      }
      if (at != first &&
          (slice.bytes + bytes > bytes_max || damaged.contains(at) != slice.damaged)) {
        break;
      }
      slice.bytes += static_cast<std::uint32_t>(bytes);
      slice.count += 1;
    }
    return slice;
  }

  base::Result<base::ByteView> read_piece(const storage::EntrySlice& slice,
                                          std::uint64_t offset) override {
    const std::size_t piece = offset / storage::kLargePieceBytes;
    const bool is_lost = piece > 0 && damaged_pieces.contains(slice.first);
    if (slice.damaged || is_lost) return base::corruption("damaged");
    const FakeLog::Record* record = log_.find(in_log(slice.lsn));
    std::size_t head = storage::kLargeHeadBytes;
    if (piece > 0) {
      record = log_.find(slice.chunks);
      CHECK(record != nullptr);
      record += piece - 1;
      head = storage::kChunkHeadBytes;
    }
    return base::ByteView(record->payload).subspan(head + offset % storage::kLargePieceBytes);
  }

  base::Result<base::ByteView> read(const storage::EntrySlice& slice) override {
    CHECK(!slice.large());
    if (slice.damaged) return base::corruption("damaged");
    return entries_of(slice.lsn).subspan(slice.offset, slice.bytes);
  }

  bool ready(const storage::StreamId&, base::Sequence sequence) override {
    return !cold.contains(sequence);
  }
  bool record_ready(base::Lsn record) override { return !log_.is_cold(record); }
  bool piece_ready(const storage::EntrySlice& slice, std::uint64_t offset) override {
    return offset < storage::kLargePieceBytes || !cold_pieces.contains(slice.first);
  }

  std::uint64_t moves() const override { return moves_; }
  // All batches lie elsewhere from now on, and nothing is left of where they were.
  void move_all() {
    ++moves_;
    for (auto& [stream, batches] : streams_) {
      for (storage::BatchLocation& batch : batches) batch.lsn = batch.lsn + kElsewhere;
    }
  }

  bool in_memory(const storage::EntrySlice&) const override { return !in_files; }

  bool in_files = false;
  std::set<base::Sequence> damaged;
  std::set<base::Sequence> damaged_pieces;  // of large ones behind their fronts: slice() is silent
  std::set<base::Sequence> cold;            // still to be brought in
  std::set<base::Sequence> cold_pieces;     // the same of large ones, behind their fronts
  std::uint64_t locates = 0;

 private:
  void index(const storage::MessagesFact& fact, base::Lsn lsn, std::size_t bytes) {
    storage::BatchLocation batch;
    batch.lsn = lsn + moves_ * kElsewhere;
    batch.first = fact.first;
    batch.count = fact.count;
    batch.entries_offset = storage::kMessagesHeadBytes;
    batch.entries_bytes = static_cast<std::uint32_t>(bytes);
    batch.body_bytes = fact.body_bytes;
    batch.accepted_at = fact.accepted_at;
    batch.flags = fact.flags;
    if ((fact.flags & storage::kMessagesLarge) != 0) {
      batch.chunks = fact.chunks;
      batch.entries_bytes = static_cast<std::uint32_t>(fact.entry_bytes);
    }
    streams_[fact.stream].push_back(batch);
  }
  base::ByteView entries_of(base::Lsn lsn) const {
    const FakeLog::Record* record = log_.find(in_log(lsn));
    CHECK(record != nullptr);
    return base::ByteView(record->payload).subspan(storage::kMessagesHeadBytes);
  }
  static base::Lsn in_log(base::Lsn lsn) { return base::Lsn(lsn.value() % kElsewhere); }

  static constexpr std::uint64_t kElsewhere = 1ULL << 48;  // how far one move takes a batch

  FakeLog& log_;
  std::uint64_t moves_ = 0;
  std::map<storage::StreamId, std::vector<storage::BatchLocation>> streams_;
};

}  // namespace sluice::broker
