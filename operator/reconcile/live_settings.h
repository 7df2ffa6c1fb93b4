#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "operator/reconcile/inputs.h"
#include "operator/reconcile/plan.h"

namespace sluice::reconcile {

// Whether the shards of a broker go by a manifest.
struct SettingsState {
  enum class Kind : std::uint8_t {
    kApplied,   // all of them do, as far as they were heard
    kApplying,  // one that is connected goes by another one
    kRefused,   // one would not take it
    kUnknown,   // one was not heard
  };
  Kind kind = Kind::kUnknown;
  std::string message;  // kRefused: the broker's
};

SettingsState settings_state(const std::vector<ShardState>& shards, std::size_t shard_count,
                             const std::string& queue, const std::string& manifest);

// What is to be told to the shards that are connected and go by another manifest. One that was
// refused is not sent again: the Queue has to change first.
std::vector<Action> plan_settings(const std::vector<ShardState>& shards, std::size_t shard_count,
                                  const std::string& queue, const std::string& manifest);

// Whether the log of this shard has the queue, as last seen.
bool has_queue(const ShardState& shard, const std::string& queue);

}  // namespace sluice::reconcile
