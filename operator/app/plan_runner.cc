#include "operator/app/plan_runner.h"

#include <algorithm>
#include <variant>

#include "base/log.h"
#include "kube/object_ref.h"
#include "operator/app/cluster_view.h"
#include "operator/reconcile/fields.h"

namespace sluice::op {
namespace {

using kube::Json;

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

base::Status status_of(const base::Result<Json>& result) {
  if (result.has_value()) return {};
  return result.error();
}

// Of conditions only what programs go by: type, status, reason.
std::map<std::string, std::string> verdicts(const Json& queue) {
  std::map<std::string, std::string> out;
  const Json& conditions = kube::value_in(queue, {"status", "conditions"});
  if (!conditions.is_array()) return out;
  for (const Json& condition : conditions) {
    out[kube::text_in(condition, "type")] =
        kube::text_in(condition, "status") + "/" + kube::text_in(condition, "reason");
  }
  return out;
}

bool is_urgent(const Json& wanted, const Json* live) {
  return live == nullptr || verdicts(wanted) != verdicts(*live) ||
         kube::value_in(wanted, {"status", "observedGeneration"}) !=
             kube::value_in(*live, {"status", "observedGeneration"});
}

}  // namespace

PlanOutcome PlanRunner::run(const std::string& key, const reconcile::Plan& plan,
                            const std::vector<Json>& queues) {
  PlanOutcome outcome;
  forget_others(key, queues);
  for (const reconcile::Action& action : plan.actions) {
    outcome.status = carry_out(key, action, queues, outcome);
    base::log_debug("action", {{"broker", key},
                               {"action", reconcile::to_string(action)},
                               {"ok", outcome.status.has_value()}});
    if (outcome.status.has_value()) continue;
    outcome.status = outcome.status.error().with_prefix(reconcile::to_string(action));
    break;
  }
  return outcome;
}

void PlanRunner::forget_others(const std::string& key, const std::vector<Json>& queues) {
  const std::lock_guard lock(mutex_);
  const auto found = status_written_.find(key);
  if (found == status_written_.end()) return;
  std::erase_if(found->second, [&queues](const auto& one) {
    return std::none_of(queues.begin(), queues.end(),
                        [&one](const Json& queue) { return kube::name_of(queue) == one.first; });
  });
}

base::Result<std::uint64_t> PlanRunner::epoch() const {
  if (const auto epoch = seams_.epoch()) return *epoch;
  return base::failed_precondition("this process does not lead");
}

void PlanRunner::note_secret(const std::string& key, const base::Result<Json>& written,
                             PlanOutcome& outcome) {
  if (written.has_value() && kube::text_in(*written, "kind") == kube::kSecrets.kind) {
    seams_.secrets.written(key, *written);
    outcome.wrote_secrets = true;
  }
}

// The view may be behind: somebody took the finalizer away, and made the Queue anew.
base::Status PlanRunner::check_leaving(const std::string& key,
                                       const reconcile::RemoveQueue& remove) const {
  const auto read = seams_.api.get({&kube::kQueues, split_key(key).name_space, remove.queue});
  if (!read.has_value()) return read.error();
  if (kube::uid_of(*read) == remove.uid && reconcile::is_being_removed(*read)) return {};
  return base::failed_precondition("Queue " + remove.queue + " was made anew meanwhile");
}

base::Status PlanRunner::carry_out(const std::string& key, const reconcile::Action& action,
                                   const std::vector<Json>& queues, PlanOutcome& outcome) {
  if (reconcile::is_write(action)) ++outcome.writes;
  return std::visit(
      Overloaded{
          [&](const reconcile::Apply& apply) -> base::Status {
            const auto written = seams_.api.apply(apply.object, reconcile::kFieldManager);
            note_secret(key, written, outcome);
            return status_of(written);
          },
          [&](const reconcile::Create& create) -> base::Status {
            const auto written = seams_.api.create(create.object);
            note_secret(key, written, outcome);
            return status_of(written);
          },
          [&](const reconcile::Remove& remove) -> base::Status {
            RETURN_IF_ERROR(
                seams_.api.remove(remove.ref, remove.preconditions, remove.propagation));
            if (remove.ref.type == &kube::kSecrets) seams_.secrets.removed(key, remove.ref.name);
            return {};
          },
          [&](const reconcile::Patch& patch) -> base::Status {
            const auto written = seams_.api.merge_patch(patch.ref, patch.patch);
            note_secret(key, written, outcome);
            return status_of(written);
          },
          [&](const reconcile::ApplyStatus& status) -> base::Status {
            return write_status(key, status.object, queues, outcome);
          },
          [&](const reconcile::Configure& configure) -> base::Status {
            ASSIGN_OR_RETURN(const std::uint64_t number, epoch());
            return seams_.links.configure(key, configure.shard, number, configure.queue,
                                          configure.manifest);
          },
          [&](const reconcile::RemoveQueue& remove) -> base::Status {
            ASSIGN_OR_RETURN(const std::uint64_t number, epoch());
            RETURN_IF_ERROR(check_leaving(key, remove));
            return seams_.links.remove_queue(key, remove.shard, number, remove.queue, remove.mode);
          },
          [&](const reconcile::Event& event) -> base::Status {
            seams_.record({event.regarding,
                           event.warning ? kube::EventType::kWarning : kube::EventType::kNormal,
                           event.reason, event.action, event.note});
            return {};
          }},
      action);
}

base::Status PlanRunner::write_status(const std::string& key, const Json& object,
                                      const std::vector<Json>& queues, PlanOutcome& outcome) {
  const std::string name = kube::name_of(object);
  const auto live = std::find_if(queues.begin(), queues.end(), [&name](const Json& queue) {
    return kube::name_of(queue) == name;
  });
  const bool urgent = is_urgent(object, live == queues.end() ? nullptr : &*live);
  const base::MonoTime now = seams_.clock.mono_now();
  {
    const std::lock_guard lock(mutex_);
    if (!budget_.take(urgent, now)) {
      outcome.postponed = true;
      --outcome.writes;
      return {};
    }
    status_written_[key][name] = now;
  }
  const base::Status written =
      status_of(seams_.api.apply_status(object, reconcile::kStatusManager));
  // One that is gone, which its watch has not told yet, does not keep its broker from anything.
  const bool is_gone = !written.has_value() && written.error().code() == base::ErrorCode::kNotFound;
  return is_gone ? base::Status() : written;
}

std::map<std::string, base::MonoTime> PlanRunner::status_written(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = status_written_.find(key);
  if (found == status_written_.end()) return {};
  return found->second;
}

void PlanRunner::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  status_written_.erase(key);
}

std::size_t PlanRunner::size() const {
  const std::lock_guard lock(mutex_);
  return status_written_.size();
}

}  // namespace sluice::op
