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
#include "storage/extent_header.h"
#include "storage/fact.h"
#include "storage/segment_scanner.h"

namespace sluice::storage {

// A file that messages are copied from.
struct CopySource {
  SegmentExtent extent;
  std::uint64_t bytes = 0;  // where its records end at the latest
  std::shared_ptr<runtime::File> file;
  std::uint64_t needed_by = 0;  // its own number; of one that stays, of the file that needs it
  bool stays = false;           // only for large messages with pieces in a file that goes
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
// record is verified before it is copied. A large message goes whole, wherever its pieces lie.
// Between looking and copying the caller is asked about each of them, since one that is dead costs
// more than any number of other dead messages that are copied along. step() may run on any thread,
// one call at a time; what it leaves behind is a durable file that nobody knows yet, or nothing.
class ExtentCopy {
 public:
  ExtentCopy(runtime::FileSystem& fs, std::string segments_folder, CopyOrder order);

  // About a MiB of output, or a few of looking at record headers. Corruption: a source has damaged
  // records, or such as this cannot copy, and must stay as it is (bad_source() tells which).
  // InvalidArgument: it is too much for one extent. NotFound: nothing is to be copied.
  base::Status step();
  bool done() const { return phase_ == Phase::kDone; }

  // A large message of which it must know whether it lives, before step() is called again.
  struct Asked {
    StreamId stream;
    base::Sequence sequence;
  };
  std::optional<Asked> asks() const;
  void answer(bool lives);

  const CopyOrder& order() const { return order_; }
  // Once it is done: all but the record of the swap itself.
  const ExtentSwapFact& fact() const { return fact_; }
  const std::shared_ptr<runtime::File>& file() const { return file_; }
  std::uint64_t bad_source() const { return bad_source_; }
  // How much would be written, by file that goes, as far as it has looked.
  const std::map<std::uint64_t, std::uint64_t>& bytes_to_copy() const { return bytes_to_copy_; }
  std::uint64_t copied_bytes() const { return offset_; }

 private:
  enum class Phase { kScanning, kAsking, kWriting, kDone };
  // A record of which some messages are copied.
  struct Piece {
    std::uint32_t stream = 0;
    std::uint32_t span = 0;
    std::uint32_t source = 0;
    base::Lsn lsn;
    base::SequenceRange range;  // of the record
    std::uint64_t bytes = 0;    // that it will take
    bool large = false;
  };
  // A large message of which not all pieces are written.
  struct LargeCopy {
    MessagesFact fact;
    base::Lsn chunks;
    std::vector<std::byte> front;
    std::size_t next = 1;
  };

  base::Status work();
  base::Status scan();
  base::Status note(const ScanItem& item);
  // What a record will take of which messages of `runs` are copied; 0 = none are.
  static std::uint64_t bytes_of(const ScanItem& item, const MessagesFact& fact,
                                const std::vector<base::SequenceRange>& runs);
  base::Status refuse(const std::string& why);
  void sort_pieces();
  void go_on_asking();
  base::Status begin_writing();
  base::Status write();
  base::Status open_file();
  // Of order_.sources[source].
  base::Result<base::ByteView> read_record(std::size_t source, base::Lsn lsn);
  base::Status copy(const Piece& piece);
  base::Status copy_chunk();
  void put_record(const MessagesFact& fact, base::ByteView entries);
  base::Lsn put(RecordType type, base::ByteView head, base::ByteView tail);
  void note_record(const MessagesFact& fact, std::uint64_t offset, std::uint64_t bytes);
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
  std::map<std::uint64_t, std::uint64_t> bytes_to_copy_;
  std::size_t asked_ = 0;  // of pieces_
  std::optional<LargeCopy> large_;

  // The group that is being filled.
  ExtentSwapFact fact_;
  ExtentSwapFact::Group group_;
  std::uint64_t group_bytes_ = 0;
  std::size_t group_records_ = 0;
  base::Lsn previous_;  // of the stream
  const Piece* last_piece_ = nullptr;
};

}  // namespace sluice::storage
