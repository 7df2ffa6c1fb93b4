#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/backup_pin.h"
#include "storage/file_side_index.h"
#include "storage/housekeeper.h"
#include "storage/indexed_message_store.h"
#include "storage/log.h"
#include "storage/log_options.h"
#include "storage/recovery.h"
#include "storage/scrubber.h"
#include "storage/segment_log.h"

namespace sluice::storage {

// A log that is open, and all that belongs to it. Owned by the loop thread; no LogWork may be out
// when it is destroyed.
class OpenedLog {
 public:
  OpenedLog(std::unique_ptr<runtime::FileLock> lock, runtime::FileSystem& fs,
            const std::string& folder, const LogOptions& options, RecoveryPlan plan, LogState state,
            std::unique_ptr<FileSideIndex> side);
  OpenedLog(const OpenedLog&) = delete;
  OpenedLog& operator=(const OpenedLog&) = delete;

  const RecoveryReport& report() const { return report_; }
  // The broker's state at report().snapshot; empty where there is no snapshot.
  const std::vector<std::byte>& broker_state() const { return broker_state_; }
  // No longer needed; may be large.
  void drop_broker_state() { broker_state_ = {}; }

  // Called with every record from the snapshot to the end, in order; corrupt ones are left out
  // (report() has them), but messages with some bad block come with `damaged` set. The view lives
  // until the call returns. Must be called exactly once, before anything is appended: the message
  // index is filled on the way. Where LogOptions::feature_level asks for it, the record that raises
  // the log's level is appended at the end.
  using Replay = std::function<base::Status(const RecordView&)>;
  base::Status replay(const Replay& replay);

  SegmentLog& log() { return log_; }
  IndexedMessageStore& messages() { return messages_; }
  // As of report().snapshot; whoever replays puts the rest into it.
  FileSideIndex& side_index() { return *side_; }
  const FileSideIndex& side_index() const { return *side_; }
  Housekeeper& housekeeper() { return housekeeper_; }
  BackupPin& backup_pin() { return backup_pin_; }
  Scrubber& scrubber() { return scrubber_; }
  const Scrubber& scrubber() const { return scrubber_; }

  // Where report().restored: the incarnation that sets this log apart from the one that was backed
  // up is durable, and the next start is one like any other.
  base::Status finish_restore();

  // For an idle broker: gives back what memory only speeds things up.
  void trim_memory();

 private:
  base::Status replay_segment(const FoundSegment& segment, const Replay& replay);
  base::Status replay_record(const ScanItem& item, const Replay& replay);

  runtime::FileSystem& fs_;
  const std::string folder_;
  std::unique_ptr<runtime::FileLock> lock_;
  RecoveryReport report_;
  std::vector<std::byte> broker_state_;
  std::uint32_t feature_level_wanted_;
  std::vector<FoundSegment> to_replay_;
  SegmentLog log_;
  IndexedMessageStore messages_;
  std::unique_ptr<FileSideIndex> side_;
  Housekeeper housekeeper_;
  BackupPin backup_pin_;
  Scrubber scrubber_;
};

// Locks the folder, recovers what is there (or begins a new log) and makes all of it durable: once
// this returns, whatever report().end covers survives a power loss. FailedPrecondition where
// another broker holds the folder, naming it, where the log's feature level would have to fall, and
// as plan_recovery() says; then nothing was changed. ResourceExhausted where a new
// log would find the disk too small for its segments. Any other error may be tried again by the
// next start.
base::Result<std::unique_ptr<OpenedLog>> open_log(runtime::FileSystem& fs,
                                                  const std::string& folder,
                                                  const LogOptions& options);

}  // namespace sluice::storage
