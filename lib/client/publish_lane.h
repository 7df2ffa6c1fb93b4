#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/message.h"
#include "base/time.h"
#include "client/frame_buffer.h"
#include "wire/error_code.h"
#include "wire/frame.h"

namespace sluice::client {

// A whole batch on its way: room for the PUBLISH prefix, then the entries.
struct PendingBatch {
  std::shared_ptr<OutboundBuffer> frame;
  std::uint32_t count = 0;
  std::uint64_t tag = 0;  // the maker's; parts of a batch that was cut or routed anew keep it
  // Where its messages stand in the maker's batch: from `place` on in a row, or at `places`.
  std::uint32_t place = 0;
  std::vector<std::uint32_t> places;
  // Given when it is sent, and anew when it is sent again.
  std::uint64_t producer_sequence = 0;
  std::uint64_t request = 0;  // 0 = not under way
  std::uint32_t sends = 0;
  // Sent over a connection that was lost before the answer. After a refusal that is known not to
  // be.
  bool may_be_stored = false;
  // The last PUBLISHER_OPENED said that the broker has it. It is sent once more under its old
  // number, only to learn where it stands: the answer to a duplicate tells.
  bool is_stored = false;

  std::uint64_t bytes() const;  // of entries, as credit counts
  // One message that fits no PUBLISH: it travels in pieces.
  bool large() const { return bytes() > base::kBatchEntriesBytesMax; }
  std::uint64_t last_sequence() const { return producer_sequence + count - 1; }
  std::uint32_t place_of(std::uint32_t index) const {
    return places.empty() ? place + index : places[index];
  }
};

// A batch of `entries`, with room for the prefix.
std::shared_ptr<OutboundBuffer> frame_of(base::ByteView entries);

// A batch that is done with.
struct FinishedBatch {
  PendingBatch batch;
  base::Sequence first;
  bool duplicate = false;
  wire::Code code = wire::Code::kNone;
  std::string message;
};

// One producer's batches for one shard: numbers them, keeps within credit, and sends again what a
// lost connection or a refusal left unanswered, so that each is stored once. Pure: the owner sends
// what next() gives and tells what was answered. docs/protocol.md, "Idempotent publishing".
class PublishLane {
 public:
  enum class Phase {
    kClosed,   // an OPEN_PUBLISHER is to be sent
    kOpening,  // and is on its way
    kOpen,
    kFailed,  // for good; see failure()
  };

  Phase phase() const { return phase_; }
  wire::Code failure() const { return failure_; }
  const std::string& failure_message() const { return failure_message_; }
  std::uint32_t publisher() const { return publisher_; }
  std::uint32_t producer_epoch() const { return producer_epoch_; }
  // Of what is stored, as far as this side knows.
  std::uint64_t last_sequence() const { return last_stored_; }

  // No batch will be sent any more; all get this outcome.
  void end(wire::Code code, std::string_view message) { fail(code, message); }
  // A batch that is refused for good ends the lane, and so does whatever would change its numbers:
  // another shard map, a forgotten producer, a disk that lost what was acknowledged.
  void end_on_refusal() { ends_on_refusal_ = true; }

  // --- The shard map has changed (StaleShardMap). Nothing is sent until on_map() and on_routed().
  bool map_is_stale() const { return map_is_stale_; }
  // Another lane was told so.
  void hold() { map_is_stale_ = true; }
  bool has_under_way() const { return under_way_ > 0; }
  // There is a new map: to be opened anew, with its version. REQUIRES: !has_under_way().
  void on_map();
  // Of every batch it is known whether it is stored.
  bool is_clear() const;
  // What is not stored, in order, to be routed anew. REQUIRES: is_clear().
  std::vector<PendingBatch> take_unstored();
  // Every lane has what belongs there.
  void on_routed() { awaits_routing_ = false; }

  // --- The broker has forgotten the producer (UnknownProducer): it is to begin again, under a new
  // id. True once.
  bool take_forgotten() { return std::exchange(forgotten_, false); }

  void on_opening(std::uint64_t request);
  bool awaits_opening(std::uint64_t request) const {
    return phase_ == Phase::kOpening && open_request_ == request;
  }
  void on_opened(base::MonoTime now, const wire::PublisherOpened& opened);
  // The handle is void; everything unanswered will be sent again after the next on_opened().
  void on_session_lost();

  // REQUIRES: the frame has room for the prefix, and entries.
  void add(PendingBatch batch);
  // The next batch that may be sent now, numbered; nullptr = none, for want of credit or of an open
  // publisher. The caller sends it, then says so with on_sent(). A batch above the whole credit is
  // cut in two where nothing is under way whose answer could bring more; a message for which no
  // credit will ever do, since the queue takes none of its size any more, is refused here.
  PendingBatch* next(base::MonoTime now);
  void on_sent(std::uint64_t request);

  // False = the answer is to a batch that was since sent again, or to none of ours.
  bool on_published(base::MonoTime now, std::uint64_t request, const wire::Published& published);
  void on_credit(std::uint64_t messages_limit, std::uint64_t bytes_limit);

  // What is done with since the last call, in order.
  std::vector<FinishedBatch> take_finished();
  std::size_t pending() const { return batches_.size(); }
  // Until when next() gives nothing because the broker asked for patience.
  std::optional<base::MonoTime> retry_at() const { return retry_at_; }

 private:
  void on_refused(base::MonoTime now, wire::Code code, const wire::Published& published);
  void begin_again(std::string_view message);
  void finish_front(wire::Code code, std::string_view message, base::Sequence first,
                    bool duplicate);
  // From that batch on.
  void rewind(std::size_t first = 0);
  void close();
  void fail(wire::Code code, std::string_view message);
  void fail_for_loss(std::uint64_t expected);
  void mark_stored(std::uint64_t last_sequence);
  void drop_stored(std::uint64_t last_sequence);
  bool has_credit(const PendingBatch& batch) const;
  bool cut_to_credit();
  void cut_front(std::uint32_t count, std::size_t bytes);
  bool refuse_oversized();

  Phase phase_ = Phase::kClosed;
  wire::Code failure_ = wire::Code::kNone;
  std::string failure_message_;
  std::uint64_t open_request_ = 0;
  std::uint32_t publisher_ = 0;
  std::uint32_t producer_epoch_ = 0;
  std::uint32_t message_bytes_max_ = 0;
  std::uint64_t last_stored_ = 0;
  // Up to here the maker was told that all is stored: at the first opening, and by answers.
  std::optional<std::uint64_t> told_sequence_;

  std::deque<PendingBatch> batches_;  // the first `under_way_` are sent and not answered
  std::size_t under_way_ = 0;
  std::uint64_t next_sequence_ = 1;
  // After a refusal, until a batch is taken: one at a time, so that a full queue is not flooded
  // with batches that can only be refused for their gap.
  bool probing_ = false;
  bool ends_on_refusal_ = false;
  bool map_is_stale_ = false;
  bool awaits_routing_ = false;
  bool forgotten_ = false;
  std::optional<base::MonoTime> retry_at_;

  // Credit counts what was taken since PUBLISHER_OPENED; what is under way may be.
  struct Amount {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
  };
  Amount taken_;
  Amount sending_;
  Amount limit_;

  std::vector<FinishedBatch> finished_;
};

}  // namespace sluice::client
