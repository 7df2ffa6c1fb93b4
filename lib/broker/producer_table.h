#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "storage/fact.h"

namespace sluice::broker {

// Messages of one producer that were accepted with consecutive sequences on both sides.
struct AcceptedRun {
  std::uint64_t producer_sequence = 0;  // of the first
  base::Sequence first;
  std::uint64_t count = 0;
};

// One producer's progress in one stream.
struct ProducerStream {
  storage::StreamId stream;
  std::uint64_t last = 0;         // the greatest producer sequence that is stored
  std::vector<AcceptedRun> runs;  // the latest kRunsKept, ascending
};

struct Producer {
  std::uint32_t epoch = 0;
  base::Lsn used;  // its latest record
  std::vector<ProducerStream> streams;

  const ProducerStream* find(const storage::StreamId& stream) const;
};

// Who has published what, so that a repeated batch is recognised. Changed by records alone; the
// producers whose records are the oldest are forgotten first, and a forgotten one is refused, never
// silently accepted.
class ProducerTable {
 public:
  // Runs, not batches: a producer that is alone in its stream needs one for ever.
  static constexpr std::size_t kRunsKept = 64;

  explicit ProducerTable(std::uint32_t producers_max);

  // The id under which records and this table know the producer that names itself `client`, of that
  // queue: a digest of both, so that whoever may publish to one queue cannot stand in the way of
  // the producers of another, whatever id it makes up. What an older version has stored for the
  // queue under `client` itself goes on under that. Zeros stay zeros.
  base::ProducerId id_of(const base::QueueId& queue, const base::ProducerId& client) const;

  const Producer* find(const base::ProducerId& id) const;
  // Greater than every epoch that this id, or any forgotten id, ever had.
  std::uint32_t next_epoch(const base::ProducerId& id) const;
  // Where `producer_sequence` was stored; 0 = no longer known.
  static base::Sequence stored_at(const ProducerStream& stream, std::uint64_t producer_sequence);

  void take_epoch(const base::ProducerId& id, std::uint32_t epoch, base::Lsn record);
  void accept(const storage::MessagesFact& fact, base::Lsn record);
  void forget_queue(const base::QueueId& queue);

  std::size_t size() const { return producers_.size(); }
  // Greatest epoch of any forgotten producer.
  std::uint32_t forgotten_epoch() const { return forgotten_epoch_; }

  // For snapshots, in the order of use.
  const std::map<base::Lsn, base::ProducerId>& by_use() const { return by_use_; }
  void restore(const base::ProducerId& id, Producer producer);
  void restore_forgotten_epoch(std::uint32_t epoch) { forgotten_epoch_ = epoch; }

 private:
  Producer& touch(const base::ProducerId& id, base::Lsn record);
  void forget_oldest();

  std::uint32_t producers_max_;
  std::uint32_t forgotten_epoch_ = 0;
  std::map<base::ProducerId, Producer> producers_;
  std::map<base::Lsn, base::ProducerId> by_use_;  // a record belongs to one producer
};

}  // namespace sluice::broker
