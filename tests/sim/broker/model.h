#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/message.h"
#include "base/time.h"
#include "broker/stats.h"
#include "tests/sim/broker/frame_tap.h"
#include "wire/frame.h"

namespace sluice::sim {

// What a queue of the simulation promises, as far as the model must know.
struct QueueRules {
  bool durable = true;        // fsync Always
  bool may_lose = false;      // limits, expiry, purges or at-most-once may take messages away
  base::Millis retention{0};  // what is older may go, settled or not; 0 = stays
  bool may_die = false;       // limits or expiry may make dead letters of messages nobody failed
  bool creates = false;       // consumers create subscriptions beside `default`
  std::uint16_t max_attempts = 0;
  std::uint16_t max_stalls = 0;
};

// The reference model: what the broker has told the world, from the frames that it was given and
// that left it, in their true order. What it has told must stay true, whatever happens to it. It
// knows what is certain (a reply left) from what may be (a request came in); each rule complains
// only where no order of events could excuse the broker.
class Model final : public FrameTap {
 public:
  explicit Model(base::Millis session_ttl) : session_ttl_(session_ttl) {}

  void add_queue(const std::string& name, const QueueRules& rules) { rules_[name] = rules; }

  void received(base::Now now, frontend::Peer peer, base::ByteView frame) override;
  void sent(base::Now now, frontend::Peer peer, base::ByteView frame) override;
  void not_sent(frontend::Peer peer) override;
  void releasing(base::Now now, const storage::LogPositions& positions) override;

  void broker_ended(base::MonoTime now, bool power_lost);
  // From now on something that the broker knew may be forgotten: leases, settles, releases.
  void medium_failed() { medium_failed_ = true; }
  // The record of these messages may be unreadable.
  void messages_rotted(const base::QueueId& queue, std::uint16_t shard, std::uint64_t first,
                       std::uint32_t count);
  void wall_stepped() { wall_stepped_ = true; }

  // Everything was drained: each message that was accepted must have found its end. `damaged` ones
  // the broker has counted as lost.
  void check_end(std::uint64_t damaged);
  // Against the broker's own counts, where nothing is under way.
  void check_drained(const broker::BrokerStats& stats, std::uint64_t damaged);

  const std::vector<std::string>& complaints() const { return complaints_; }
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t settled() const { return settled_; }
  // Of everything that was accepted in this queue.
  std::uint64_t accepted_in(const std::string& queue) const;

 private:
  using StreamKey = std::pair<base::QueueId, std::uint16_t>;
  using Handle = std::pair<std::uint64_t, std::uint32_t>;   // of a session number
  using Request = std::pair<std::uint64_t, std::uint64_t>;  // session number, request

  struct Message {
    std::uint64_t tag = 0;
    bool accepted = false;  // a PUBLISHED has left
    bool may_be_lost = false;
  };
  // A message as one subscription, or its dead letters, have it.
  struct Place {
    std::uint64_t epoch = 0;  // of the last delivery
    base::SessionId holder;
    base::MonoTime lease_until;  // not before
    bool loose = true;           // the lease may be over
    int acks_open = 0;           // acks that may have been carried out
    bool acked_maybe = false;
    bool gone = false;  // for certain: acked, or dead
    int fails = 0;      // for certain
    int fails_open = 0;
    bool rejected_maybe = false;
    int stalls = 0;
    bool counters_free = false;  // a redrive may have reset them
    bool forgotten = false;      // the last delivery may be: a power loss took its record
  };
  using Places = std::map<std::uint64_t, Place>;  // by sequence
  // Of a subscription. While one goes on, what is settled may be brought back by it.
  struct Seeks {
    std::uint64_t count = 0;
    int open = 0;                   // not answered yet
    bool begun = false;             // somebody attached there
    std::uint64_t passed_over = 0;  // what was published by then may go without a delivery
  };
  struct Stream {
    std::string queue;
    std::map<std::uint64_t, Message> messages;
    std::map<std::string, Places> places;  // by subscription; NAME/dlq too
    bool redriven = false;                 // tasks may go on: dead is not for certain
    std::map<std::string, Seeks> seeks;    // by subscription
    std::uint64_t passed_over = 0;         // what was published by then may go with the queue
  };
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
  // The first time that somebody published it.
  struct FirstAsked {
    std::uint64_t order = 0;
    base::WallTime at;  // the earliest that any clock said
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
  struct Attachment {
    StreamKey stream;
    std::string subscription;
    bool at_most_once = false;
  };
  struct SettledOne {
    std::uint64_t sequence = 0;
    std::uint64_t epoch = 0;
  };
  struct Settling {
    Attachment at;
    std::uint8_t kind = 1;
    std::vector<SettledOne> current;
    std::uint64_t stale_min = 0;
    std::uint64_t seeks = 0;  // that came before it
    bool certain = true;      // no seek was going on
  };

  void on_received(base::Now now, const wire::FrameHeader& header, const wire::Body& body);
  void on_publish(base::Now now, const wire::FrameHeader& header, const wire::Publish& frame);
  void on_chunk(base::Now now, const wire::FrameHeader& header, const wire::Chunk& frame);
  void note_publication(base::Now now, const Request& request, const StreamKey& key,
                        base::ByteView entries);
  void on_attach(const wire::FrameHeader& header, const wire::Attach& frame, bool at_most_once);
  void on_settle(const wire::FrameHeader& header, const wire::Settle& frame);
  void on_extend(base::Now now, const wire::FrameHeader& header, const wire::Extend& frame);
  void on_task(const base::QueueId& queue, bool redrive);
  void on_transfer(const wire::StartTask& task);
  // Which queues a removal is about.
  struct Removal {
    std::vector<base::QueueId> queues;
    bool if_empty = false;
  };
  void on_remove(const Request& request, Removal removal);
  void on_removed(const Request& request);
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
  void check_counters(Place& place, const wire::DeliverRun& run, const QueueRules& rules,
                      const std::string& what);
  void check_lease(base::Now now, const Place& place, const base::SessionId& session,
                   const std::string& what);
  void check_dead(Stream& stream, const std::string& subscription, std::uint64_t sequence,
                  const std::string& what);

  Stream& stream_of(const StreamKey& key) { return streams_[key]; }
  void bind(Stream& stream, std::uint64_t sequence, std::uint64_t tag, bool accepted);
  void loosen(const base::SessionId& session, const Attachment& at, std::uint64_t above_epoch);
  void loosen_all(const base::SessionId& session);
  void heard(const base::SessionId& session, Client& client, base::MonoTime at);
  bool is_resolved(const Stream& stream, const std::string& subscription,
                   std::uint64_t sequence) const;
  void complain(std::string text);
  bool may_be_gone(const Stream& stream, const std::string& subscription,
                   std::uint64_t sequence) const;
  static bool is_dead_letters(const std::string& subscription);
  static std::string without_dead(const std::string& subscription);
  static std::string dead_letters_of(const std::string& subscription);

  const base::Millis session_ttl_;
  std::map<std::string, QueueRules> rules_;
  std::map<StreamKey, Stream> streams_;
  std::map<base::QueueId, std::string> names_;
  std::map<std::uint64_t, StreamKey> published_;  // tags that somebody published
  std::map<std::uint64_t, std::pair<StreamKey, std::uint64_t>> stored_;  // tag -> place
  std::map<std::uint64_t, std::uint64_t> entries_;                       // tag -> hash of its entry
  std::map<std::uint64_t, FirstAsked> first_asked_;                      // by tag
  std::set<std::uint64_t> refused_;            // tags, until they are stored
  std::set<std::uint64_t> epochs_;             // of all deliveries
  std::map<std::uint64_t, Session> sessions_;  // by number
  std::map<base::SessionId, Client> clients_;
  std::map<frontend::Peer, Asked> hellos_;
  std::map<Request, std::string> resolving_;
  std::map<Request, StreamKey> opening_;
  std::map<Request, Publication> publishing_;
  std::map<Request, Attachment> attaching_;
  std::map<Request, Settling> settling_;
  std::map<Request, std::pair<StreamKey, std::string>> seeking_;
  std::map<Request, Removal> removing_;
  std::set<base::QueueId> removed_;  // for certain
  std::map<Handle, StreamKey> publishers_;
  std::map<Handle, Attachment> attachments_;
  std::map<Request, Gathering> coming_;                          // CHUNK
  std::map<std::pair<Handle, std::uint64_t>, Gathering> going_;  // DELIVER_CHUNK, by epoch
  std::set<base::QueueId> copied_into_;                          // by copies and moves
  std::uint32_t incarnation_ = 0;
  bool medium_failed_ = false;
  bool wall_stepped_ = false;
  base::WallTime wall_max_;  // the latest that the clock said

  // When what leaves now was decided at the earliest: see releasing().
  std::deque<std::pair<base::MonoTime, base::Lsn>> rounds_;
  base::Lsn durable_before_;
  base::Lsn durable_now_;
  base::MonoTime decided_from_;

  std::uint64_t accepted_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t settled_ = 0;
  std::vector<std::string> complaints_;
};

}  // namespace sluice::sim
