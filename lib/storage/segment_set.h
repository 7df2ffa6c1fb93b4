#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/segment_scanner.h"

namespace sluice::storage {

// The segments and extents that exist and the files open for reading them. At most `open_files_max`
// are open at a time, the longest unused is closed; a file in a reader's hands stays open. Loop
// thread.
class SegmentSet {
 public:
  SegmentSet(runtime::FileSystem& fs, std::string folder, std::uint64_t segment_bytes,
             std::uint32_t open_files_max);

  // `file` may be null: it is opened when it is first read.
  void add(const SegmentExtent& extent, std::shared_ptr<runtime::File> file);
  void remove(std::uint64_t number) { segments_.erase(number); }
  // Something has taken its place; it can be read until it is removed, and is not told of any more.
  void retire(std::uint64_t number) { segments_.at(number).retired = true; }

  bool contains(std::uint64_t number) const { return segments_.contains(number); }
  // Of segments, and of extents; rising.
  std::vector<std::uint64_t> numbers() const;
  std::vector<std::uint64_t> extents() const;
  // How much disk space one takes; 0 where it does not exist.
  std::uint64_t file_bytes(std::uint64_t number) const;
  std::uint64_t number_of(base::Lsn lsn) const { return lsn.value() / segment_bytes_; }
  std::uint64_t segment_bytes() const { return segment_bytes_; }

  struct Place {
    SegmentExtent extent;
    std::shared_ptr<runtime::File> file;
    std::uint64_t offset = 0;  // in the file
  };
  // Where `lsn` is read. NotFound where the segment is gone; an error of the file system passes.
  base::Result<Place> place(base::Lsn lsn);

  // "segment 0000000000000001.log": for messages.
  static std::string describe(std::uint64_t number);

 private:
  struct Segment {
    SegmentExtent extent;
    std::shared_ptr<runtime::File> file;
    std::uint64_t used_at = 0;
    bool retired = false;
  };

  void close_longest_unused();

  runtime::FileSystem& fs_;
  std::string folder_;
  std::uint64_t segment_bytes_;
  std::uint32_t open_files_max_;
  std::uint64_t uses_ = 0;
  std::map<std::uint64_t, Segment> segments_;
};

}  // namespace sluice::storage
