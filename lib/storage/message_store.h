#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/fact.h"
#include "storage/log.h"

namespace sluice::storage {

// A batch as stored. The entries are `entries_bytes` bytes at `entries_offset` of the payload.
struct BatchLocation {
  base::Lsn lsn;
  base::Sequence first;
  std::uint32_t count = 0;
  std::uint32_t entries_offset = 0;
  std::uint32_t entries_bytes = 0;
  std::uint32_t body_bytes = 0;
  base::WallTime accepted_at;
  std::uint8_t flags = 0;
  // Of a large message (kMessagesLarge), else 0: where its other pieces begin. `entries_bytes` is
  // then the whole entry, of which only the front is in the record.
  base::Lsn chunks;

  bool large() const { return chunks != base::Lsn(); }
  base::Sequence last() const { return first + (count - 1); }
};

// Part of a batch's entries: consecutive whole messages.
struct EntrySlice {
  base::Lsn lsn;             // of the record
  std::uint32_t offset = 0;  // from the start of the entries
  std::uint32_t bytes = 0;
  base::Sequence first;
  std::uint32_t count = 0;
  // The block checksums under these messages are wrong: they cannot be served. The caller counts
  // them as damaged and goes on behind them; they are never settled because of it.
  bool damaged = false;
  // Of a large message, which is a slice of its own, else 0: where its other pieces begin.
  base::Lsn chunks;

  bool large() const { return chunks != base::Lsn(); }
};

// Messages by (stream, sequence): what the broker asks of storage. The implementation keeps the
// sparse location index (about one entry per 64 KiB of a stream's log). Loop thread only.
class MessageStore {
 public:
  virtual ~MessageStore() = default;

  // Appends the record and indexes it. `fact.previous` is filled in here.
  virtual Appended append(MessagesFact fact, base::ByteView entries, bool needs_sync) = 0;

  // The same for one message whose entry is above base::kBatchEntriesBytesMax: in pieces, which
  // stand one behind the other. `fact.chunks` and `fact.entry_bytes` are filled in here too. The
  // message exists once the last record does. REQUIRES: feature level 2.
  virtual Appended append_large(MessagesFact fact, base::ByteView entry, bool needs_sync) = 0;

  // The batch that holds `sequence`, else the first one after it; nullopt when there is none.
  virtual base::Result<std::optional<BatchLocation>> locate(const StreamId& stream,
                                                            base::Sequence sequence) = 0;

  // Messages [first, last] of `batch`, cut short so that it has at most `bytes_max` bytes but at
  // least one message, and so that readable and damaged messages never share a slice. What lies in
  // memory is trusted; what lies in a file is verified. REQUIRES: both in the batch, first <= last.
  virtual base::Result<EntrySlice> slice(const BatchLocation& batch, base::Sequence first,
                                         base::Sequence last, std::uint32_t bytes_max) = 0;

  // Several parts of one batch at once: appends what slice() says of each of `ranges`, as long as
  // all have `bytes_max` bytes together, but at least one slice. Ends before a slice that would be
  // damaged or does not fit, unless it is the first, and behind one that is shorter than its range.
  // REQUIRES: ascending, disjoint, in the batch; not empty.
  virtual base::Status slices(const BatchLocation& batch,
                              std::span<const base::SequenceRange> ranges, std::uint32_t bytes_max,
                              std::vector<EntrySlice>& out);

  // Rises whenever batches lie elsewhere from then on. A BatchLocation is good until it does.
  virtual std::uint64_t moves() const { return 0; }

  // True when locate(), slice() and read() of the messages from `sequence` on do not wait for a
  // disk. Otherwise it is being brought in: ask again when told that something was.
  virtual bool ready(const StreamId& stream, base::Sequence sequence) {
    static_cast<void>(stream);
    static_cast<void>(sequence);
    return true;
  }

  // The same of any record, by its LSN.
  virtual bool record_ready(base::Lsn record) {
    static_cast<void>(record);
    return true;
  }

  // True when read() of a slice costs no more than the bytes themselves, however late it comes.
  virtual bool in_memory(const EntrySlice& slice) const {
    static_cast<void>(slice);
    return true;
  }

  // The bytes of a slice, valid until the next call on this object. CRCs are checked. REQUIRES: not
  // large.
  virtual base::Result<base::ByteView> read(const EntrySlice& slice) = 0;

  // The bytes of all of them, one behind the other, into `out`, which is as long as they are.
  // Otherwise as read().
  virtual base::Status copy(std::span<const EntrySlice> slices, base::MutableByteView out);

  // A large message is read piece by piece: its bytes from `offset` on, as far as they lie in one
  // place. Valid and checked like read(). From the first piece that turns out to be damaged on,
  // slice() says so of the message. REQUIRES: large, offset < bytes.
  virtual base::Result<base::ByteView> read_piece(const EntrySlice& slice,
                                                  std::uint64_t offset) = 0;
  // True when read_piece() does not wait for a disk; else as ready().
  virtual bool piece_ready(const EntrySlice& slice, std::uint64_t offset) {
    static_cast<void>(slice);
    static_cast<void>(offset);
    return true;
  }
};

}  // namespace sluice::storage
