#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "runtime/file_system.h"
#include "storage/housekeeper.h"
#include "storage/segment_log.h"

namespace sluice::storage {

// The broker's side of a backup while it runs (docs/log-format.md, "Backups"). A command on the
// same volume locks the file PIN; the broker sees it, keeps all files as they are, waits until
// everything that was appended before is durable, and answers with the file PINNED: up to where the
// log may be copied. The system gives the command's lock up when it ends, whatever ends it, and the
// broker lets go. Loop thread.
class BackupPin {
 public:
  // All must outlive this.
  BackupPin(runtime::FileSystem& fs, const std::string& folder, SegmentLog& log,
            Housekeeper& housekeeper);

  enum class Event : std::uint8_t {
    kNone,
    kPinned,    // the command has its answer
    kReleased,  // it ended
    kRevoked,   // the disk is low: keeping dead segments for a backup is what must end first
  };
  // Looks at the files; to be called about once a second.
  Event poll(base::WallTime now, bool disk_low);

  bool pinned() const { return state_ == State::kPinned; }
  // Who asked, in its own words.
  const std::string& by() const { return by_; }
  base::Lsn end() const { return end_; }

 private:
  enum class State : std::uint8_t { kIdle, kWaiting, kPinned, kRevoked };

  // The lock is held by a command.
  bool wanted();
  void let_go();
  void remove(const std::string& path);

  runtime::FileSystem& fs_;
  const std::string folder_;
  SegmentLog& log_;
  Housekeeper& housekeeper_;
  State state_ = State::kIdle;
  std::string by_;
  base::Lsn end_;
};

}  // namespace sluice::storage
