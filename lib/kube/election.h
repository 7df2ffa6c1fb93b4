#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "kube/api.h"

namespace sluice::kube {

struct ElectionOptions {
  std::string name_space;
  std::string lease_name;
  std::string identity;  // of this process, and of no other one before or after it
  // lease > renew > 1.2 * retry.
  base::Millis lease_duration{15'000};
  base::Millis renew_deadline{10'000};
  base::Millis retry_period{2'000};
  // No write begins when less than this is left of the renew deadline.
  base::Millis write_margin{2'000};
};

// Whether a leader may have had this epoch: at most a year above Unix time, where a clock that was
// wrong may have taken it.
bool is_credible_epoch(std::uint64_t epoch, base::WallTime now);

// One of several processes leads: the one that holds a Lease. Pure: says what call to make next,
// and is told the answer. One thread.
//
// Times in the Lease are for people; whether somebody else's has run out goes by how long ago
// *this* process saw it change, on the monotonic clock, so clocks of different machines do not
// matter. We count our own from before the request that renewed it.
//
// The epoch fences what the lease alone cannot: it is leaseTransitions, rises with every change of
// leader, and goes with every call to a broker, which refuses a lower one. A Lease that was deleted
// must not take us back, so a new one starts at the seconds of Unix time, and a leader that meets a
// higher epoch than its own writes that + 1. One that is more than a year above Unix time is none
// of ours: it is passed over, since it would use up the numbers that there are.
class Election {
 public:
  enum class Kind : std::uint8_t { kWait, kRead, kCreate, kUpdate };
  struct Step {
    Kind kind = Kind::kWait;
    base::MonoTime due;  // of kWait
    Json lease;          // of kCreate and kUpdate
  };

  Election(ElectionOptions options, std::uint64_t prng_seed);

  // kRead, kCreate and kUpdate are to be carried out at once, and answered before the next call.
  Step next(base::Now now);
  void answered(const base::Result<Json>& lease, base::Now now);

  // The lease is ours, and was renewed within the deadline.
  bool leads(base::MonoTime now) const;
  // A write may begin now: as above, with the margin left.
  bool may_write(base::MonoTime now) const;
  // When may_write() ends without a renewal. REQUIRES: leads().
  base::MonoTime write_until() const;
  // Of this leadership. REQUIRES: leads().
  std::uint64_t epoch() const { return epoch_; }
  // A broker has seen this one: the next renewal takes a higher one, and epoch() is that then.
  // False: no leader can have had it, and it is passed over.
  bool met_epoch(std::uint64_t epoch, base::WallTime now);
  // The Lease as it is to be left to the next one; none when it is not ours.
  std::optional<Json> release(base::Now now);
  // Whom the Lease names; empty = nobody, or not known.
  const std::string& holder() const { return holder_; }
  const std::string& problem() const { return problem_; }

 private:
  bool ours() const { return holder_ == options_.identity; }
  Json lease_document(base::Now now, std::uint64_t epoch) const;
  void observe(const Json& lease, base::Now now);
  Step wait(base::MonoTime now);

  ElectionOptions options_;
  base::Prng prng_;
  Kind asked_ = Kind::kWait;
  base::MonoTime asked_at_;
  base::MonoTime due_;
  bool read_ = false;     // what is known is from an answer
  bool missing_ = false;  // there is no Lease
  Json lease_;            // as last seen
  std::string holder_;
  base::Millis holder_duration_{0};
  base::MonoTime changed_at_;  // seen to change
  std::uint64_t lease_epoch_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t met_epoch_ = 0;
  std::optional<base::MonoTime> renewed_at_;  // ours: before the request
  std::string problem_;
};

}  // namespace sluice::kube
