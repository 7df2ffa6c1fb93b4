#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "kube/json.h"

// Queues of a cluster for people: what their objects say. Fields that are missing are shown as "-".
namespace sluice::cli::cluster {

// A row for each Queue.
std::string render_queue_list(const std::vector<kube::Json>& queues, bool with_namespace,
                              base::WallTime now);

// All there is to say of one, with its events (of events.k8s.io/v1) of late.
std::string render_queue_object(const kube::Json& queue, const std::vector<kube::Json>& events,
                                base::WallTime now);

// "True", "False" or "Unknown": the status of a condition; "-" where there is none.
std::string condition_of(const kube::Json& queue, std::string_view type);

}  // namespace sluice::cli::cluster
