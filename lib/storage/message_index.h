#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/fact.h"
#include "storage/message_store.h"

namespace sluice::storage {

// A group of a stream's records ends with the first of these that is reached; an extent is laid out
// in the same groups.
inline constexpr std::uint64_t kIndexGroupBytes = 64 * 1024;
inline constexpr std::size_t kIndexGroupRecordsMax = 64;

// Where messages lie, sparsely: 16 bytes for a row of a stream's records (a group, which also ends
// with its segment). Inside a closed group the records are found
// by walking back from its last one through MessagesFact::previous; the newest group of a stream is
// kept whole. Also knows which streams have messages in which segment, so that dead segments are
// found without reading them. Pure; loop thread.
class MessageIndex {
 public:
  struct Group {
    base::Sequence first;
    base::Lsn last_record;
  };
  struct SegmentRange {
    StreamId stream;
    base::SequenceRange range;
  };
  // A group with all its batches, ordered.
  struct Expanded {
    Group group;
    std::vector<BatchLocation> batches;
    bool unreadable = false;        // the disk gave errors: there may be more
    std::optional<base::Lsn> lost;  // a record of the group whose header does not verify
  };

  explicit MessageIndex(std::uint64_t segment_bytes) : segment_bytes_(segment_bytes) {}

  // A segment exists, perhaps without messages. Doing it twice is fine.
  void add_segment(std::uint64_t number) { segments_[number]; }

  // The next record of a stream, `record_bytes` long. Records that the index knows already are
  // ignored, so that replaying twice changes nothing. Returns the group that this closed.
  std::optional<Expanded> add(const StreamId& stream, const BatchLocation& batch,
                              std::uint64_t record_bytes);

  // LSN of the stream's last record, 0 = none.
  base::Lsn last_record(const StreamId& stream) const;

  // Where the search for `sequence` begins: the last group that begins at or before it, else the
  // first one of all. A group's number stays valid until the index changes.
  struct Position {
    std::size_t group = 0;  // groups_count() = the open group
  };
  std::optional<Position> find(const StreamId& stream, base::Sequence sequence) const;
  std::size_t groups_count(const StreamId& stream) const;
  // REQUIRES: group < groups_count().
  Group group(const StreamId& stream, std::size_t group) const;
  // Empty where the stream's last group is closed.
  const std::vector<BatchLocation>& open_batches(const StreamId& stream) const;

  std::vector<std::uint64_t> segments() const;
  bool has_segment(std::uint64_t number) const { return segments_.contains(number); }
  // Which messages lie in a segment; empty where it is unknown.
  const std::vector<SegmentRange>& ranges(std::uint64_t segment) const;
  // The large message that begins in a segment before this one and ends in this one or a later one.
  std::optional<SegmentRange> across(std::uint64_t segment) const;
  // The segment or extent is gone: so is everything in it.
  void drop_segment(std::uint64_t number);
  // What lived in the files that an extent replaces lies in the extent now. Doing it twice is fine.
  void swap(const ExtentSwapFact& fact);
  std::uint64_t swaps() const { return swaps_; }  // by this process
  // True when a group of the stream begins behind the first of the two and before the second.
  bool any_group_between(const StreamId& stream, base::SequenceRange two) const;

  // The snapshot's index section (docs/log-format.md, "Snapshot").
  void encode(std::vector<std::byte>& out) const;
  static base::Result<MessageIndex> decode(base::ByteView bytes, std::uint64_t segment_bytes);

  // Heap memory, about.
  std::size_t memory_bytes() const;

 private:
  struct Stream {
    base::Lsn last_record;
    base::Sequence last;
    std::deque<Group> closed;  // rising; old ones go at the front
    std::vector<BatchLocation> open;
    std::uint64_t open_bytes = 0;
    // Where the stream's range of its newest segment stands.
    std::uint64_t range_segment = 0;
    std::size_t range_index = 0;
  };

  std::uint64_t segment_of(base::Lsn lsn) const { return lsn.value() / segment_bytes_; }
  static std::optional<Expanded> close_group(Stream& stream);
  void forget_segment(std::uint64_t number);
  void forget_pieces(std::uint64_t segment, const SegmentRange& message);
  void forget_moved_pieces(const ExtentSwapFact& fact);
  void drop_groups(std::uint64_t segment, Stream& stream, base::SequenceRange range) const;
  static_assert(sizeof(BatchLocation) <= 64, "the open groups of many streams are kept");
  void note_range(const StreamId& id, Stream& stream, std::uint64_t segment,
                  const BatchLocation& batch);
  std::vector<std::pair<StreamId, const Stream*>> sorted_streams() const;

  std::uint64_t segment_bytes_;
  std::uint64_t swaps_ = 0;
  std::unordered_map<StreamId, Stream> streams_;
  std::map<std::uint64_t, std::vector<SegmentRange>> segments_;
};

}  // namespace sluice::storage
