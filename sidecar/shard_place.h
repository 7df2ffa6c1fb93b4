#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Where the shards of a queue are that several brokers share.
namespace sluice::sidecar {

// The endpoints of all shards: "{shard}" stands for the number of each, "{port}" for the port at
// which the client that asks has come in (which is another while the broker's key is changed).
// Several templates with commas between are one a shard.
std::vector<std::string> shard_endpoints(std::string_view text, std::uint16_t shards,
                                         std::uint16_t port);

// The number behind the last '-' of a pod's name: its ordinal in a StatefulSet. Nothing where there
// is none.
std::optional<std::uint16_t> ordinal_of(std::string_view pod);

}  // namespace sluice::sidecar
