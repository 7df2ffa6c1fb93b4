#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "storage/log_work.h"
#include "storage/message_index.h"
#include "storage/recovery.h"
#include "storage/segment_log.h"

namespace sluice::storage {

// Reads every sealed segment once a day, in small pieces on another thread, and finds what is
// damaged before somebody needs it. Loop thread.
class Scrubber {
 public:
  // What one segment has that is damaged.
  struct Finding {
    std::vector<CorruptRange> corrupt;  // not told before
    std::vector<CorruptRange> met;      // the same, and a read was there first
    // Messages that may be in there, or were.
    std::vector<MessageIndex::SegmentRange> doubtful;
    base::Lsn begin;  // of the segment
    base::Lsn end;
  };
  struct Stats {
    std::uint64_t bytes = 0;                     // read so far
    std::uint64_t findings = 0;                  // corrupt ranges that nobody had told of
    std::uint64_t met = 0;                       // the same, met by reads
    std::optional<base::MonoTime> completed_at;  // when the whole log was read last
  };

  // Both must outlive this and all work that was taken. What `known` has is not told again, but
  // its segments are read first, and at once: the messages in there are not known yet.
  Scrubber(SegmentLog& log, const MessageIndex& index, const std::vector<CorruptRange>& known);
  ~Scrubber();
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  // The next piece, where one is due and none is out; to be asked about once a second.
  std::shared_ptr<LogWork> take(base::MonoTime now);
  std::vector<Finding> take_findings();
  // Somebody met damage while reading this record. Unless that was told, its segment is read at
  // once, for what exactly is wrong, and what more there is: as far as it is written, and whole
  // when it is sealed.
  void note_met(base::Lsn record);
  const Stats& stats() const { return stats_; }

  // A round takes this long, and so leaves time to come round within a day.
  static constexpr std::int64_t kRoundSeconds = 20 * 3600;
  // Of one piece; more where the log is so long that a round would take longer.
  static constexpr std::uint64_t kPieceBytes = 4ULL << 20;
  static constexpr std::uint64_t kPieceBytesMax = 32ULL << 20;

 private:
  class Reading;
  struct Segment;

  bool is_sealed(std::uint64_t number) const;
  std::shared_ptr<Segment> open(std::uint64_t number);
  // What does not wait for its turn.
  std::shared_ptr<Segment> open_first();
  // The next sealed segment behind `number`; nullopt: a round is over.
  std::optional<std::uint64_t> sealed_behind(std::uint64_t number) const;
  std::shared_ptr<Segment> next_of_round(base::MonoTime now);
  bool told(base::Lsn begin, base::Lsn end) const;
  bool note_told(base::Lsn begin, base::Lsn end);
  void finish_segment(Segment& segment);
  void pace(base::MonoTime now);

  SegmentLog& log_;
  const MessageIndex& index_;
  std::map<base::Lsn, base::Lsn> known_;  // corrupt ranges that were told: begin and end
  std::set<base::Lsn> met_;               // records that nobody looked at yet
  std::set<std::uint64_t> first_;    // segments to be read before all others, once they are sealed
  std::shared_ptr<Segment> at_;      // of the round
  std::shared_ptr<Segment> urgent_;  // another one; while there is one the round waits
  bool out_ = false;
  bool round_over_ = false;
  std::uint64_t last_ = 0;  // the segment of the round that was read last
  base::MonoTime due_;
  bool paced_ = false;
  std::uint64_t piece_bytes_ = kPieceBytes;
  std::vector<Finding> findings_;
  Stats stats_;
};

}  // namespace sluice::storage
