#include <algorithm>
#include <utility>

#include "tests/sim/broker/world.h"

// What the control port tells a World's broker of queues, and who may do what there.
namespace sluice::sim {

namespace {

constexpr std::uint64_t kRemovalEveryMs = 12'000;
constexpr std::uint64_t kMadeAgainMs = 3'000;

}  // namespace

std::optional<base::QueueId> World::queue_id(const std::string& name) const {
  if (!broker_runs()) return std::nullopt;
  return broker_->host().find_queue(name);
}

// Where power is lost at all, often just behind an answer: so it had better be durable.
void World::threaten_answer() {
  const bool loses = options_.has(Fault::kPower) && broker_runs();
  if (loses && prng_.chance(0.3)) broker_->die_after_sends(prng_.below(5));
}

// As settings_ has it now. One call at a time: of more, nobody could say what they leave.
void World::tell_queue(const std::string& name) {
  const auto queue = std::find_if(settings_.queues.begin(), settings_.queues.end(),
                                  [&](const auto& one) { return one.name == name; });
  if (liveness_ || !telling_.insert(name).second) return;
  if (prng_.chance(0.2) && control_->knows_of_two_leaders()) return tell_as_old_leader(name);
  const std::string text = name + " " + std::to_string(manifests_.size());
  manifests_.emplace(text, *queue);
  told_.tell(*queue);
  threaten_answer();
  control_->configure(text, 0, [this, name](std::optional<wire::Code> code, const auto& why) {
    if (liveness_) return;
    telling_.erase(name);
    if (!code) return (void)unanswered_.insert(name);
    unanswered_.erase(name);
    if (was_refused(name, *code, why)) return;
    ++happened_["told queues"];
  });
}

// An answer came. A disk that is full or fails may not take a new leader's epoch, without which
// nothing is done.
bool World::was_refused(const std::string& name, wire::Code code, const std::string& why) {
  if (code == wire::Code::kNone) {
    told_.answered(name);
    return false;
  }
  const bool hurt = happened_.contains("full disks") || happened_.contains("disk errors");
  const bool excused = hurt || code == wire::Code::kNotEmpty;
  if (!excused) complain("queue " + name + ": what the control port says was refused: " + why);
  told_.refused(name);
  return true;
}

// Whom another leader has replaced, and who does not know: nothing of it may be found.
void World::tell_as_old_leader(const std::string& name) {
  broker::QueueConfig old = settings_.queues.front();
  old.name = name;
  old.limits.messages_max = 7;
  const std::string text = name + " " + std::to_string(manifests_.size());
  manifests_.emplace(text, old);
  control_->configure(text, 1, [this, name](std::optional<wire::Code> code, const auto&) {
    if (!liveness_) telling_.erase(name);
    if (code == wire::Code::kNone) complain("a leader that was replaced could change a queue");
    if (code) ++happened_["old leaders"];
  });
}

void World::schedule_removal(const std::string& name) {
  const base::Millis wait(1 + prng_.below(kRemovalEveryMs));
  scheduler_.after(base::Nanos(wait), [this, name] {
    if (liveness_ || ending_) return;
    remove_queue(name);
    schedule_removal(name);
  });
}

void World::remove_queue(const std::string& name) {
  if (!telling_.insert(name).second) return;
  told_.tell_removal(name);
  threaten_answer();
  const bool if_empty = prng_.chance(0.6);
  control_->remove(name, if_empty, [this, name](std::optional<wire::Code> code, const auto& why) {
    if (liveness_) return;
    telling_.erase(name);
    const base::Millis wait(prng_.below(kMadeAgainMs));
    scheduler_.after(base::Nanos(wait), [this, name] { tell_queue(name); });
    if (!code) return (void)unanswered_.insert(name);
    unanswered_.erase(name);
    if (was_refused(name, *code, why)) return;
    ++happened_["removed queues"];
  });
}

// What was answered is found, whatever happened since.
void World::check_told() {
  if (!options_.told) return;
  if (settings_.configures) {
    for (const broker::QueueConfig& queue : settings_.queues) {
      told_.tell(queue);
      told_.answered(queue.name);
    }
    made_ = true;
  }
  // A call without an answer may be carried out yet, after what the liveness phase says.
  std::set<std::string> unknown;
  if (liveness_) {
    unknown = telling_;
    unknown.insert(unanswered_.begin(), unanswered_.end());
  }
  const std::string wrong = told_.check(broker_->host(), unknown);
  if (!wrong.empty()) complain(wrong);
}

// In the liveness phase: a call from before it may pause or remove a queue yet.
void World::tell_again() {
  if (!broker_runs()) return;
  for (const broker::QueueConfig& queue : settings_.queues) {
    if (telling_.contains(queue.name) || unanswered_.contains(queue.name)) {
      (void)broker_->configure(queue);
    }
  }
}

// The consumers' sessions end, and what they hold goes back; now and then nobody may consume for
// some seconds.
void World::change_keys() {
  set_rights(prng_.chance(0.5));
  ++happened_["changed keys"];
  if (guard_.consumers_may_consume()) return;
  scheduler_.after(base::Nanos(base::Millis(100 + prng_.below(5'000))), [this] {
    if (!broker_runs() || liveness_) return;
    set_rights(true);
  });
}

// Also who may not consume may hold what a restart has found of him, until his session ends.
void World::set_rights(bool consumers_may_consume) {
  guard_.change(consumers_may_consume);
  broker_->change_keys();
  for (const auto& [peer, key] : network_.keys()) {
    if (key == Guard::key_of(Who::kConsumer)) checkers_.not_sent(peer);
  }
}

}  // namespace sluice::sim
