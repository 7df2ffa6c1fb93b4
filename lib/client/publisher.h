#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/message.h"
#include "base/result.h"
#include "base/time.h"
#include "client/connection.h"
#include "client/frame_buffer.h"
#include "wire/error_code.h"
#include "wire/shard_map.h"

namespace sluice::client {

// What became of one batch. Exactly one outcome for every batch, in order within a shard.
struct BatchOutcome {
  // Of publish_frame(). Parts of a batch that was cut, or routed anew by another shard map, have
  // the same; their messages stand in the batch from `place` on in a row, or at `places`.
  std::uint64_t tag = 0;
  std::uint32_t place = 0;
  std::vector<std::uint32_t> places;
  base::ShardIndex shard;
  // Of its first message; counts this producer's messages of this shard. 0 = never sent.
  std::uint64_t producer_sequence = 0;
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;  // of its entries
  base::Sequence first;     // where it stands in the shard; 0 = refused, or an old duplicate
  bool duplicate = false;   // it was stored before, by an earlier attempt to send it
  wire::Code code = wire::Code::kNone;  // why it was refused
  std::string message;

  bool stored() const { return code == wire::Code::kNone; }
};

struct PublisherOptions {
  std::string queue;
  // Names the producer for idempotence. Zero = drawn: then only this object's own resends are
  // recognised, and what a crashed process sends again may be there twice.
  base::ProducerId producer;
  // A batch is sent when its entries reach this; at most base::kBatchEntriesBytesMax.
  std::size_t batch_bytes = 64 * 1024;
  // A batch that is not full is sent by poll() and publish() when it is this old. append() never
  // looks at the clock.
  base::Millis linger{1};
  // Sent and not yet answered; the broker's credit may be tighter.
  std::size_t in_flight_bytes_max = 16 * 1024 * 1024;
  // How long publish() and append() may block for room or for a lost connection.
  base::Millis send_timeout{30'000};
  // A refused batch ends the publisher, and what is behind it is refused too: so that the numbers
  // of a named producer's messages are those that its maker counts.
  bool end_on_refusal = false;
  // Called for every batch, from inside this object's and the connection's calls. Must not call
  // back into either.
  std::function<void(const BatchOutcome&)> on_outcome;
};

struct PublisherStats {
  std::uint64_t messages_stored = 0;
  std::uint64_t messages_refused = 0;
  std::uint64_t batches_sent = 0;
  std::uint64_t batches_resent = 0;
};

// Publishes to all shards of one queue, in batches. Messages with a group, key or dedup id go to
// the shard of their slot; others fill one batch after the other, round robin over the shards.
// Every batch is numbered, so that resending after a lost connection stores nothing twice.
//
// Refusals: a full queue or a low disk refuses whole batches; the outcome says so, later batches
// are tried (one at a time until one is taken), and nothing is retried unasked.
//
// When the shard map changes (StaleShardMap), what is not stored is routed by the new one: nothing
// is lost or stored twice, and messages of one key keep their order. A producer that
// ends_on_refusal ends then, because its numbers count by shard. One that the broker has forgotten
// begins again under another id; what was unanswered then has the outcome UnknownProducer: it may
// be stored.
//
// Thread: the connection's owner. The connection must outlive the publisher. Destroying it drops
// what was not sent; call flush() before.
class Publisher {
 public:
  // NotFound when there is no such queue. A producer without a name begins after request_timeout
  // although brokers of other shards are away; what belongs there waits until they are back.
  static base::Result<std::unique_ptr<Publisher>> open(Connection& connection,
                                                       PublisherOptions options);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Adds one message to a batch; sends the batch when it is full or old enough. Blocks while there
  // is no room. InvalidArgument: the message is over a limit, nothing happened. DeadlineExceeded:
  // no room in time, the message was not taken. Other errors: this publisher is at its end.
  base::Status publish(const base::Message& message);

  // The same for a bare body without key, group or dedup id: writes it straight into the frame.
  base::Status append(base::ByteView body) {
    const std::size_t bytes = base::kEntryHeaderBytes + body.size();
    if (bytes > static_cast<std::size_t>(fast_.end - fast_.at) || bytes > fast_.entry_bytes_max)
        [[unlikely]] {
      return append_slow(body);
    }
    // entry_bytes, no attributes, priority unset: the layout of base/message.h in one store.
    base::store(fast_.at, std::uint64_t{bytes} | kBareEntry);
    std::memcpy(fast_.at + base::kEntryHeaderBytes, body.data(), body.size());
    fast_.at += bytes;
    ++fast_.count;
    return {};
  }

  // A whole batch, made elsewhere: room for the prefix of a PUBLISH, then `count` entries, all of
  // them for that shard by the map of that version; one that is no longer slots() is put right.
  // Never blocks, whatever is in flight; the outcome has `tag`.
  struct MadeBatch {
    base::ShardIndex shard;
    std::uint32_t map_version = 0;
    std::shared_ptr<OutboundBuffer> frame;
    std::uint32_t count = 0;
    std::uint64_t tag = 0;
  };
  void publish_frame(MadeBatch batch);

  // Hands every open batch to the network, full or not, as far as there is room; does not wait.
  base::Status send();
  // Sends everything and waits until every batch has its outcome. DeadlineExceeded: not in time,
  // go on waiting with another call. Refused batches are not an error here.
  base::Status flush(base::Millis timeout);
  // Publishes one message, with whatever else is open, and waits until it is stored. A refusal is
  // an error here.
  struct Stored {
    base::ShardIndex shard;
    base::Sequence sequence;  // 0 = a duplicate whose place is forgotten
    bool duplicate = false;
  };
  base::Result<Stored> publish_sync(const base::Message& message, base::Millis timeout);

  // Drives the connection: outcomes arrive, lingering batches leave.
  base::Status poll(base::Millis timeout);

  // Messages added and without an outcome.
  std::uint64_t outstanding_messages() const;
  std::size_t shards() const;
  const wire::SlotTable& slots() const;
  std::uint32_t message_bytes_max() const;
  // Why this publisher is at its end.
  base::Status failure() const;
  const base::ProducerId& producer() const;
  // Where messages begin that may go to any shard: not the same for all producers, or the many that
  // send one message and end would all send it there.
  std::uint16_t first_shard() const;
  // The last of this producer's messages that is stored in the shard, also by a process before:
  // where a named producer goes on.
  std::uint64_t last_sequence(base::ShardIndex shard) const;
  const PublisherStats& stats() const;

 private:
  class Impl;
  // The end of the batch that append() writes to, borrowed from Impl. Without one, at == end.
  struct FastPath {
    std::byte* at = nullptr;
    std::byte* end = nullptr;
    std::size_t entry_bytes_max = 0;  // the queue's limit
    std::uint32_t count = 0;
  };
  static constexpr std::uint64_t kBareEntry = std::uint64_t{base::kPriorityUnset} << 48;

  Publisher();
  base::Status append_slow(base::ByteView body);

  FastPath fast_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::client
