#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "broker/command.h"
#include "broker/config.h"
#include "broker/effect.h"
#include "broker/picture.h"
#include "broker/stats.h"
#include "storage/fact.h"
#include "storage/log.h"
#include "storage/message_store.h"
#include "storage/side_index.h"

namespace sluice::broker {

// Limits that protect the process; what happens at each is in docs/architecture.md.
struct BrokerOptions {
  base::Millis session_ttl{10'000};        // recorded leases are held this long after a restart
  std::uint32_t sequence_jump = 1U << 20;  // after an unclean stop
  // Of a restored copy, whose original may have gone on.
  std::uint32_t sequence_jump_restored = 1U << 26;
  std::uint64_t publisher_window_messages = 262'144;
  std::uint64_t publisher_window_bytes = 8ULL << 20;
  // Large messages that are being received: of all publishers, and how long one waits for a piece.
  std::uint64_t gathered_bytes_max = 64ULL << 20;
  base::Millis gathering_timeout{30'000};
  std::uint32_t delivery_bytes_max = 256 * 1024;  // of one DELIVER frame
  std::uint32_t delivery_runs_max = 2'048;
  // Of deliveries to one session that have not left the process yet (Deliver::unsent_bytes()); then
  // nothing more is delivered to it until DeliveriesLeft. 0 = no limit, and nobody tells.
  std::uint64_t unsent_bytes_max = 0;
  std::uint32_t producers_max = 100'000;
  std::uint32_t queues_max = 1'000;
  // This broker has one shard of each queue only, of so many; others have the rest.
  std::optional<base::ShardIndex> hosted_shard;
  std::uint16_t shards = 1;
  std::uint64_t prng_seed = 0;  // jitter only
};

// What a snapshot holds.
enum class SnapshotForm : std::uint8_t {
  kWhole,        // everything: long where much waits; all that logs of feature level 1 may have
  kBesideIndex,  // all but what the side index holds, which must be kept as it is now
};

// The state machine: commands in, effects out. Pure: no clock, thread, file or randomness of its
// own. Owned and called by one thread (the loop).
//
// Every change that anybody can see is first a record in the log; its effects wait for it.
class Broker {
 public:
  // `log`, `messages`, `index` and `effects` must outlive the broker. Of `index` it uses the keys
  // of docs/log-format.md, "Side index entries".
  Broker(BrokerOptions options, storage::Log& log, storage::MessageStore& messages,
         storage::SideIndex& index, EffectSink& effects);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // --- Recovery, in this order: restore (where a snapshot exists), replay of every later record,
  // start. Replay decides nothing. The index holds what it held at the snapshot: nothing where
  // there is none, or where it is whole.
  base::Status restore(base::ByteView snapshot);
  // `view.payload` is the whole payload. A record that contradicts the state is Corruption.
  base::Status replay(const storage::RecordView& view);
  // Writes the incarnation record (with the sequence jump after an unclean stop) and begins the
  // time to live of recovered sessions. The caller answers nobody before the returned position is
  // durable. `incarnations_skipped` > 0: this is a restored copy, and its original may have gone on
  // for so many incarnations. Then nothing is kept for sessions: no receipt from before is good.
  storage::Appended start(base::Now now, bool unclean, const base::Id128& log_id_if_new,
                          std::string_view software, std::uint32_t incarnations_skipped = 0);

  // --- Commands. apply() emits effects before it returns.
  void apply(base::Now now, const OpenSession& command);
  void apply(base::Now now, const SessionGone& command);
  void apply(base::Now now, const OpenPublisher& command);
  void apply(base::Now now, const Publish& command);
  void apply(base::Now now, const PublishChunk& command);
  void apply(base::Now now, const Attach& command);
  void apply(base::Now now, const ChunksSent& command);
  void apply(base::Now now, const DeliveriesLeft& command);
  void apply(base::Now now, const Detach& command);
  void apply(base::Now now, const Credit& command);
  void apply(base::Now now, const Settle& command);
  void apply(base::Now now, const Extend& command);
  void apply(base::Now now, const DeleteQueue& command);
  void apply(base::Now now, const Cordon& command);
  void apply(base::Now now, const DiscardDamaged& command);
  void apply(base::Now now, const Seek& command);
  void apply(base::Now now, const StartTask& command);
  void apply(base::Now now, const CancelTask& command);
  void apply(base::Now now, const Peek& command);
  // Returns the queue's id, or why the change is not allowed (for instance another number of
  // shards), naming the field.
  base::Result<base::QueueId> configure(base::Now now, const Configure& command);
  // Whether configure() would take it, also after `new_ones` other queues are made. Changes
  // nothing.
  base::Status check_configure(const Configure& command, std::size_t new_ones = 0) const;
  // Publishes are refused with kDiskLow while `low`; settles go on.
  void set_disk_low(bool low);

  // Storage brought something in (MessageStore::ready): deliveries that wait for it go on.
  void messages_read(base::Now now);

  // Storage found that some of these messages may be lost, whose bytes are or were in [begin, end):
  // those that cannot be read are counted as damaged and block nobody.
  void look_for_damage(base::Now now, const storage::StreamId& stream, base::SequenceRange range,
                       base::Lsn begin, base::Lsn end);

  // Does all time-driven work (leases, backoff, delays, expiry, recovered sessions) and one slice
  // of each running task; at most about 1 ms. Returns when it must run next at the latest:
  // nullopt = only after the next command; now.mono = at once again.
  std::optional<base::MonoTime> tick(base::Now now);

  // --- Looking in.
  std::optional<base::QueueId> find_queue(std::string_view name) const;
  const QueueConfig* config(const base::QueueId& queue) const;
  std::optional<base::SubscriptionId> find_subscription(const base::QueueId& queue,
                                                        std::string_view name) const;
  // The queue of a task that runs.
  std::optional<base::QueueId> find_task(const base::TaskId& task) const;
  // The end of the record that removed the last queue; zero = none in this process.
  base::Lsn removed_end() const;
  BrokerStats stats(base::Now now) const;
  // What is watched several times a second, of all queues, by name.
  std::vector<QueuePicture> observe(base::Now now) const;

  // --- For storage.
  // The state as of the last appended record; restore() takes it back. Deterministic: equal states
  // give equal bytes.
  std::vector<std::byte> snapshot(SnapshotForm form) const;
  // True while any message of the range is waiting, leased or dead somewhere: its record must stay.
  bool any_live(const storage::StreamId& stream, base::SequenceRange range) const;
  // The first run of such messages inside `within`, cut to it; another may follow it at once.
  std::optional<base::SequenceRange> next_live(const storage::StreamId& stream,
                                               base::SequenceRange within) const;
  // How many messages of the run have bodies of a known size, and the bytes of these.
  std::pair<std::uint64_t, std::uint64_t> live_sizes(const storage::StreamId& stream,
                                                     base::SequenceRange run) const;
  // Rises whenever messages that nobody needed are needed again (a seek).
  std::uint64_t revivals() const;
  // True while a dead letter or a message that waits for its retry has its error text in a record
  // of [begin, end): without that record a peek shows it without the text.
  bool any_text(base::Lsn begin, base::Lsn end) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::broker
