#include <algorithm>
#include <cerrno>
#include <cmath>

#include "base/check.h"
#include "storage/fact_codec.h"
#include "storage/log_files.h"
#include "storage/log_format.h"
#include "storage/segment_file.h"
#include "storage/segment_header.h"
#include "storage/segment_scanner.h"
#include "tests/sim/broker/world.h"

// What goes wrong in a World's safety phase, and when.
namespace sluice::sim {
namespace {

constexpr const char* kDataFolder = "/data";
constexpr double kMinuteNs = 60e9;

// Whose lease, settle or release a record tells. Those that it is about are not held any more, or
// again, where it is forgotten, and nothing else is wrong then.
struct OneWayFact {
  storage::SubscriptionKey key;
  std::vector<base::SequenceRange> ranges;
};

std::optional<OneWayFact> one_way_fact(storage::RecordType type, base::ByteView payload) {
  const auto of = [](auto fact) -> std::optional<OneWayFact> {
    if (!fact.has_value()) return std::nullopt;
    return OneWayFact{fact->key, std::move(fact->ranges)};
  };
  if (type == storage::RecordType::kLeased) return of(storage::decode_leased(payload));
  if (type == storage::RecordType::kSettled) return of(storage::decode_settled(payload));
  if (type == storage::RecordType::kReleased) return of(storage::decode_released(payload));
  return std::nullopt;
}

}  // namespace

void World::schedule_fault(Fault fault, double per_minute) {
  const double wait = -std::log(1 - prng_.unit()) * kMinuteNs / per_minute;
  const auto wait_ns = static_cast<std::int64_t>(std::min(wait, 1e15));
  scheduler_.after(base::Nanos(wait_ns), [this, fault, per_minute] {
    if (liveness_ || ending_) return;
    inject(fault);
    schedule_fault(fault, per_minute);
  });
}

void World::inject(Fault fault) {
  scheduler_.note("fault", static_cast<std::uint64_t>(fault));
  const base::MonoTime now = scheduler_.now();
  const auto some = [&](std::uint64_t below_ms) {
    return base::Nanos(base::Millis(1 + prng_.below(below_ms)));
  };
  switch (fault) {
    case Fault::kCrash:
    case Fault::kPower:
      if (!broker_runs()) return;
      // In the midst of what it does to the disk, or between two effects.
      if (prng_.chance(0.6)) return broker_->die_after_operations(prng_.below(30));
      return broker_->die_after_sends(prng_.below(10));
    case Fault::kDiskError:
      return fail_disk();
    case Fault::kDiskFull:
      return fill_disk();
    case Fault::kDiskSlow:
      pace_.stalled_until_ns = (now + some(prng_.chance(0.2) ? 20'000 : 2'000)).value();
      break;
    case Fault::kBitFlip:
      return flip_bit();
    case Fault::kRot:
      return rot_record();
    case Fault::kCut:
    case Fault::kClog:
      return hurt_link(fault);
    case Fault::kClientKill:
    case Fault::kClientPause:
      return hurt_client(fault);
    case Fault::kBrokerPause:
      if (broker_runs()) broker_->pause_until(now + some(prng_.chance(0.2) ? 40'000 : 3'000));
      break;
    case Fault::kHostile:
      hostile_.act();
      break;
    case Fault::kWallStep:
      checkers_.wall_stepped();
      clock_.step_wall(static_cast<std::int64_t>(prng_.below(7'200'000)) - 3'600'000);
      break;
    case Fault::kRepeat:
      return;  // the network's own
    case Fault::kRestart:
      if (broker_runs()) stop_in_order();
      return;
    case Fault::kConfigure:
      return change_queue();
  }
  ++happened_[std::string(to_string(fault))];
}

void World::fail_disk() {
  using runtime::FileOperation;
  constexpr FileOperation kKinds[] = {FileOperation::kWrite,  FileOperation::kSync,
                                      FileOperation::kSync,   FileOperation::kCreate,
                                      FileOperation::kRename, FileOperation::kSyncFolder,
                                      FileOperation::kRemove, FileOperation::kAllocate};
  runtime::FileFault fault;
  fault.operation = kKinds[prng_.below(std::size(kKinds))];
  fault.nth = 1 + prng_.below(5);
  if (prng_.chance(0.3)) {
    // Of what somebody waits for.
    fault.operation = FileOperation::kSync;
    fault.nth = 1;
    fault.path_part = "/segments/";
  }
  fault.errno_value = EIO;
  fault.bytes_written = prng_.below(5'000);
  disk_.fail(fault);
  disk_hurt_ = true;
  ++happened_["disk errors"];
}

// Others fill the disk; later they make room again.
void World::fill_disk() {
  if (disk_limited_ || !broker_runs()) return;
  const auto space = disk_.space(kDataFolder);
  if (!space.has_value()) return;
  disk_limited_ = true;
  ++happened_["full disks"];
  const std::uint64_t used = space->total_bytes - space->available_bytes;
  disk_.set_capacity(used + prng_.below(2U << 20) + 4'096);
  scheduler_.after(base::Nanos(base::Millis(500 + prng_.below(20'000))), [this] {
    disk_.set_capacity(0);
    disk_limited_ = false;
  });
}

// In a segment all of which lies below the newest snapshot: only messages are lost with it, since
// what else it says is in the snapshot.
void World::flip_bit() {
  if (!broker_runs()) return;
  const auto files = storage::list_log_files(disk_, kDataFolder);
  if (!files.has_value() || files->snapshots.empty() || files->segments.empty()) return;
  const auto path_of = [](std::uint64_t number) {
    return storage::segments_folder(kDataFolder) + "/" + storage::segment_name(number);
  };
  const auto first = disk_.contents(path_of(files->segments.front()));
  if (!first.has_value() || first->size() <= storage::kBlockBytes) return;
  const std::uint64_t bytes = first->size();
  const std::uint64_t below = (files->snapshots.back().value() - 1) / bytes;
  std::vector<std::uint64_t> sealed;
  for (const std::uint64_t number : files->segments) {
    if (number + 1 < below) sealed.push_back(number);
  }
  if (sealed.empty()) return;
  const std::string path = path_of(sealed[prng_.below(sealed.size())]);
  disk_.flip_bit(path, storage::kBlockBytes + prng_.below(bytes - storage::kBlockBytes),
                 static_cast<unsigned>(prng_.below(8)));
  flipped_ = true;
  ++happened_["flipped bits"];
}

// In a record behind the newest snapshot, where a start reads, below what a later record proves to
// have been durable. That record may be lost, whole or in part, and no other (docs/log-format.md,
// "Record"); nothing may be cut.
void World::rot_record() {
  if (!broker_runs()) return;
  const auto files = storage::list_log_files(disk_, kDataFolder);
  if (!files.has_value() || files->segments.empty()) return;
  const base::Lsn from = files->snapshots.empty() ? base::Lsn() : files->snapshots.back();
  const base::Lsn durable = broker_->host().positions().durable;
  struct Rotten {
    std::string path;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    base::Lsn end;
    std::optional<storage::MessagesFact> messages;
    std::optional<OneWayFact> fact;
  };
  std::vector<Rotten> records;
  base::Lsn proven;
  for (const std::uint64_t number : files->segments) {
    Rotten record;
    record.path = storage::segments_folder(kDataFolder) + "/" + storage::segment_name(number);
    const auto file = disk_.open(record.path, runtime::OpenMode::kRead);
    if (!file.has_value()) continue;
    const auto header = storage::read_segment_header(**file);
    if (!header.has_value()) continue;
    const storage::SegmentExtent extent{number, header->segment_bytes, header->uuid_prefix(), 0};
    if (extent.end() <= from) continue;
    storage::SegmentScanner scanner(**file, extent, std::max(from, extent.data_begin()));
    while (const auto item = scanner.next()) {
      if (item->kind == storage::ScanItem::Kind::kBad || item->end > durable) continue;
      proven = std::max(proven, item->header.durable);
      if (item->kind != storage::ScanItem::Kind::kRecord || !item->good()) continue;
      record.offset = item->begin - extent.base();
      record.bytes = item->end - item->begin;
      record.end = item->end;
      record.messages.reset();
      record.fact = one_way_fact(item->header.type, item->payload);
      if (item->header.type == storage::RecordType::kMessages) {
        const auto decoded = storage::decode_messages(item->payload);
        if (!decoded.has_value()) continue;
        record.messages = decoded->fact;
      }
      records.push_back(record);
    }
  }
  const bool of_messages = prng_.chance(0.7);
  std::erase_if(records, [&](const Rotten& record) {
    return record.end > proven || (of_messages ? !record.messages : !record.fact);
  });
  if (records.empty()) return;
  const Rotten& record = records[prng_.below(records.size())];
  // What begins a record costs all of it, what follows some messages.
  const std::uint64_t bytes = prng_.chance(0.5) ? storage::kRecordHeaderBytes : record.bytes;
  disk_.flip_bit(record.path, record.offset + prng_.below(bytes),
                 static_cast<unsigned>(prng_.below(8)));
  // Often before the next snapshot, behind which nobody reads it any more.
  if (options_.has(Fault::kCrash) && prng_.chance(0.5)) {
    broker_->die_after_operations(prng_.below(5));
  }
  flipped_ = true;
  if (record.messages) {
    rotted_ += record.messages->count;
    checkers_.messages_rotted(record.messages->stream.queue, record.messages->stream.shard.value(),
                              record.messages->first.value(), record.messages->count);
  } else {
    facts_rotted_ = true;
    const storage::StreamId& stream = record.fact->key.stream;
    checkers_.facts_rotted(stream.queue, stream.shard.value(), record.fact->ranges);
  }
  ++happened_[record.messages ? "rotten batches" : "rotten facts"];
}

void World::hurt_link(Fault fault) {
  const std::vector<Network::LinkId> links = network_.links();
  if (links.empty()) return;
  const Network::LinkId link = links[prng_.below(links.size())];
  ++happened_[std::string(to_string(fault))];
  if (fault == Fault::kCut) return network_.cut(link);
  const base::MonoTime until =
      scheduler_.now() +
      base::Nanos(base::Millis(1 + prng_.below(prng_.chance(0.3) ? 30'000 : 2'000)));
  const std::uint64_t ways = 1 + prng_.below(3);
  if ((ways & 1) != 0) network_.clog(link, Network::Way::kToBroker, until);
  if ((ways & 2) != 0) network_.clog(link, Network::Way::kToClient, until);
}

void World::hurt_client(Fault fault) {
  if (slots_.empty()) return;
  Slot& slot = slots_[prng_.below(slots_.size())];
  if (slot.process == nullptr || slot.process->ended()) return;
  ++happened_[std::string(to_string(fault))];
  if (fault == Fault::kClientPause) {
    return slot.process->pause_until(scheduler_.now() +
                                     base::Nanos(base::Millis(1 + prng_.below(40'000))));
  }
  slot.process.reset();
  scheduler_.after(base::Nanos(base::Millis(1 + prng_.below(3'000))), [this, &slot] {
    if (slot.process == nullptr && !ending_ && !liveness_) spawn(slot);
  });
}

void World::change_queue() {
  if (!broker_runs() || settings_.queues.empty()) return;
  if (options_.guarded && prng_.chance(0.4)) return change_keys();
  broker::QueueConfig& queue = settings_.queues[prng_.below(settings_.queues.size())];
  switch (prng_.below(4)) {
    case 0:
      queue.paused = !queue.paused;
      break;
    case 1:
      queue.limits.messages_max = 50 + prng_.below(5'000);
      break;
    case 2:
      queue.subscriptions.front().delivery.lease = base::Millis(500 + prng_.below(30'000));
      break;
    default:
      queue.subscriptions.front().delivery.backoff.initial = base::Millis(1 + prng_.below(3'000));
      break;
  }
  ++happened_["changed queues"];
  if (options_.told) return tell_queue(queue.name);
  const base::Status status = broker_->configure(queue);
  if (!status.has_value()) complain("configure: " + status.error().message());
}

}  // namespace sluice::sim
