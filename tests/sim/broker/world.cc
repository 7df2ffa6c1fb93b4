#include "tests/sim/broker/world.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/fnv1a.h"

// What a run consists of; world_faults.cc holds what goes wrong in it.
namespace sluice::sim {
namespace {

constexpr base::Nanos kLookEvery{500'000'000};
// A broker that is dead on the disk it is given so often in a row will not come any more.
constexpr unsigned kFailedStartsMax = 3;

}  // namespace

World::World(const SimOptions& options)
    : options_(options),
      prng_(options.seed, "world"),
      buggify_prng_(options.seed, "buggify"),
      disk_({.folders = {"/data"}}),
      pace_(options.disk),
      network_(scheduler_, options_.network, options.seed),
      checkers_(options.broker.session_ttl),
      settings_(options.broker),
      hostile_(network_, options.seed) {
  lies_.syncs_segments = options.bug == "ack_before_sync";
  lies_.syncs_folders = options.bug == "skip_dir_sync";
  settings_.forgets_timers = options.bug == "forget_timer";
  if (options.bug == "reuse_sequence") settings_.broker.sequence_jump = 0;
  if (options.watched) control_ = std::make_unique<ControlPeer>(scheduler_, network_, options.seed);
  base::sim_hooks = this;
}

World::~World() {
  ending_ = true;
  slots_.clear();
  control_.reset();
  broker_.reset();
  base::sim_hooks = nullptr;
}

void World::add_queue(broker::QueueConfig config, const QueueRules& rules) {
  checkers_.add_queue(config.name, rules);
  settings_.queues.push_back(std::move(config));
}

void World::add_client(std::string name, ClientProcess::Body body) {
  slots_.push_back({std::move(name), std::move(body), 0, nullptr});
}

void World::complain(std::string text) { complaints_.push_back(std::move(text)); }

bool World::buggify(std::string_view place) {
  if (liveness_) return false;
  auto found = places_.find(place);
  if (found == places_.end()) {
    base::Prng prng(options_.seed, place);
    found = places_.emplace(std::string(place), prng.chance(0.25)).first;
  }
  return found->second && buggify_prng_.chance(0.25);
}

std::map<std::string, std::uint64_t>& World::covered() {
  static std::map<std::string, std::uint64_t> marks;
  return marks;
}

void World::cover(const base::CoverMark& mark) { ++covered()[mark.name]; }

std::string World::summary() const {
  std::string text = std::to_string(scheduler_.events()) + " events, " +
                     std::to_string(scheduler_.now().value() / 1'000'000'000) + " s, " +
                     std::to_string(checkers_.accepted()) + " accepted, " +
                     std::to_string(checkers_.delivered()) + " delivered, " +
                     std::to_string(checkers_.settled()) + " settled";
  for (const auto& [what, count] : happened_) text += ", " + std::to_string(count) + " " + what;
  return text;
}

// --- The broker's lives.

void World::start_broker() {
  if (broker_ != nullptr || ending_) return;
  scheduler_.note("start", ++lives_);
  settings_.configures = !options_.told || !made_ || (liveness_ && !checking_restarts_);
  const auto read_manifest = [this](std::string_view text) {
    return manifests_.find(text)->second;
  };
  broker_ = std::make_unique<BrokerProcess>(
      BrokerProcess::Parts{scheduler_, clock_, disk_, network_, checkers_, pace_, lies_,
                           options_.guarded ? &guard_ : nullptr, read_manifest},
      settings_, options_.seed + lives_);
  std::optional<std::uint64_t> die_after;
  const bool crashes = options_.has(Fault::kCrash) || options_.has(Fault::kPower);
  if (!liveness_ && crashes && lives_ > 1 && prng_.chance(0.25)) die_after = prng_.below(60);
  const base::Status status = broker_->start(die_after);
  if (broker_->is_dead()) return bury_broker();
  if (status.has_value()) {
    check_recovery();
    check_told();
    failed_starts_ = 0;
    ++happened_["starts"];
    return;
  }
  start_error_ = status.error().message();
  const bool excused = disk_hurt_ || disk_limited_;
  if (!excused && ++failed_starts_ >= kFailedStartsMax) {
    complain("the broker does not start: " + status.error().message());
  }
  bury_broker();
}

// What a crash or a loss of power does to a disk is no damage.
void World::check_recovery() {
  const storage::RecoveryReport& report = broker_->host().report();
  if (flipped_ || (report.corrupt.empty() && report.lost.empty())) return;
  std::string what = "recovery reports damage where nothing was damaged";
  for (const storage::CorruptRange& range : report.corrupt) {
    what += "; " + range.file + ": " + range.reason;
  }
  complain(what);
}

void World::bury_broker() {
  scheduler_.note("end", lives_);
  // After a failed sync the next life goes by a page cache that shows what the disk has lost.
  const bool power = options_.has(Fault::kPower) && prng_.chance(disk_hurt_ ? 0.2 : 0.6);
  broker_->kill();
  broker_.reset();
  if (power) {
    disk_.crash(disk_.draw_crash_plan(prng_));
    ++happened_["power losses"];
  } else {
    disk_.kill();
    ++happened_["deaths"];
  }
  disk_hurt_ = false;
  checkers_.broker_ended(scheduler_.now(), power);
  const std::uint64_t down_ms = prng_.chance(0.1) ? 15'000 : 1'000;
  schedule_start(base::Nanos(base::Millis(1 + prng_.below(down_ms))));
}

void World::schedule_start(base::Nanos after) {
  scheduler_.after(after, [this] { start_broker(); });
}

// An orderly stop, then other options; the queues stay.
void World::stop_in_order() {
  const std::optional<base::Status> status = broker_->stop_in_order();
  if (!status) return bury_broker();
  const bool excused = disk_hurt_ || disk_limited_;
  if (!status->has_value() && !excused) complain("an orderly stop: " + status->error().message());
  broker_.reset();
  disk_.kill();
  disk_hurt_ = false;
  ++happened_["orderly stops"];
  checkers_.broker_ended(scheduler_.now(), false);
  base::Prng prng(prng_.next());
  const std::uint32_t jump = settings_.broker.sequence_jump;
  draw_knobs(prng, settings_);
  settings_.broker.sequence_jump = jump;
  schedule_start(base::Nanos(base::Millis(1 + prng_.below(2'000))));
}

// --- The run.

void World::spawn(Slot& slot) {
  slot.process = std::make_unique<ClientProcess>(
      scheduler_, network_, slot.name + "." + std::to_string(++slot.lives),
      Guard::key_of(who_is(slot.name)), options_.seed, slot.body);
}

bool World::step() {
  if (!scheduler_.step()) return false;
  if (broker_ != nullptr && !broker_->complaint().empty()) complain(broker_->complaint());
  if (broker_ != nullptr && broker_->is_dead()) bury_broker();
  const std::vector<std::string>& found = checkers_.complaints();
  for (; complaints_seen_ < found.size(); ++complaints_seen_) complain(found[complaints_seen_]);
  if (control_ != nullptr && !control_->complaint().empty()) complain(control_->complaint());
  return complaints_.empty();
}

bool World::run_safety() {
  const base::MonoTime end = scheduler_.now() + base::Nanos(base::Millis(options_.safety_ms));
  while (scheduler_.now() < end) {
    if (!step()) return false;
  }
  return true;
}

void World::begin_liveness() {
  liveness_ = true;
  scheduler_.note("liveness", scheduler_.events());
  hostile_.leave();
  if (control_ != nullptr) control_->calm();
  network_.heal();
  pace_ = options_.disk;
  disk_.set_capacity(0);
  disk_limited_ = false;
  for (broker::QueueConfig& queue : settings_.queues) queue.paused = false;
  if (broker_runs() && options_.guarded) {
    set_rights(true);
  } else if (!guard_.consumers_may_consume()) {
    guard_.change(true);
  }
  for (Slot& slot : slots_) {
    if (slot.process == nullptr) continue;
    slot.process->ask_to_stop();
  }
  if (broker_runs()) {
    broker_->live_on();
    for (const broker::QueueConfig& queue : settings_.queues) {
      told_.tell(queue);
      const base::Status status = broker_->configure(queue);
      if (!status.has_value()) complain("configure: " + status.error().message());
    }
  }
  for (const broker::QueueConfig& queue : settings_.queues) {
    for (const broker::SubscriptionConfig& subscription : queue.subscriptions) {
      drained_.emplace_back(queue.name, subscription.name);
    }
  }
  for (const auto& [queue, subscription] : drained_) {
    for (const std::string& name : {subscription, subscription + "/dlq"}) {
      slots_.push_back({"drain-" + queue + "-" + name, drain_(queue, name), 0, nullptr});
      spawn(slots_.back());
    }
  }
}

bool World::is_drained() {
  if (!broker_runs()) return false;
  for (const Slot& slot : slots_) {
    const bool drains = slot.name.starts_with("drain-");
    if (!drains && slot.process != nullptr && !slot.process->ended()) return false;
  }
  for (const broker::QueueStats& queue : broker_->host().broker_stats(clock_.now()).queues) {
    for (const broker::SubscriptionStats& of : queue.subscriptions) {
      // A dead letter whose bytes are lost can be peeked at and purged, not delivered.
      const std::uint64_t dead = flipped_ ? 0 : of.dead_lettered;
      if (of.ready + of.in_flight + of.delayed + dead + of.dead_in_flight > 0) return false;
    }
  }
  if (control_ != nullptr && !flipped_ && !control_->sees_nothing_left()) return false;
  return broker_->host().gate().empty();
}

bool World::run_liveness() {
  begin_liveness();
  const base::MonoTime end = scheduler_.now() + base::Nanos(base::Millis(options_.liveness_ms));
  base::MonoTime look = scheduler_.now() + kLookEvery;
  while (scheduler_.now() < end) {
    if (!step()) return false;
    if (scheduler_.now() < look) continue;
    look = scheduler_.now() + kLookEvery;
    tell_again();
    if (is_drained()) return true;
  }
  return false;
}

// Why it is not drained, for people.
void World::tell_rest() {
  for (const Slot& slot : slots_) {
    const bool drains = slot.name.starts_with("drain-");
    if (!drains && slot.process != nullptr && !slot.process->ended()) {
      complain(slot.process->name() + " does not end");
    }
  }
  if (!broker_runs()) return complain("the broker does not run");
  if (const auto due = broker_->due(); due && *due + kLookEvery < scheduler_.now()) {
    complain("the broker has left undone what was due " +
             std::to_string((scheduler_.now() - *due) / 1'000'000'000) + " s ago");
  }
  if (control_ != nullptr && !control_->sees_nothing_left()) {
    complain("the control port does not show that nothing is left");
  }
  for (const broker::QueueStats& queue : broker_->host().broker_stats(clock_.now()).queues) {
    for (const broker::SubscriptionStats& of : queue.subscriptions) {
      complain(queue.name + " (" + of.name + "): " + std::to_string(of.ready) + " ready, " +
               std::to_string(of.in_flight) + " in flight, " + std::to_string(of.delayed) +
               " delayed, " + std::to_string(of.dead_lettered) + " dead, " +
               std::to_string(of.consumers) + " consumers");
    }
  }
}

// The state is a function of the log: a start after an orderly stop, and one after a death, show
// what was there before.
void World::check_restarts() {
  const auto counts = [&] {
    std::string text;
    for (const broker::QueueStats& queue : broker_->host().broker_stats(clock_.now()).queues) {
      text += queue.name + ' ' + std::to_string(queue.messages) + ' ' + std::to_string(queue.bytes);
      // How large a dead letter is stands in the record of its message.
      if (rotted_ == 0) text += ' ' + std::to_string(queue.dead_bytes);
      for (const broker::SubscriptionStats& of : queue.subscriptions) {
        text += ' ' + of.name + ' ' + std::to_string(of.ready + of.in_flight) + ' ' +
                std::to_string(of.damaged) + ' ' + std::to_string(of.dead_lettered);
      }
      text += '\n';
    }
    return text;
  };
  std::string before = counts();
  checking_restarts_ = true;
  for (const bool in_order : {true, false}) {
    bool is_written = true;  // all that memory knows
    if (in_order) {
      const std::optional<base::Status> status = broker_->stop_in_order();
      is_written = status.has_value() && status->has_value();
      if (!is_written && !disk_hurt_) return complain("the last stop failed");
    } else {
      broker_->kill();
    }
    broker_.reset();
    disk_.kill();
    checkers_.broker_ended(scheduler_.now(), false);
    start_broker();
    if (!broker_runs()) return complain("the broker does not come back: " + start_error_);
    // What a record does not say any more is lost without a snapshot.
    if (facts_rotted_ && !is_written) before = counts();
    if (counts() == before) continue;
    complain(std::string("a restart ") + (in_order ? "in order" : "after a death") +
             " shows something else: before\n" + before + "after\n" + counts());
  }
}

Verdict World::run() {
  start_broker();
  for (Slot& slot : slots_) spawn(slot);
  if (control_ != nullptr) control_->begin();
  for (const std::string& queue : removals_) schedule_removal(queue);
  for (const auto& [fault, per_minute] : options_.faults_per_minute) {
    schedule_fault(fault, per_minute);
  }
  bool live = run_safety();
  if (live) live = run_liveness();
  if (!complaints_.empty()) return Verdict::kCorrectness;
  if (!live) {
    tell_rest();
    return Verdict::kLiveness;
  }
  ending_ = true;
  for (Slot& slot : slots_) slot.process.reset();
  control_.reset();
  const broker::BrokerStats stats = broker_->host().broker_stats(clock_.now());
  for (const broker::QueueStats& queue : stats.queues) {
    for (const broker::SubscriptionStats& of : queue.subscriptions)
      damaged_ += of.damaged + of.dead_lettered;
  }
  if (damaged_ > 0) ++happened_["with damage"];
  if (damaged_ > 0 && !flipped_) complain("damage is counted, and nothing was damaged");
  checkers_.check_end(damaged_);
  checkers_.check_drained(stats, flipped_);
  damaged_ += rotted_;
  for (; complaints_seen_ < checkers_.complaints().size(); ++complaints_seen_) {
    complain(checkers_.complaints()[complaints_seen_]);
  }
  if (check_) check_(*this);
  ending_ = false;
  check_restarts();
  ending_ = true;
  return complaints_.empty() ? Verdict::kPass : Verdict::kCorrectness;
}

}  // namespace sluice::sim
