#include "storage/housekeeper.h"

#include <algorithm>
#include <utility>

#include "base/buggify.h"
#include "base/check.h"
#include "base/cover.h"
#include "storage/extent_header.h"
#include "storage/fact_codec.h"
#include "storage/segment_header.h"
#include "storage/snapshot_store.h"

namespace sluice::storage {

using base::Lsn;
using base::Result;
using base::Status;

namespace {

constexpr std::size_t kSnapshotsKept = 2;
constexpr std::uint64_t kLowSpaceSegments = 2;
constexpr std::uint64_t kSpaceLooksASegment = 8;
constexpr std::size_t kCompactionFromSegments = 4;
constexpr std::size_t kCompactionReserve = 2;
// A broker that writes little never needs a second file; one that writes has it in time.
constexpr double kPoolFromFill = 0.25;
constexpr std::uint32_t kPoolWanted = 1;
constexpr double kReserveFromFill = 1.0 / 16;

}  // namespace

// Tells the housekeeper that its one piece is back.
class Housekeeper::Piece final : public LogWork {
 public:
  Piece(Housekeeper& keeper, std::shared_ptr<LogWork> work)
      : keeper_(keeper), work_(std::move(work)) {}
  Status run() override { return work_->run(); }
  void finish(const Status& status) override {
    keeper_.piece_out_ = false;
    work_->finish(status);
  }

 private:
  Housekeeper& keeper_;
  std::shared_ptr<LogWork> work_;
};

// The side index takes disk space.
class Housekeeper::SidePiece final : public LogWork {
 public:
  SidePiece(Housekeeper& keeper, std::shared_ptr<LogWork> work)
      : keeper_(keeper), work_(std::move(work)) {}
  Status run() override { return work_->run(); }
  void finish(const Status& status) override {
    keeper_.side_space_failed_ = !status.has_value();
    work_->finish(status);
  }

 private:
  Housekeeper& keeper_;
  std::shared_ptr<LogWork> work_;
};

// A dead segment's file joins the reserve or the pool, or is deleted.
class Housekeeper::Removal final : public LogWork {
 public:
  Removal(Housekeeper& keeper, std::uint64_t number)
      : fs_(keeper.fs_),
        pool_(keeper.log_.pool()),
        reserve_(keeper.log_.reserve()),
        segment_bytes_(keeper.log_.segment_bytes()),
        folder_(segments_folder(keeper.folder_)),
        path_(folder_ + "/" + data_file_name(number)) {
    if (is_extent(number)) return;
    reserve_path_ = reserve_.expect();
    if (!reserve_path_) pool_name_ = pool_.reserve_name();
  }

  Status run() override {
    if (reserve_path_) {
      RETURN_IF_ERROR(fill_up());
      RETURN_IF_ERROR(fs_.rename(path_, *reserve_path_));
    } else if (pool_name_) {
      RETURN_IF_ERROR(fs_.rename(path_, folder_ + "/" + *pool_name_));
    } else {
      RETURN_IF_ERROR(fs_.remove(path_));
    }
    return fs_.sync_folder(folder_);
  }
  // A file that stays is found and removed at the next start.
  void finish(const Status& status) override {
    if (pool_name_) pool_.add(*pool_name_, status.has_value());
    if (reserve_path_) reserve_.add(*reserve_path_, status.has_value());
  }

 private:
  // Segments of an older version may be shorter than a whole one.
  Status fill_up() {
    ASSIGN_OR_RETURN(const auto file, fs_.open(path_, runtime::OpenMode::kReadWrite));
    return file->allocate(segment_bytes_);
  }

  runtime::FileSystem& fs_;
  SegmentPool& pool_;
  SpaceReserve& reserve_;
  std::uint64_t segment_bytes_;
  std::string folder_;
  std::string path_;
  std::optional<std::string> reserve_path_;
  std::optional<std::string> pool_name_;
};

Housekeeper::Housekeeper(runtime::FileSystem& fs, const std::string& folder,
                         const LogOptions& options, SegmentLog& log, IndexedMessageStore& messages,
                         FileSideIndex& side, Found found)
    : fs_(fs),
      folder_(folder),
      snapshot_every_bytes_(options.snapshot_every_segments * log.segment_bytes()),
      snapshot_every_changes_(options.snapshot_every_changes),
      reserve_segments_max_(options.reserve_segments_max),
      low_space_bytes_max_(options.low_space_bytes_max),
      log_(log),
      messages_(messages),
      side_(side),
      snapshots_(std::move(found.snapshots)),
      last_attempt_(newest_snapshot()),
      compactor_(fs, folder, options, log, messages) {
  CHECK(found.sides.size() == snapshots_.size());
  for (std::size_t i = 0; i < found.sides.size(); ++i) {
    sides_[snapshots_[i]] = found.sides[i].generation;
  }
  for (const std::uint64_t number : found.dropped) {
    dead_.push_back({number, Lsn(), false});
    compactor_.avoid(number);
  }
}

Housekeeper::~Housekeeper() = default;

bool Housekeeper::snapshot_due() const {
  if (snapshot_under_way() || !log_.status()) return false;
  if (BUGGIFY("early snapshot") && log_.positions().appended > last_attempt_) return true;
  const bool is_changed = log_.feature_level() >= kSideIndexFeatureLevel &&
                          side_.changes() >= changes_then_ + snapshot_every_changes_;
  if (is_changed) return true;
  const Lsn since = std::max(last_attempt_, Lsn(log_.segment_bytes()));
  return log_.positions().appended >= since + (low_ ? log_.segment_bytes() : snapshot_every_bytes_);
}

// 0 until there are two: only what both have settled may go.
Lsn Housekeeper::older_kept() const {
  return snapshots_.size() < kSnapshotsKept ? Lsn()
                                            : snapshots_[snapshots_.size() - kSnapshotsKept];
}

bool Housekeeper::snapshot_would_free(const AnyLive& any_live, const Pinned& pinned) const {
  if (snapshot_under_way() || pinned_ || !log_.status()) return false;
  const Lsn older = older_kept();
  const Lsn appended = log_.positions().appended;
  const auto numbers = log_.segments().numbers();
  return std::any_of(numbers.begin(), numbers.end(), [&](std::uint64_t number) {
    const Lsn end((number + 1) * log_.segment_bytes());
    return end > older && may_drop(number, appended, any_live, pinned);
  });
}

void Housekeeper::begin_snapshot(std::vector<std::byte> broker_state) {
  // Two snapshots of one position would be one file; a record that changes nothing moves it.
  if (log_.positions().appended == newest_snapshot()) append_dropped({});
  take_snapshot(std::move(broker_state), false);
}

void Housekeeper::mark_clean(std::vector<std::byte> broker_state) {
  take_snapshot(std::move(broker_state), true);
}

void Housekeeper::take_snapshot(std::vector<std::byte> broker_state, bool clean) {
  CHECK(!snapshot_under_way());
  MessageIndex& index = messages_.message_index();
  const std::vector<std::uint64_t> existing = log_.segments().numbers();
  for (const std::uint64_t number : existing) index.add_segment(number);
  // Those that groups not yet written begin, whether messages are in them or not.
  for (std::uint64_t number = existing.back(); number <= log_.active_segment(); ++number) {
    index.add_segment(number);
  }
  auto snapshot = std::make_unique<Snapshot>();
  snapshot->feature_level = log_.feature_level();
  snapshot->log_id = log_.log_id();
  snapshot->segment_bytes = log_.segment_bytes();
  snapshot->lsn = log_.positions().appended;
  snapshot->clean = clean;
  snapshot->broker = std::move(broker_state);
  index.encode(snapshot->index);
  if (snapshot->feature_level >= kSideIndexFeatureLevel) {
    flush_ = side_.freeze();
    snapshot->side = flush_->root();
  }
  last_attempt_ = snapshot->lsn;
  changes_then_ = side_.changes();
  snapshot_ = std::move(snapshot);
  log_.request_sync();
}

std::shared_ptr<LogWork> Housekeeper::next_snapshot() {
  if (!snapshot_ || snapshot_out_ || log_.positions().durable < snapshot_->lsn) return nullptr;
  snapshot_->durable = log_.positions().durable;
  std::vector<Lsn> remove;
  // The new one may carry the name of the newest, then it replaces it.
  std::erase(snapshots_, snapshot_->lsn);
  while (!pinned_ && snapshots_.size() >= kSnapshotsKept + remove.size()) {
    remove.push_back(snapshots_[remove.size()]);
  }
  snapshot_out_ = true;
  const std::uint64_t side = snapshot_->side.generation;
  const std::unique_ptr<Snapshot> snapshot = std::move(snapshot_);
  snapshot_bytes_ = snapshot->broker.size() + snapshot->index.size();
  SpaceReserve& reserve = log_.reserve();
  want_reserve();
  SnapshotSpace space{
      reserve.snapshot_path(), reserve.snapshot_bytes(), reserve.snapshot_wanted(), {}};
  // The last one found no space in the smaller file.
  const bool full =
      !snapshot_status_ && snapshot_status_.error().code() == base::ErrorCode::kResourceExhausted;
  if (full) {
    COVER("snapshot takes from the reserve");
    space.segment_file = reserve.take().value_or("");
  }
  return std::make_shared<SnapshotWrite>(
      fs_, folder_, std::move(*snapshot), std::exchange(flush_, nullptr), std::move(remove),
      std::move(space), [this, side](Lsn lsn, const Status& status, std::uint64_t reserve_bytes) {
        log_.reserve().set_snapshot_bytes(reserve_bytes);
        snapshot_done(lsn, side, status);
      });
}

void Housekeeper::snapshot_done(Lsn lsn, std::uint64_t side, const Status& status) {
  snapshot_out_ = false;
  snapshot_status_ = status;
  if (!status) {
    COVER("snapshot failed");
    return;
  }
  snapshots_.push_back(lsn);
  if (!pinned_ && snapshots_.size() > kSnapshotsKept) {
    snapshots_.erase(snapshots_.begin(), snapshots_.end() - kSnapshotsKept);
  }
  sides_[lsn] = side;
  sides_.erase(sides_.begin(), sides_.lower_bound(snapshots_.front()));
  side_.release(sides_.begin()->second);
}

bool Housekeeper::may_drop(std::uint64_t number, Lsn below, const AnyLive& any_live,
                           const Pinned& pinned) const {
  const Lsn begin(number * log_.segment_bytes());
  const Lsn end = begin + log_.segment_bytes();
  if (compactor_.holds(number)) return false;
  // An extent has no records that a start needs.
  const bool forgets = number < log_.active_segment() && PLANTED("segment_dropped_too_early");
  const bool needed = (end > below && !forgets) || (pinned && pinned(begin, end));
  if (!is_extent(number) && needed) return false;
  const auto& ranges = messages_.message_index().ranges(number);
  return std::none_of(ranges.begin(), ranges.end(), [&](const MessageIndex::SegmentRange& range) {
    return any_live(range.stream, range.range);
  });
}

std::size_t Housekeeper::drop_dead_segments(const AnyLive& any_live, const Pinned& pinned) {
  if (!log_.status() || pin_wanted_) return 0;
  const Lsn below = older_kept();
  SegmentsDroppedFact fact;
  std::vector<std::uint64_t> numbers = log_.segments().numbers();
  const std::vector<std::uint64_t> extents = log_.segments().extents();
  numbers.insert(numbers.end(), extents.begin(), extents.end());
  for (const std::uint64_t number : numbers) {
    if (may_drop(number, below, any_live, pinned)) fact.segments.push_back(number);
  }
  if (fact.segments.empty()) return 0;
  const Appended record = append_dropped(fact);
  for (const std::uint64_t number : fact.segments) {
    messages_.message_index().drop_segment(number);
    // A delivery that was settled before it is sent may still have to be read from it.
    log_.segments().retire(number);
    dead_.push_back({number, record.end, true});
  }
  return fact.segments.size();
}

Appended Housekeeper::append_dropped(const SegmentsDroppedFact& fact) {
  std::vector<std::byte> head;
  encode(fact, head);
  return log_.append(RecordType::kSegmentsDropped, head, {}, true);
}

Result<Housekeeper::Space> Housekeeper::space() {
  Space space;
  ASSIGN_OR_RETURN(space.disk, fs_.space(folder_));
  const std::uint64_t wanted =
      std::max(space.disk.total_bytes / 20, kLowSpaceSegments * log_.segment_bytes());
  // Pages of the side index that have no room in its file yet must find it.
  space.mark_bytes = std::min(wanted, low_space_bytes_max_) + side_.bytes_to_come();
  const std::uint64_t ready = log_.pool().ready() * log_.segment_bytes();
  want_reserve();
  SpaceReserve& reserve = log_.reserve();
  space.reserve_bytes = reserve.bytes() + side_.spare_bytes();
  space.low = space.disk.available_bytes + ready < space.mark_bytes + log_.unwritten_bytes() ||
              (reserve.failed() && !reserve.complete()) || side_space_failed_ ||
              BUGGIFY("disk is low");
  low_ = space.low;
  space_at_ = log_.positions().appended;
  available_bytes_ = space.disk.available_bytes;
  reserve.retry();
  side_.retry_writes();
  side_space_failed_ = false;
  if (!low_) log_.pool().retry();
  return space;
}

// A small log has the rest of its active segment.
void Housekeeper::want_reserve() {
  if (reserve_segments_max_ == 0) return;
  constexpr std::uint64_t kSnapshotBytesMin = 64 * 1024;
  const std::size_t segments = log_.segments().numbers().size();
  const double fill = static_cast<double>(segments - 1) + log_.active_fill();
  std::size_t wanted = fill < kPoolFromFill ? 0 : 1 + static_cast<std::size_t>(4 * fill - 1);
  wanted = std::min<std::size_t>(wanted, reserve_segments_max_);
  if (segments >= kCompactionFromSegments) wanted += kCompactionReserve;
  const std::uint64_t snapshot = std::max(2 * snapshot_bytes_, kSnapshotBytesMin);
  log_.reserve().want(wanted, fill < kReserveFromFill ? 0 : snapshot);
}

// What must be there before new files for the pool are.
std::shared_ptr<LogWork> Housekeeper::next_reserve() {
  const bool small = log_.active_segment() == 1 && log_.active_fill() < kReserveFromFill;
  if (small || reserve_segments_max_ == 0) return nullptr;
  want_reserve();
  if (available_bytes_ >= log_.segment_bytes()) {
    if (auto work = log_.reserve().next_piece()) return work;
  }
  if (side_space_failed_) return nullptr;
  auto space = side_.take_space();
  return space ? std::make_shared<SidePiece>(*this, std::move(space)) : nullptr;
}

bool Housekeeper::space_stale() const {
  return log_.positions().appended - space_at_ >= log_.segment_bytes() / kSpaceLooksASegment;
}

std::shared_ptr<LogWork> Housekeeper::take_background() {
  if (piece_out_ || !log_.status()) return nullptr;
  // What is out may be a removal: so only now.
  pinned_ = pin_wanted_;
  std::shared_ptr<LogWork> work = next_piece();
  if (!work) return nullptr;
  piece_out_ = true;
  return std::make_shared<Piece>(*this, std::move(work));
}

std::shared_ptr<LogWork> Housekeeper::next_piece() {
  if (auto snapshot = next_snapshot()) return snapshot;
  if (auto removal = next_removal()) return removal;
  if (auto reserve = next_reserve()) return reserve;
  if (auto slice = compactor_.take_work(copy_budget_)) return slice;
  const bool writes = !low_ && log_.active_fill() >= kPoolFromFill;
  return writes ? log_.pool().next_slice(kPoolWanted) : nullptr;
}

std::shared_ptr<LogWork> Housekeeper::next_removal() {
  if (pinned_) return nullptr;
  const auto ready = std::find_if(dead_.begin(), dead_.end(), [this](const Dead& dead) {
    return dead.after <= log_.positions().durable && (!dead.read || dead.after <= released_);
  });
  if (ready == dead_.end()) return nullptr;
  const std::uint64_t number = ready->number;
  dead_.erase(ready);
  log_.segments().remove(number);
  return std::make_shared<Removal>(*this, number);
}

void Housekeeper::compact(const LiveMessages& live) {
  if (pin_wanted_) return;
  const auto replaced = compactor_.step(live, older_kept(), low_);
  if (!replaced) return;
  for (const std::uint64_t number : replaced->numbers) {
    dead_.push_back({number, replaced->after, replaced->after != Lsn()});
  }
}

void Housekeeper::allow_copying(std::uint64_t bytes) {
  constexpr std::uint64_t kBudgetMax = 4U << 20;
  copy_budget_ = std::min(copy_budget_ + bytes, kBudgetMax);
}

bool Housekeeper::idle() const { return !piece_out_ && !snapshot_under_way() && dead_.empty(); }

Status Housekeeper::run_inline() {
  RETURN_IF_ERROR(log_.flush());
  set_released(log_.positions().durable);
  while (const std::shared_ptr<LogWork> work = take_background()) {
    work->finish(work->run());
    RETURN_IF_ERROR(log_.flush());
    set_released(log_.positions().durable);
  }
  return log_.status();
}

}  // namespace sluice::storage
