#include "client/connection_impl.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/prng.h"
#include "client/client_name.h"
#include "client/refusal.h"
#include "client/retry_pause.h"
#include "client/zmq_transport.h"
#include "runtime/posix/random.h"
#include "wire/frame_codec.h"

namespace sluice::client {
namespace {

constexpr std::string_view kSoftware = "sluice-client/1";
// Frames handled before heartbeats and resends get their turn.
constexpr int kFramesARound = 256;
// A socket that takes nothing is about to be lost.
constexpr base::Millis kRefusedSendPause{10};
constexpr base::Millis kTimeoutMax{24LL * 3600 * 1000};

}  // namespace

Connection::Impl::Impl(ConnectionOptions options, std::unique_ptr<Transport> transport)
    : options_(std::move(options)),
      transport_(std::move(transport)),
      state_({.backoff_min = options_.backoff_min, .backoff_max = options_.backoff_max},
             base::Prng(options_.prng_seed ? *options_.prng_seed : runtime::random_seed())) {
  if (options_.prng_seed) repeatable_.emplace(*options_.prng_seed, "ids");
  if (options_.client_name.empty()) options_.client_name = default_client_name();
  options_.client_name.resize(std::min(options_.client_name.size(), wire::kNameBytesMax));
}

base::MonoTime Connection::Impl::after(base::Millis timeout) const {
  return now() + std::clamp(timeout, base::Millis(0), kTimeoutMax);
}

base::Id128 Connection::Impl::draw_id() {
  return repeatable_ ? repeatable_->id128() : runtime::random_id128();
}

// --- Calls that block.

base::Status Connection::Impl::open() {
  return run_until([this] { return state_.open(); }, after(options_.connect_timeout),
                   "no broker said welcome");
}

base::Status Connection::Impl::round(base::MonoTime until) {
  if (fatal_) return *fatal_;
  CHECK(!in_round_);  // a callback called back into the connection
  in_round_ = true;
  const bool was_open = state_.open();
  bool handled = handle_frames();
  handled = turn_peers() || handled;
  act();
  while (!handled && !fatal_) {
    const base::MonoTime before = now();
    const base::MonoTime wake = std::min(until, next_wake_);
    // Also without time left: only waiting tells that the connection was lost.
    const Transport::Event event =
        transport_->wait(base::Nanos(std::max<std::int64_t>(wake - before, 0)));
    handled = handle_frames();
    if (event == Transport::Event::kLost) lose();
    handled = turn_peers() || handled;
    act();
    if (before >= until || event == Transport::Event::kInterrupted) break;
    if (was_open && !state_.open()) break;  // who waits for an answer has to be told
  }
  in_round_ = false;
  if (fatal_) return *fatal_;
  return {};
}

base::Status Connection::Impl::run_until(const std::function<bool()>& done, base::MonoTime until,
                                         std::string_view what) {
  while (!done()) {
    RETURN_IF_ERROR(check_deadline(until, what));
    RETURN_IF_ERROR(round(until));
  }
  return {};
}

base::Status Connection::Impl::check_deadline(base::MonoTime until, std::string_view what) const {
  if (now() < until) return {};
  std::string text = options_.endpoint + ": " + std::string(what) + " in time";
  if (!state_.open() && !last_problem_.empty()) text += " (" + last_problem_ + ")";
  if (sessions_ == 0 && handshake_broke_) {
    text = to_error(wire::Code::kPermissionDenied, text).message();
  }
  return base::Error(base::ErrorCode::kDeadlineExceeded, std::move(text));
}

base::Status Connection::Impl::pause(base::Millis time, base::MonoTime until) {
  const base::MonoTime end = std::min(after(time), until);
  while (now() < end) RETURN_IF_ERROR(round(end));
  return {};
}

base::Result<Connection::Answer> Connection::Impl::request(const wire::Body& body,
                                                           const RequestOptions& options) {
  const base::MonoTime until = after(options.timeout.value_or(options_.request_timeout));
  for (;;) {
    RETURN_IF_ERROR(run_until([this] { return state_.open(); }, until, "no session"));
    bool sent = false;
    ASSIGN_OR_RETURN(std::optional<Answer> answer, ask(body, options, until, sent));
    if (!answer && (options.repeat || !sent)) {
      RETURN_IF_ERROR(check_deadline(until, "no answer"));
      continue;
    }
    if (!answer) {
      return base::unavailable(
          "the connection broke before the answer; it is unknown whether the request was "
          "carried out");
    }
    const auto* refused = std::get_if<wire::ErrorFrame>(&answer->frame.body);
    if (refused == nullptr) return std::move(*answer);
    const auto code = static_cast<wire::Code>(refused->code);
    if (!options.repeat || !asks_for_patience(code)) return to_error(code, refused->message);
    RETURN_IF_ERROR(pause(kRetryPause, until));
    RETURN_IF_ERROR(check_deadline(until, to_error(code, refused->message).message()));
  }
}

base::Result<std::optional<Connection::Answer>> Connection::Impl::ask(const wire::Body& body,
                                                                      const RequestOptions& options,
                                                                      base::MonoTime until,
                                                                      bool& sent) {
  awaited_ = next_request();
  answer_.reset();
  const std::uint64_t session = sessions_;
  base::Status status;
  sent = send(body, awaited_);
  if (sent) {
    status =
        run_until([&] { return answer_ || has_lost(session); }, until, "the broker did not answer");
    const auto last = [&] { return has_lost(session) || !options.more(answer_->frame); };
    // However this ends, the answer that is here counts.
    if (answer_ && options.more) {
      (void)run_until(last, after(options.more_timeout), "no further answer");
    }
  } else {
    status = round(std::min(until, after(kRefusedSendPause)));
  }
  awaited_ = 0;
  if (!answer_ && !status.has_value()) return std::move(status).error();
  return std::exchange(answer_, std::nullopt);
}

base::Status Connection::Impl::close(base::Millis timeout) {
  for (const auto& [endpoint, peer] : peers_) peer->impl_->say_goodbye();
  if (fatal_ || !state_.open()) return {};
  goodbye_request_ = next_request();
  if (!send(wire::Goodbye{}, goodbye_request_)) return {};
  // A connection that breaks meanwhile leaves nobody to wait for.
  const std::uint64_t session = sessions_;
  const auto over = [&] { return goodbye_request_ == 0 || has_lost(session); };
  base::Status status = run_until(over, after(timeout), "no goodbye");
  fatal_ = base::failed_precondition("the connection was closed");
  return status;
}

void Connection::Impl::say_goodbye() {
  for (const auto& [endpoint, peer] : peers_) peer->impl_->say_goodbye();
  if (!fatal_) send(wire::Goodbye{}, 0);
}

// --- Users and sending.

void Connection::Impl::add_user(ConnectionUser* user) {
  users_.push_back(user);
  if (state_.open()) user->on_session(false);
}

void Connection::Impl::remove_user(ConnectionUser* user) {
  CHECK(!in_round_);
  std::erase(users_, user);
}

std::uint64_t& Connection::Impl::last_epoch(const base::QueueId& queue, base::ShardIndex shard,
                                            std::string_view subscription) {
  return last_epochs_[{queue, shard, std::string(subscription)}];
}

bool Connection::Impl::send(const wire::Body& body, std::uint64_t request) {
  if (!state_.open()) return false;
  scratch_.clear();
  wire::encode_frame(state_.header(request), body, scratch_);
  if (!transport_->send(base::ByteView(scratch_))) return false;
  state_.on_sent(now());
  return true;
}

bool Connection::Impl::send(std::shared_ptr<OutboundBuffer> frame) {
  if (!state_.open() || !transport_->send(std::move(frame))) return false;
  state_.on_sent(now());
  return true;
}

// --- Other brokers.

Connection& Connection::Impl::peer(const std::string& endpoint) {
  std::unique_ptr<Connection>& place = peers_[endpoint];
  if (place == nullptr) {
    ConnectionOptions options = options_;
    const auto detour = options_.detours.find(endpoint);
    options.endpoint = detour == options_.detours.end() ? endpoint : detour->second;
    options.endpoint_wins = true;
    std::unique_ptr<Transport> transport = transport_->peer(options.endpoint);
    CHECK(transport != nullptr);
    place.reset(new Connection(std::make_unique<Impl>(std::move(options), std::move(transport))));
  }
  return *place;
}

bool Connection::Impl::turn() {
  if (fatal_ || in_round_) return false;
  in_round_ = true;
  bool handled = handle_frames();
  if (transport_->wait(base::Nanos(0)) == Transport::Event::kLost) lose();
  act();
  in_round_ = false;
  return handled;
}

bool Connection::Impl::turn_peers() {
  bool handled = false;
  for (const auto& [endpoint, peer] : peers_) {
    handled = peer->impl_->turn() || handled;
    const std::optional<base::Error>& fatal = peer->impl_->fatal_;
    if (fatal && !fatal_) fatal_ = fatal->with_prefix(endpoint);
  }
  return handled;
}

// --- Receiving.

bool Connection::Impl::handle_frames() {
  bool handled = false;
  for (int i = 0; i < kFramesARound && !fatal_; ++i) {
    std::optional<InboundFrame> inbound = transport_->receive();
    if (!inbound) break;
    handle(std::move(*inbound));
    handled = true;
  }
  return handled;
}

void Connection::Impl::handle(InboundFrame inbound) {
  base::Result<wire::Frame> decoded = wire::decode_frame(inbound.bytes());
  if (!decoded.has_value()) {
    // Not what a broker of our version sends: a new connection is the only cure.
    last_problem_ = "a frame could not be read: " + decoded.error().message();
    lose();
    return;
  }
  wire::Frame& frame = *decoded;
  state_.on_heard(now());
  if (const auto* welcome = std::get_if<wire::Welcome>(&frame.body)) {
    if (state_.on_welcome(now(), *welcome)) begin_session(*welcome);
    return;
  }
  if (std::holds_alternative<wire::HeartbeatReply>(frame.body)) return;
  if (std::holds_alternative<wire::GoodbyeReply>(frame.body)) {
    goodbye_request_ = 0;
    return;
  }
  if (const auto* error = std::get_if<wire::ErrorFrame>(&frame.body)) {
    if (is_about_session(frame.header, *error)) return refuse_session(*error);
  }
  if (!state_.open()) return;  // of a session that has ended
  dispatch(std::move(frame), std::move(inbound));
}

void Connection::Impl::dispatch(wire::Frame frame, InboundFrame inbound) {
  if (awaited_ != 0 && frame.header.request == awaited_) {
    answer_ = Answer{std::move(inbound), std::move(frame)};
    return;
  }
  for (ConnectionUser* user : users_) {
    if (user->on_frame(frame, inbound)) return;
  }
}

bool Connection::Impl::is_about_session(const wire::FrameHeader& header,
                                        const wire::ErrorFrame& error) const {
  const auto code = static_cast<wire::Code>(error.code);
  return !state_.open() || code == wire::Code::kNoSession || code == wire::Code::kSessionFenced ||
         (code == wire::Code::kPermissionDenied && header.request == 0);
}

void Connection::Impl::refuse_session(const wire::ErrorFrame& error) {
  const auto code = static_cast<wire::Code>(error.code);
  last_problem_ = to_error(code, error.message).message();
  const bool was_open = state_.open();
  if (state_.phase() == SessionState::Phase::kWaiting) return;
  base::Status status = state_.on_refused(now(), code, error.message);
  if (!status.has_value()) fatal_ = std::move(status).error();
  if (was_open) tell_lost();
}

// --- The session.

void Connection::Impl::begin_session(const wire::Welcome& welcome) {
  ++sessions_;
  in_vain_ = 0;
  software_ = welcome.software;
  features_ = welcome.features;
  last_problem_.clear();
  if (!state_.resumed()) {
    for (auto& [place, epoch] : last_epochs_) epoch = 0;
  }
  for (ConnectionUser* user : users_) user->on_session(state_.resumed());
}

void Connection::Impl::tell_lost() {
  for (ConnectionUser* user : users_) user->on_session_lost();
}

void Connection::Impl::lose() {
  const bool was_open = state_.open();
  if (const Transport::Refusal refusal = transport_->refusal(); !refusal.text.empty()) {
    last_problem_ = options_.endpoint + ": " + refusal.text;
    handshake_broke_ = true;
    // Later it may be a broker that reads its keys again; at the start somebody waits to be told.
    if (refusal.certain && sessions_ == 0 && in_vain_ >= transport_->endpoints()) {
      fatal_ = to_error(wire::Code::kPermissionDenied, last_problem_);
    }
  } else {
    handshake_broke_ = false;
  }
  if (last_problem_.empty()) {
    last_problem_ = was_open ? "the connection was lost" : "nobody answers there";
  }
  state_.on_lost(now());
  if (was_open) tell_lost();
}

void Connection::Impl::act() {
  for (;;) {
    if (fatal_) return;
    const bool was_open = state_.open();
    const base::MonoTime time = now();
    const SessionState::Action action = state_.step(time);
    if (action == SessionState::Action::kNone) break;
    if (action == SessionState::Action::kConnect) connect();
    if (action == SessionState::Action::kSendHeartbeat) {
      send(wire::Heartbeat{static_cast<std::uint64_t>(time.value())}, 0);
    }
    if (action == SessionState::Action::kDisconnect) {
      last_problem_ = was_open ? "the broker fell silent"
                               : "nobody says welcome: no broker, or one that lets nobody in now";
      if (was_open) tell_lost();
    }
  }
  next_wake_ = state_.deadline();
  const base::MonoTime time = now();
  for (ConnectionUser* user : users_) {
    const std::optional<base::MonoTime> wake = user->on_round(time);
    if (wake) next_wake_ = std::min(next_wake_, *wake);
  }
  for (const auto& [endpoint, peer] : peers_) {
    next_wake_ = std::min(next_wake_, peer->impl_->next_wake_);
  }
}

void Connection::Impl::connect() {
  if (in_vain_ > 0) ++turn_;
  ++in_vain_;
  base::Status status = transport_->connect(turn_);
  if (!status.has_value()) {
    fatal_ = std::move(status).error();
    return;
  }
  wire::Hello hello = state_.hello();
  hello.client = options_.client_name;
  hello.software = kSoftware;
  scratch_.clear();
  wire::FrameHeader header;
  header.request = next_request();
  wire::encode_frame(header, hello, scratch_);
  transport_->send(base::ByteView(scratch_));  // not taken = nobody says welcome
}

}  // namespace sluice::client
