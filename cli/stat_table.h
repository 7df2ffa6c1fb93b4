#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

// What `sluice stat` shows of the document of GET /api/v1/queues. Fields that an older broker does
// not have count as 0.
namespace sluice::cli {

// The document with one queue, for whoever asked for one only, in the form of that with all.
nlohmann::json as_queue_list(nlohmann::json document);

// A row for each subscription.
std::string render_stat_table(const nlohmann::json& document);
// All there is to say of one queue, in lines.
std::string render_queue(const nlohmann::json& queue);

}  // namespace sluice::cli
