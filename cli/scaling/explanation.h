#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cli/scaling/policy_file.h"
#include "operator/autoscale/decide.h"

// Why a queue's consumers are as many as they are, told from what is known of it.
// docs/autoscaling.md explains every reason.
namespace sluice::cli::scaling {

// What the operator decided last, by the status of a Queue object as the API server has it. An
// empty `subscription` means all that have consumers. NotFound where the Queue scales nothing, or
// not that one.
struct StatusExplanation {
  std::string text;
  nlohmann::ordered_json json;
};
base::Result<StatusExplanation> explain_status(const nlohmann::json& queue,
                                               const std::string& subscription, base::WallTime now);

// What would be decided now: of a broker's statistics of the queue (the document of
// GET /api/v1/queues/NAME), with so many replicas and without any past. Nothing waits for a window
// then: `replicas` is what the targets ask for within the bounds.
base::Result<StatusExplanation> explain_now(const NamedPolicy& policy,
                                            const nlohmann::json& statistics,
                                            std::uint32_t replicas);

}  // namespace sluice::cli::scaling
