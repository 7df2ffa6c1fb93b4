#include "storage/read_ahead.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/segment_header.h"

namespace sluice::storage {

using base::Lsn;

namespace {

constexpr std::size_t kKnownMax = 64;
constexpr std::size_t kWaitingMax = 64;
constexpr int kAhead = 2;
// Of the rows of a sparse stream, which may lie all over a segment: what is looked at at once.
constexpr std::uint64_t kStretchesAtOnce = 8;
constexpr std::size_t kReadBytes = 256 * 1024;
// A record that begins in a stretch may end behind it.
constexpr std::uint64_t kOverhangBytes = 272 * 1024;

// How much of the file is read for a stretch that begins at `offset`.
std::uint64_t bytes_to_read(const SegmentSet::Place& place) {
  const std::uint64_t end = std::min(place.offset + ReadAhead::kStretchBytes + kOverhangBytes,
                                     place.extent.segment_bytes);
  return end - std::min(place.offset, end);
}

}  // namespace

class ReadAhead::Reading final : public LogWork {
 public:
  Reading(ReadAhead& owner, const Stretch& stretch, SegmentSet::Place place)
      : owner_(owner), stretch_(stretch), place_(std::move(place)) {}

  base::Status run() override {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadBytes);
    const std::uint64_t end = place_.offset + bytes_to_read(place_);
    for (std::uint64_t at = place_.offset; at < end; at += kReadBytes) {
      const std::size_t bytes = std::min<std::uint64_t>(kReadBytes, end - at);
      ASSIGN_OR_RETURN(const std::size_t got, place_.file->read_at(at, {buffer.get(), bytes}));
      if (got < bytes) return {};
    }
    return {};
  }
  // Whoever reads the stretch itself sees its error, and that it concerns one record only.
  void finish(const base::Status&) override {
    owner_.remember(stretch_);
    ++owner_.finished_;
    owner_.out_.reset();
  }

  const Stretch& stretch() const { return stretch_; }

 private:
  ReadAhead& owner_;
  const Stretch stretch_;
  const SegmentSet::Place place_;
};

ReadAhead::Stretch ReadAhead::stretch_of(Lsn lsn) const {
  const std::uint64_t segment = log_.segments().number_of(lsn);
  return {segment, (lsn.value() - segment * log_.segment_bytes()) / kStretchBytes};
}

Lsn ReadAhead::begin_of(const Stretch& stretch) const {
  return Lsn(stretch.segment * log_.segment_bytes() + stretch.index * kStretchBytes);
}

ReadAhead::Stretch ReadAhead::next(const Stretch& stretch) const {
  const bool last = (stretch.index + 1) * kStretchBytes >= log_.segment_bytes();
  return last ? Stretch{stretch.segment + 1, 0} : Stretch{stretch.segment, stretch.index + 1};
}

bool ReadAhead::worth_reading(const Stretch& stretch) const {
  if (is_extent(stretch.segment)) {
    return stretch.index * kStretchBytes < log_.segments().file_bytes(stretch.segment);
  }
  return begin_of(stretch) < log_.positions().written && log_.segments().contains(stretch.segment);
}

bool ReadAhead::contains(const std::deque<Stretch>& queue, const Stretch& stretch) {
  return std::find(queue.begin(), queue.end(), stretch) != queue.end();
}

ReadAhead::Known* ReadAhead::find(const Stretch& stretch) {
  const auto found = std::find_if(known_.begin(), known_.end(),
                                  [&](const Known& known) { return known.stretch == stretch; });
  return found == known_.end() ? nullptr : &*found;
}

bool ReadAhead::ready(Lsn from, Lsn last) {
  CHECK(from <= last);
  Stretch at = stretch_of(from);
  const Stretch end = stretch_of(last);
  CHECK(at.segment == end.segment);
  if (end.index - at.index >= kStretchesAtOnce) at.index = end.index - (kStretchesAtOnce - 1);
  bool ready = true;
  for (; at.index <= end.index; ++at.index) {
    if (Known* const known = find(at)) {
      known->used_at = ++uses_;
    } else if (worth_reading(at) && !is_there(at, demanded_)) {
      ready = false;
      want(at, true);
    }
  }
  Stretch ahead = end;
  for (int i = 0; i < kAhead; ++i) {
    ahead = next(ahead);
    if (find(ahead) != nullptr || !worth_reading(ahead) || is_there(ahead, ahead_)) continue;
    want(ahead, false);
  }
  return ready;
}

bool ReadAhead::is_out(const Stretch& stretch) const {
  const std::shared_ptr<Reading> out = out_.lock();
  return out != nullptr && out->stretch() == stretch;
}

// Where nothing but memory is read, another thread would only read it twice. To look costs as much
// as a small read, so it is done once: not while the stretch waits, or has no place to wait.
bool ReadAhead::is_there(const Stretch& stretch, const std::deque<Stretch>& queue) {
  if (queue.size() >= kWaitingMax || is_out(stretch)) return false;
  if (contains(demanded_, stretch) || contains(ahead_, stretch)) return false;
  const auto place = log_.segments().place(begin_of(stretch));
  if (!place || !place->file->in_page_cache(place->offset, bytes_to_read(*place))) return false;
  remember(stretch);
  return true;
}

// Where too much waits already, the stretch is asked for again when something is finished.
void ReadAhead::want(const Stretch& stretch, bool demanded) {
  if (is_out(stretch) || contains(demanded_, stretch)) return;
  const bool waits = contains(ahead_, stretch);
  if (!demanded && waits) return;
  std::deque<Stretch>& queue = demanded ? demanded_ : ahead_;
  if (queue.size() >= kWaitingMax) return;
  if (waits) std::erase(ahead_, stretch);
  queue.push_back(stretch);
}

std::shared_ptr<LogWork> ReadAhead::take() {
  if (out_.lock() != nullptr || !log_.status()) return nullptr;
  while (!demanded_.empty() || !ahead_.empty()) {
    std::deque<Stretch>& queue = demanded_.empty() ? ahead_ : demanded_;
    const Stretch stretch = queue.front();
    queue.pop_front();
    auto place = log_.segments().place(begin_of(stretch));
    if (!place) {
      // Gone, or the file cannot be opened: whoever waits for it is to find out.
      remember(stretch);
      ++finished_;
      continue;
    }
    auto work = std::make_shared<Reading>(*this, stretch, std::move(*place));
    out_ = work;
    return work;
  }
  return nullptr;
}

void ReadAhead::remember(const Stretch& stretch) {
  if (known_.size() < kKnownMax) {
    known_.push_back({stretch, ++uses_});
    return;
  }
  *std::min_element(known_.begin(), known_.end(), [](const Known& a, const Known& b) {
    return a.used_at < b.used_at;
  }) = {stretch, ++uses_};
}

}  // namespace sluice::storage
