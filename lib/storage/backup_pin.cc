#include "storage/backup_pin.h"

#include <utility>

#include "storage/backup_manifest.h"
#include "storage/log_files.h"

namespace sluice::storage {

namespace {

constexpr std::uint64_t kOwnerBytesMax = 1024;

}  // namespace

BackupPin::BackupPin(runtime::FileSystem& fs, const std::string& folder, SegmentLog& log,
                     Housekeeper& housekeeper)
    : fs_(fs), folder_(folder), log_(log), housekeeper_(housekeeper) {
  // An answer that an earlier process gave binds nobody.
  remove(pinned_path(folder_));
}

bool BackupPin::wanted() {
  const std::string path = pin_path(folder_);
  auto text = read_file(fs_, path, kOwnerBytesMax);
  if (!text) return false;
  if (const auto lock = fs_.lock(path, "the broker, which looks whether a backup runs")) {
    // Whoever made it is gone.
    remove(path);
    return false;
  }
  const std::string by(base::as_text(*text));
  if (state_ == State::kIdle) by_ = by;
  // Another one may have begun before the end of the one that was answered was seen. What was kept
  // for that is let go; the next look pins for this one.
  return by == by_;
}

BackupPin::Event BackupPin::poll(base::WallTime now, bool disk_low) {
  if (!wanted()) {
    if (state_ == State::kIdle) return Event::kNone;
    const bool told = state_ == State::kPinned;
    let_go();
    state_ = State::kIdle;
    return told ? Event::kReleased : Event::kNone;
  }
  switch (state_) {
    case State::kIdle:
      // Words that are not written yet would not be known again.
      if (by_.empty() || disk_low) return Event::kNone;
      housekeeper_.pin();
      log_.request_sync();
      end_ = log_.positions().appended;
      state_ = State::kWaiting;
      return Event::kNone;
    case State::kWaiting: {
      if (!housekeeper_.is_pinned() || log_.positions().durable < end_) return Event::kNone;
      BackupManifest answer;
      answer.log_id = log_.log_id();
      answer.feature_level = log_.feature_level();
      answer.segment_bytes = log_.segment_bytes();
      answer.end = log_.positions().durable;
      answer.taken_at = now;
      answer.by = by_;
      if (!write_backup_manifest(fs_, pinned_path(folder_), answer)) return Event::kNone;
      end_ = answer.end;
      state_ = State::kPinned;
      return Event::kPinned;
    }
    case State::kPinned:
      if (!disk_low) return Event::kNone;
      let_go();
      state_ = State::kRevoked;
      return Event::kRevoked;
    case State::kRevoked:
      break;
  }
  return Event::kNone;
}

void BackupPin::let_go() {
  remove(pinned_path(folder_));
  housekeeper_.unpin();
}

// What stays is looked at again: a second later, or at the next start.
void BackupPin::remove(const std::string& path) {
  if (!fs_.open(path, runtime::OpenMode::kRead)) return;
  static_cast<void>(fs_.remove(path));
}

}  // namespace sluice::storage
