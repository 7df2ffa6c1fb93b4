#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/message.h"
#include "base/time.h"
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

// Of a subscription; the empty one is `default`.
std::string name_of(std::string_view subscription);

// The reference model: what each queue must contain, and what may have become of each message, by
// what the broker was asked and what it has answered. It knows what is certain (a reply left) from
// what may be (a request came in). It knows nothing of connections, and judges nobody: that do the
// checkers (checkers.h).
struct Model {
  using StreamKey = std::pair<base::QueueId, std::uint16_t>;
  using Home = std::pair<StreamKey, std::uint64_t>;  // where a message lies

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
    bool rotted = false;         // so may a lease, a settle, a release: its record did
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
  // The first time that somebody published it.
  struct FirstAsked {
    std::uint64_t order = 0;
    base::WallTime at;           // the earliest that any clock said
    std::uint64_t requests = 0;  // that held it
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

  static bool is_dead_letters(const std::string& subscription);
  static std::string without_dead(const std::string& subscription);
  static std::string dead_letters_of(const std::string& subscription);
  // Of everything that was accepted in this queue.
  std::uint64_t accepted_in(const std::string& queue) const;

  Stream& stream_of(const StreamKey& key) { return streams[key]; }

  // Somebody publishes it; `at`: by the wall clock.
  void asked(base::WallTime at, const StreamKey& key, const base::MessageView& message,
             std::uint64_t tag);
  bool is_as_published(std::uint64_t tag, const base::MessageView& message);
  // Where it lies: there, if nothing was known.
  const Home& home_of(std::uint64_t tag, const StreamKey& key, std::uint64_t sequence);
  // False where that sequence holds another one.
  bool bind(Stream& stream, std::uint64_t sequence, std::uint64_t tag, bool is_accepted);
  // The record of these messages may be unreadable.
  void messages_rotted(const base::QueueId& queue, std::uint16_t shard, std::uint64_t first,
                       std::uint32_t count);
  // The record of their lease, settle or release may be.
  void facts_rotted(const StreamKey& key, const std::vector<base::SequenceRange>& ranges);

  void loosen(const base::SessionId& session, const Attachment& at, std::uint64_t above_epoch);
  void loosen_all(const base::SessionId& session);
  // What these receipts are about, as it is now.
  Settling settling_of(const Attachment& at, const wire::Settle& frame);
  void extended(const Attachment& at, const base::SessionId& session, base::MonoTime end);
  void on_delivery(const Attachment& at, const wire::DeliverRun& run, std::uint64_t sequence,
                   std::uint64_t epoch, const base::SessionId& session, base::MonoTime lease_until);
  void on_settled(const Settling& settling, const wire::Settled& frame);

  void on_task(const base::QueueId& queue, bool redrive);
  void on_transfer(const wire::StartTask& task);
  void on_seek(const wire::Seek& frame);
  void on_remove(const base::QueueId& queue);
  // No lease is longer than to `leases_end` now.
  void broker_ended(base::MonoTime leases_end, bool power_lost);

  // Acked, as far as anybody can know, or dead and acked there.
  bool is_resolved(const Stream& stream, const std::string& subscription,
                   std::uint64_t sequence) const;
  bool may_be_gone(const Stream& stream, const std::string& subscription,
                   std::uint64_t sequence) const;

  std::map<std::string, QueueRules> rules;
  std::map<StreamKey, Stream> streams;
  std::map<std::uint64_t, StreamKey> published;     // tags that somebody published
  std::map<std::uint64_t, Home> stored;             // by tag
  std::map<std::uint64_t, std::uint64_t> entries;   // tag -> hash of its entry
  std::map<std::uint64_t, FirstAsked> first_asked;  // by tag
  std::set<std::uint64_t> refused;                  // tags, until they are stored
  std::set<std::uint64_t> epochs;                   // of all deliveries
  std::set<base::QueueId> removed;                  // for certain
  std::set<base::QueueId> copied_into;              // by copies and moves
  base::WallTime wall_max;                          // the latest that the clock said
  std::uint64_t accepted = 0;
  std::uint64_t delivered = 0;
  std::uint64_t settled = 0;
};

}  // namespace sluice::sim
