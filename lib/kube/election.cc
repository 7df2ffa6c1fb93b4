#include "kube/election.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace sluice::kube {
namespace {

constexpr double kJitter = 0.2;
// leaseTransitions has 32 bits.
constexpr std::uint64_t kEpochMax = std::numeric_limits<std::int32_t>::max();

constexpr std::uint64_t kYearSeconds = 365ULL * 24 * 60 * 60;

std::uint64_t unix_seconds(base::WallTime now) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(now.value(), 0)) / 1'000;
}

std::uint64_t bounded(std::uint64_t epoch) { return std::min(epoch, kEpochMax); }

}  // namespace

bool is_credible_epoch(std::uint64_t epoch, base::WallTime now) {
  return epoch <= bounded(unix_seconds(now) + kYearSeconds);
}

Election::Election(ElectionOptions options, std::uint64_t prng_seed)
    : options_(std::move(options)), prng_(prng_seed) {
  CHECK(options_.lease_duration > options_.renew_deadline);
  CHECK(options_.renew_deadline * 10 > options_.retry_period * 12);
  CHECK(options_.renew_deadline > options_.write_margin);
}

Json Election::lease_document(base::Now now, std::uint64_t epoch) const {
  Json spec = {{"holderIdentity", options_.identity},
               {"leaseDurationSeconds",
                std::chrono::duration_cast<std::chrono::seconds>(options_.lease_duration).count()},
               {"renewTime", micro_time(now.wall)},
               {"leaseTransitions", epoch}};
  const Json& acquired = value_in(lease_, {"spec", "acquireTime"});
  spec["acquireTime"] = ours() && acquired.is_string() ? acquired : Json(micro_time(now.wall));
  Json metadata = {{"name", options_.lease_name}, {"namespace", options_.name_space}};
  if (const std::string version = resource_version_of(lease_); !missing_ && !version.empty()) {
    metadata["resourceVersion"] = version;
  }
  return {{"apiVersion", kLeases.api_version()},
          {"kind", kLeases.kind},
          {"metadata", metadata},
          {"spec", spec}};
}

Election::Step Election::wait(base::MonoTime now) {
  if (due_ < now) due_ = now;
  return {Kind::kWait, due_, nullptr};
}

Election::Step Election::next(base::Now now) {
  if (now.mono < due_) return wait(now.mono);
  asked_at_ = now.mono;
  if (!read_) {
    asked_ = Kind::kRead;
    return {Kind::kRead, {}, nullptr};
  }
  const bool free =
      holder_.empty() || base::Nanos(now.mono - changed_at_) >=
                             std::max<base::Nanos>(holder_duration_, options_.lease_duration);
  if (!ours() && !free) {
    // Somebody leads: look again, so that a change is seen. Also where the Lease was deleted
    // meanwhile, which its leader need not know yet.
    asked_ = Kind::kRead;
    return {Kind::kRead, {}, nullptr};
  }
  if (missing_) {
    asked_ = Kind::kCreate;
    return {Kind::kCreate,
            {},
            lease_document(
                now, bounded(std::max({unix_seconds(now.wall), met_epoch_ + 1, epoch_ + 1})))};
  }
  asked_ = Kind::kUpdate;
  // Ours, too, begins anew once it has run out: meanwhile somebody may have led in between unseen.
  const bool goes_on = ours() && leads(now.mono) && met_epoch_ < lease_epoch_ + 1;
  const std::uint64_t epoch =
      goes_on ? lease_epoch_ : std::max({lease_epoch_ + 1, met_epoch_ + 1, epoch_ + 1});
  return {Kind::kUpdate, {}, lease_document(now, bounded(epoch))};
}

void Election::observe(const Json& lease, base::Now now) {
  const bool changed =
      lease_.is_null() || missing_ || resource_version_of(lease) != resource_version_of(lease_);
  read_ = true;
  missing_ = false;
  lease_ = lease;
  if (!changed) return;
  changed_at_ = now.mono;
  const Json& holder = value_in(lease, {"spec", "holderIdentity"});
  const Json& duration = value_in(lease, {"spec", "leaseDurationSeconds"});
  const Json& transitions = value_in(lease, {"spec", "leaseTransitions"});
  holder_ = holder.is_string() ? holder.get<std::string>() : "";
  holder_duration_ =
      std::chrono::seconds(duration.is_number_integer()
                               ? std::clamp<std::int64_t>(duration.get<std::int64_t>(), 0, 3'600)
                               : 0);
  lease_epoch_ = transitions.is_number_integer() && transitions.get<std::int64_t>() > 0
                     ? transitions.get<std::uint64_t>()
                     : 0;
  // Somebody wrote that by hand.
  if (!is_credible_epoch(lease_epoch_, now.wall)) {
    lease_epoch_ = std::max(unix_seconds(now.wall), epoch_);
  }
}

void Election::answered(const base::Result<Json>& lease, base::Now now) {
  const Kind asked = std::exchange(asked_, Kind::kWait);
  const double jittered =
      static_cast<double>(options_.retry_period.count()) * (1 + kJitter * prng_.unit());
  const base::Millis pause(static_cast<std::int64_t>(jittered));
  due_ = asked_at_ + pause;
  problem_.clear();
  if (lease.has_value()) {
    observe(*lease, now);
    if (asked == Kind::kRead) {
      // Free, or our own from before an error: go on at once.
      if (holder_.empty() || ours()) due_ = now.mono;
      if (!ours()) renewed_at_.reset();
      return;
    }
    renewed_at_ = asked_at_;
    epoch_ = lease_epoch_;
    return;
  }
  const base::ErrorCode code = lease.error().code();
  if (asked == Kind::kRead && code == base::ErrorCode::kNotFound) {
    read_ = true;
    missing_ = true;
    if (ours() || holder_.empty()) due_ = now.mono;
    if (!ours()) renewed_at_.reset();
    return;
  }
  problem_ = lease.error().message();
  // Whatever is known may be old now: a conflict says so, and a lost answer may hide a success.
  read_ = false;
  if (code == base::ErrorCode::kConflict || code == base::ErrorCode::kAlreadyExists ||
      code == base::ErrorCode::kNotFound) {
    due_ = now.mono + base::Millis(100);
  }
}

bool Election::leads(base::MonoTime now) const {
  return renewed_at_ && now < *renewed_at_ + options_.renew_deadline;
}

base::MonoTime Election::write_until() const {
  CHECK(renewed_at_.has_value());
  return *renewed_at_ + (options_.renew_deadline - options_.write_margin);
}

bool Election::may_write(base::MonoTime now) const { return renewed_at_ && now < write_until(); }

bool Election::met_epoch(std::uint64_t epoch, base::WallTime now) {
  if (epoch <= met_epoch_) return true;
  if (!is_credible_epoch(epoch, now)) return false;
  met_epoch_ = epoch;
  if (asked_ == Kind::kWait && epoch > epoch_) due_ = base::MonoTime();
  return true;
}

std::optional<Json> Election::release(base::Now now) {
  if (!leads(now.mono) || !ours()) return std::nullopt;
  Json lease = lease_document(now, lease_epoch_);
  lease["spec"]["holderIdentity"] = "";
  lease["spec"]["leaseDurationSeconds"] = 1;
  renewed_at_.reset();
  return lease;
}

}  // namespace sluice::kube
