#include "broker/snapshot_codec.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "broker/config_codec.h"
#include "broker/sequence_words.h"
#include "broker/snapshot_stream.h"
#include "broker/tlv.h"

namespace sluice::broker {

namespace {

enum class Section : std::uint16_t {
  kBroker = 1,
  kQueue = 2,  // one a queue, by id
  kLeases = 3,
  kProducers = 4,
  kSessions = 5,
  kTasks = 6,
  kLeaving = 7,  // not in whole ones
  // Not in whole ones, and only where there are some:
  kDamaged = 23,
  kScatteredLeases = 24,
};
constexpr std::uint16_t tag(Section value) { return static_cast<std::uint16_t>(value); }

using base::ByteReader;
using base::ByteWriter;

// The smallest bytes of one element: no count is believed that the rest could not hold.
constexpr std::size_t kLeaseBytesMin = 60;
constexpr std::size_t kProducerBytesMin = 32;
constexpr std::size_t kSessionBytesMin = 22;
constexpr std::size_t kTaskBytesMin = 90;
constexpr std::size_t kLeavingBytesMin = 17;
constexpr std::size_t kDamagedBytesMin = 24;
constexpr std::size_t kScatteredBytesMin = 60;

// Leases of more are scattered.
constexpr std::size_t kListedRangesMax = 16;

bool count_fits(ByteReader& in, std::uint64_t count, std::size_t bytes_min) {
  if (count <= in.remaining() / bytes_min) return true;
  in.fail();
  return false;
}

void put_key(ByteWriter& out, const storage::SubscriptionKey& key) {
  out.array(key.stream.queue.bytes);
  out.u16(key.stream.shard.value());
  out.u16(key.subscription.value());
}
storage::SubscriptionKey get_key(ByteReader& in) {
  storage::SubscriptionKey key;
  key.stream.queue.bytes = in.array<16>();
  key.stream.shard = base::ShardIndex(in.u16());
  key.subscription = base::SubscriptionId(in.u16());
  return key;
}

void put_queue(const Queue& queue, SnapshotForm form, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.array(queue.id().bytes);
  out.u64(queue.revision());
  out.bytes32(encode_config(queue.stored()));
  for (const auto& stream : queue.streams()) put_stream(*stream, form, bytes);
}
bool get_queue(ByteReader& in, SnapshotForm form, State& state) {
  base::QueueId id;
  id.bytes = in.array<16>();
  const std::uint64_t revision = in.u64();
  auto stored = decode_config(in.bytes32());
  if (!in.ok() || !stored || state.queues.contains(id)) return false;
  auto queue = std::make_unique<Queue>(id, revision, *std::move(stored), state.numbers, state.side);
  for (const auto& stream : queue->streams()) {
    if (!get_stream(in, form, *stream)) return false;
  }
  state.queues.emplace(id, std::move(queue));
  return true;
}

void put_lease(ByteWriter& out, const Lease& lease) {
  out.u64(lease.epoch.value());
  put_key(out, lease.subscription->key());
  out.array(lease.session.bytes);
  out.u32(lease.lease_ms);
}
Lease get_lease(ByteReader& in, const State& state) {
  Lease lease;
  lease.epoch = base::Epoch(in.u64());
  lease.subscription = state.subscription(get_key(in));
  lease.session.bytes = in.array<16>();
  lease.lease_ms = in.u32();
  return lease;
}

// Both sections of leases: each lease is in one of them.
struct LeaseSections {
  std::vector<std::byte> listed;
  std::vector<std::byte> scattered;
  std::uint64_t listed_count = 0;
  std::uint64_t scattered_count = 0;
};
LeaseSections encode_leases(const State& state, SnapshotForm form) {
  LeaseSections sections;
  ByteWriter listed(sections.listed);
  ByteWriter scattered(sections.scattered);
  for (const auto& [epoch, lease] : state.leases.leases()) {
    const Ranges held = held_by(lease);
    if (form == SnapshotForm::kBesideIndex && held.size() > kListedRangesMax) {
      ++sections.scattered_count;
      put_lease(scattered, lease);
      put_words(scattered, held);
      continue;
    }
    ++sections.listed_count;
    put_lease(listed, lease);
    listed.u32(static_cast<std::uint32_t>(held.size()));
    for (const base::SequenceRange& range : held) {
      listed.u64(range.first.value());
      listed.u64(range.last.value());
    }
  }
  return sections;
}

void put_counted(std::uint64_t count, const std::vector<std::byte>& elements,
                 std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u64(count);
  out.bytes(elements);
}

bool is_idle(const Subscription& subscription, base::SequenceRange range) {
  const Ranges whole{range};
  return subscription.idle_in(range) == whole || subscription.idle_dead_in(range) == whole;
}
bool begin_lease(State& state, Lease lease, const Ranges& ranges) {
  base::Sequence before;
  for (const base::SequenceRange& range : ranges) {
    const bool in_order = before < range.first && range.first <= range.last;
    const bool exists = range.last < lease.subscription->stream().next();
    if (!in_order || !exists || !is_idle(*lease.subscription, range)) return false;
    before = range.last;
  }
  if (ranges.empty() || state.leases.find(lease.epoch) != nullptr) return false;
  state.leases.begin(std::move(lease), ranges);
  return true;
}
bool get_listed_lease(ByteReader& in, State& state) {
  Lease lease = get_lease(in, state);
  const std::uint32_t count = in.u32();
  if (!count_fits(in, count, 16) || lease.subscription == nullptr) return false;
  Ranges ranges;
  for (std::uint32_t i = 0; i < count; ++i) {
    const base::Sequence first(in.u64());
    ranges.push_back({first, base::Sequence(in.u64())});
  }
  return begin_lease(state, std::move(lease), ranges);
}

bool get_scattered_lease(ByteReader& in, State& state) {
  Lease lease = get_lease(in, state);
  const std::optional<Ranges> ranges = get_words(in, kLeaseMessagesMax);
  if (lease.subscription == nullptr || !ranges || ranges->size() <= kListedRangesMax) return false;
  return begin_lease(state, std::move(lease), *ranges);
}

void put_producers(const ProducerTable& producers, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u32(producers.forgotten_epoch());
  out.u64(producers.size());
  for (const auto& [used, id] : producers.by_use()) {
    const Producer& producer = *producers.find(id);
    out.array(id.bytes);
    out.u64(used.value());
    out.u32(producer.epoch);
    out.u32(static_cast<std::uint32_t>(producer.streams.size()));
    for (const ProducerStream& stream : producer.streams) {
      out.array(stream.stream.queue.bytes);
      out.u16(stream.stream.shard.value());
      out.u64(stream.last);
      out.u32(static_cast<std::uint32_t>(stream.runs.size()));
      for (const AcceptedRun& run : stream.runs) {
        out.u64(run.producer_sequence);
        out.u64(run.first.value());
        out.u64(run.count);
      }
    }
  }
}
bool get_producer(ByteReader& in, ProducerTable& producers) {
  base::ProducerId id;
  id.bytes = in.array<16>();
  Producer producer;
  producer.used = base::Lsn(in.u64());
  producer.epoch = in.u32();
  const std::uint32_t streams = in.u32();
  if (!count_fits(in, streams, 30)) return false;
  for (std::uint32_t i = 0; i < streams; ++i) {
    ProducerStream stream;
    stream.stream.queue.bytes = in.array<16>();
    stream.stream.shard = base::ShardIndex(in.u16());
    stream.last = in.u64();
    const std::uint32_t runs = in.u32();
    if (!count_fits(in, runs, 24)) return false;
    for (std::uint32_t r = 0; r < runs; ++r) {
      const std::uint64_t producer_sequence = in.u64();
      const base::Sequence first(in.u64());
      stream.runs.push_back({producer_sequence, first, in.u64()});
    }
    producer.streams.push_back(std::move(stream));
  }
  const auto& by_use = producers.by_use();
  const bool in_order = by_use.empty() || by_use.rbegin()->first < producer.used;
  if (!in.ok() || !in_order || producers.find(id) != nullptr) return false;
  producers.restore(id, std::move(producer));
  return true;
}

void put_sessions(const State& state, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u64(state.sessions.size());
  for (const auto& [id, session] : state.sessions) {
    out.array(id.bytes);
    out.u32(session.epoch);
    out.text16(session.client);
  }
}
bool get_session(ByteReader& in, State& state) {
  base::SessionId id;
  id.bytes = in.array<16>();
  KnownSession session;
  session.epoch = in.u32();
  session.client = in.text16();
  return in.ok() && state.sessions.emplace(id, std::move(session)).second;
}

// A whole snapshot may be one of feature level 1, which knows no notes.
void put_tasks(const State& state, SnapshotForm form, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u64(state.tasks.size());
  for (const auto& [id, task] : state.tasks) {
    out.array(id.bytes);
    out.u8(static_cast<std::uint8_t>(task.kind));
    put_key(out, task.key);
    out.u64(task.position.value());
    out.u64(task.matched);
    out.u64(task.done);
    out.u64(task.started.value());
    out.bytes32(encode_plan(task.plan, form == SnapshotForm::kBesideIndex));
  }
}
bool get_task(ByteReader& in, State& state) {
  Task task;
  task.id.bytes = in.array<16>();
  task.kind = static_cast<storage::TaskKind>(in.u8());
  task.key = get_key(in);
  task.position = base::Sequence(in.u64());
  task.matched = in.u64();
  task.done = in.u64();
  task.started = base::Lsn(in.u64());
  auto plan = decode_plan(in.bytes32());
  const Queue* queue = state.queue(task.key.stream.queue);
  if (!in.ok() || !plan || queue == nullptr) return false;
  if (!is_possible(task.kind, task.key, *plan, *queue)) return false;
  task.plan = *std::move(plan);
  const base::TaskId id = task.id;
  return state.tasks.emplace(id, std::move(task)).second;
}

void put_leaving(const State& state, std::vector<std::byte>& bytes) {
  ByteWriter out(bytes);
  out.u64(state.leaving.size());
  for (const SideKey& key : state.leaving) {
    out.u8(static_cast<std::uint8_t>(key.size()));
    out.bytes(key.view());
  }
}
bool get_leaving(ByteReader& in, State& state) {
  const std::uint8_t size = in.u8();
  if (size != SideKey::kQueueBytes && size != SideKey::kOwnerBytes) return false;
  SideKey key;
  for (const std::byte byte : in.bytes(size)) key.u8(std::to_integer<std::uint8_t>(byte));
  state.leaving.push_back(key);
  return in.ok();
}

void clear(storage::SideIndex& index) {
  constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  const std::vector<std::byte> first(1, std::byte{0});
  const std::vector<std::byte> end(storage::kSideKeyBytesMax, std::byte{255});
  index.erase_range(first, end, kAll);
}

std::vector<const Subscription*> damaged_ones(const State& state) {
  std::vector<const Subscription*> found;
  for (const auto& [id, queue] : state.queues) {
    for (const auto& stream : queue->streams()) {
      for (const auto& subscription : stream->subscriptions()) {
        if (!subscription->quarantined().empty()) found.push_back(subscription.get());
      }
    }
  }
  return found;
}
void put_damaged(const std::vector<const Subscription*>& found, std::vector<std::byte>& bytes) {
  ByteWriter(bytes).u64(found.size());
  for (const Subscription* subscription : found) {
    ByteWriter out(bytes);
    put_key(out, subscription->key());
    subscription->quarantined().serialize(bytes);
  }
}
bool get_damaged(ByteReader& in, State& state) {
  Subscription* subscription = state.subscription(get_key(in));
  auto damaged = storage::SequenceSet::deserialize(in);
  if (subscription == nullptr || !damaged || damaged->empty()) return false;
  const base::Sequence last = *damaged->last();
  if (damaged->contains(base::Sequence(0)) || subscription->stream().next() <= last) return false;
  Ranges all;
  damaged->for_each_range(base::Sequence(1), last, [&](base::SequenceRange run) {
    all.push_back(run);
    return true;
  });
  // Neither gone nor held nor there a second time.
  for (const base::SequenceRange& run : all) {
    if (subscription->idle_in(run) != Ranges{run}) return false;
  }
  subscription->restore_quarantine(*std::move(damaged));
  return true;
}

// A u64 count, then that many elements.
template <typename Fn>
bool get_list(ByteReader& in, std::size_t bytes_min, Fn&& fn) {
  const std::uint64_t count = in.u64();
  if (!count_fits(in, count, bytes_min)) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!fn()) return false;
  }
  return in.ok();
}

bool get_section(Section section, ByteReader& in, SnapshotForm form, State& state) {
  switch (section) {
    case Section::kBroker:
      state.incarnation = in.u32();
      state.log_id.bytes = in.array<16>();
      return true;
    case Section::kQueue:
      return get_queue(in, form, state);
    case Section::kLeases:
      return get_list(in, kLeaseBytesMin, [&] { return get_listed_lease(in, state); });
    case Section::kProducers:
      state.producers.restore_forgotten_epoch(in.u32());
      return get_list(in, kProducerBytesMin, [&] { return get_producer(in, state.producers); });
    case Section::kSessions:
      return get_list(in, kSessionBytesMin, [&] { return get_session(in, state); });
    case Section::kTasks:
      return get_list(in, kTaskBytesMin, [&] { return get_task(in, state); });
    case Section::kLeaving:
      return form == SnapshotForm::kBesideIndex &&
             get_list(in, kLeavingBytesMin, [&] { return get_leaving(in, state); });
    case Section::kDamaged:
      return form == SnapshotForm::kBesideIndex &&
             get_list(in, kDamagedBytesMin, [&] { return get_damaged(in, state); });
    case Section::kScatteredLeases:
      return form == SnapshotForm::kBesideIndex &&
             get_list(in, kScatteredBytesMin, [&] { return get_scattered_lease(in, state); });
  }
  return false;
}

}  // namespace

std::vector<std::byte> encode_state(const State& state, SnapshotForm form) {
  const bool whole = form == SnapshotForm::kWhole;
  std::vector<std::byte> out;
  ByteWriter(out).u32(whole ? kWholeSnapshotVersion : kSnapshotVersion);
  {
    TlvField field(out, tag(Section::kBroker));
    field->u32(state.incarnation);
    field->array(state.log_id.bytes);
  }
  for (const auto& [id, queue] : state.queues) {
    TlvField field(out, tag(Section::kQueue));
    put_queue(*queue, form, out);
  }
  const auto put = [&](Section section, const auto& write) {
    TlvField field(out, tag(section));
    write();
  };
  const LeaseSections leases = encode_leases(state, form);
  put(Section::kLeases, [&] { put_counted(leases.listed_count, leases.listed, out); });
  put(Section::kProducers, [&] { put_producers(state.producers, out); });
  put(Section::kSessions, [&] { put_sessions(state, out); });
  put(Section::kTasks, [&] { put_tasks(state, form, out); });
  if (!whole) put(Section::kLeaving, [&] { put_leaving(state, out); });
  const std::vector<const Subscription*> damaged = damaged_ones(state);
  if (!whole && !damaged.empty()) put(Section::kDamaged, [&] { put_damaged(damaged, out); });
  if (leases.scattered_count > 0) {
    put(Section::kScatteredLeases,
        [&] { put_counted(leases.scattered_count, leases.scattered, out); });
  }
  return out;
}

base::Status decode_state(base::ByteView data, State& state) {
  ByteReader head(data);
  const std::uint32_t version = head.u32();
  if (!head.ok()) return base::corruption("broker snapshot: empty");
  const bool whole = version == kWholeSnapshotVersion;
  if (!whole && version != kSnapshotVersion) {
    return base::failed_precondition("broker snapshot: version " + std::to_string(version) +
                                     ", this program reads up to " +
                                     std::to_string(kSnapshotVersion));
  }
  // What the index holds beside a whole one is there a second time.
  if (whole) clear(state.side.index);
  const SnapshotForm form = whole ? SnapshotForm::kWhole : SnapshotForm::kBesideIndex;
  std::uint16_t last = 0;
  const bool good = for_each_field(head.rest(), [&](std::uint16_t section, ByteReader& in) {
    const bool repeats = section == last && section != tag(Section::kQueue);
    if (section < last || repeats) return false;
    last = section;
    return get_section(static_cast<Section>(section), in, form, state);
  });
  const std::uint16_t least = tag(whole ? Section::kTasks : Section::kLeaving);
  if (!good || last < least || (whole && last > least)) {
    return base::corruption("broker snapshot: malformed in section " + std::to_string(last));
  }
  return {};
}

}  // namespace sluice::broker
