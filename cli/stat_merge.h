#pragma once

#include <nlohmann/json.hpp>

namespace sluice::cli {

// Adds what another broker says of its shards of the same queue (the document of GET
// /api/v1/queues/NAME): counts and bytes are added up, of ages the greatest counts, consumers that
// are on both count once, tasks stand one behind the other, and what needs repair anywhere needs
// it. Settings stay those of the first broker, with limits of its share.
void merge_queue_stat(nlohmann::json& queue, const nlohmann::json& other);

// The same of all queues (GET /api/v1/queues).
void merge_stat(nlohmann::json& all, const nlohmann::json& other);

}  // namespace sluice::cli
