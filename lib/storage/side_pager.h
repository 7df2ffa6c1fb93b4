#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/side_page.h"
#include "storage/side_root.h"
#include "storage/side_space.h"

namespace sluice::storage {

// A page in memory. Stays where it is while the operation that got it runs.
struct SideFrame {
  std::unique_ptr<std::byte[]> bytes;
  std::uint32_t page = 0;  // 0 = holds none
  bool dirty = false;
  bool in_flight = false;       // a snapshot's pages on their way to the file: not to be changed
  bool left_tree = false;       // meanwhile
  bool referenced = false;      // since the clock's hand passed
  std::uint64_t operation = 0;  // the last that used it
  unsigned put_at = 0;          // one behind the entry that was put last

  SidePage view() const { return SidePage(bytes.get()); }
};

// The pages of the side index: a bounded cache over a file whose pages are changed by copying once
// a snapshot refers to them. Loop thread, but for SideFlush::run().
//
// A *generation* is the time between two freezes. Pages of the present one are changed in place and
// may be written any time, for nothing that would survive a crash refers to them; an older page
// gets a new number before it changes.
class SidePager {
 public:
  // `cache_bytes` bounds the frames. `background`: the same file, for SideFlush.
  SidePager(std::unique_ptr<runtime::File> file, std::shared_ptr<runtime::File> background,
            const base::Id128& log_id, std::uint64_t cache_bytes, std::uint64_t generation,
            SideSpace space);

  // Pages that are got from here on until the next call stay.
  void begin_operation() { ++operation_; }
  std::uint64_t operation() const { return operation_; }

  // nullptr: it cannot be read, or another page could not be written to make room; status() tells.
  SideFrame* get(std::uint32_t page, unsigned level, std::uint64_t generation_max);
  // An empty page.
  SideFrame* create(unsigned level);
  // The page to change in its place, which may be another with a new number (then whoever refers to
  // it must be told). nullptr as get().
  SideFrame* make_writable(SideFrame* frame);
  bool is_writable(const SideFrame& frame) const {
    return frame.dirty && frame.view().generation() == generation_;
  }
  // The page is no longer part of the tree.
  void drop(SideFrame* frame);

  const base::Status& status() const { return status_; }
  // True where status() is a page that could not be read.
  bool damaged() const { return damaged_; }

  // --- Snapshots.
  struct Out {
    std::uint32_t page = 0;
    const std::byte* bytes = nullptr;
  };
  std::uint64_t generation() const { return generation_; }
  // Begins the next generation. The pages that are returned belong to the one that ended and are
  // not in the file; they stay as they are until frozen_written().
  std::vector<Out> freeze();
  void frozen_written(const std::vector<Out>& pages, const base::Status& status);
  const std::shared_ptr<runtime::File>& background_file() const { return background_; }
  const base::Id128& log_id() const { return log_id_; }
  // No snapshot below `generation` exists any more; free space at the file's end goes.
  void release(std::uint64_t generation);

  // Writes what is dirty and gives all memory back.
  void trim_memory();

  const SideSpace& space() const { return space_; }
  std::uint64_t cache_bytes() const { return cached_ * kSidePageBytes; }
  std::uint64_t memory_bytes() const;
  // --- Space. On a full disk pages stay in memory, beyond the cache's bound if need be.
  // Disk space that is the file's and that no page uses.
  std::uint64_t spare_bytes() const;
  // Space is to be taken up to here for spare_bytes() to be `wanted`; 0 = it is.
  std::uint64_t allocation_for(std::uint64_t wanted);
  // It was.
  void allocated(std::uint64_t bytes);
  // The disk was full and may no longer be.
  void retry_writes() { full_ = false; }

  // How far the file was written.
  std::uint64_t file_bytes() const { return file_pages_ * kSidePageBytes; }
  std::uint64_t reads() const { return reads_; }
  std::uint64_t writes() const { return writes_; }

 private:
  SideFrame* find(std::uint32_t page) const {
    return page < frame_of_.size() ? frame_of_[page] : nullptr;
  }
  void map(std::uint32_t page, SideFrame* frame);
  SideFrame* free_frame();
  SideFrame* evict();
  void release_frame(SideFrame* frame);
  bool write(SideFrame& frame);
  void mark_dirty(SideFrame& frame);
  void thaw(const std::vector<Out>& pages);
  void write_some();
  std::uint32_t take_page();
  void retire(std::uint32_t page, std::uint64_t page_generation);
  void die(const base::Error& error, bool damaged);

  std::unique_ptr<runtime::File> file_;
  std::shared_ptr<runtime::File> background_;
  base::Id128 log_id_;
  std::size_t frames_max_;
  std::uint64_t generation_;
  SideSpace space_;
  std::uint32_t file_pages_;
  std::uint64_t allocated_bytes_ = 0;     // from the file's begin on, in this process
  std::uint64_t spare_bytes_wanted_ = 0;  // behind the last page
  bool full_ = false;                     // a write found no space

  std::deque<SideFrame> frames_;  // never moved
  std::vector<SideFrame*> unused_;
  std::vector<SideFrame*> frame_of_;  // by page
  std::size_t hand_ = 0;
  std::size_t write_hand_ = 0;
  std::size_t cached_ = 0;  // frames with memory
  std::size_t dirty_ = 0;
  std::uint64_t operation_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
  bool damaged_ = false;
  base::Status status_;
};

}  // namespace sluice::storage
