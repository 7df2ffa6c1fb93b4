#include "operator/reconcile/vanished_queues.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "operator/reconcile/fields.h"
#include "operator/reconcile/live_settings.h"
#include "operator/reconcile/names.h"
#include "operator/reconcile/queue_numbers.h"
#include "operator/reconcile/unseen_queues.h"

namespace sluice::reconcile {
namespace {

class Search {
 public:
  Search(const Inputs& inputs, const std::vector<Member>& members, const RetainedData& retained)
      : inputs_(inputs),
        members_(members),
        retained_(retained),
        config_(inputs.live.find(kube::kConfigMaps, queues_config_name(inputs.broker))) {}

  VanishedQueues make() {
    // What cannot be read keeps the volumes as it is, and is not written over.
    if (retained_.volumes == 0 || retained_.some_unreadable) return {};
    for (const UnseenQueue& one : unseen_queues(inputs_)) {
      const Member* member = member_named(one.name);
      // A newer one that was accepted has taken it over, with the note if there was one.
      if (member != nullptr && (one.uid.empty() || member->established || member->has_finalizer)) {
        continue;
      }
      consider(one.name, one.uid, settings_of(one.name));
    }
    for (const Member& member : members_) {
      // It is still there for somebody else's finalizer.
      if (member.standing == Standing::kLeaving && !member.has_finalizer && member.established &&
          member.deletion_policy() != api::DeletionPolicy::kDelete) {
        consider(member.name, member.uid, retain(member).spec);
      }
    }
    return std::move(found_);
  }

 private:
  const Member* member_named(const std::string& name) const {
    const auto found = std::find_if(members_.begin(), members_.end(),
                                    [&name](const Member& one) { return one.name == name; });
    return found == members_.end() ? nullptr : &*found;
  }

  const Json* entry_of(const std::string& name) const {
    return config_ == nullptr ? nullptr : find_at(*config_, {"data", manifest_file(name)});
  }

  Json settings_of(const std::string& name) const {
    const Json* entry = entry_of(name);
    if (entry == nullptr || !entry->is_string()) return nullptr;
    const Json manifest = Json::parse(entry->get_ref<const std::string&>(), nullptr, false);
    const Json* spec = find_at(manifest, {"spec"});
    return spec == nullptr ? Json(nullptr) : *spec;
  }

  // What is seen of its messages; nullopt = not all shards were heard.
  std::optional<bool> holds_messages(const std::string& name) const {
    bool all_heard = inputs_.shards.size() >= retained_.volumes;
    for (const ShardState& shard : inputs_.shards) {
      all_heard = all_heard && shard.is_heard();
      if (shard.observation == nullptr || !has_queue(shard, name)) continue;
      ShardState seen = shard;
      seen.connected = true;  // what was seen last counts
      const auto numbers = add_up({std::move(seen)}, 1, name);
      if (numbers && !numbers->is_empty()) return true;
    }
    return all_heard ? std::optional(false) : std::nullopt;
  }

  // A process that has just begun asks before it takes an unknown for messages.
  std::optional<base::Millis> grace_left() const {
    std::optional<base::Millis> longest;
    for (const ShardState& shard : inputs_.shards) {
      longest = std::max(longest, shard.grace_left(inputs_.now.mono));
    }
    return longest;
  }

  void consider(const std::string& name, const std::string& uid, Json spec) {
    if (retained_.queues.contains(name)) return;
    const std::optional<bool> holds = holds_messages(name);
    // Where somebody deleted the ConfigMap, nothing tells that it was removed at the shards. Behind
    // a last Queue it goes after the StatefulSet.
    const bool may_be_there =
        config_ == nullptr && inputs_.live.find(kube::kStatefulSets, inputs_.broker) != nullptr;
    const bool was_removed = entry_of(name) == nullptr && !may_be_there;
    if (holds == std::optional(false) || (!holds && was_removed)) return;
    if (const auto left = holds ? std::nullopt : grace_left()) {
      found_.undecided = left;
      return;
    }
    RetainedQueue& found = found_.queues[name];
    // A volume stands for a Queue that nothing names.
    if (!uid.empty()) found.uid = uid;
    if (found.uid.empty()) found.uid = retained_.first_volume_uid;
    found.spec = bounded_spec(std::move(spec));
    if (found.uid.empty()) found_.queues.erase(name);
  }

  const Inputs& inputs_;
  const std::vector<Member>& members_;
  const RetainedData& retained_;
  const Json* config_;
  VanishedQueues found_;
};

}  // namespace

VanishedQueues vanished_queues(const Inputs& inputs, const std::vector<Member>& members,
                               const RetainedData& retained) {
  return Search(inputs, members, retained).make();
}

}  // namespace sluice::reconcile
