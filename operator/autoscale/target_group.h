#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "operator/autoscale/decide.h"

namespace sluice::autoscale {

struct MemberId {
  std::string queue;
  std::string subscription;

  friend auto operator<=>(const MemberId&, const MemberId&) = default;
};

// One subscription that names the group's target.
struct Member {
  MemberId id;
  Policy policy;
  Backlog backlog;
};

struct GroupDecision {
  Decision decision;               // what holds for the target
  std::size_t leader = 0;          // the member whose answer that is
  std::vector<Decision> members;   // in the order of the members; empty with kBoundsConflict
  std::uint32_t min_replicas = 0;  // the bounds that all members allow
  std::uint32_t max_replicas = 0;
};

// All subscriptions, of one queue or of several, that name the same target. Each is decided by
// itself, within the bounds that all allow; the most replicas that one of them needs is what the
// target gets. Since a member that lacks knowledge, or whose windows are open, needs what is there,
// the target is scaled in only where every member agrees. Keeps the history of each member; one
// that is left out is forgotten. One thread.
class TargetGroup {
 public:
  // REQUIRES: at least one member, `now` is no earlier than in the call before.
  GroupDecision decide(std::span<const Member> members, const Replicas& replicas,
                       base::MonoTime now);

 private:
  std::map<MemberId, History> histories_;
};

}  // namespace sluice::autoscale
