#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/log_work.h"
#include "storage/segment_file.h"

namespace sluice::storage {

class SegmentLog;

// Everything that was appended since the last group was taken: what one group commit writes.
// Filled by SegmentLog on the loop thread; once taken it does not change, and only the thread that
// runs it touches it until finish(). After a failure nothing may be written any more, ever.
class WriteGroup final : public LogWork {
 public:
  WriteGroup(SegmentLog& log, runtime::FileSystem& fs, std::string folder);

  // --- Filling, loop thread.
  // `data` must stay as it is until finish(). Neighbours become one write.
  void add_write(std::uint64_t offset, base::ByteView data);
  // What follows goes to a new segment; `padding` is written first, at `offset` of the old one.
  void add_roll(std::uint64_t offset, base::ByteView padding, const SegmentHeader& next,
                SegmentSource source);
  void require_sync() { needs_sync_ = true; }
  // It has pieces of a large message: the disk begins with each long write while the next is done.
  void begin_early() { begins_early_ = true; }
  void set_end(base::Lsn end) { end_ = end; }
  // The segment that the log stands in when the group is taken; before that it may not exist.
  void set_target(SegmentFile target) { target_ = std::move(target); }

  bool empty() const { return steps_.empty(); }
  bool needs_sync() const { return needs_sync_; }
  bool begins_early() const { return begins_early_; }
  std::uint64_t bytes() const { return bytes_; }
  base::Lsn end() const { return end_; }
  // After run(): where the log stands, and what was begun on the way.
  const SegmentFile& target() const { return target_; }
  const std::vector<SegmentFile>& begun() const { return begun_; }
  // Files of the reserve that were not needed.
  std::vector<std::string> unused_reserve() const;

  base::Status run() override;
  void finish(const base::Status& status) override;

 private:
  struct Step {
    std::uint64_t offset = 0;
    base::ByteView data;
    std::vector<std::byte> own;         // of a padding record, which lives nowhere else
    std::optional<SegmentHeader> next;  // roll after this write
    SegmentSource source;
  };

  base::Status roll(Step& step);

  SegmentLog& log_;
  runtime::FileSystem& fs_;
  std::string folder_;
  SegmentFile target_;
  std::vector<Step> steps_;
  std::vector<SegmentFile> begun_;
  std::uint64_t bytes_ = 0;
  base::Lsn end_;
  bool needs_sync_ = false;
  bool begins_early_ = false;
};

}  // namespace sluice::storage
