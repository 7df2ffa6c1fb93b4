#include "operator/link/link_session.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "client/refusal.h"
#include "wire/frame_codec.h"

namespace sluice::link {
namespace {

constexpr std::string_view kSoftware = "sluice-operator/1";

// "sluice/0.1.0" -> "0.1.0".
std::string_view version_of(std::string_view software) {
  return software.substr(software.find('/') == std::string_view::npos ? 0 : software.find('/') + 1);
}

base::Error error_of(const wire::ErrorFrame& error) {
  return client::to_error(static_cast<wire::Code>(error.code), error.message);
}

}  // namespace

LinkSession::LinkSession(LinkOptions options, LinkPort& port, LinkEvents events, base::Prng prng)
    : options_(std::move(options)),
      port_(port),
      events_(std::move(events)),
      state_({.backoff_min = options_.backoff_min, .backoff_max = options_.backoff_max}, prng) {}

void LinkSession::call(base::MonoTime now, Encode encode, Answer answer) {
  calls_.emplace(++last_request_, Call{std::move(encode), std::move(answer),
                                       now + base::Nanos(options_.call_timeout), false});
  send_calls(now);
}

void LinkSession::on_frame(base::MonoTime now, base::ByteView bytes) {
  const auto frame = wire::decode_frame(bytes);
  if (!frame.has_value()) return drop(now, "a frame could not be read: " + frame.error().message());
  state_.on_heard(now);
  if (const auto* welcome = std::get_if<wire::Welcome>(&frame->body)) {
    return on_welcome(now, *welcome);
  }
  const std::uint64_t request = frame->header.request;
  if (const auto* error = std::get_if<wire::ErrorFrame>(&frame->body)) {
    const auto code = static_cast<wire::Code>(error->code);
    const bool about_session = !state_.open() || code == wire::Code::kNoSession ||
                               code == wire::Code::kSessionFenced || request == 0 ||
                               request == watch_request_;
    if (about_session) return refuse_session(now, *error);
    return finish(request, error_of(*error));
  }
  if (!state_.open()) return;  // of a session that has ended
  if (const auto* changes = std::get_if<wire::Changes>(&frame->body)) {
    if (request == watch_request_) on_changes(now, *changes);
    return;
  }
  finish(request, &*frame);
}

void LinkSession::on_welcome(base::MonoTime now, const wire::Welcome& welcome) {
  if (!state_.on_welcome(now, welcome)) return;
  if ((welcome.features & wire::kFeatureControl) == 0) {
    return drop(now, "the broker is too old: it has no control port of this kind");
  }
  version_ = version_of(welcome.software);
  observed_at_ = now;
  book_.reset();
  watch_request_ = ++last_request_;
  wire::Watch watch;
  watch.interval_ms = static_cast<std::uint32_t>(options_.observe_interval.count());
  if (!send(now, watch, watch_request_)) return drop(now, "the connection takes nothing");
  send_calls(now);
}

void LinkSession::on_changes(base::MonoTime now, const wire::Changes& changes) {
  auto taken = book_.take(changes);
  if (!taken.has_value()) return drop(now, taken.error().message());
  if (!*taken) return;
  observed_at_ = now;
  set_status(true, "");
  if (!events_.observed) return;
  auto observation = std::make_shared<BrokerObservation>(std::move(**taken));
  observation->received_at = now;
  observation->incarnation = state_.incarnation();
  observation->version = version_;
  events_.observed(std::move(observation));
}

void LinkSession::refuse_session(base::MonoTime now, const wire::ErrorFrame& error) {
  if (state_.phase() == client::SessionState::Phase::kWaiting) return;
  const std::string why = error_of(error).message();
  // Whatever it is, it may be over tomorrow: keys come, brokers are replaced.
  const base::Status status =
      state_.on_refused(now, static_cast<wire::Code>(error.code), error.message);
  if (!status.has_value()) state_.on_lost(now);
  lose(now, why);
}

void LinkSession::on_lost(base::MonoTime now, std::string_view why) {
  const bool was_open = state_.open();
  state_.on_lost(now);
  if (why.empty()) why = was_open ? "the connection was lost" : "nobody answers there";
  lose(now, why);
}

void LinkSession::drop(base::MonoTime now, std::string_view why) {
  state_.on_lost(now);
  lose(now, why);
}

void LinkSession::lose(base::MonoTime now, std::string_view why) {
  port_.disconnect();
  set_status(false, why);
  std::vector<std::uint64_t> sent;
  for (const auto& [request, call] : calls_) {
    if (call.sent) sent.push_back(request);
  }
  for (const std::uint64_t request : sent) {
    finish(request, base::unavailable("the connection broke before the answer; it is unknown "
                                      "whether the broker has done it: " +
                                      std::string(why)));
  }
  end_overdue(now);
}

base::MonoTime LinkSession::step(base::MonoTime now) {
  if (!status_) set_status(false, "not connected yet");
  for (;;) {
    const bool was_open = state_.open();
    const client::SessionState::Action action = state_.step(now);
    if (action == client::SessionState::Action::kNone) break;
    if (action == client::SessionState::Action::kConnect) connect(now);
    if (action == client::SessionState::Action::kSendHeartbeat) {
      send(now, wire::Heartbeat{static_cast<std::uint64_t>(now.value())}, 0);
    }
    if (action == client::SessionState::Action::kDisconnect) {
      lose(now, was_open ? "the broker fell silent" : "nobody says welcome");
    }
  }
  if (state_.open() && observed_at_ + base::Nanos(kStaleAfter) <= now) {
    drop(now, "no observation came for " + std::to_string(kStaleAfter.count()) + " ms");
  }
  end_overdue(now);
  base::MonoTime next = state_.deadline();
  if (state_.open()) next = std::min(next, observed_at_ + base::Nanos(kStaleAfter));
  for (const auto& [request, call] : calls_) next = std::min(next, call.deadline);
  return next;
}

void LinkSession::connect(base::MonoTime now) {
  if (const base::Status status = port_.connect(); !status.has_value()) {
    return drop(now, status.error().message());
  }
  wire::Hello hello = state_.hello();
  hello.features |= wire::kFeatureControl;
  hello.client = options_.client_name;
  hello.software = kSoftware;
  scratch_.clear();
  wire::FrameHeader header;
  header.request = ++last_request_;
  wire::encode_frame(header, hello, scratch_);
  port_.send(scratch_);  // not taken = nobody says welcome
}

void LinkSession::send_calls(base::MonoTime now) {
  if (!state_.open()) return;
  for (auto& [request, call] : calls_) {
    if (call.sent) continue;
    scratch_.clear();
    call.encode(state_.header(request), scratch_);
    if (!port_.send(scratch_)) return;
    state_.on_sent(now);
    call.sent = true;
  }
}

void LinkSession::end_overdue(base::MonoTime now) {
  std::vector<std::pair<std::uint64_t, bool>> over;
  for (const auto& [request, call] : calls_) {
    if (call.deadline <= now) over.emplace_back(request, call.sent);
  }
  for (const auto& [request, sent] : over) {
    if (!sent) {
      const std::string why = status_ ? status_->problem : std::string();
      finish(request, base::unavailable("no connection to the broker: " + why));
      continue;
    }
    finish(request, base::Error(base::ErrorCode::kDeadlineExceeded,
                                "the broker did not answer; it is unknown whether it has done it"));
  }
}

void LinkSession::finish(std::uint64_t request, base::Result<const wire::Frame*> result) {
  const auto at = calls_.find(request);
  if (at == calls_.end()) return;
  // The answer may lead to another call.
  const Answer answer = std::move(at->second.answer);
  calls_.erase(at);
  answer(std::move(result));
}

bool LinkSession::send(base::MonoTime now, const wire::Body& body, std::uint64_t request) {
  scratch_.clear();
  wire::encode_frame(state_.header(request), body, scratch_);
  if (!port_.send(scratch_)) return false;
  state_.on_sent(now);
  return true;
}

void LinkSession::set_status(bool connected, std::string_view problem) {
  LinkStatus status{connected, std::string(problem)};
  if (status_ == status) return;
  status_ = std::move(status);
  if (events_.status_changed) events_.status_changed(*status_);
}

void LinkSession::close() {
  calls_.clear();
  if (!state_.open()) return;
  scratch_.clear();
  wire::encode_frame(state_.header(0), wire::Goodbye{}, scratch_);
  port_.send(scratch_);
}

}  // namespace sluice::link
