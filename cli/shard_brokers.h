#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/admin.h"
#include "client/connection.h"

namespace sluice::cli {

// A broker that has shards of a queue, and which.
struct ShardBroker {
  client::Connection* connection = nullptr;
  client::QueueInfo queue;  // as that broker knows it
  std::vector<std::uint16_t> shards;
};

// All brokers that have shards of the queue, in the order of the shards. Mostly one: the connection
// that was opened. Else these are its peers, and live as long as it does.
base::Result<std::vector<ShardBroker>> brokers_of(client::Connection& connection,
                                                  std::string_view queue);

}  // namespace sluice::cli
