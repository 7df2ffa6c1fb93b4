#include "storage/side_pager.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::storage {

using base::Status;

namespace {

constexpr std::size_t kFramesMin = 32;
// Dirty pages beyond half of the cache are written, so that a snapshot's pages and those that
// change while it is written both find room.
constexpr std::size_t kDirtyShare = 2;
constexpr std::size_t kWrittenAtOnce = 32;
// Free space that goes back to the file system after a snapshot, at most and from when on.
constexpr std::uint32_t kCutPagesMax = 8192;
constexpr std::uint32_t kCutPagesMin = 128;
constexpr std::uint32_t kCutShare = 8;

}  // namespace

SidePager::SidePager(std::unique_ptr<runtime::File> file, std::shared_ptr<runtime::File> background,
                     const base::Id128& log_id, std::uint64_t cache_bytes, std::uint64_t generation,
                     SideSpace space)
    : file_(std::move(file)),
      background_(std::move(background)),
      log_id_(log_id),
      frames_max_(std::max<std::size_t>(cache_bytes / kSidePageBytes, kFramesMin)),
      generation_(generation),
      space_(std::move(space)),
      file_pages_(space_.pages()) {}

void SidePager::die(const base::Error& error, bool damaged) {
  if (!status_) return;
  status_ = error;
  damaged_ = damaged;
}

void SidePager::map(std::uint32_t page, SideFrame* frame) {
  if (page >= frame_of_.size()) frame_of_.resize(page + std::size_t{1}, nullptr);
  frame_of_[page] = frame;
}

SideFrame* SidePager::get(std::uint32_t page, unsigned level, std::uint64_t generation_max) {
  if (!status_) return nullptr;
  SideFrame* frame = find(page);
  if (frame == nullptr) {
    frame = free_frame();
    if (frame == nullptr) return nullptr;
    ++reads_;
    const Status read =
        read_side_page(*file_, log_id_, page, level, generation_max, frame->bytes.get());
    if (!read) {
      release_frame(frame);
      die(base::Error(read.error().code(),
                      read.error().message() +
                          "; the next start reads every page, and takes the older snapshot if "
                          "the newer one needs a bad one"),
          true);
      return nullptr;
    }
    frame->page = page;
    map(page, frame);
  }
  frame->referenced = true;
  frame->operation = operation_;
  return frame;
}

SideFrame* SidePager::create(unsigned level) {
  if (!status_) return nullptr;
  SideFrame* const frame = free_frame();
  if (frame == nullptr) return nullptr;
  frame->page = take_page();
  map(frame->page, frame);
  frame->referenced = true;
  frame->operation = operation_;
  frame->view().clear(level);
  frame->view().set_identity(frame->page, generation_);
  mark_dirty(*frame);
  return frame;
}

SideFrame* SidePager::make_writable(SideFrame* frame) {
  if (!status_) return nullptr;
  const std::uint64_t born = frame->view().generation();
  if (born != generation_) {
    const std::uint32_t old = frame->page;
    if (frame->in_flight) {
      SideFrame* const copy = free_frame();
      if (copy == nullptr) return nullptr;
      std::memcpy(copy->bytes.get(), frame->bytes.get(), kSidePageBytes);
      copy->put_at = frame->put_at;
      copy->operation = operation_;
      copy->referenced = true;
      frame->left_tree = true;
      frame = copy;
    } else {
      frame_of_[old] = nullptr;
    }
    frame->page = take_page();
    map(frame->page, frame);
    frame->view().set_identity(frame->page, generation_);
    retire(old, born);
  }
  mark_dirty(*frame);
  return status_ ? frame : nullptr;
}

void SidePager::drop(SideFrame* frame) {
  const std::uint32_t page = frame->page;
  const std::uint64_t born = frame->view().generation();
  if (frame->in_flight) {
    frame->left_tree = true;
  } else {
    frame_of_[page] = nullptr;
    release_frame(frame);
  }
  retire(page, born);
}

void SidePager::retire(std::uint32_t page, std::uint64_t page_generation) {
  if (page_generation == generation_) {
    space_.give_back(page);
  } else {
    space_.retire(page, generation_);
  }
}

std::uint32_t SidePager::take_page() {
  const std::uint32_t page = space_.take();
  // What an earlier life of the page left behind in the cache.
  if (SideFrame* const stale = find(page)) {
    CHECK(!stale->in_flight && !stale->dirty);
    frame_of_[page] = nullptr;
    release_frame(stale);
  }
  return page;
}

SideFrame* SidePager::free_frame() {
  if (unused_.empty()) {
    if (cached_ >= frames_max_) {
      if (SideFrame* const evicted = evict()) return evicted;
      if (!status_) return nullptr;
      // All are in use, by this operation or by a snapshot: a few more, for the moment.
    }
    unused_.push_back(&frames_.emplace_back());
  }
  SideFrame* const frame = unused_.back();
  unused_.pop_back();
  if (frame->bytes == nullptr) {
    frame->bytes = std::make_unique<std::byte[]>(kSidePageBytes);
    ++cached_;
  }
  return frame;
}

// Nobody maps its page any more.
void SidePager::release_frame(SideFrame* frame) {
  if (frame->dirty) --dirty_;
  frame->dirty = false;
  frame->page = 0;
  frame->put_at = 0;
  if (cached_ > frames_max_) {
    frame->bytes.reset();
    --cached_;
  }
  unused_.push_back(frame);
}

SideFrame* SidePager::evict() {
  if (full_ && dirty_ + kFramesMin > cached_) return nullptr;  // it would find next to nothing
  for (std::size_t steps = 0; steps < 2 * frames_.size(); ++steps) {
    SideFrame& frame = frames_[hand_];
    hand_ = (hand_ + 1) % frames_.size();
    if (frame.page == 0 || frame.in_flight || frame.operation == operation_) continue;
    if (std::exchange(frame.referenced, false)) continue;
    if (frame.dirty && !write(frame)) {
      if (!status_) return nullptr;
      continue;
    }
    frame_of_[frame.page] = nullptr;
    frame.page = 0;
    frame.put_at = 0;
    return &frame;
  }
  return nullptr;
}

// False and a good status(): the disk is full, the page stays dirty.
bool SidePager::write(SideFrame& frame) {
  if (full_) return false;
  SidePage page = frame.view();
  page.set_checksum(page.checksum(log_id_));
  const Status written = file_->write_at(side_page_offset(frame.page),
                                         base::ByteView(frame.bytes.get(), kSidePageBytes));
  if (!written) {
    full_ = written.error().code() == base::ErrorCode::kResourceExhausted;
    if (!full_) die(written.error().with_prefix("index/side.idx"), false);
    return false;
  }
  ++writes_;
  file_pages_ = std::max(file_pages_, frame.page);
  frame.dirty = false;
  --dirty_;
  return true;
}

void SidePager::mark_dirty(SideFrame& frame) {
  if (frame.dirty) return;
  frame.dirty = true;
  ++dirty_;
  if (dirty_ > frames_max_ / kDirtyShare && !full_) write_some();
}

// In the order of their pages; those that the operation is at work on would be dirty again at once.
void SidePager::write_some() {
  std::vector<SideFrame*> some;
  for (std::size_t steps = 0; steps < frames_.size() && some.size() < kWrittenAtOnce; ++steps) {
    SideFrame& frame = frames_[write_hand_];
    write_hand_ = (write_hand_ + 1) % frames_.size();
    if (frame.dirty && frame.operation != operation_) some.push_back(&frame);
  }
  std::sort(some.begin(), some.end(),
            [](const SideFrame* a, const SideFrame* b) { return a->page < b->page; });
  for (SideFrame* const frame : some) {
    if (!write(*frame)) return;
  }
}

std::vector<SidePager::Out> SidePager::freeze() {
  std::vector<Out> pages;
  pages.reserve(dirty_);
  for (SideFrame& frame : frames_) {
    if (!frame.dirty) continue;
    frame.dirty = false;
    frame.in_flight = true;
    pages.push_back({frame.page, frame.bytes.get()});
  }
  dirty_ = 0;
  ++generation_;
  std::sort(pages.begin(), pages.end(), [](const Out& a, const Out& b) { return a.page < b.page; });
  return pages;
}

void SidePager::frozen_written(const std::vector<Out>& pages, const Status& status) {
  if (!status) {
    if (status.error().code() != base::ErrorCode::kResourceExhausted) {
      die(status.error().with_prefix("index/side.idx"), false);
      return;
    }
    full_ = true;
    thaw(pages);
    return;
  }
  for (const Out& out : pages) {
    SideFrame* const frame = find(out.page);
    CHECK(frame != nullptr && frame->in_flight);
    frame->in_flight = false;
    frame->left_tree = false;
  }
  writes_ += pages.size();
  if (!pages.empty()) file_pages_ = std::max(file_pages_, pages.back().page);
}

// The snapshot did not come about: its pages wait for the next one. Those that left the tree since
// are needed by nobody, and their place in the file is free when that of other old ones is.
void SidePager::thaw(const std::vector<Out>& pages) {
  for (const Out& out : pages) {
    SideFrame* const frame = find(out.page);
    CHECK(frame != nullptr && frame->in_flight && !frame->dirty);
    frame->in_flight = false;
    if (std::exchange(frame->left_tree, false)) continue;
    frame->dirty = true;
    ++dirty_;
  }
}

std::uint64_t SidePager::spare_bytes() const {
  const std::uint64_t used = side_page_offset(space_.pages() + 1);
  const std::uint64_t behind = allocated_bytes_ > used ? allocated_bytes_ - used : 0;
  return space_.free_pages() * std::uint64_t{kSidePageBytes} + behind;
}

std::uint64_t SidePager::allocation_for(std::uint64_t wanted) {
  const std::uint64_t used = side_page_offset(space_.pages() + 1);
  const std::uint64_t free = space_.free_pages() * std::uint64_t{kSidePageBytes};
  spare_bytes_wanted_ = wanted > free ? wanted - free : 0;
  const std::uint64_t to = used + spare_bytes_wanted_;
  return to > allocated_bytes_ ? to : 0;
}

void SidePager::allocated(std::uint64_t bytes) {
  allocated_bytes_ = std::max(allocated_bytes_, bytes);
  full_ = false;
}

void SidePager::release(std::uint64_t generation) {
  space_.release(generation);
  const std::uint32_t end = space_.free_at_end();
  if (end < std::max(kCutPagesMin, space_.pages() / kCutShare)) return;
  const std::uint32_t first = space_.pages() - std::min(end, kCutPagesMax) + 1;
  for (std::uint32_t page = first; page <= space_.pages() && page < frame_of_.size(); ++page) {
    SideFrame* const stale = std::exchange(frame_of_[page], nullptr);
    if (stale != nullptr) release_frame(stale);
  }
  // A file that could not be cut is only longer than it need be.
  const std::uint64_t bytes = side_page_offset(first) + spare_bytes_wanted_;
  if (std::max(side_page_offset(file_pages_ + 1), allocated_bytes_) > bytes) {
    if (!file_->truncate(bytes)) return;
    allocated_bytes_ = std::min(allocated_bytes_, bytes);
  }
  space_.cut(kCutPagesMax);
  file_pages_ = std::min(file_pages_, space_.pages());
}

void SidePager::trim_memory() {
  if (!status_) return;
  begin_operation();
  for (SideFrame& frame : frames_) {
    if (frame.in_flight) continue;
    if (frame.dirty && !write(frame)) {
      if (!status_) return;
      continue;
    }
    if (frame.page != 0) {
      frame_of_[frame.page] = nullptr;
      frame.page = 0;
      frame.put_at = 0;
      unused_.push_back(&frame);
    }
    if (frame.bytes != nullptr) {
      frame.bytes.reset();
      --cached_;
    }
  }
}

std::uint64_t SidePager::memory_bytes() const {
  return cache_bytes() + frames_.size() * sizeof(SideFrame) + frame_of_.capacity() * sizeof(void*) +
         space_.memory_bytes();
}

}  // namespace sluice::storage
