#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/message.h"
#include "base/time.h"
#include "broker/stats.h"
#include "tests/sim/broker/frame_tap.h"
#include "tests/sim/broker/model.h"
#include "wire/frame.h"

namespace sluice::sim {

// The checkers: every frame that the broker is given and every frame that leaves it, in their true
// order, against the reference model. What the broker has told must stay true, whatever happens to
// it; each rule complains only where no order of events could excuse it. Each file names the
// invariants that it checks.
class Checkers final : public FrameTap {
 public:
  explicit Checkers(base::Millis session_ttl) : session_ttl_(session_ttl) {}

  void add_queue(const std::string& name, const QueueRules& rules) { model_.rules[name] = rules; }

  void received(base::Now now, frontend::Peer peer, base::ByteView frame) override;
  void sent(base::Now now, frontend::Peer peer, base::ByteView frame) override;
  void not_sent(frontend::Peer peer) override;
  void releasing(base::Now now, const storage::LogPositions& positions) override;

  void broker_ended(base::MonoTime now, bool power_lost);
  // What the broker knew of these messages may be forgotten: leases, settles, releases.
  void facts_rotted(const base::QueueId& queue, std::uint16_t shard,
                    const std::vector<base::SequenceRange>& ranges) {
    model_.facts_rotted({queue, shard}, ranges);
  }
  // The record of these messages may be unreadable.
  void messages_rotted(const base::QueueId& queue, std::uint16_t shard, std::uint64_t first,
                       std::uint32_t count) {
    model_.messages_rotted(queue, shard, first, count);
  }
  void wall_stepped() { wall_stepped_ = true; }

  // Everything was drained: each message that was accepted must have found its end. `damaged` ones
  // the broker has counted as lost.
  void check_end(std::uint64_t damaged);
  // Against the broker's own counts, where nothing is under way. `rotted`: bytes were changed, so
  // that some messages may be unreadable.
  void check_drained(const broker::BrokerStats& stats, bool rotted);

  const std::vector<std::string>& complaints() const { return complaints_; }
  std::uint64_t accepted() const { return model_.accepted; }
  std::uint64_t delivered() const { return model_.delivered; }
  std::uint64_t settled() const { return model_.settled; }
  // Of everything that was accepted in this queue.
  std::uint64_t accepted_in(const std::string& queue) const { return model_.accepted_in(queue); }

 private:
  using StreamKey = Model::StreamKey;
  using Stream = Model::Stream;
  using Place = Model::Place;
  using Attachment = Model::Attachment;
  using Handle = std::pair<std::uint64_t, std::uint32_t>;   // of a session number
  using Request = std::pair<std::uint64_t, std::uint64_t>;  // session number, request

  struct Session {
    base::SessionId id;
    frontend::Peer peer;
    std::uint32_t epoch = 0;
  };
  struct Client {
    base::MonoTime heard;
    std::uint64_t number = 0;  // of its session now
    bool ended = false;
  };
  struct Asked {
    base::SessionId session;
    base::MonoTime at;
  };
  struct Publication {
    StreamKey stream;
    std::vector<std::uint64_t> tags;
  };
  // A message in pieces, either way.
  struct Gathering {
    std::vector<std::byte> entry;
    bool broken = false;  // a piece is missing
    // False where the piece does not go on where the last one ended.
    void add(std::uint64_t offset, base::ByteView piece);
  };

  void on_received(base::Now now, const wire::FrameHeader& header, const wire::Body& body);
  void on_publish(base::Now now, const wire::FrameHeader& header, const wire::Publish& frame);
  void on_chunk(base::Now now, const wire::FrameHeader& header, const wire::Chunk& frame);
  void note_publication(base::Now now, const Request& request, const StreamKey& key,
                        base::ByteView entries);
  void on_attach(const wire::FrameHeader& header, const wire::Attach& frame, bool at_most_once);
  void on_settle(const wire::FrameHeader& header, const wire::Settle& frame);
  void on_extend(base::Now now, const wire::FrameHeader& header, const wire::Extend& frame);
  // Which queues a removal is about.
  struct Removal {
    std::vector<base::QueueId> queues;
    bool if_empty = false;
  };
  void on_remove(const Request& request, Removal removal);
  void on_removed(const Request& request);
  void check_was_empty(const base::QueueId& queue);
  void on_seek(const wire::FrameHeader& header, const wire::Seek& frame);
  void on_seeked(const wire::FrameHeader& header);

  void on_sent(base::Now now, frontend::Peer peer, const wire::Frame& frame);
  void on_welcome(base::Now now, frontend::Peer peer, const wire::Welcome& frame);
  void on_published(const wire::FrameHeader& header, const wire::Published& frame);
  void on_deliver(base::Now now, const wire::FrameHeader& header, const wire::Deliver& frame);
  void on_deliver_chunk(base::Now now, const wire::FrameHeader& header,
                        const wire::DeliverChunk& frame);
  void on_settled(const wire::FrameHeader& header, const wire::Settled& frame);
  bool check_message(base::Now now, const StreamKey& key, std::uint64_t sequence,
                     const base::MessageView& message, bool dead);
  void deliver_one(base::Now now, const Attachment& at, const wire::DeliverRun& run,
                   std::uint64_t sequence, std::uint64_t epoch, std::uint32_t lease_ms,
                   base::SessionId session);
  void check_counters(const Place& place, const wire::DeliverRun& run, const QueueRules& rules,
                      const std::string& what);
  void check_lease(base::Now now, const Place& place, const base::SessionId& session,
                   const std::string& what);
  void check_dead(Stream& stream, const std::string& subscription, std::uint64_t sequence,
                  const std::string& what);

  void bind(Stream& stream, std::uint64_t sequence, std::uint64_t tag, bool accepted);
  void heard(const base::SessionId& session, Client& client, base::MonoTime at);
  void complain(std::string text);

  const base::Millis session_ttl_;
  Model model_;
  std::map<base::QueueId, std::string> names_;
  std::map<std::uint64_t, Session> sessions_;  // by number
  std::map<base::SessionId, Client> clients_;
  std::map<frontend::Peer, Asked> hellos_;
  std::map<Request, std::string> resolving_;
  std::map<Request, StreamKey> opening_;
  std::map<Request, Publication> publishing_;
  std::map<Request, Attachment> attaching_;
  std::map<Request, Model::Settling> settling_;
  std::map<Request, std::pair<StreamKey, std::string>> seeking_;
  std::map<Request, Removal> removing_;
  std::map<Handle, StreamKey> publishers_;
  std::map<Handle, Attachment> attachments_;
  std::map<Request, Gathering> coming_;                          // CHUNK
  std::map<std::pair<Handle, std::uint64_t>, Gathering> going_;  // DELIVER_CHUNK, by epoch
  std::uint32_t incarnation_ = 0;
  bool wall_stepped_ = false;

  // When what leaves now was decided at the earliest: see releasing().
  std::deque<std::pair<base::MonoTime, base::Lsn>> rounds_;
  base::Lsn durable_before_;
  base::Lsn durable_now_;
  base::MonoTime decided_from_;

  std::vector<std::string> complaints_;
};

}  // namespace sluice::sim
