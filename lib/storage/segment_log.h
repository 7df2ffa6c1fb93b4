#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/log.h"
#include "storage/log_options.h"
#include "storage/record_codec.h"
#include "storage/segment_file.h"
#include "storage/segment_pool.h"
#include "storage/segment_set.h"
#include "storage/space_reserve.h"
#include "storage/tail_buffer.h"
#include "storage/write_group.h"

namespace sluice::storage {

// What recovery found: where the log goes on. Everything before `end` is durable.
struct LogState {
  base::Id128 log_id;
  std::uint32_t feature_level = kFeatureLevelFirst;
  std::uint64_t segment_bytes = 0;
  base::Lsn end;
  SegmentFile active;                    // the segment that `end` lies in, or ends with
  std::uint32_t active_uuid_prefix = 0;  // of its records
  std::vector<SegmentExtent> segments;   // all that exist, the active one too
  std::vector<std::string> pool_files;
  SpaceReserve::Found reserve;
};

// The log on local files (docs/log-format.md). Owned by the loop thread, which calls everything
// here. append() only fills memory. Whoever does the file work takes a group, runs it on another
// thread (or inline) and finishes it on the loop thread:
//
//   if (auto group = log.take_group()) { status = group->run(); ... group->finish(status); }
//
// One group is out at a time; what is appended meanwhile goes into the next: that is the group
// commit. Any failed write or sync makes the log dead for good: take_group() gives nothing more,
// reads fail, positions stay; the process must exit and recover.
class SegmentLog final : public Log {
 public:
  // `fs` must outlive the log. REQUIRES: options were validated.
  SegmentLog(runtime::FileSystem& fs, const std::string& folder, const LogOptions& options,
             LogState state);
  ~SegmentLog() override;
  SegmentLog(const SegmentLog&) = delete;
  SegmentLog& operator=(const SegmentLog&) = delete;

  Appended append(RecordType type, base::ByteView head, base::ByteView tail,
                  bool needs_sync) override;
  LogPositions positions() const override { return positions_; }
  base::Result<RecordView> read(base::Lsn begin, std::vector<std::byte>& buffer) override;
  std::uint64_t unwritten_bytes() const override { return unwritten_bytes_; }

  // --- File work.
  // Everything appended so far, or nullptr: nothing to do, a group is out already, or dead.
  std::shared_ptr<WriteGroup> take_group();
  // Called by WriteGroup::finish().
  void complete(const WriteGroup& group, const base::Status& status);
  // The next group is synced whatever is in it: for queues with fsync Interval.
  void request_sync();
  // Takes, runs and finishes groups until nothing is left: for tests, tools and an orderly stop.
  base::Status flush();

  // Why the log is dead; ok while it lives.
  const base::Status& status() const { return status_; }

  // Gives memory back that only speeds up reading; for an idle broker.
  void trim_memory() { tail_.release_all(positions_.written); }
  std::uint64_t memory_bytes() const { return tail_.mapped_bytes(); }

  const base::Id128& log_id() const { return log_id_; }
  std::uint64_t segment_bytes() const { return segments_.segment_bytes(); }
  std::uint64_t active_segment() const { return next_header_.number; }
  // Part of the active segment that is used, 0 to 1.
  double active_fill() const;
  std::uint32_t feature_level() const override { return feature_level_; }
  // A feature level record was replayed (append() sees its own): segments begun from now on carry
  // it.
  void set_feature_level(std::uint32_t level) { feature_level_ = level; }

  // --- For the parts of storage that read by themselves.
  // The record at `begin` if it is in memory, whole; its bytes are as they were appended.
  struct InMemory {
    RecordHeader header;
    base::ByteView record;
  };
  std::optional<InMemory> in_memory(base::Lsn begin) const;
  SegmentSet& segments() { return segments_; }
  SegmentPool& pool() { return pool_; }
  SpaceReserve& reserve() { return reserve_; }
  const SpaceReserve& reserve() const { return reserve_; }

 private:
  void roll();
  WriteGroup& open_group();

  runtime::FileSystem& fs_;
  std::string segments_folder_;
  std::function<base::Id128()> random_id_;
  base::Id128 log_id_;
  std::uint32_t feature_level_;

  // Where the next record goes.
  SegmentHeader next_header_;  // of the segment that is being filled; it may not exist yet
  std::uint32_t uuid_prefix_;
  std::uint64_t offset_;
  SegmentFile active_;  // the newest segment that exists

  LogPositions positions_;
  std::uint64_t unwritten_bytes_ = 0;
  base::Status status_;
  TailBuffer tail_;
  SegmentSet segments_;
  SegmentPool pool_;
  SpaceReserve reserve_;
  std::shared_ptr<WriteGroup> open_;  // being filled; null when nothing was appended
  std::shared_ptr<WriteGroup> out_;   // taken and not finished
};

}  // namespace sluice::storage
