#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/file_system.h"
#include "storage/extent_header.h"
#include "storage/fact.h"
#include "storage/segment_scanner.h"

namespace sluice::storage {

// A file that messages are copied from.
struct CopySource {
  SegmentExtent extent;
  std::uint64_t bytes = 0;  // where its records end at the latest
  std::shared_ptr<runtime::File> file;
};
// Messages of a stream between which no others of it lie, but in the sources; `runs` are copied.
struct CopySpan {
  base::SequenceRange range;
  std::vector<base::SequenceRange> runs;  // rising, not empty
};
struct CopyStream {
  StreamId stream;
  std::vector<CopySpan> spans;  // rising
};
struct CopyOrder {
  ExtentHeader header;  // without its bytes
  std::vector<CopySource> sources;
  std::vector<CopyStream> streams;  // rising
  std::string reserve_file;         // a path: it becomes the extent; empty = a new file
};

// Copies messages into a new extent, sorted by stream and sequence, a slice at a time. Every
// record is verified before it is copied. step() may run on any thread, one call at a time; what it
// leaves behind is a durable file that nobody knows yet, or nothing.
class ExtentCopy {
 public:
  ExtentCopy(runtime::FileSystem& fs, std::string segments_folder, CopyOrder order);

  // About a MiB of output, or a few of looking at record headers. Corruption: a source has damaged
  // records, or such as this cannot copy, and must stay as it is (bad_source() tells which).
  // InvalidArgument: it is too much for one extent. NotFound: nothing is to be copied.
  base::Status step();
  bool done() const { return phase_ == Phase::kDone; }

  const CopyOrder& order() const { return order_; }
  // Once it is done: all but the record of the swap itself.
  const ExtentSwapFact& fact() const { return fact_; }
  const std::shared_ptr<runtime::File>& file() const { return file_; }
  std::uint64_t bad_source() const { return bad_source_; }
  std::uint64_t copied_bytes() const { return offset_; }

 private:
  enum class Phase { kScanning, kWriting, kDone };
  // A record of which some messages are copied.
  struct Piece {
    std::uint32_t stream = 0;
    std::uint32_t span = 0;
    std::uint32_t source = 0;
    base::Lsn lsn;
    base::SequenceRange range;  // of the record
  };

  base::Status work();
  base::Status scan();
  base::Status note(const ScanItem& item);
  base::Status refuse(const std::string& why);
  base::Status sort_pieces();
  base::Status write();
  base::Status open_file();
  base::Result<base::ByteView> read_record(const Piece& piece);
  base::Status copy(const Piece& piece);
  void put_record(const MessagesFact& fact, base::ByteView entries);
  void close_group();
  void begin(const Piece& piece);
  base::Status flush();
  base::Status complete();
  std::string path() const;

  runtime::FileSystem& fs_;
  std::string folder_;
  CopyOrder order_;
  Phase phase_ = Phase::kScanning;
  std::size_t source_ = 0;
  std::unique_ptr<SegmentScanner> scanner_;
  std::vector<Piece> pieces_;
  std::size_t next_piece_ = 0;
  std::vector<std::byte> record_;
  std::vector<std::byte> out_;  // not in the file yet
  std::uint64_t offset_ = 0;    // in the extent, behind `out_`
  std::shared_ptr<runtime::File> file_;
  std::uint64_t bad_source_ = 0;

  // The group that is being filled.
  ExtentSwapFact fact_;
  ExtentSwapFact::Group group_;
  std::uint64_t group_bytes_ = 0;
  std::size_t group_records_ = 0;
  base::Lsn previous_;  // of the stream
  const Piece* last_piece_ = nullptr;
};

}  // namespace sluice::storage
