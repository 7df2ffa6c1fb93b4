#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/side_flush.h"
#include "storage/side_index.h"
#include "storage/side_pager.h"
#include "storage/side_root.h"

namespace sluice::storage {

struct SideIndexStats {
  std::uint64_t entries = 0;
  std::uint64_t pages = 0;         // in the file; some may be free
  std::uint64_t free_pages = 0;    // to be used again
  std::uint64_t file_bytes = 0;    // on disk
  std::uint64_t cache_bytes = 0;   // pages in memory
  std::uint64_t memory_bytes = 0;  // with all that belongs to them
  std::uint64_t page_reads = 0;    // since the start
  std::uint64_t page_writes = 0;
};

// The side index in a file: a B+tree of pages that are copied before they change once a snapshot
// refers to them (docs/log-format.md, "Side index"). A crash at any moment leaves every kept
// snapshot's tree as it was. Loop thread.
class FileSideIndex final : public SideIndex {
 public:
  struct Options {
    base::Id128 log_id;
    std::uint64_t cache_bytes = 0;
    // Of the kept snapshots, oldest first. What the index holds is the last one's.
    std::vector<SideRoot> kept;
  };
  // Creates the file where no snapshot needs it. Corruption or Io, naming the page, where the inner
  // pages of a snapshot cannot be read. `fs` must outlive the index.
  static base::Result<std::unique_ptr<FileSideIndex>> open(runtime::FileSystem& fs,
                                                           const std::string& folder,
                                                           const Options& options);

  void put(base::ByteView key, base::ByteView value) override;
  bool erase(base::ByteView key) override;
  std::uint64_t erase_range(base::ByteView first, base::ByteView end,
                            std::uint64_t entries_max) override;
  std::optional<base::ByteView> find(base::ByteView key) override;
  std::optional<Entry> at_or_after(base::ByteView key) override;

  // An error: the index is dead and the process must end. Where a page was bad, the folder says so,
  // and the next start looks at every page before it chooses a snapshot.
  const base::Status& status() const;
  SideIndexStats stats() const;
  std::uint64_t entries() const { return entries_; }
  // Puts and erases since it was opened: what replay would have to do again.
  std::uint64_t changes() const { return changes_; }
  // Pages that the tree needs and the file has no room for yet.
  std::uint64_t bytes_to_come() const;
  // Space that is to be spare for pages that are copied before they change.
  std::uint64_t spare_bytes_wanted() const;
  std::uint64_t spare_bytes() const { return pager_.spare_bytes(); }
  // Takes it where it is missing; nullptr: it is there. Run where flushes are.
  std::shared_ptr<LogWork> take_space();
  void retry_writes() { pager_.retry_writes(); }

  // --- Snapshots.
  // The state as it is now; later changes do not touch it. Its root may be made durable once the
  // flush has run, and release() must hear of it. The flush must be finished before this dies; one
  // at a time.
  std::shared_ptr<SideFlush> freeze();
  // Of snapshots below this generation none is kept any more.
  void release(std::uint64_t generation) { pager_.release(generation); }

  // For an idle broker.
  void trim_memory();

 private:
  struct Step {
    SideFrame* frame = nullptr;
    unsigned at = 0;  // of the child that comes next
  };
  enum class Access : std::uint8_t {
    kRead,
    kWrite,         // all pages of the path may be changed
    kWriteParents,  // all but the leaf
  };

  FileSideIndex(runtime::FileSystem& fs, std::string folder, SidePager pager, const SideRoot& root);

  SideFrame* descend(base::ByteView key, Access access);
  SideFrame* leaf_for(base::ByteView key, bool writable);
  bool covers(base::ByteView key) const;
  void insert_above(unsigned depth, const SideKey& separator, std::uint32_t page);
  void remove_child(unsigned depth);
  void drop_leaf();
  void join(unsigned depth);
  bool join_with(unsigned depth, unsigned left_at);
  void lower_root();
  bool split_leaf(unsigned at, base::ByteView key, base::ByteView value);
  void structure_changed() { ++structure_; }
  void note_damage();

  runtime::FileSystem& fs_;
  std::string folder_;
  SidePager pager_;
  std::uint32_t root_ = 0;
  unsigned root_level_ = 0;
  std::uint64_t entries_ = 0;
  bool damage_noted_ = false;

  // The way to the leaf that was used last: a row of keys there costs one search each.
  std::array<Step, kSideLevelsMax> path_;
  unsigned depth_ = 0;  // of the leaf in the path
  SideFrame* leaf_ = nullptr;
  std::uint32_t leaf_page_ = 0;
  std::uint64_t leaf_structure_ = 0;
  SideKey low_;
  SideKey high_;
  bool has_low_ = false;
  bool has_high_ = false;
  std::uint64_t structure_ = 1;  // changes with any page's identity
  std::uint64_t changes_ = 0;    // with any entry

  // The entry that at_or_after() found last.
  SideKey found_;
  unsigned found_at_ = 0;
  std::uint64_t found_changes_ = 0;
};

}  // namespace sluice::storage
