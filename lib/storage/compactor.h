#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "runtime/file_system.h"
#include "storage/compaction_plan.h"
#include "storage/extent_copy.h"
#include "storage/indexed_message_store.h"
#include "storage/log_options.h"
#include "storage/log_work.h"
#include "storage/segment_log.h"

namespace sluice::storage {

// What compaction asks the broker.
struct LiveMessages {
  // The first run inside `within` of messages that anybody needs, cut to it.
  std::function<std::optional<base::SequenceRange>(const StreamId&, base::SequenceRange within)>
      next;
  // How many of a run's messages have bodies of a known size, and the bytes of these.
  std::function<std::pair<std::uint64_t, std::uint64_t>(const StreamId&, base::SequenceRange run)>
      sizes;
  // True when anything else in [begin, end) is needed: records that memory refers to by LSN.
  std::function<bool(base::Lsn begin, base::Lsn end)> pinned;
  // Rises whenever messages that nobody needed are needed again.
  std::function<std::uint64_t()> revivals;
};

// Moves what lives in sparse segments and extents into a new extent, which one record puts in their
// place: until that is durable, the old files hold, and whoever refers to them goes on reading
// them. Looks for work, collects what lives, copies in the background, swaps; all in small steps.
// Loop thread.
class Compactor {
 public:
  // `fs`, `log` and `messages` must outlive this.
  Compactor(runtime::FileSystem& fs, const std::string& folder, const LogOptions& options,
            SegmentLog& log, IndexedMessageStore& messages);
  ~Compactor();
  Compactor(const Compactor&) = delete;
  Compactor& operator=(const Compactor&) = delete;

  // What a swap left behind: files that nobody needs once the record that ends at `after` is
  // durable and every effect from before it is out.
  struct Replaced {
    std::vector<std::uint64_t> numbers;
    base::Lsn after;
  };
  // A step of bounded work. `older`: only segments that end there are touched, because a start may
  // need the records of later ones. `eager`: space is short. Where it swapped, what went.
  std::optional<Replaced> step(const LiveMessages& live, base::Lsn older, bool eager);
  // There is more to do for step() or for the background.
  bool active() const { return phase_ != Phase::kIdle; }
  // The next slice of copying; nullptr: none, one is out, or `budget_bytes` is used up, from which
  // it is taken.
  std::shared_ptr<LogWork> take_work(std::uint64_t& budget_bytes);
  // No new extent is to have this number, or a lower one.
  void avoid(std::uint64_t number) { next_extent_ = std::max(next_extent_, number + 1); }
  // The file is being copied: it must stay.
  bool holds(std::uint64_t number) const {
    return chosen_.contains(number) || beside_.contains(number);
  }

  std::uint64_t compactions() const { return compactions_; }
  std::uint64_t copied_bytes() const { return copied_bytes_; }

 private:
  enum class Phase { kIdle, kLooking, kCollecting, kCopying };
  class Slice;
  // Where the walk over the files' messages stands.
  struct Walk {
    std::vector<std::uint64_t> files;
    std::size_t file = 0;
    std::size_t range = 0;
    base::Sequence at;                  // in the range; 0 = at its begin
    std::optional<base::Sequence> gap;  // the first message behind the last run in the range
    std::uint64_t live_bytes = 0;       // of the file
    double message_bytes = 0;           // mean of the file
  };

  void begin_looking(const LiveMessages& live, base::Lsn older, bool eager);
  // Calls found(range index, run) for each run, at most kRunsAStep of them; true at the end.
  template <typename Found, typename FileDone>
  bool walk(const LiveMessages& live, Found&& found, FileDone&& file_done);
  void enter_file();
  void look(const LiveMessages& live);
  void collect(const LiveMessages& live);
  void collect_run(base::SequenceRange range, const StreamId& stream, base::SequenceRange run);
  double bytes_of(const LiveMessages& live, const StreamId& stream, base::SequenceRange run) const;
  void begin_copy();
  std::vector<CopySource> sources_beside(std::uint64_t number);
  void answer(const LiveMessages& live);
  bool learn_sizes();
  void join_spans(CopyStream& stream) const;
  std::optional<Replaced> swap(const LiveMessages& live);
  void slice_done(const base::Status& status);
  void give_up();
  std::uint64_t file_bytes(std::uint64_t number) const;

  runtime::FileSystem& fs_;
  std::string segments_folder_;
  std::function<base::Id128()> random_id_;
  SegmentLog& log_;
  IndexedMessageStore& messages_;

  Phase phase_ = Phase::kIdle;
  bool eager_ = false;
  base::Lsn looked_at_;  // `older` of the last look
  Walk walk_;
  std::vector<FileLoad> loads_;
  std::set<std::uint64_t> chosen_;
  // Files that stay, with pieces of large messages of which the other pieces are in chosen ones.
  std::set<std::uint64_t> beside_;
  std::set<std::uint64_t> unfit_;  // have something that must stay where it is
  // Of the files that were looked at: what copying was thought to write. And as a share of that
  // what it really would have, where somebody found out.
  std::map<std::uint64_t, std::uint64_t> thought_;
  std::map<std::uint64_t, double> measured_;
  std::uint64_t output_bytes_max_;
  std::uint64_t revivals_ = 0;
  std::vector<CopyStream> streams_;
  std::size_t runs_ = 0;
  std::unique_ptr<ExtentCopy> copy_;
  bool slice_out_ = false;
  std::uint64_t next_extent_;
  std::uint64_t compactions_ = 0;
  std::uint64_t copied_bytes_ = 0;
};

}  // namespace sluice::storage
