#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "storage/message_index.h"
#include "storage/message_store.h"
#include "storage/read_ahead.h"
#include "storage/record_cache.h"
#include "storage/segment_log.h"

namespace sluice::storage {

// Messages by (stream, sequence) over a SegmentLog. Loop thread.
class IndexedMessageStore final : public MessageStore {
 public:
  // `log` must outlive the store.
  IndexedMessageStore(SegmentLog& log, MessageIndex index);

  Appended append(MessagesFact fact, base::ByteView entries, bool needs_sync) override;
  Appended append_large(MessagesFact fact, base::ByteView entry, bool needs_sync) override;
  base::Result<std::optional<BatchLocation>> locate(const StreamId& stream,
                                                    base::Sequence sequence) override;
  base::Result<EntrySlice> slice(const BatchLocation& batch, base::Sequence first,
                                 base::Sequence last, std::uint32_t bytes_max) override;
  base::Status slices(const BatchLocation& batch, std::span<const base::SequenceRange> ranges,
                      std::uint32_t bytes_max, std::vector<EntrySlice>& out) override;
  bool in_memory(const EntrySlice& slice) const override;
  base::Result<base::ByteView> read(const EntrySlice& slice) override;
  base::Status copy(std::span<const EntrySlice> slices, base::MutableByteView out) override;
  base::Result<base::ByteView> read_piece(const EntrySlice& slice, std::uint64_t offset) override;
  bool piece_ready(const EntrySlice& slice, std::uint64_t offset) override;
  std::uint64_t moves() const override { return index_.swaps(); }
  bool ready(const StreamId& stream, base::Sequence sequence) override;
  bool record_ready(base::Lsn record) override;
  ReadAhead& read_ahead() { return read_ahead_; }

  // A kMessages record was replayed.
  void index(const MessagesFact& fact, base::Lsn lsn, std::size_t payload_bytes,
             std::uint64_t record_bytes);

  // Records that reads found damaged since the last call, or lost; rising. One is told of again
  // only where there are very many.
  std::vector<base::Lsn> take_met_damage();

  MessageIndex& message_index() { return index_; }
  const MessageIndex& message_index() const { return index_; }

  // Gives memory back that only speeds up reading.
  void trim_memory();

 private:
  struct CachedGroup {
    MessageIndex::Expanded expanded;
    std::uint64_t used_at = 0;
  };

  const MessageIndex::Expanded& expand(const StreamId& stream, std::size_t group);
  bool batch_ready(const std::optional<BatchLocation>& batch);
  base::Lsn lsn_of_piece(const EntrySlice& slice, std::size_t piece) const;
  base::Result<base::ByteView> read_whole_piece(const EntrySlice& slice, std::size_t piece);
  static void load_for(LoadedRecord& record, const std::vector<SliceWish>& wishes,
                       std::uint32_t bytes_max);
  void load_for(std::span<const EntrySlice> slices);
  void note_damage(base::Lsn record);
  base::Result<EntrySlice> slice_large(const BatchLocation& batch);
  // Behind it lie all records of the group.
  base::Lsn begin_of(const StreamId& stream, std::size_t group,
                     const MessageIndex::Group& of) const;
  const MessageIndex::Expanded& remember(MessageIndex::Expanded expanded);

  SegmentLog& log_;
  MessageIndex index_;
  RecordCache records_;
  ReadAhead read_ahead_;
  std::vector<SliceWish> wishes_;    // of the last slices()
  std::vector<SlicePlan> plans_;     // the same
  std::vector<CachedGroup> groups_;  // expanded lately; found by their last record
  std::uint64_t uses_ = 0;
  std::set<base::Lsn> met_damage_;  // noted, and not taken yet
  std::set<base::Lsn> damaged_;     // noted
  std::set<base::Lsn> lost_;  // messages records of which nothing can be had, or a piece cannot
};

}  // namespace sluice::storage
