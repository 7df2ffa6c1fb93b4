#include "client/session_state.h"

#include <algorithm>

#include "client/refusal.h"

namespace sluice::client {
namespace {

// Whatever the broker says, a client neither floods it nor sleeps for ever.
constexpr std::uint32_t kHeartbeatMsMin = 20;
constexpr std::uint32_t kHeartbeatMsMax = 60'000;
// Intervals without any sign of life, counted from an unanswered heartbeat.
constexpr int kSilentIntervals = 2;

}  // namespace

SessionState::Action SessionState::step(base::MonoTime now) {
  switch (phase_) {
    case Phase::kWaiting:
      if (now < attempt_at_) return Action::kNone;
      phase_ = Phase::kGreeting;
      attempt_at_ = now + options_.greeting_timeout;
      return Action::kConnect;
    case Phase::kGreeting:
      if (now < attempt_at_) return Action::kNone;
      wait_for_next_attempt(now);
      return Action::kDisconnect;
    case Phase::kOpen:
      break;
  }
  if (asked_at_ && now >= *asked_at_ + heartbeat_ * kSilentIntervals) {
    wait_for_next_attempt(now);
    return Action::kDisconnect;
  }
  const bool quiet = now >= last_sent_ + heartbeat_;
  const bool doubtful = !asked_at_ && now >= last_heard_ + heartbeat_;
  if (!quiet && !doubtful) return Action::kNone;
  if (!asked_at_) asked_at_ = now;
  last_sent_ = now;
  return Action::kSendHeartbeat;
}

base::MonoTime SessionState::deadline() const {
  if (phase_ != Phase::kOpen) return attempt_at_;
  const base::MonoTime quiet = last_sent_ + heartbeat_;
  return std::min(
      quiet, asked_at_ ? *asked_at_ + heartbeat_ * kSilentIntervals : last_heard_ + heartbeat_);
}

wire::Hello SessionState::hello() const {
  wire::Hello hello;
  hello.session_id = id_;
  hello.session_epoch = epoch_;
  hello.features = wire::kFeatureChunks | wire::kFeatureSeek | wire::kFeatureAttachModes;
  return hello;
}

wire::FrameHeader SessionState::header(std::uint64_t request) const {
  wire::FrameHeader header;
  header.session = session_;
  header.session_epoch = epoch_;
  header.request = request;
  return header;
}

void SessionState::on_heard(base::MonoTime now) {
  last_heard_ = now;
  asked_at_.reset();
}

bool SessionState::on_welcome(base::MonoTime now, const wire::Welcome& welcome) {
  if (phase_ != Phase::kGreeting) return false;
  phase_ = Phase::kOpen;
  failures_ = 0;
  // A session that was asked for by another id than the one we get is a new one, whatever it says.
  resumed_ = welcome.resumed && welcome.session_id == id_;
  id_ = welcome.session_id;
  session_ = welcome.session;
  epoch_ = welcome.session_epoch;
  incarnation_ = welcome.incarnation;
  heartbeat_ = base::Millis(std::clamp(welcome.heartbeat_ms, kHeartbeatMsMin, kHeartbeatMsMax));
  last_sent_ = now;
  on_heard(now);
  return true;
}

base::Status SessionState::on_refused(base::MonoTime now, wire::Code code,
                                      std::string_view message) {
  switch (code) {
    case wire::Code::kNoSession:
      // In answer to a HELLO it means that this id cannot be had any more.
      if (phase_ != Phase::kGreeting) break;
      id_ = {};
      epoch_ = 0;
      break;
    case wire::Code::kNotReady:
    case wire::Code::kShuttingDown:
    case wire::Code::kLimitReached:
      break;
    case wire::Code::kSessionFenced:
      // Somebody else goes on with it; two that take it from each other would never end.
      id_ = {};
      epoch_ = 0;
      break;
    default:
      return to_error(code, message);
  }
  wait_for_next_attempt(now);
  return {};
}

void SessionState::on_lost(base::MonoTime now) {
  if (phase_ != Phase::kWaiting) wait_for_next_attempt(now);
}

void SessionState::wait_for_next_attempt(base::MonoTime now) {
  phase_ = Phase::kWaiting;
  asked_at_.reset();
  const base::Nanos min = options_.backoff_min;
  const base::Nanos full =
      std::min<base::Nanos>(min * (1LL << std::min(failures_, 16U)), options_.backoff_max);
  // From the upper half, so that a thousand clients of one broker do not come back as one.
  const auto jitter =
      static_cast<std::int64_t>(prng_.unit() * 0.5 * static_cast<double>(full.count()));
  attempt_at_ = now + (full - base::Nanos(jitter));
  ++failures_;
}

}  // namespace sluice::client
