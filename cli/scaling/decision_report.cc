#include "cli/scaling/decision_report.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/format.h"
#include "cli/text_table.h"
#include "operator/autoscale/numbers.h"

namespace sluice::cli::scaling {
namespace {

using Json = nlohmann::ordered_json;

// The points at which something was decided that was not decided before.
std::vector<const SimulationPoint*> changes_of(const SimulationResult& result) {
  std::vector<const SimulationPoint*> changes;
  for (const SimulationPoint& point : result.points) {
    const autoscale::Decision& decision = point.decision;
    if (!changes.empty() && decision.replicas == changes.back()->decision.replicas &&
        decision.reason == changes.back()->decision.reason &&
        decision.limited_by == changes.back()->decision.limited_by) {
      continue;
    }
    changes.push_back(&point);
  }
  return changes;
}

std::string count_or_unknown(const autoscale::Backlog& backlog, std::uint64_t count) {
  return backlog.coverage == autoscale::Coverage::kNone ? "?" : format_count(count);
}

}  // namespace

std::string decision_table(const SimulationResult& result) {
  TextTable table({">TIME", ">READY", ">IN FLIGHT", ">OLDEST", ">REPLICAS", ">DECIDED", "REASON",
                   "LIMITED BY"});
  for (const SimulationPoint* point : changes_of(result)) {
    const autoscale::Backlog& backlog = point->backlog;
    table.add({autoscale::rounded_text(point->time),
               count_or_unknown(backlog, backlog.ready + backlog.due_delayed),
               count_or_unknown(backlog, backlog.in_flight),
               backlog.oldest_age ? autoscale::rounded_text(*backlog.oldest_age) : "-",
               std::to_string(point->replicas), std::to_string(point->decision.replicas),
               std::string(to_string(point->decision.reason)),
               std::string(to_string(point->decision.limited_by))});
  }
  const SimulationSummary& summary = result.summary;
  std::string out = table.render();
  out += "\n" + autoscale::rounded_text(summary.time) + ": " + format_count(summary.scale_outs) +
         " times more, " + format_count(summary.scale_ins) + " times fewer, at most " +
         format_count(summary.replicas_max) + " replicas, " +
         format_count(static_cast<std::uint64_t>(summary.replica_seconds + 0.5)) +
         " replica seconds; at most " + format_count(summary.work_max) + " messages of work";
  if (summary.oldest_max) {
    out += ", the oldest " + autoscale::rounded_text(*summary.oldest_max) + " old";
  }
  return out + "\n";
}

std::string decision_json(const SimulationResult& result) {
  const auto seconds = [](base::Millis time) { return static_cast<double>(time.count()) / 1'000; };
  Json decisions = Json::array();
  for (const SimulationPoint* point : changes_of(result)) {
    const autoscale::Backlog& backlog = point->backlog;
    Json one = {{"time", seconds(point->time)},
                {"replicas", point->replicas},
                {"decided", point->decision.replicas},
                {"reason", to_string(point->decision.reason)},
                {"limitedBy", to_string(point->decision.limited_by)}};
    if (backlog.coverage != autoscale::Coverage::kNone) {
      one["ready"] = backlog.ready;
      one["inFlight"] = backlog.in_flight;
      one["dueDelayed"] = backlog.due_delayed;
      if (backlog.oldest_age) one["oldestAgeSeconds"] = seconds(*backlog.oldest_age);
    }
    const autoscale::Answers& answers = point->decision.answers;
    Json asked = Json::object();
    if (answers.backlog_per_replica) asked["backlogPerReplica"] = *answers.backlog_per_replica;
    if (answers.oldest_message_age) asked["oldestMessageAge"] = *answers.oldest_message_age;
    if (answers.drain_within) asked["drainWithin"] = *answers.drain_within;
    one["askedFor"] = std::move(asked);
    if (answers.rate_per_replica) one["ratePerReplica"] = *answers.rate_per_replica;
    decisions.push_back(std::move(one));
  }
  const SimulationSummary& summary = result.summary;
  Json total = {{"seconds", seconds(summary.time)},
                {"scaleOuts", summary.scale_outs},
                {"scaleIns", summary.scale_ins},
                {"replicasMax", summary.replicas_max},
                {"replicaSeconds", summary.replica_seconds},
                {"workMax", summary.work_max}};
  if (summary.oldest_max) total["oldestAgeSecondsMax"] = seconds(*summary.oldest_max);
  const Json document = {{"decisions", std::move(decisions)}, {"summary", std::move(total)}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::cli::scaling
