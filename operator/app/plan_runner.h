#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "kube/api.h"
#include "kube/event_series.h"
#include "operator/app/link_book.h"
#include "operator/app/secret_store.h"
#include "operator/app/status_budget.h"
#include "operator/reconcile/plan.h"
#include "runtime/clock.h"

namespace sluice::op {

struct PlanRunnerSeams {
  kube::Api& api;  // fenced
  LinkBook& links;
  SecretStore& secrets;
  const runtime::Clock& clock;
  std::function<void(kube::EventNote)> record;
  // Of the leadership; none = somebody else leads.
  std::function<std::optional<std::uint64_t>()> epoch;
};

struct PlanOutcome {
  base::Status status;
  // A status write of numbers did not fit into the budget: to be looked at again soon.
  bool postponed = false;
  std::size_t writes = 0;
  bool wrote_secrets = false;
};

// Carries plans out, action by action, and stops at the first that fails. Any thread; a broker's
// plans come one after the other.
class PlanRunner {
 public:
  explicit PlanRunner(PlanRunnerSeams seams) : seams_(std::move(seams)) {}

  // `queues`: as they were when the plan was made.
  PlanOutcome run(const std::string& key, const reconcile::Plan& plan,
                  const std::vector<kube::Json>& queues);

  // When this process last wrote the status of the broker's Queues.
  std::map<std::string, base::MonoTime> status_written(const std::string& key) const;
  void forget(const std::string& key);
  // Brokers of which a status was written.
  std::size_t size() const;

 private:
  base::Status carry_out(const std::string& key, const reconcile::Action& action,
                         const std::vector<kube::Json>& queues, PlanOutcome& outcome);
  base::Status write_status(const std::string& key, const kube::Json& object,
                            const std::vector<kube::Json>& queues, PlanOutcome& outcome);
  // When the statuses of Queues were written that are gone.
  void forget_others(const std::string& key, const std::vector<kube::Json>& queues);
  base::Result<std::uint64_t> epoch() const;
  // Whether the Queue is still there that the removal is about.
  base::Status check_leaving(const std::string& key, const reconcile::RemoveQueue& remove) const;
  void note_secret(const std::string& key, const base::Result<kube::Json>& written,
                   PlanOutcome& outcome);

  PlanRunnerSeams seams_;
  mutable std::mutex mutex_;  // guards what follows
  StatusBudget budget_;
  std::map<std::string, std::map<std::string, base::MonoTime>> status_written_;
};

}  // namespace sluice::op
