#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/log_work.h"

namespace sluice::storage {

// Files that were written through once and wait to become segments: fdatasync of a file whose
// blocks exist is two to five times faster than of one that grows. Filled with zeros in slices, or
// given dead segments. Loop thread. A file that cannot be made is no fault: the log then grows a
// new one.
class SegmentPool {
 public:
  // `folder` holds the segments; `files` = pool file names found there.
  SegmentPool(runtime::FileSystem& fs, std::string folder, std::uint64_t segment_bytes,
              std::uint32_t files_max, std::vector<std::string> files);

  // A file to make a segment of; the caller owns it from now on.
  std::optional<std::string> take();
  // A name under which a dead segment may join, if there is room; it joins with add().
  std::optional<std::string> reserve_name();
  // The reserved file is there (or, with false, did not come).
  void add(std::string name, bool arrived);

  // The next slice of zeros, or nullptr when the pool has `wanted` files, one slice is already
  // out, or the last attempt failed (until retry()).
  std::shared_ptr<LogWork> next_slice(std::uint32_t wanted);
  void retry() { failed_ = false; }

  std::size_t ready() const { return files_.size(); }

 private:
  class Slice;
  struct Filling;

  void slice_done(const Filling& filling, bool ok);

  runtime::FileSystem& fs_;
  std::string folder_;
  std::uint64_t segment_bytes_;
  std::uint32_t files_max_;
  std::vector<std::string> files_;
  std::uint32_t reserved_ = 0;
  std::uint64_t next_number_ = 1;
  std::shared_ptr<Filling> filling_;
  bool slice_out_ = false;
  bool failed_ = false;
};

}  // namespace sluice::storage
