#include "cli/stat_document.h"

#include <string>
#include <utility>

#include "cli/stat_merge.h"
#include "client/admin.h"

namespace sluice::cli {

namespace {

base::Result<nlohmann::json> read_one(client::Connection& connection, std::string_view queue,
                                      std::string& text) {
  ASSIGN_OR_RETURN(text, client::Admin(connection).stat(queue));
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return base::corruption("the broker's statistics are no JSON");
  return json;
}

// Brokers that share one queue share all: so the first one tells where they are. It may be any of
// them that was asked first, so all are asked.
base::Status add_other_brokers(client::Connection& connection, std::string_view queue,
                               StatDocument& document) {
  std::string name(queue);
  if (queue.empty()) {
    const nlohmann::json queues = document.json.value("queues", nlohmann::json::array());
    if (queues.empty()) return {};
    name = queues.front().value("name", "");
  }
  ASSIGN_OR_RETURN(ShardBrokers brokers, reachable_brokers_of(connection, name));
  document.missing = std::move(brokers.missing);
  if (brokers.there.size() < 2) return {};
  nlohmann::json all;
  for (const ShardBroker& broker : brokers.there) {
    std::string text;
    ASSIGN_OR_RETURN(nlohmann::json one, read_one(*broker.connection, queue, text));
    if (all.is_null()) {
      all = std::move(one);
    } else if (queue.empty()) {
      merge_stat(all, one);
    } else {
      merge_queue_stat(all, one);
    }
  }
  document.json = std::move(all);
  document.text = document.json.dump(2) + "\n";
  return {};
}

}  // namespace

base::Result<StatDocument> read_stat(client::Connection& connection, std::string_view queue) {
  std::string text;
  ASSIGN_OR_RETURN(nlohmann::json json, read_one(connection, queue, text));
  StatDocument document{std::move(text), std::move(json), {}};
  RETURN_IF_ERROR(add_other_brokers(connection, queue, document));
  return document;
}

}  // namespace sluice::cli
