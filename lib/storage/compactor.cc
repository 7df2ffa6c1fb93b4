#include "storage/compactor.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/buggify.h"
#include "base/check.h"
#include "base/cover.h"
#include "storage/fact_codec.h"
#include "storage/segment_header.h"

namespace sluice::storage {

using base::Lsn;
using base::Sequence;
using base::SequenceRange;
using base::Status;

namespace {

constexpr int kRunsAStep = 1024;
constexpr std::size_t kRunsMax = 96 * 1024;
constexpr std::uint64_t kOutputShareMin = 16;
// A record of its own costs about this much more than messages that go along with their neighbours.
constexpr double kSplitBytes = 160;
constexpr std::uint64_t kCopySliceBytes = 1U << 20;
// Beside a body: header, attributes, and a share of the record.
constexpr double kBesideBodyBytesMin = 8;
constexpr double kBesideBodyBytesMax = 48;
constexpr int kAnswersAStep = 1024;
// Nearer than this what was thought of a file was good enough.
constexpr double kNearly = 0.05;

}  // namespace

class Compactor::Slice final : public LogWork {
 public:
  explicit Slice(Compactor& owner) : owner_(owner) {}
  // The loop touches nothing of the copy while a slice is out.
  Status run() override { return owner_.copy_->step(); }
  void finish(const Status& status) override { owner_.slice_done(status); }

 private:
  Compactor& owner_;
};

Compactor::Compactor(runtime::FileSystem& fs, const std::string& folder, const LogOptions& options,
                     SegmentLog& log, IndexedMessageStore& messages)
    : fs_(fs),
      segments_folder_(segments_folder(folder)),
      random_id_(options.random_id),
      log_(log),
      messages_(messages),
      output_bytes_max_(log.segment_bytes() / 8 * 7),
      next_extent_(kExtentNumberFirst) {}

Compactor::~Compactor() = default;

std::optional<Compactor::Replaced> Compactor::step(const LiveMessages& live, Lsn older,
                                                   bool eager) {
  if (log_.feature_level() < kExtentFeatureLevel || !log_.status()) return std::nullopt;
  if (phase_ == Phase::kIdle) begin_looking(live, older, eager);
  if (phase_ == Phase::kLooking) look(live);
  if (phase_ == Phase::kCollecting) collect(live);
  if (phase_ != Phase::kCopying || slice_out_) return std::nullopt;
  answer(live);
  return copy_->done() ? swap(live) : std::nullopt;
}

std::uint64_t Compactor::file_bytes(std::uint64_t number) const {
  return log_.segments().file_bytes(number);
}

void Compactor::begin_looking(const LiveMessages& live, Lsn older, bool eager) {
  if (PLANTED("settled_message_resurrected_by_compaction")) older = log_.positions().durable;
  if (older == looked_at_ && !eager) return;
  looked_at_ = older;
  eager_ = eager;
  loads_.clear();
  thought_.clear();
  walk_ = {};
  const std::uint64_t segment_bytes = log_.segment_bytes();
  std::erase_if(measured_, [&](const auto& file) { return !log_.segments().contains(file.first); });
  for (const std::uint64_t number : messages_.message_index().segments()) {
    avoid(number);
    const Lsn begin(number * segment_bytes);
    const bool old = is_extent(number) || begin + segment_bytes <= older;
    if (!old || !log_.segments().contains(number) || unfit_.contains(number)) continue;
    if (!is_extent(number) && live.pinned && live.pinned(begin, begin + segment_bytes)) continue;
    walk_.files.push_back(number);
  }
  if (walk_.files.empty()) return;
  phase_ = Phase::kLooking;
  enter_file();
}

void Compactor::enter_file() {
  walk_.range = 0;
  walk_.at = Sequence(0);
  walk_.gap.reset();
  walk_.live_bytes = 0;
  if (walk_.file == walk_.files.size()) return;
  const std::uint64_t number = walk_.files[walk_.file];
  std::uint64_t messages = 0;
  for (const auto& range : messages_.message_index().ranges(number)) {
    messages += range.range.count();
  }
  walk_.message_bytes = static_cast<double>(file_bytes(number)) /
                        static_cast<double>(std::max<std::uint64_t>(messages, 1));
}

template <typename Found, typename FileDone>
bool Compactor::walk(const LiveMessages& live, Found&& found, FileDone&& file_done) {
  for (int runs = 0; runs < kRunsAStep; ++runs) {
    if (walk_.file == walk_.files.size()) return true;
    // A segment that was dropped since has none.
    const auto& ranges = messages_.message_index().ranges(walk_.files[walk_.file]);
    if (walk_.range >= ranges.size()) {
      file_done(walk_.files[walk_.file]);
      ++walk_.file;
      enter_file();
      continue;
    }
    const MessageIndex::SegmentRange& range = ranges[walk_.range];
    const Sequence from = std::max(walk_.at, range.range.first);
    const bool ended = from > range.range.last;
    const auto run = ended ? std::nullopt : live.next(range.stream, {from, range.range.last});
    if (!run) {
      ++walk_.range;
      walk_.at = Sequence(0);
      walk_.gap.reset();
      continue;
    }
    found(range, *run);
    walk_.at = run->last + 1;
    walk_.gap = walk_.at;
  }
  return false;
}

// What copying would write: runs, and between them whatever costs less, the dead messages of a gap
// or a record more.
void Compactor::look(const LiveMessages& live) {
  const bool ended = walk(
      live,
      [this, &live](const MessageIndex::SegmentRange& range, SequenceRange run) {
        double bytes = bytes_of(live, range.stream, run);
        const double gap = walk_.gap
                               ? static_cast<double>(run.first - *walk_.gap) * walk_.message_bytes
                               : kSplitBytes;
        bytes += std::min(gap, kSplitBytes);
        walk_.live_bytes += static_cast<std::uint64_t>(bytes);
      },
      [this](std::uint64_t number) {
        const std::uint64_t bytes = file_bytes(number);
        // What is wholly dead goes without any copying.
        if (walk_.live_bytes == 0) return;
        thought_[number] = walk_.live_bytes;
        const auto measured = measured_.find(number);
        if (measured != measured_.end()) {
          const double corrected = static_cast<double>(walk_.live_bytes) * measured->second;
          walk_.live_bytes = static_cast<std::uint64_t>(corrected) + 1;
        }
        loads_.push_back({number, bytes, std::min(walk_.live_bytes, bytes)});
      });
  if (!ended) return;
  CompactionLimits limits;
  limits.slack_bytes = eager_ ? log_.segment_bytes() / 2 : log_.segment_bytes();
  limits.output_bytes = output_bytes_max_;
  const std::vector<std::uint64_t> files = choose_files(loads_, limits);
  phase_ = Phase::kIdle;
  if (files.empty()) return;
  phase_ = Phase::kCollecting;
  chosen_ = {files.begin(), files.end()};
  revivals_ = live.revivals ? live.revivals() : 0;
  streams_.clear();
  runs_ = 0;
  walk_ = {};
  walk_.files = files;
  enter_file();
}

double Compactor::bytes_of(const LiveMessages& live, const StreamId& stream,
                           SequenceRange run) const {
  const auto known =
      live.sizes ? live.sizes(stream, run) : std::pair<std::uint64_t, std::uint64_t>();
  const auto count = static_cast<double>(std::min(run.count(), known.first));
  const double unknown = (static_cast<double>(run.count()) - count) * walk_.message_bytes;
  if (count == 0) return unknown;
  const auto bodies = static_cast<double>(known.second);
  const double beside =
      std::clamp(walk_.message_bytes - bodies / count, kBesideBodyBytesMin, kBesideBodyBytesMax);
  return bodies + count * beside + unknown;
}

void Compactor::collect(const LiveMessages& live) {
  const bool ended = walk(
      live,
      [this](const MessageIndex::SegmentRange& range, SequenceRange run) {
        collect_run(range.range, range.stream, run);
      },
      [](std::uint64_t) {});
  if (runs_ > kRunsMax) {
    unfit_.insert(walk_.file < walk_.files.size() ? walk_.files[walk_.file] : walk_.files.back());
    give_up();
  } else if (ended) {
    begin_copy();
  }
}

void Compactor::collect_run(SequenceRange range, const StreamId& id, SequenceRange run) {
  const auto found = std::lower_bound(
      streams_.begin(), streams_.end(), id,
      [](const CopyStream& one, const StreamId& wanted) { return one.stream < wanted; });
  if (PLANTED("compaction_loses_messages") && run.first.value() % 3 == 0) return;
  const bool is_new = found == streams_.end() || found->stream != id;
  CopyStream& stream = is_new ? *streams_.insert(found, {id, {}}) : *found;
  const bool continues = walk_.gap && !stream.spans.empty() && stream.spans.back().range == range;
  if (!continues) stream.spans.push_back({range, {}});
  std::vector<SequenceRange>& runs = stream.spans.back().runs;
  if (continues &&
      static_cast<double>(run.first - *walk_.gap) * walk_.message_bytes < kSplitBytes) {
    runs.back().last = run.last;
    return;
  }
  runs.push_back(run);
  ++runs_;
}

// Spans of several files between which nothing else of the stream lies become one, so that what
// many files had a little of needs no more of the index than it must.
void Compactor::join_spans(CopyStream& stream) const {
  std::vector<CopySpan>& spans = stream.spans;
  std::sort(spans.begin(), spans.end(),
            [](const CopySpan& a, const CopySpan& b) { return a.range.first < b.range.first; });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < spans.size(); ++i) {
    CopySpan& last = spans[kept];
    const SequenceRange between{last.range.last, spans[i].range.first};
    if (messages_.message_index().any_group_between(stream.stream, between)) {
      if (++kept != i) spans[kept] = std::move(spans[i]);
      continue;
    }
    last.range.last = spans[i].range.last;
    last.runs.insert(last.runs.end(), spans[i].runs.begin(), spans[i].runs.end());
  }
  spans.resize(kept + 1);
}

void Compactor::begin_copy() {
  CopyOrder order;
  order.header.number = next_extent_++;
  order.header.segment_bytes = log_.segment_bytes();
  order.header.uuid = random_id_();
  order.header.log_id = log_.log_id();
  for (const std::uint64_t number : walk_.files) {
    auto place = log_.segments().place(Lsn(number * log_.segment_bytes() + kSegmentDataOffset));
    if (!place) return give_up();
    order.sources.push_back({place->extent, file_bytes(number), std::move(place->file), number});
  }
  for (const std::uint64_t number : walk_.files) {
    for (CopySource& source : sources_beside(number)) order.sources.push_back(std::move(source));
  }
  for (CopyStream& stream : streams_) join_spans(stream);
  order.streams = std::exchange(streams_, {});
  if (order.streams.empty()) return give_up();
  if (eager_) order.reserve_file = log_.reserve().take().value_or("");
  copy_ = std::make_unique<ExtentCopy>(fs_, segments_folder_, std::move(order));
  phase_ = Phase::kCopying;
}

// Segments that stay, with pieces of a large message of which others are in this one.
std::vector<CopySource> Compactor::sources_beside(std::uint64_t number) {
  std::vector<CopySource> sources;
  if (is_extent(number)) return sources;
  const MessageIndex& index = messages_.message_index();
  for (const bool backwards : {true, false}) {
    const auto message = index.across(backwards ? number : number + 1);
    auto on = message;
    for (std::uint64_t at = number; on;) {
      at = backwards ? at - 1 : at + 1;
      auto place = log_.segments().place(Lsn(at * log_.segment_bytes() + kSegmentDataOffset));
      // Whether its messages live is known to whoever asks for them.
      if (!place) break;
      if (!chosen_.contains(at) && beside_.insert(at).second) {
        sources.push_back({place->extent, file_bytes(at), std::move(place->file), number, true});
      }
      on = index.across(backwards ? at : at + 1);
      if (on && (on->stream != message->stream || on->range != message->range)) on.reset();
    }
  }
  return sources;
}

// Which of the large messages that were found live.
void Compactor::answer(const LiveMessages& live) {
  for (int left = kAnswersAStep; left > 0; --left) {
    const auto asked = copy_->asks();
    if (!asked) return;
    const SequenceRange one{asked->sequence, asked->sequence};
    copy_->answer(live.next(asked->stream, one).has_value());
  }
}

// From a copy that was too much. True where it makes a difference.
bool Compactor::learn_sizes() {
  bool is_news = false;
  for (const auto& [number, bytes] : copy_->bytes_to_copy()) {
    const auto thought = thought_.find(number);
    if (thought == thought_.end()) continue;
    const double share = static_cast<double>(bytes) / static_cast<double>(thought->second);
    double& measured = measured_.try_emplace(number, 1).first->second;
    if (std::abs(share - measured) < kNearly * measured) continue;
    measured = share;
    is_news = true;
  }
  return is_news;
}

std::shared_ptr<LogWork> Compactor::take_work(std::uint64_t& budget_bytes) {
  if (phase_ != Phase::kCopying || slice_out_ || copy_->done() || copy_->asks()) return nullptr;
  if (budget_bytes < kCopySliceBytes) return nullptr;
  budget_bytes -= kCopySliceBytes;
  slice_out_ = true;
  return std::make_shared<Slice>(*this);
}

void Compactor::slice_done(const Status& status) {
  slice_out_ = false;
  if (status) return;
  if (!copy_->order().reserve_file.empty()) {
    log_.reserve().give_back(copy_->order().reserve_file);
  }
  const bool too_much = status.error().code() == base::ErrorCode::kInvalidArgument;
  const bool learned = too_much && learn_sizes();
  const bool smaller =
      too_much && !learned && output_bytes_max_ > log_.segment_bytes() / kOutputShareMin;
  if (smaller) output_bytes_max_ /= 2;
  if (copy_->bad_source() != 0) unfit_.insert(copy_->bad_source());
  // Otherwise, as on a full disk, the next time that there is a reason to look.
  if (learned || smaller || copy_->bad_source() != 0) looked_at_ = Lsn();
  give_up();
}

// The files stay as they are. An extent that nobody knows goes at the next start.
void Compactor::give_up() {
  phase_ = Phase::kIdle;
  chosen_.clear();
  beside_.clear();
  streams_.clear();
  copy_.reset();
}

std::optional<Compactor::Replaced> Compactor::swap(const LiveMessages& live) {
  const std::unique_ptr<ExtentCopy> copy = std::move(copy_);
  const ExtentSwapFact& fact = copy->fact();
  const std::uint64_t segment_bytes = log_.segment_bytes();
  const bool still =
      std::all_of(fact.replaced.begin(), fact.replaced.end(), [&](std::uint64_t number) {
        const Lsn begin(number * segment_bytes);
        const bool pinned =
            !is_extent(number) && live.pinned && live.pinned(begin, begin + segment_bytes);
        return log_.segments().contains(number) && !pinned;
      });
  const bool revived = live.revivals && live.revivals() != revivals_;
  give_up();
  looked_at_ = Lsn();  // there may be more to do
  if (!still || revived || BUGGIFY("swap given up")) {
    COVER("compaction given up at the swap");
    Replaced nothing;
    nothing.numbers.push_back(fact.extent);
    return nothing;
  }
  std::vector<std::byte> payload;
  encode(fact, payload);
  const base::ByteView bytes(payload);
  const std::size_t head = std::min(bytes.size(), kRecordHeadBytesMax);
  const Appended record =
      log_.append(RecordType::kExtentSwap, bytes.first(head), bytes.subspan(head), true);
  messages_.message_index().swap(fact);
  log_.segments().add({fact.extent, segment_bytes, copy->order().header.uuid_prefix(), fact.bytes},
                      copy->file());
  for (const std::uint64_t number : fact.replaced) log_.segments().retire(number);
  COVER("segments compacted");
  ++compactions_;
  copied_bytes_ += copy->copied_bytes();
  return Replaced{fact.replaced, record.end};
}

}  // namespace sluice::storage
