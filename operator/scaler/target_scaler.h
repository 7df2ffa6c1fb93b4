#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "operator/autoscale/scale_in.h"
#include "operator/autoscale/target_group.h"
#include "operator/scaler/rivals.h"
#include "operator/scaler/scaled_queue.h"
#include "operator/scaler/scaler_seams.h"
#include "operator/scaler/target_view.h"

namespace sluice::op {

// A subscription that names the target, and its queue's brokers as they are known now.
struct ScaledMember {
  ScaledQueuePtr queue;
  ScaledSubscription subscription;
  std::vector<autoscale::Shard> shards;
};

// "NAMESPACE/BROKER#SHARD": how a shard's broker is called in the pure part.
std::string shard_name(const std::string& broker, std::size_t shard);

// One scale target: reads it, decides, and carries out what was decided, as far as it is to be done
// now. What it reads it keeps for a while: the target for 1 s to 60 s by how much goes on, its pods
// for 1 s while somebody is to go and not at all otherwise. Before it writes it looks again. One
// thread at a time.
class TargetScaler {
 public:
  static constexpr base::Millis kBusyRefresh{1'000};
  static constexpr base::Millis kRefresh{30'000};
  static constexpr base::Millis kIdleRefresh{60'000};
  static constexpr base::Millis kPodsRefresh{1'000};
  // New replicas are looked for so long at kBusyRefresh, then at a tenth of that rate.
  static constexpr base::Millis kStartingFor{60'000};
  static constexpr base::Millis kHeldRetry{15'000};
  static constexpr base::Millis kRetryMax{30'000};
  // What was decided so long ago is decided again before a target is made smaller by it.
  static constexpr base::Millis kDecisionHolds{5'000};

  TargetScaler(TargetRef target, const ScalerSeams& seams, Rivals& rivals, TypeBook& types);

  // `answer` is called with the answers to cordons, on any thread; they are to be handed to
  // answered(). Returns when to be called again, if nothing is heard before.
  using Answer = std::function<void(autoscale::CordonCall, base::Result<std::uint64_t>)>;
  base::Millis run(const std::vector<ScaledMember>& members, const Answer& answer);
  void answered(const autoscale::CordonCall& call, const base::Result<std::uint64_t>& answer);

  // As of the last run, one a member. Any thread.
  std::vector<ScalingStatus> statuses() const;
  // Brokers whose Queues' scaling says something else than before, since the last call.
  std::vector<std::string> take_changed();

 private:
  struct Held {
    autoscale::Reason reason;
    std::string detail;
  };

  Held not_scalable() const;
  std::optional<Held> look(const std::vector<ScaledMember>& members);
  std::optional<Held> look_at_target();
  base::Status read_target(base::Millis not_older_than);
  base::Status read_pods();
  base::Millis refresh_period() const;
  autoscale::GroupDecision decide(const std::vector<ScaledMember>& members);
  autoscale::ScaleInWorld world_of(const std::vector<ScaledMember>& members) const;
  // What decide() says, done as far as it can be; why not further.
  base::Result<autoscale::ScaleStep> act(const std::vector<ScaledMember>& members,
                                         const autoscale::GroupDecision& group,
                                         const Answer& answer);
  base::Status carry_out(const autoscale::ScaleStep& step, const Answer& answer);
  base::Status write_mark(const autoscale::PodMark& mark);
  base::Status write_replicas(std::uint32_t replicas);
  void let_go(const std::vector<ScaledMember>& members, const Answer& answer);
  base::Millis hold(const std::vector<ScaledMember>& members, const Held& held,
                    const Answer& answer);
  void tell(const std::vector<ScaledMember>& members, const autoscale::GroupDecision& group,
            const autoscale::ScaleStep& step, const base::Error* error);
  void tell_scaled(const std::vector<ScaledMember>& members, const autoscale::GroupDecision& group,
                   std::uint32_t before);
  std::string numbers_of(const ScaledMember& member, const autoscale::GroupDecision& group,
                         const autoscale::Decision& decision) const;
  void tell_people(const ScaledMember& member, kube::EventType type, const std::string& reason,
                   const std::string& action, const std::string& note);
  void publish(const std::vector<ScaledMember>& members, std::vector<ScalingStatus> statuses);
  ScalingStatus status_of(const ScaledMember& member) const;
  void warn_once(const std::vector<ScaledMember>& members, autoscale::Reason reason,
                 const std::string& note);
  base::Millis failed(const base::Error& error);

  const TargetRef target_;
  const ScalerSeams& seams_;
  Rivals& rivals_;
  TypeBook& types_;
  const kube::ObjectRef ref_;

  autoscale::TargetGroup group_;
  autoscale::ScaleIn scale_in_;
  base::Now now_;  // of this run
  std::optional<TargetView> view_;
  base::MonoTime view_read_at_;
  std::vector<autoscale::Pod> pods_;
  std::optional<base::MonoTime> pods_read_at_;
  bool touched_ = true;  // pods may be cordoned or marked: also by a leader before us
  std::optional<base::WallTime> last_scale_;
  std::optional<base::MonoTime> grown_at_;
  mutable std::mutex statuses_mutex_;  // guards statuses_ and changed_
  std::vector<ScalingStatus> statuses_;
  std::vector<std::string> changed_;
  std::optional<autoscale::Reason> warned_;
  std::optional<Held> unread_;  // what the last look() met
  base::MonoTime look_at_;      // not before then again
  std::optional<base::MonoTime> not_scalable_until_;
  unsigned failures_ = 0;
  std::optional<base::MonoTime> retry_at_;
};

}  // namespace sluice::op
