#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/compactor.h"
#include "storage/file_side_index.h"
#include "storage/indexed_message_store.h"
#include "storage/log_options.h"
#include "storage/log_work.h"
#include "storage/segment_log.h"
#include "storage/snapshot_codec.h"

namespace sluice::storage {

// Keeps the log's folder small and quick to open: snapshots, deletion of dead segments, the pool of
// prepared files, the low-space mark. All file work comes out of take_background() and may run on
// any thread beside the log's groups. Loop thread.
class Housekeeper {
 public:
  // What recovery found.
  struct Found {
    std::vector<base::Lsn> snapshots;    // the good ones, rising
    std::vector<SideRoot> sides;         // their roots
    std::vector<std::uint64_t> dropped;  // segments whose files are to go
  };
  // `log`, `messages`, `side` and `fs` must outlive this.
  Housekeeper(runtime::FileSystem& fs, const std::string& folder, const LogOptions& options,
              SegmentLog& log, IndexedMessageStore& messages, FileSideIndex& side, Found found);
  ~Housekeeper();
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;

  // True while any message of the range is needed by anybody.
  using AnyLive = std::function<bool(const StreamId&, base::SequenceRange)>;
  // True while anything else in [begin, end) is needed: records that memory refers to by LSN.
  using Pinned = std::function<bool(base::Lsn begin, base::Lsn end)>;

  // --- Snapshots.
  // True when enough was appended since the last one and none is under way.
  bool snapshot_due() const;
  // For when space is short: true when segments in which nothing lives are kept by nothing but the
  // age of the snapshots. Two early snapshots set them free.
  bool snapshot_would_free(const AnyLive& any_live, const Pinned& pinned = nullptr) const;
  // Takes the broker's state as of the last appended record. It is written once its LSN is durable
  // (asks the log for a sync). REQUIRES: no snapshot is under way.
  void begin_snapshot(std::vector<std::byte> broker_state);
  // The last thing before an orderly stop: a snapshot that says so. Afterwards nothing may be
  // appended; the caller goes on with groups and background work until idle().
  void mark_clean(std::vector<std::byte> broker_state);
  bool snapshot_under_way() const { return snapshot_ != nullptr || snapshot_out_; }
  // Why the last snapshot failed; ok when it did not. A failed one is tried again when due.
  const base::Status& snapshot_status() const { return snapshot_status_; }
  // LSN of the newest good one, 0 = none.
  base::Lsn newest_snapshot() const { return snapshots_.empty() ? base::Lsn() : snapshots_.back(); }

  // --- Space.
  // Gives up the segments in which nothing lives and which the older kept snapshot does not need:
  // their messages are gone at once, their files when the record that says so is durable. Returns
  // how many.
  std::size_t drop_dead_segments(const AnyLive& any_live, const Pinned& pinned = nullptr);

  struct Space {
    runtime::DiskSpace disk;
    std::uint64_t mark_bytes = 0;     // below this much, with the pool's files, the disk is low
    std::uint64_t reserve_bytes = 0;  // taken for settles, snapshots, the side index, compaction
    bool low = false;
  };
  // What was appended and is not written yet counts as used. The disk is also low while the reserve
  // is not whole and could not be made so. A disk that is low gets no new files for the pool until
  // it is asked again and is not, and snapshots come early, so that what settles write is freed.
  base::Result<Space> space();
  // So much was appended since space() was asked that its answer no longer tells: a fast publisher
  // fills what lies between the mark and nothing in less than a second.
  bool space_stale() const;

  // --- Backups.
  // From when on is_pinned() is true, no segment and no snapshot goes, nor a page that a snapshot
  // needs, until unpin(). Snapshots are still taken: what is kept longer takes room only.
  void pin() { pin_wanted_ = true; }
  void unpin() { pin_wanted_ = pinned_ = false; }
  bool is_pinned() const { return pinned_; }

  // --- Compaction.
  // A step of looking for work, collecting what lives, and swapping; bounded. To be repeated soon
  // while compacting(), else now and then.
  void compact(const LiveMessages& live);
  bool compacting() const { return compactor_.active(); }
  // So much more may be copied; a little of it is kept for later.
  void allow_copying(std::uint64_t bytes);
  // Every effect of what was appended before `lsn` has left: what its slices refer to may go.
  void set_released(base::Lsn lsn) { released_ = lsn; }
  const Compactor& compactor() const { return compactor_; }

  // --- File work.
  // The next piece, or nullptr. One piece is out at a time.
  std::shared_ptr<LogWork> take_background();
  // Nothing is out and nothing waits, whatever the pool would like.
  bool idle() const;
  // Runs and finishes pieces (and the log's groups) until there are none: tests, tools, stop.
  base::Status run_inline();

 private:
  class Piece;
  class SidePiece;
  class Removal;
  struct Dead {
    std::uint64_t number = 0;
    base::Lsn after;    // the file may go once this is durable
    bool read = false;  // and once all effects from before it have left: they may refer to the file
  };

  void take_snapshot(std::vector<std::byte> broker_state, bool clean);
  base::Lsn older_kept() const;
  Appended append_dropped(const SegmentsDroppedFact& fact);
  std::shared_ptr<LogWork> next_piece();
  std::shared_ptr<LogWork> next_snapshot();
  std::shared_ptr<LogWork> next_removal();
  std::shared_ptr<LogWork> next_reserve();
  void want_reserve();
  void snapshot_done(base::Lsn lsn, std::uint64_t side, const base::Status& status);
  bool may_drop(std::uint64_t number, base::Lsn below, const AnyLive& any_live,
                const Pinned& pinned) const;

  runtime::FileSystem& fs_;
  std::string folder_;
  std::uint64_t snapshot_every_bytes_;
  std::uint64_t snapshot_every_changes_;  // of the side index
  std::uint32_t reserve_segments_max_;
  std::uint64_t low_space_bytes_max_;
  SegmentLog& log_;
  IndexedMessageStore& messages_;
  FileSideIndex& side_;
  std::vector<base::Lsn> snapshots_;          // good ones, rising
  std::map<base::Lsn, std::uint64_t> sides_;  // generations of the side index that are on disk
  std::unique_ptr<Snapshot> snapshot_;        // waits for its LSN to be durable
  std::shared_ptr<SideFlush> flush_;          // its side index
  bool snapshot_out_ = false;
  base::Lsn last_attempt_;
  std::uint64_t changes_then_ = 0;  // of the side index, at the last attempt
  base::Status snapshot_status_;
  std::uint64_t snapshot_bytes_ = 0;  // of the last one
  std::vector<Dead> dead_;
  Compactor compactor_;
  std::uint64_t copy_budget_ = 0;
  base::Lsn released_;
  bool piece_out_ = false;
  bool pin_wanted_ = false;
  bool pinned_ = false;
  bool low_ = false;
  bool side_space_failed_ = false;
  std::uint64_t available_bytes_ = ~std::uint64_t{0};  // when space() was asked last
  base::Lsn space_at_;                                 // appended when space() was asked last
};

}  // namespace sluice::storage
