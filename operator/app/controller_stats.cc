#include <set>
#include <utility>

#include "kube/object_ref.h"
#include "operator/app/controller.h"
#include "operator/reconcile/fields.h"

// What Controller tells of itself.
namespace sluice::op {
namespace {

using kube::Json;
using kube::ObjectPtr;

std::string state_of(const Json& queue) {
  if (reconcile::is_being_removed(queue)) return "Deleting";
  std::string state = "Reconciling";
  const Json& conditions = kube::value_in(queue, {"status", "conditions"});
  if (!conditions.is_array()) return state;
  std::set<std::string> holds;
  for (const Json& condition : conditions) {
    if (kube::text_in(condition, "status") == "True")
      holds.insert(kube::text_in(condition, "type"));
  }
  if (holds.contains("Stalled")) return "Stalled";
  if (holds.contains("Reconciling")) return "Reconciling";
  return holds.contains("Ready") ? "Ready" : state;
}

}  // namespace

void Controller::forget_counts() const {
  std::set<std::pair<std::string, std::string>> queues;
  for (const ObjectPtr& queue : view_.all_queues()) {
    queues.emplace(kube::namespace_of(*queue), kube::name_of(*queue));
  }
  seams_.counters.keep_queues(queues);
}

void Controller::fill(OperatorStats& stats) const {
  stats.workers = options_.workers;
  stats.queue = work_.stats();
  for (const ObjectPtr& queue : view_.all_queues()) ++stats.queues_by_state[state_of(*queue)];
  forget_counts();
  const LinkBook::Counts counts = links_.counts();
  stats.links_connected = counts.connected;
  stats.links_waiting = counts.waiting;
}

std::map<std::string, std::size_t> Controller::book_sizes() const {
  const kube::WorkQueueStats work = work_.stats();
  std::map<std::string, std::size_t> sizes = {
      {"view", view_.size()},     {"secrets", secrets_.size()},
      {"links", links_.size()},   {"statuses", runner_.size()},
      {"claims", claims_.size()}, {"work", work.depth + work.processing},
      {"work later", work.later}, {"work that fails", work.failing},
  };
  const std::lock_guard lock(mutex_);
  sizes["gone queues"] = gone_queues_.size();
  sizes["waits"] = waits_.size();
  return sizes;
}

}  // namespace sluice::op
