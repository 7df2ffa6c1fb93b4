#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "operator/api/queue.h"
#include "operator/autoscale/cordons.h"
#include "operator/autoscale/reason.h"
#include "operator/autoscale/scale_in_world.h"

namespace sluice::autoscale {

// An annotation to write before the target is made smaller, or to take back.
struct PodMark {
  std::string pod;
  std::string uid;
  std::optional<std::string> cost;    // absent = the annotation goes
  std::optional<std::string> chosen;  // absent = the annotation goes

  bool operator==(const PodMark&) const = default;
};

// What to do now. A smaller number of replicas is written after the marks, and only if all of them
// were; a larger one first of all.
struct ScaleStep {
  std::vector<CordonCall> cordons;
  std::vector<PodMark> marks;
  std::optional<std::uint32_t> replicas;  // for the target's scale
  std::vector<std::string> leaving;       // pods that are being drained, or on their way out

  LimitedBy limited_by = LimitedBy::kNothing;  // why it is not as small as wanted
  bool drain_timed_out = false;                // that, because of `stuck`
  std::vector<std::string> stuck;              // pods that kept their messages for too long
  std::optional<base::Millis> next_check;
};

struct DrainPolicy {
  base::Millis timeout{600'000};
  api::DrainTimeoutAction on_timeout = api::DrainTimeoutAction::kHold;
};

// Brings a target to the replicas that were decided for it, in steps in which no pod goes that
// still holds a message:
//   chosen ── cordoned at every broker ── nothing in flight any more ── marked ── scale lowered
// Pods that never started go first, as a ReplicaSet has it; while one that started is not ready,
// nobody goes, because it would go before those that were chosen (all of them may go, though). More
// replicas are written at once, and that ends whatever was going on: pods that stay are uncordoned,
// and their annotations taken back. What has begun is read off the world (cordoned consumers,
// annotations), so that another leader goes on with the same pods; it only counts the time-out
// anew. One thread.
class ScaleIn {
 public:
  // The pods that are drained go when all are, or after so long without the others.
  static constexpr base::Millis kGather{5'000};
  // A pod that was stuck is left alone for its time-out, and at least so long.
  static constexpr base::Millis kRestMin{60'000};

  ScaleStep step(const ScaleInWorld& world, std::uint32_t wanted, const DrainPolicy& policy,
                 base::MonoTime now);
  // The operator lets go of the target: lifts what is cordoned and takes marks back.
  ScaleStep release(const ScaleInWorld& world, base::MonoTime now);

  void answered(const CordonCall& call, std::uint64_t in_flight, base::MonoTime now) {
    cordons_.answered(call, in_flight, now);
  }
  void refused(const CordonCall& call, base::MonoTime now) { cordons_.refused(call, now); }

 private:
  struct Scene;

  void forget_gone(const TargetState& target);
  std::vector<const Pod*> choose(const Scene& scene, ScaleStep& step) const;
  void drain(const Scene& scene, std::vector<const Pod*>& leaving, ScaleStep& step);
  bool is_stuck(const Scene& scene, const Pod& pod);
  static void remove(const Scene& scene, const std::vector<const Pod*>& leaving,
                     const std::vector<const Pod*>& drained, ScaleStep& step);
  void settle(const Scene& scene, const std::vector<const Pod*>& leaving, ScaleStep& step);

  Cordons cordons_;
  std::map<std::string, base::MonoTime> since_;       // uid -> when it was chosen
  std::map<std::string, base::MonoTime> rest_until_;  // uid of a stuck pod
  std::map<std::string, std::string> names_;          // uid -> pod, of all that was ever cordoned
};

}  // namespace sluice::autoscale
