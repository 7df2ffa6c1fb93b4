#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/prng.h"
#include "base/result.h"
#include "runtime/memory_file_system.h"
#include "storage/open_log.h"

namespace sluice::storage::test {

// A replayed record, copied.
struct Replayed {
  base::Lsn begin;
  RecordType type = RecordType::kPadding;
  std::vector<std::byte> payload;
  bool damaged = false;
  struct Readable {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::vector<std::byte> entries;
  };
  std::vector<Readable> readable;
};

StreamId stream_number(unsigned number);
std::vector<std::byte> bytes_of(std::string_view text);
// A batch of `count` messages with bodies of `body_bytes` that tell their sequence.
std::vector<std::byte> batch_from(std::uint64_t first, std::uint32_t count, std::size_t body_bytes);
std::string body_of(std::uint64_t sequence, std::size_t body_bytes);
// One message with a key and such a body, as publish_large() has it.
std::vector<std::byte> large_entry(std::uint64_t sequence, std::size_t body_bytes);

// A log in a MemoryFileSystem that can be opened, crashed and opened again. Folder: "/data".
class LogHarness {
 public:
  static constexpr const char* kFolder = "/data";

  explicit LogHarness(std::uint64_t segment_bytes = 64 * 1024, std::uint64_t seed = 1);

  // Of the next open(), as in LogOptions.
  std::uint32_t feature_level = 0;
  std::uint32_t feature_level_supported = kFeatureLevelSupported;
  std::uint32_t reserve_segments_max = 0;
  std::uint64_t snapshot_every_changes = LogOptions().snapshot_every_changes;

  LogOptions options();
  // Recovers and replays into replayed().
  base::Status open();
  void close() { log_.reset(); }
  bool is_open() const { return log_ != nullptr; }

  runtime::MemoryFileSystem& fs() { return *fs_; }
  // Empty where there is no such folder.
  std::vector<std::string> names_in(const std::string& folder);
  void use(std::unique_ptr<runtime::MemoryFileSystem> fs);
  OpenedLog& opened() { return *log_; }
  SegmentLog& log() { return log_->log(); }
  IndexedMessageStore& messages() { return log_->messages(); }
  Housekeeper& housekeeper() { return log_->housekeeper(); }
  const RecoveryReport& report() const { return log_->report(); }
  const std::vector<Replayed>& replayed() const { return replayed_; }

  // A record that nobody interprets: a QueueDeleted fact with this number as id.
  Appended append_fact(std::uint64_t number, bool needs_sync = true);
  // The numbers of the replayed ones.
  std::vector<std::uint64_t> replayed_facts() const;

  // Messages [first, first + count) of a stream.
  Appended publish(const StreamId& stream, std::uint64_t first, std::uint32_t count = 1,
                   std::size_t body_bytes = 100, bool needs_sync = true);
  Appended publish_large(const StreamId& stream, std::uint64_t sequence, std::size_t body_bytes);
  // What a consumer sees from `first` to `last`: for each sequence its body, "" = damaged, no entry
  // = gone. Fails the test on an error.
  struct Seen {
    std::uint64_t sequence = 0;
    std::string body;
    bool damaged = false;
  };
  std::vector<Seen> consume(const StreamId& stream, std::uint64_t first, std::uint64_t last,
                            std::uint32_t bytes_max = 1U << 20);

  // Appends 100-byte records until the active segment is number `number`; everything is flushed.
  void fill_to_segment(std::uint64_t number);
  // A snapshot with this state, written.
  base::Status snapshot(std::string_view state, bool clean = false);

  static std::string segment_path(std::uint64_t number);

 private:
  std::uint64_t segment_bytes_;
  base::Prng prng_;
  std::unique_ptr<runtime::MemoryFileSystem> fs_;
  std::unique_ptr<OpenedLog> log_;
  std::vector<Replayed> replayed_;
};

}  // namespace sluice::storage::test
