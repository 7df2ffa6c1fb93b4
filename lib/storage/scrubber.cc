#include "storage/scrubber.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "storage/extent_header.h"
#include "storage/fact_codec.h"
#include "storage/segment_file.h"
#include "storage/segment_scanner.h"

namespace sluice::storage {

using base::Lsn;
using base::Sequence;
using base::Status;

namespace {

constexpr std::size_t kKnownRangesMax = 100'000;
constexpr std::size_t kMetMax = 10'000;

}  // namespace

// A segment that is being read. Between take() and finish() the other thread's alone.
struct Scrubber::Segment {
  // `written`: where it ends so far.
  Segment(SegmentSet::Place where, Lsn written, std::vector<MessageIndex::SegmentRange> has)
      : place(std::move(where)),
        end(written),
        ranges(std::move(has)),
        scanner(*place.file, place.extent, place.extent.data_begin()) {
    for (const MessageIndex::SegmentRange& one : ranges) {
      expected.emplace(one.stream, one.range.first);
    }
  }

  // Reads on; true at the end.
  bool read(std::uint64_t bytes_max) {
    if (bytes == 0) read_header();
    for (std::uint64_t read = 0; read < bytes_max;) {
      const std::optional<ScanItem> item = scanner.next();
      if (!item || item->begin >= end) {
        note_rest();
        return true;
      }
      read += item->end - item->begin;
      bytes += item->end - item->begin;
      note(*item);
    }
    return false;
  }

  void read_header() {
    const bool good = is_extent(place.extent.number) ? read_extent_header(*place.file).has_value()
                                                     : read_segment_header(*place.file).has_value();
    if (good) return;
    note_corrupt(place.extent.base(), place.extent.data_begin(), "no valid header");
  }
  void note_corrupt(Lsn begin, Lsn behind, std::string reason) {
    corrupt.push_back(
        {begin, std::min(behind, end), data_file_name(place.extent.number), std::move(reason)});
  }
  void note(const ScanItem& item) {
    if (item.kind == ScanItem::Kind::kBad) {
      has_gap = true;
      note_corrupt(item.begin, item.end, damage_reason(item));
      return;
    }
    if (item.kind == ScanItem::Kind::kPadding) return;
    if (!item.bad_blocks.empty()) note_corrupt(item.begin, item.end, damage_reason(item));
    const bool messages =
        item.header.type == RecordType::kMessages && item.payload.size() >= item.header.head_bytes;
    if (!messages) return;
    const auto decoded = decode_messages(item.payload.first(item.header.head_bytes));
    if (!decoded) return;
    const MessagesFact& fact = decoded->fact;
    const Sequence last = fact.first + (fact.count - 1);
    const auto at = expected.find(fact.stream);
    // The index does not know it: nobody asks for these messages.
    if (at == expected.end()) return;
    if (has_gap && at->second < fact.first) {
      doubtful.push_back({fact.stream, {at->second, fact.first - 1}});
    }
    at->second = std::max(at->second, last + 1);
    if (!item.bad_blocks.empty()) doubtful.push_back({fact.stream, {fact.first, last}});
  }
  // What the index knows to be here and was not seen.
  void note_rest() {
    if (!has_gap) return;
    for (const MessageIndex::SegmentRange& one : ranges) {
      const Sequence from = expected.at(one.stream);
      if (from <= one.range.last) doubtful.push_back({one.stream, {from, one.range.last}});
    }
  }

  SegmentSet::Place place;
  Lsn end;
  std::vector<MessageIndex::SegmentRange> ranges;
  SegmentScanner scanner;
  std::map<StreamId, Sequence> expected;  // by stream
  bool has_gap = false;                   // there were bytes that are no record
  std::uint64_t bytes = 0;
  bool done = false;
  std::set<Lsn> met;  // records that reads could not read
  std::vector<CorruptRange> corrupt;
  std::vector<MessageIndex::SegmentRange> doubtful;
};

class Scrubber::Reading final : public LogWork {
 public:
  Reading(Scrubber& owner, std::shared_ptr<Segment> segment, std::uint64_t bytes_max)
      : owner_(owner), segment_(std::move(segment)), bytes_max_(bytes_max) {}

  Status run() override {
    const std::uint64_t before = segment_->bytes;
    segment_->done = segment_->read(bytes_max_);
    read_ = segment_->bytes - before;
    return {};
  }
  void finish(const Status&) override {
    owner_.out_ = false;
    owner_.stats_.bytes += read_;
    if (segment_->done) owner_.finish_segment(*segment_);
  }

 private:
  Scrubber& owner_;
  const std::shared_ptr<Segment> segment_;
  const std::uint64_t bytes_max_;
  std::uint64_t read_ = 0;
};

Scrubber::Scrubber(SegmentLog& log, const MessageIndex& index,
                   const std::vector<CorruptRange>& known)
    : log_(log), index_(index) {
  for (const CorruptRange& one : known) {
    note_told(one.begin, one.end);
    first_.insert(log.segments().number_of(one.begin));
  }
}

Scrubber::~Scrubber() = default;

std::optional<std::uint64_t> Scrubber::sealed_behind(std::uint64_t number) const {
  const std::vector<std::uint64_t> numbers = log_.segments().numbers();
  const auto next = std::upper_bound(numbers.begin(), numbers.end(), number);
  // The newest one is being written. Extents come behind all segments.
  if (next != numbers.end() && *next != numbers.back()) return *next;
  const std::vector<std::uint64_t> extents = log_.segments().extents();
  const auto extent = std::upper_bound(extents.begin(), extents.end(), number);
  if (extent == extents.end()) return std::nullopt;
  return *extent;
}

bool Scrubber::is_sealed(std::uint64_t number) const {
  const Lsn end((number + 1) * log_.segment_bytes());
  return is_extent(number) || (number < log_.active_segment() && end <= log_.positions().written);
}

std::shared_ptr<Scrubber::Segment> Scrubber::open(std::uint64_t number) {
  const Lsn begin(number * log_.segment_bytes());
  auto place = log_.segments().place(begin);
  if (!place) return nullptr;
  const SegmentExtent& extent = place->extent;
  // Behind an extent's records there is nothing, not even the rest of a segment.
  Lsn end = is_extent(number) ? begin + extent.extent_bytes : extent.end();
  std::vector<MessageIndex::SegmentRange> ranges;
  if (is_sealed(number)) {
    ranges = index_.ranges(number);
  } else {
    end = std::min(end, log_.positions().written);
  }
  auto segment = std::make_shared<Segment>(std::move(*place), end, std::move(ranges));
  const auto met_end = met_.lower_bound(begin + log_.segment_bytes());
  for (auto met = met_.lower_bound(begin); met != met_end; met = met_.erase(met)) {
    segment->met.insert(*met);
  }
  // Of one that is still written it is not known yet which messages are lost.
  if (is_sealed(number)) {
    first_.erase(number);
  } else {
    first_.insert(number);
  }
  return segment;
}

std::shared_ptr<Scrubber::Segment> Scrubber::open_first() {
  while (!met_.empty()) {
    const Lsn record = *met_.begin();
    if (!told(record, record + 1)) {
      if (auto segment = open(log_.segments().number_of(record))) return segment;
    }
    met_.erase(record);
  }
  for (auto number = first_.begin(); number != first_.end();) {
    const std::uint64_t one = *number++;
    if (!is_sealed(one)) continue;
    if (auto segment = open(one)) return segment;
    first_.erase(one);
  }
  return nullptr;
}

// When the next piece is due, and how long it is, so that a round takes its time.
void Scrubber::pace(base::MonoTime now) {
  const std::uint64_t total = log_.segments().numbers().size() * log_.segment_bytes();
  piece_bytes_ = std::clamp(total / kRoundSeconds, kPieceBytes, kPieceBytesMax);
  const std::uint64_t pieces = std::max<std::uint64_t>(1, total / piece_bytes_);
  const std::int64_t seconds =
      std::max<std::int64_t>(1, kRoundSeconds / static_cast<std::int64_t>(pieces));
  due_ = now + base::Nanos(std::chrono::seconds(seconds));
}

std::shared_ptr<LogWork> Scrubber::take(base::MonoTime now) {
  if (out_ || !log_.status()) return nullptr;
  if (!paced_) pace(now);
  paced_ = true;
  if (std::exchange(round_over_, false)) stats_.completed_at = now;
  if (urgent_ == nullptr) urgent_ = open_first();
  const std::uint64_t bytes = urgent_ != nullptr ? kPieceBytesMax : piece_bytes_;
  auto segment = urgent_ != nullptr ? urgent_ : next_of_round(now);
  if (segment == nullptr) return nullptr;
  out_ = true;
  return std::make_shared<Reading>(*this, std::move(segment), bytes);
}

std::shared_ptr<Scrubber::Segment> Scrubber::next_of_round(base::MonoTime now) {
  if (now < due_) return nullptr;
  pace(now);
  if (at_ != nullptr) return at_;
  const std::optional<std::uint64_t> next = sealed_behind(last_);
  if (!next) {
    // Nothing is sealed yet, or the round ended with what was dropped meanwhile.
    if (std::exchange(last_, 0) != 0) stats_.completed_at = now;
    return nullptr;
  }
  last_ = *next;
  at_ = open(*next);
  return at_;
}

void Scrubber::finish_segment(Segment& segment) {
  const SegmentExtent& extent = segment.place.extent;
  if (urgent_.get() == &segment) {
    urgent_ = nullptr;
  } else {
    at_ = nullptr;
    if (!sealed_behind(last_)) {
      last_ = 0;
      round_over_ = true;
    }
  }
  // Its file may be another segment's by now, and what was read that one's.
  if (!log_.segments().contains(extent.number)) return;
  Finding finding;
  finding.begin = extent.base();
  finding.end = extent.end();
  for (CorruptRange& one : segment.corrupt) {
    if (!note_told(one.begin, one.end)) continue;
    const auto met = segment.met.lower_bound(one.begin);
    const bool was_met = met != segment.met.end() && *met < one.end;
    ++(was_met ? stats_.met : stats_.findings);
    (was_met ? finding.met : finding.corrupt).push_back(std::move(one));
  }
  finding.doubtful = std::move(segment.doubtful);
  if (finding.corrupt.empty() && finding.met.empty() && finding.doubtful.empty()) return;
  findings_.push_back(std::move(finding));
}

bool Scrubber::told(Lsn begin, Lsn end) const {
  const auto behind = known_.lower_bound(end);
  return behind != known_.begin() && std::prev(behind)->second > begin;
}

// False: it was told already, or a part of it, or too much was. What is known never overlaps.
bool Scrubber::note_told(Lsn begin, Lsn end) {
  end = std::max(end, begin + 1);
  if (known_.size() >= kKnownRangesMax || told(begin, end)) return false;
  known_.emplace(begin, end);
  return true;
}

void Scrubber::note_met(Lsn record) {
  // Where nothing more can be told, the segments wait for their turn.
  const bool room = met_.size() < kMetMax && known_.size() < kKnownRangesMax;
  if (room && !told(record, record + 1)) met_.insert(record);
}

std::vector<Scrubber::Finding> Scrubber::take_findings() { return std::exchange(findings_, {}); }

}  // namespace sluice::storage
