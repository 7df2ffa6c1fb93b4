#include "broker/producer_table.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/sha256.h"

namespace sluice::broker {

const ProducerStream* Producer::find(const storage::StreamId& stream) const {
  for (const ProducerStream& mine : streams) {
    if (mine.stream == stream) return &mine;
  }
  return nullptr;
}

ProducerTable::ProducerTable(std::uint32_t producers_max)
    : producers_max_(std::max<std::uint32_t>(1, producers_max)) {}

base::ProducerId ProducerTable::id_of(const base::QueueId& queue,
                                      const base::ProducerId& client) const {
  if (client.is_zero()) return client;
  std::vector<std::byte> named;
  base::ByteWriter out(named);
  out.array(queue.bytes);
  out.array(client.bytes);
  const base::Sha256Digest digest = base::sha256(named);
  base::ProducerId id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  if (find(id) != nullptr) return id;
  const Producer* before = find(client);
  const bool is_older =
      before != nullptr &&
      std::any_of(before->streams.begin(), before->streams.end(),
                  [&](const ProducerStream& mine) { return mine.stream.queue == queue; });
  return is_older ? client : id;
}

const Producer* ProducerTable::find(const base::ProducerId& id) const {
  const auto found = producers_.find(id);
  return found == producers_.end() ? nullptr : &found->second;
}

std::uint32_t ProducerTable::next_epoch(const base::ProducerId& id) const {
  const Producer* known = find(id);
  return (known != nullptr ? known->epoch : forgotten_epoch_) + 1;
}

base::Sequence ProducerTable::stored_at(const ProducerStream& stream,
                                        std::uint64_t producer_sequence) {
  for (auto run = stream.runs.rbegin(); run != stream.runs.rend(); ++run) {
    if (run->producer_sequence > producer_sequence) continue;
    const std::uint64_t at = producer_sequence - run->producer_sequence;
    return at < run->count ? run->first + at : base::Sequence();
  }
  return base::Sequence();
}

void ProducerTable::take_epoch(const base::ProducerId& id, std::uint32_t epoch, base::Lsn record) {
  touch(id, record).epoch = epoch;
  forget_oldest();
}

void ProducerTable::accept(const storage::MessagesFact& fact, base::Lsn record) {
  if (fact.producer.is_zero()) return;
  Producer& producer = touch(fact.producer, record);
  producer.epoch = std::max(producer.epoch, fact.producer_epoch);
  auto mine = std::find_if(producer.streams.begin(), producer.streams.end(),
                           [&](const ProducerStream& s) { return s.stream == fact.stream; });
  if (mine == producer.streams.end()) {
    mine = producer.streams.insert(mine, ProducerStream{fact.stream, 0, {}});
  }
  mine->last = fact.producer_sequence + fact.count - 1;
  std::vector<AcceptedRun>& runs = mine->runs;
  if (!runs.empty()) {
    AcceptedRun& before = runs.back();
    if (before.producer_sequence + before.count == fact.producer_sequence &&
        before.first + before.count == fact.first) {
      before.count += fact.count;
      forget_oldest();
      return;
    }
  }
  runs.push_back({fact.producer_sequence, fact.first, fact.count});
  if (runs.size() > kRunsKept) runs.erase(runs.begin());
  forget_oldest();
}

void ProducerTable::forget_queue(const base::QueueId& queue) {
  for (auto& [id, producer] : producers_) {
    std::erase_if(producer.streams,
                  [&](const ProducerStream& s) { return s.stream.queue == queue; });
  }
}

void ProducerTable::restore(const base::ProducerId& id, Producer producer) {
  by_use_.emplace(producer.used, id);
  producers_.emplace(id, std::move(producer));
  forget_oldest();
}

Producer& ProducerTable::touch(const base::ProducerId& id, base::Lsn record) {
  Producer& producer = producers_[id];
  if (producer.used != base::Lsn()) by_use_.erase(producer.used);
  producer.used = record;
  CHECK(by_use_.emplace_hint(by_use_.end(), record, id)->second == id);
  return producer;
}

void ProducerTable::forget_oldest() {
  while (producers_.size() > producers_max_) {
    const auto oldest = by_use_.begin();
    const auto producer = producers_.find(oldest->second);
    CHECK(producer != producers_.end());
    forgotten_epoch_ = std::max(forgotten_epoch_, producer->second.epoch);
    producers_.erase(producer);
    by_use_.erase(oldest);
  }
}

}  // namespace sluice::broker
