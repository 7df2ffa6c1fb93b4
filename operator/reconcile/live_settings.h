#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
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

// What a broker refuses for now is asked again so often.
inline constexpr base::Millis kAskRefusedEvery{60'000};

struct SettingsPlan {
  std::vector<Action> actions;
  std::optional<base::Millis> again;  // when something refused is to be asked again
};

// What is to be told to the shards that are connected and go by another manifest. One that was
// refused is not sent again until the Queue has changed, or Refusal::ask_again has come.
SettingsPlan plan_settings(const std::vector<ShardState>& shards, std::size_t shard_count,
                           const std::string& queue, const std::string& manifest,
                           base::MonoTime now);

// Whether the log of this shard has the queue, as last seen.
bool has_queue(const ShardState& shard, const std::string& queue);

}  // namespace sluice::reconcile
