#include <algorithm>
#include <cerrno>
#include <cmath>

#include "base/check.h"
#include "storage/log_files.h"
#include "storage/log_format.h"
#include "storage/segment_header.h"
#include "tests/sim/broker/world.h"

// What goes wrong in a World's safety phase, and when.
namespace sluice::sim {
namespace {

constexpr const char* kDataFolder = "/data";
constexpr double kMinuteNs = 60e9;

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
      model_.wall_stepped();
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
  const base::Status status = broker_->configure(queue);
  if (!status.has_value()) complain("configure: " + status.error().message());
  ++happened_["changed queues"];
}

}  // namespace sluice::sim
