#include "storage/indexed_message_store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "storage/fact_codec.h"
#include "storage/group_expander.h"
#include "storage/large_message.h"
#include "storage/slice_plan.h"

namespace sluice::storage {

using base::ByteView;
using base::Lsn;
using base::Result;
using base::Sequence;
using base::Status;

namespace {

constexpr std::size_t kCachedGroups = 64;
// What is read at once has one byte or message of so many that is wanted, at least.
constexpr std::uint32_t kDense = 8;
// Far more than anybody has; then they are found again.
constexpr std::size_t kDamagedMax = 4096;

void remember_damage(std::set<Lsn>& known, Lsn record) {
  if (known.size() >= kDamagedMax) known.clear();
  known.insert(record);
}

// Records in memory are as they were made: nothing to verify.
class TrustedBlocks final : public EntryBlocks {
 public:
  explicit TrustedBlocks(const SegmentLog::InMemory& found)
      : table_(block_table(found.header, found.record)),
        tail_(found.record.data() + found.header.tail_offset()) {}
  const BlockTable& table() const override { return table_; }
  const std::byte* tail() const override { return tail_; }
  bool good(std::size_t) override { return true; }

 private:
  BlockTable table_;
  const std::byte* tail_;
};

std::optional<BatchLocation> search(const std::vector<BatchLocation>& batches, Sequence sequence) {
  const auto found =
      std::partition_point(batches.begin(), batches.end(),
                           [&](const BatchLocation& batch) { return batch.last() < sequence; });
  if (found == batches.end()) return std::nullopt;
  return *found;
}

}  // namespace

IndexedMessageStore::IndexedMessageStore(SegmentLog& log, MessageIndex index)
    : log_(log), index_(std::move(index)), records_(log), read_ahead_(log) {}

Appended IndexedMessageStore::append(MessagesFact fact, ByteView entries, bool needs_sync) {
  fact.previous = index_.last_record(fact.stream);
  std::array<std::byte, kMessagesHeadBytes> head;
  encode(fact, std::span(head));
  const Appended appended = log_.append(RecordType::kMessages, head, entries, needs_sync);
  index(fact, appended.begin, head.size() + entries.size(), appended.end - appended.begin);
  return appended;
}

Appended IndexedMessageStore::append_large(MessagesFact fact, ByteView entry, bool needs_sync) {
  CHECK(entry.size() > base::kBatchEntriesBytesMax && fact.count == 1);
  fact.entry_bytes = entry.size();
  fact.previous = index_.last_record(fact.stream);
  fact.flags |= kMessagesLarge;
  MessageChunkFact chunk{fact.stream, fact.first, entry.size(), 0};
  std::array<std::byte, kChunkHeadBytes> chunk_head;
  for (std::size_t piece = 1; piece < piece_count(entry.size()); ++piece) {
    chunk.offset = piece * kLargePieceBytes;
    encode(chunk, std::span(chunk_head));
    const Appended at =
        log_.append(RecordType::kMessageChunk, chunk_head,
                    entry.subspan(chunk.offset, piece_bytes(entry.size(), piece)), false);
    if (piece == 1) fact.chunks = at.begin;
    CHECK(at.begin == piece_lsn(fact.chunks, piece, entry.size(), log_.segment_bytes()));
  }
  std::array<std::byte, kLargeHeadBytes> head;
  encode_large(fact, std::span(head));
  const ByteView front = entry.first(kLargePieceBytes);
  const Appended appended = log_.append(RecordType::kMessages, head, front, needs_sync);
  index(fact, appended.begin, head.size() + front.size(), appended.end - appended.begin);
  return appended;
}

void IndexedMessageStore::index(const MessagesFact& fact, Lsn lsn, std::size_t payload_bytes,
                                std::uint64_t record_bytes) {
  const BatchLocation batch = batch_location(fact, lsn, payload_bytes);
  std::optional<MessageIndex::Expanded> closed = index_.add(fact.stream, batch, record_bytes);
  if (closed) remember(std::move(*closed));
}

Result<std::optional<BatchLocation>> IndexedMessageStore::locate(const StreamId& stream,
                                                                 Sequence sequence) {
  if (!log_.status()) return log_.status().error();
  const std::optional<MessageIndex::Position> position = index_.find(stream, sequence);
  if (!position) return std::optional<BatchLocation>();
  const std::size_t groups = index_.groups_count(stream);
  // More than one turn only where what was wanted is damaged.
  for (std::size_t group = position->group; group < groups; ++group) {
    const MessageIndex::Expanded& expanded = expand(stream, group);
    const auto found = search(expanded.batches, sequence);
    const bool is_it = found && found->first <= sequence;
    if (expanded.unreadable && !is_it) {
      return base::Error(
          base::ErrorCode::kIo,
          "the records of sequence " + std::to_string(sequence.value()) + " cannot be read");
    }
    if (found) return found;
  }
  return search(index_.open_batches(stream), sequence);
}

const MessageIndex::Expanded& IndexedMessageStore::expand(const StreamId& stream,
                                                          std::size_t number) {
  const MessageIndex::Group group = index_.group(stream, number);
  for (CachedGroup& cached : groups_) {
    if (cached.expanded.group.last_record != group.last_record) continue;
    if (cached.expanded.unreadable) continue;  // perhaps by now it is
    cached.used_at = ++uses_;
    return cached.expanded;
  }
  MessageIndex::Expanded expanded =
      expand_group(log_, stream, group, begin_of(stream, number, group));
  if (expanded.lost) note_damage(*expanded.lost);
  return remember(std::move(expanded));
}

// The groups of a stream follow each other, so its previous one bounds the search from below.
Lsn IndexedMessageStore::begin_of(const StreamId& stream, std::size_t number,
                                  const MessageIndex::Group& group) const {
  const std::uint64_t segment = log_.segments().number_of(group.last_record);
  const Lsn begin(segment * log_.segment_bytes() + kSegmentDataOffset);
  if (number == 0) return begin;
  const Lsn before = index_.group(stream, number - 1).last_record;
  // An extent's position is behind those of all segments.
  return log_.segments().number_of(before) == segment ? before : begin;
}

bool IndexedMessageStore::ready(const StreamId& stream, Sequence sequence) {
  const std::optional<MessageIndex::Position> position = index_.find(stream, sequence);
  if (!position || !log_.status()) return true;
  if (position->group < index_.groups_count(stream)) {
    const MessageIndex::Group group = index_.group(stream, position->group);
    for (const CachedGroup& cached : groups_) {
      if (cached.expanded.group.last_record != group.last_record) continue;
      return batch_ready(search(cached.expanded.batches, sequence));
    }
    // What lies in memory lies there from some position on.
    const Lsn begin = begin_of(stream, position->group, group);
    if (position->group > 0 && log_.in_memory(begin)) return true;
    return read_ahead_.ready(begin, group.last_record);
  }
  return batch_ready(search(index_.open_batches(stream), sequence));
}

bool IndexedMessageStore::batch_ready(const std::optional<BatchLocation>& batch) {
  return !batch || log_.in_memory(batch->lsn) || read_ahead_.ready(batch->lsn, batch->lsn);
}

bool IndexedMessageStore::in_memory(const EntrySlice& slice) const {
  return log_.in_memory(slice.lsn).has_value();
}

bool IndexedMessageStore::record_ready(Lsn record) {
  if (record == Lsn() || !log_.status() || log_.in_memory(record)) return true;
  return read_ahead_.ready(record, record);
}

const MessageIndex::Expanded& IndexedMessageStore::remember(MessageIndex::Expanded expanded) {
  if (groups_.size() < kCachedGroups) {
    groups_.push_back({std::move(expanded), ++uses_});
    return groups_.back().expanded;
  }
  const auto oldest = std::min_element(
      groups_.begin(), groups_.end(),
      [](const CachedGroup& a, const CachedGroup& b) { return a.used_at < b.used_at; });
  *oldest = {std::move(expanded), ++uses_};
  return oldest->expanded;
}

Result<EntrySlice> IndexedMessageStore::slice(const BatchLocation& batch, Sequence first,
                                              Sequence last, std::uint32_t bytes_max) {
  CHECK(batch.first <= first && first <= last && last <= batch.last());
  if (!log_.status()) return log_.status().error();
  if (batch.large()) return slice_large(batch);
  const SliceWish wish{static_cast<std::uint32_t>(first - batch.first),
                       static_cast<std::uint32_t>(last - batch.first), bytes_max};
  EntrySlice slice;
  slice.lsn = batch.lsn;
  slice.first = first;
  slice.count = wish.last - wish.first + 1;
  slice.damaged = true;  // all that was wanted, unless something better is known

  Result<SlicePlan> plan = base::corruption("no plan yet");
  if (const std::optional<SegmentLog::InMemory> found = log_.in_memory(batch.lsn)) {
    TrustedBlocks blocks(*found);
    plan = plan_slice(blocks, wish);
  } else if (lost_.contains(batch.lsn)) {
    return slice;
  } else {
    const Result<LoadedRecord*> record = records_.get(batch.lsn);
    if (!record) {
      if (record.error().code() != base::ErrorCode::kCorruption) return record.error();
      note_damage(batch.lsn);
      remember_damage(lost_, batch.lsn);
      return slice;
    }
    (*record)->load(blocks_for((*record)->table(), wish));
    plan = plan_slice(**record, wish);
  }
  if (!plan) return slice;
  slice.count = plan->count;
  slice.offset = static_cast<std::uint32_t>(plan->offset);
  slice.bytes = static_cast<std::uint32_t>(plan->bytes);
  slice.damaged = plan->damaged;
  if (slice.damaged) note_damage(batch.lsn);
  return slice;
}

Status IndexedMessageStore::slices(const BatchLocation& batch,
                                   std::span<const base::SequenceRange> ranges,
                                   std::uint32_t bytes_max, std::vector<EntrySlice>& out) {
  CHECK(!ranges.empty() && batch.first <= ranges.front().first);
  CHECK(ranges.back().last <= batch.last());
  // With one there is nothing to share.
  if (batch.large() || ranges.size() == 1) {
    return MessageStore::slices(batch, ranges, bytes_max, out);
  }
  if (!log_.status()) return log_.status().error();
  wishes_.resize(ranges.size());
  std::transform(ranges.begin(), ranges.end(), wishes_.begin(),
                 [&](const base::SequenceRange& range) {
                   return SliceWish{static_cast<std::uint32_t>(range.first - batch.first),
                                    static_cast<std::uint32_t>(range.last - batch.first), 0};
                 });
  plans_.clear();
  // Of the first one that cannot be planned slice() says why, when it is its turn.
  if (const std::optional<SegmentLog::InMemory> found = log_.in_memory(batch.lsn)) {
    TrustedBlocks blocks(*found);
    static_cast<void>(plan_slices(blocks, wishes_, bytes_max, plans_));
  } else {
    const Result<LoadedRecord*> record = records_.get(batch.lsn);
    if (!record) return MessageStore::slices(batch, ranges.first(1), bytes_max, out);
    load_for(**record, wishes_, bytes_max);
    static_cast<void>(plan_slices(**record, wishes_, bytes_max, plans_));
  }
  const bool is_bad = plans_.empty() || plans_.front().damaged;
  if (is_bad) return MessageStore::slices(batch, ranges.first(1), bytes_max, out);
  out.reserve(out.size() + plans_.size());
  for (const SlicePlan& plan : plans_) {
    EntrySlice& slice = out.emplace_back();
    slice.lsn = batch.lsn;
    slice.first = batch.first + plan.first;
    slice.count = plan.count;
    slice.offset = static_cast<std::uint32_t>(plan.offset);
    slice.bytes = static_cast<std::uint32_t>(plan.bytes);
  }
  return {};
}

// With one read, where most of it is wanted.
void IndexedMessageStore::load_for(LoadedRecord& record, const std::vector<SliceWish>& wishes,
                                   std::uint32_t bytes_max) {
  std::uint64_t wanted = 0;
  for (const SliceWish& wish : wishes) wanted += wish.last - wish.first + 1;
  const SliceWish whole{wishes.front().first, wishes.back().last, kDense * bytes_max};
  if (whole.last - whole.first < kDense * wanted) {
    record.load(blocks_for(record.table(), whole));
  }
}

// Reading it all to be sure would take too long: what is damaged is found piece by piece.
Result<EntrySlice> IndexedMessageStore::slice_large(const BatchLocation& batch) {
  EntrySlice slice;
  slice.lsn = batch.lsn;
  slice.bytes = batch.entries_bytes;
  slice.first = batch.first;
  slice.count = 1;
  slice.chunks = batch.chunks;
  slice.damaged = lost_.contains(batch.lsn);
  return slice;
}

Lsn IndexedMessageStore::lsn_of_piece(const EntrySlice& slice, std::size_t piece) const {
  if (piece == 0) return slice.lsn;
  return piece_lsn(slice.chunks, piece, slice.bytes, log_.segment_bytes());
}

bool IndexedMessageStore::piece_ready(const EntrySlice& slice, std::uint64_t offset) {
  if (!log_.status()) return true;
  const Lsn lsn = lsn_of_piece(slice, offset / kLargePieceBytes);
  return log_.in_memory(lsn).has_value() || read_ahead_.ready(lsn, lsn);
}

Result<ByteView> IndexedMessageStore::read_piece(const EntrySlice& slice, std::uint64_t offset) {
  CHECK(slice.large() && offset < slice.bytes);
  if (!log_.status()) return log_.status().error();
  const Result<ByteView> piece = read_whole_piece(slice, offset / kLargePieceBytes);
  if (piece) return piece->subspan(offset % kLargePieceBytes);
  if (piece.error().code() == base::ErrorCode::kCorruption) {
    note_damage(lsn_of_piece(slice, offset / kLargePieceBytes));
    remember_damage(lost_, slice.lsn);
  }
  return piece.error();
}

Result<ByteView> IndexedMessageStore::read_whole_piece(const EntrySlice& slice,
                                                       std::size_t number) {
  const Lsn lsn = lsn_of_piece(slice, number);
  const std::size_t bytes = piece_bytes(slice.bytes, number);
  const auto damaged = [&] {
    return base::corruption("LSN " + std::to_string(lsn.value()) + ": " +
                            SegmentSet::describe(log_.segments().number_of(lsn)) + ": piece " +
                            std::to_string(number) + " of message " +
                            std::to_string(slice.first.value()) + " is damaged");
  };
  const auto is_ours = [&](const RecordHeader& header, ByteView head) {
    if (header.tail_bytes() != bytes) return false;
    if (number == 0) return header.type == RecordType::kMessages;
    const auto chunk = decode_message_chunk(head);
    return header.type == RecordType::kMessageChunk && chunk &&
           chunk->fact.sequence == slice.first && chunk->fact.entry_bytes == slice.bytes &&
           chunk->fact.offset == number * kLargePieceBytes;
  };
  if (const std::optional<SegmentLog::InMemory> found = log_.in_memory(lsn)) {
    const RecordHeader& header = found->header;
    CHECK(is_ours(header, found->record.subspan(header.payload_offset(), header.head_bytes)));
    return found->record.subspan(header.tail_offset(), bytes);
  }
  ASSIGN_OR_RETURN(LoadedRecord * record, records_.get(lsn));
  if (!is_ours(record->header(), record->head())) return damaged();
  const BlockRange range{0, record->table().blocks() - 1};
  record->load(range);
  for (std::size_t block = range.first; block <= range.last; ++block) {
    if (!record->good(block)) return damaged();
  }
  return ByteView(record->tail(), bytes);
}

Result<ByteView> IndexedMessageStore::read(const EntrySlice& slice) {
  CHECK(!slice.large());
  if (!log_.status()) return log_.status().error();
  const auto damaged = [&] {
    return base::corruption("LSN " + std::to_string(slice.lsn.value()) + ": " +
                            SegmentSet::describe(log_.segments().number_of(slice.lsn)) +
                            ": damaged messages from sequence " +
                            std::to_string(slice.first.value()) + " on");
  };
  if (slice.damaged || slice.bytes == 0) return damaged();
  const std::size_t end = std::size_t{slice.offset} + slice.bytes;
  if (const std::optional<SegmentLog::InMemory> found = log_.in_memory(slice.lsn)) {
    CHECK(end <= found->header.tail_bytes());
    return found->record.subspan(found->header.tail_offset() + slice.offset, slice.bytes);
  }
  ASSIGN_OR_RETURN(LoadedRecord * record, records_.get(slice.lsn));
  if (end > record->header().tail_bytes()) return damaged();
  const BlockRange range{slice.offset / kBlockBytes, (end - 1) / kBlockBytes};
  record->load(range);
  for (std::size_t block = range.first; block <= range.last; ++block) {
    if (!record->good(block)) return damaged();
  }
  return ByteView(record->tail() + slice.offset, slice.bytes);
}

// With one read, where most of what lies between the first and the last slice of the record is
// wanted. It may have left memory since it was cut.
void IndexedMessageStore::load_for(std::span<const EntrySlice> slices) {
  const EntrySlice& first = slices.front();
  if (slices.size() == 1 || first.bytes == 0 || log_.in_memory(first.lsn)) return;
  const Result<LoadedRecord*> record = records_.get(first.lsn);
  if (!record) return;
  std::uint64_t wanted = 0;
  std::uint64_t end = first.offset;
  for (const EntrySlice& slice : slices) {
    if (slice.lsn != first.lsn || slice.large()) break;
    wanted += slice.bytes;
    end = slice.offset + std::uint64_t{slice.bytes};
  }
  const bool sane = first.offset < end && end <= (*record)->header().tail_bytes();
  if (!sane || end - first.offset > kDense * wanted) return;
  (*record)->load({first.offset / kBlockBytes, (end - 1) / kBlockBytes});
}

Status IndexedMessageStore::copy(std::span<const EntrySlice> slices, base::MutableByteView out) {
  std::byte* to = out.data();
  for (std::size_t at = 0; at < slices.size();) {
    // As many as are of one record; the first one says whether it can be read at all.
    const EntrySlice& first = slices[at];
    load_for(slices.subspan(at));
    ASSIGN_OR_RETURN(const ByteView bytes, read(first));
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
    const std::byte* const tail = bytes.data() - first.offset;
    const bool in_file = !log_.in_memory(first.lsn);
    LoadedRecord* record = nullptr;
    if (in_file) {
      ASSIGN_OR_RETURN(record, records_.get(first.lsn));
    }
    std::size_t good = ~std::size_t{0};
    for (++at; at < slices.size() && slices[at].lsn == first.lsn; ++at) {
      const EntrySlice& slice = slices[at];
      const std::size_t end = std::size_t{slice.offset} + slice.bytes;
      if (slice.damaged || slice.large() || slice.bytes == 0) break;
      if (record != nullptr && !record->good_between(slice.offset, end, good)) break;
      std::memcpy(to, tail + slice.offset, slice.bytes);
      to += slice.bytes;
    }
  }
  return {};
}

// Where it ends and what is wrong with it is the scrub's to find: the loop has no time for that.
void IndexedMessageStore::note_damage(Lsn record) {
  if (damaged_.contains(record)) return;
  remember_damage(damaged_, record);
  remember_damage(met_damage_, record);
}

std::vector<Lsn> IndexedMessageStore::take_met_damage() {
  std::vector<Lsn> met(met_damage_.begin(), met_damage_.end());
  met_damage_.clear();
  return met;
}

void IndexedMessageStore::trim_memory() {
  records_.clear();
  groups_ = {};
  lost_.clear();
}

}  // namespace sluice::storage
