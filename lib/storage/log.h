#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "storage/record_type.h"

namespace sluice::storage {

// A record with more payload (head and tail) is never written; readers refuse one.
inline constexpr std::size_t kRecordBytesMax = 256 * 1024;

// Where a record lies: [begin, end) in log positions.
struct Appended {
  base::Lsn begin;
  base::Lsn end;
};

// How far the log is, as exclusive ends; durable <= written <= appended always holds.
// Records of queues with fsync Always count as committed at `durable`, others at `written`.
struct LogPositions {
  base::Lsn appended;
  base::Lsn written;
  base::Lsn durable;
};

// Messages of a batch that stand in a row in it, from number `first` on.
struct ReadableEntries {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  base::ByteView entries;
};

// A record read back. `payload` (head of the fact, then for kMessages the entries) points into
// the buffer given to read() or into a buffer of the log; valid until the next call on the log.
struct RecordView {
  base::Lsn begin;
  base::Lsn end;
  RecordType type = RecordType::kPadding;
  base::ByteView payload;
  // kMessages only: a block of the entries fails its CRC (the head is good). Nobody may walk the
  // entries but those of `readable`, which are the ones that good blocks hold.
  bool damaged = false;
  std::vector<ReadableEntries> readable;
};

// The shared append-only log under one broker, as everything above storage sees it (a replicated
// one can stand here later). Owned and called by the broker's loop thread only.
class Log {
 public:
  virtual ~Log() = default;

  // Adds one record whose payload is `head` followed by `tail`, copied before this returns. It is
  // neither written nor durable yet: positions() tells. `needs_sync`: the group in which the
  // record is written is followed by an fdatasync; otherwise only the interval's sync covers it.
  // REQUIRES: head.size() + tail.size() <= kRecordBytesMax.
  virtual Appended append(RecordType type, base::ByteView head, base::ByteView tail,
                          bool needs_sync) = 0;

  virtual LogPositions positions() const = 0;

  // Which record types and fields may be written: docs/log-format.md, "Versions". It only rises.
  virtual std::uint32_t feature_level() const = 0;

  // Any record that was appended and not deleted, committed or not. Checks CRCs; a damaged block
  // is Corruption, naming LSN and file; a record that was deleted is NotFound. `buffer` is grown
  // as needed and reused by the caller.
  virtual base::Result<RecordView> read(base::Lsn begin, std::vector<std::byte>& buffer) = 0;

  // Bytes that were appended and are not yet written; the caller stops taking publishes when this
  // is over its limit.
  virtual std::uint64_t unwritten_bytes() const = 0;
};

}  // namespace sluice::storage
