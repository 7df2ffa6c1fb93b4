#pragma once

#include <cstdint>
#include <optional>
#include <string>
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

// A shard whose broker does not answer, and why.
struct MissingShard {
  std::uint16_t shard = 0;
  base::Error error;
};

struct ShardBrokers {
  std::vector<ShardBroker> there;  // in the order of the shards; never empty
  std::vector<MissingShard> missing;
};

// The brokers that have shards of the queue. Mostly one: the connection that was opened. Else these
// are its peers, and live as long as it does. Where some do not answer in time, the others count.
// With a shard, its broker alone: InvalidArgument where there is none of that number, Unavailable
// where it does not answer.
base::Result<ShardBrokers> reachable_brokers_of(
    client::Connection& connection, std::string_view queue,
    std::optional<base::ShardIndex> only = std::nullopt);
// The same for what is done at all of them or not at all: fails where one is missing.
base::Result<std::vector<ShardBroker>> brokers_of(client::Connection& connection,
                                                  std::string_view queue);

// What a command ends with that has said or done what it could: Unavailable names who is missing.
base::Status check_complete(const std::vector<MissingShard>& missing);

}  // namespace sluice::cli
