#include "operator/reconcile/live_settings.h"

#include <algorithm>
#include <chrono>

namespace sluice::reconcile {
namespace {

using Kind = SettingsState::Kind;

// 0 = the shard was heard, and has no manifest of it.
std::uint64_t revision_at(const ShardState& shard, const std::string& queue) {
  for (const link::QueueObservation& one : shard.observation->queues) {
    if (one.name == queue) return one.revision;
  }
  return 0;
}

Kind kind_at(const ShardState& shard, const std::string& queue, std::uint64_t revision) {
  if (shard.observation == nullptr) return Kind::kUnknown;
  if (revision_at(shard, queue) == revision) return Kind::kApplied;
  if (!shard.connected) return Kind::kUnknown;
  const auto refused = shard.refused.find(queue);
  return refused != shard.refused.end() && refused->second.revision == revision ? Kind::kRefused
                                                                                : Kind::kApplying;
}

}  // namespace

SettingsState settings_state(const std::vector<ShardState>& shards, std::size_t shard_count,
                             const std::string& queue, const std::string& manifest) {
  const std::uint64_t revision = link::manifest_revision(manifest);
  SettingsState state{Kind::kApplied, {}};
  for (std::size_t i = 0; i < shard_count; ++i) {
    const Kind kind = i < shards.size() ? kind_at(shards[i], queue, revision) : Kind::kUnknown;
    if (kind == Kind::kRefused) return {kind, shards[i].refused.at(queue).message};
    if (kind == Kind::kApplying || (kind == Kind::kUnknown && state.kind == Kind::kApplied)) {
      state.kind = kind;
    }
  }
  return state;
}

SettingsPlan plan_settings(const std::vector<ShardState>& shards, std::size_t shard_count,
                           const std::string& queue, const std::string& manifest,
                           base::MonoTime now) {
  const std::uint64_t revision = link::manifest_revision(manifest);
  SettingsPlan plan;
  const auto look_again = [&plan](base::Millis after) {
    plan.again = plan.again ? std::min(*plan.again, after) : after;
  };
  for (std::size_t i = 0; i < shard_count && i < shards.size(); ++i) {
    const Kind kind = kind_at(shards[i], queue, revision);
    if (kind == Kind::kRefused) {
      const Refusal& refusal = shards[i].refused.at(queue);
      if (!refusal.ask_again) continue;
      if (now < *refusal.ask_again) {
        look_again(std::chrono::ceil<base::Millis>(base::Nanos(*refusal.ask_again - now)));
        continue;
      }
      look_again(kAskRefusedEvery);
    } else if (kind != Kind::kApplying) {
      continue;
    }
    plan.actions.emplace_back(Configure{i, queue, manifest});
  }
  return plan;
}

bool has_queue(const ShardState& shard, const std::string& queue) {
  if (shard.configured.contains(queue)) return true;
  if (shard.observation == nullptr) return false;
  for (const link::QueueObservation& one : shard.observation->queues) {
    if (one.name == queue) return true;
  }
  return false;
}

}  // namespace sluice::reconcile
