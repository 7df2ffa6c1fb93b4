#include "client/connection.h"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "client/refusal.h"
#include "client/session_state.h"
#include "client/transport.h"
#include "client/zmq_transport.h"
#include "wire/frame_codec.h"

namespace sluice::client {
namespace {

constexpr std::string_view kSoftware = "sluice-client/1";
// Frames handled before heartbeats and resends get their turn.
constexpr int kFramesARound = 256;
constexpr base::Millis kPatience{100};
// A socket that takes nothing is about to be lost.
constexpr base::Millis kRefusedSendPause{10};
constexpr base::Millis kTimeoutMax{24LL * 3600 * 1000};

base::MonoTime after(base::MonoTime now, base::Millis timeout) {
  return now + std::clamp(timeout, base::Millis(0), kTimeoutMax);
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

class Connection::Impl {
 public:
  Impl(ConnectionOptions options, std::unique_ptr<Transport> transport)
      : options_(std::move(options)),
        transport_(std::move(transport)),
        state_({.backoff_min = options_.backoff_min, .backoff_max = options_.backoff_max},
               base::Prng(random_seed())) {
    if (options_.client_name.empty()) options_.client_name = default_client_name();
    options_.client_name.resize(std::min(options_.client_name.size(), wire::kNameBytesMax));
  }

  // Handles what is here, then waits for more until `until` unless something was handled.
  base::Status round(base::MonoTime until) {
    if (fatal_) return *fatal_;
    CHECK(!in_round_);  // a callback called back into the connection
    in_round_ = true;
    bool handled = handle_frames();
    act();
    for (base::MonoTime now = transport_->now(); !handled && !fatal_ && now < until;
         now = transport_->now()) {
      const base::MonoTime wake = std::min(until, next_wake_);
      const auto event = transport_->wait(base::Nanos(std::max<std::int64_t>(wake - now, 0)));
      handled = handle_frames();
      if (event == Transport::Event::kLost) lose();
      act();
    }
    in_round_ = false;
    if (fatal_) return *fatal_;
    return {};
  }

  bool send(const wire::Body& body, std::uint64_t request) {
    if (!state_.open()) return false;
    scratch_.clear();
    wire::encode_frame(state_.header(request), body, scratch_);
    if (!transport_->send(base::ByteView(scratch_))) return false;
    state_.on_sent(transport_->now());
    return true;
  }

  bool send(std::shared_ptr<OutboundBuffer> frame) {
    if (!state_.open() || !transport_->send(std::move(frame))) return false;
    state_.on_sent(transport_->now());
    return true;
  }

  base::Result<Answer> request(const wire::Body& body, const RequestOptions& options) {
    const base::MonoTime until =
        after(transport_->now(), options.timeout.value_or(options_.request_timeout));
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
      RETURN_IF_ERROR(pause(kPatience, until));
      RETURN_IF_ERROR(check_deadline(until, to_error(code, refused->message).message()));
    }
  }

  base::Status run_until(const std::function<bool()>& done, base::MonoTime until,
                         std::string_view what) {
    while (!done()) {
      RETURN_IF_ERROR(check_deadline(until, what));
      RETURN_IF_ERROR(round(until));
    }
    return {};
  }

  base::Status check_deadline(base::MonoTime until, std::string_view what) const {
    if (transport_->now() < until) return {};
    std::string text = options_.endpoint + ": " + std::string(what) + " in time";
    if (!state_.open() && !last_problem_.empty()) text += " (" + last_problem_ + ")";
    return base::Error(base::ErrorCode::kDeadlineExceeded, std::move(text));
  }

  base::Status close(base::Millis timeout) {
    if (fatal_ || !state_.open()) return {};
    goodbye_request_ = ++last_request_;
    if (!send(wire::Goodbye{}, goodbye_request_)) return {};
    const base::Status status = run_until([this] { return goodbye_request_ == 0; },
                                          after(transport_->now(), timeout), "no goodbye");
    fatal_ = base::failed_precondition("the connection was closed");
    return status;
  }

  void say_goodbye() {
    if (!fatal_) send(wire::Goodbye{}, 0);
  }

  ConnectionOptions options_;
  std::unique_ptr<Transport> transport_;
  SessionState state_;
  std::vector<ConnectionUser*> users_;
  std::uint64_t last_request_ = 0;
  std::uint64_t sessions_ = 0;
  std::string software_;
  bool in_round_ = false;

 private:
  // Nothing = the connection broke before there was an answer.
  base::Result<std::optional<Answer>> ask(const wire::Body& body, const RequestOptions& options,
                                          base::MonoTime until, bool& sent) {
    awaited_ = ++last_request_;
    answer_.reset();
    const std::uint64_t session = sessions_;
    const auto broken = [&] { return sessions_ != session || !state_.open(); };
    base::Status status;
    sent = send(body, awaited_);
    if (sent) {
      status = run_until([&] { return answer_ || broken(); }, until, "the broker did not answer");
      const base::MonoTime more_until = after(transport_->now(), options.more_timeout);
      const auto last = [&] { return broken() || !options.more(answer_->frame); };
      // However this ends, the answer that is here counts.
      if (answer_ && options.more) (void)run_until(last, more_until, "no further answer");
    } else {
      status = round(std::min(until, after(transport_->now(), kRefusedSendPause)));
    }
    awaited_ = 0;
    if (!answer_ && !status.has_value()) return std::move(status).error();
    return std::exchange(answer_, std::nullopt);
  }

  base::Status pause(base::Millis time, base::MonoTime until) {
    const base::MonoTime end = std::min(after(transport_->now(), time), until);
    while (transport_->now() < end) RETURN_IF_ERROR(round(end));
    return {};
  }

  bool handle_frames() {
    bool handled = false;
    for (int i = 0; i < kFramesARound && !fatal_; ++i) {
      std::optional<InboundFrame> inbound = transport_->receive();
      if (!inbound) break;
      handle(std::move(*inbound));
      handled = true;
    }
    return handled;
  }

  void handle(InboundFrame inbound) {
    base::Result<wire::Frame> decoded = wire::decode_frame(inbound.bytes());
    if (!decoded.has_value()) {
      // Not what a broker of our version sends: a new connection is the only cure.
      last_problem_ = "a frame could not be read: " + decoded.error().message();
      lose();
      return;
    }
    wire::Frame& frame = *decoded;
    const base::MonoTime now = transport_->now();
    state_.on_heard(now);
    if (const auto* welcome = std::get_if<wire::Welcome>(&frame.body)) {
      if (state_.on_welcome(now, *welcome)) begin_session(*welcome);
      return;
    }
    if (std::holds_alternative<wire::HeartbeatReply>(frame.body)) return;
    if (std::holds_alternative<wire::GoodbyeReply>(frame.body)) {
      goodbye_request_ = 0;
      return;
    }
    if (const auto* error = std::get_if<wire::ErrorFrame>(&frame.body)) {
      if (is_about_session(*error)) return refuse_session(*error);
    }
    if (!state_.open()) return;  // of a session that has ended
    dispatch(std::move(frame), std::move(inbound));
  }

  void dispatch(wire::Frame frame, InboundFrame inbound) {
    if (awaited_ != 0 && frame.header.request == awaited_) {
      answer_ = Answer{std::move(inbound), std::move(frame)};
      return;
    }
    for (ConnectionUser* user : users_) {
      if (user->on_frame(frame, inbound)) return;
    }
  }

  bool is_about_session(const wire::ErrorFrame& error) const {
    const auto code = static_cast<wire::Code>(error.code);
    return !state_.open() || code == wire::Code::kNoSession || code == wire::Code::kSessionFenced;
  }

  void refuse_session(const wire::ErrorFrame& error) {
    const auto code = static_cast<wire::Code>(error.code);
    last_problem_ = to_error(code, error.message).message();
    const bool was_open = state_.open();
    if (state_.phase() == SessionState::Phase::kWaiting) return;
    base::Status status = state_.on_refused(transport_->now(), code, error.message);
    if (!status.has_value()) fatal_ = std::move(status).error();
    if (was_open) tell_lost();
  }

  void begin_session(const wire::Welcome& welcome) {
    ++sessions_;
    software_ = welcome.software;
    last_problem_.clear();
    for (ConnectionUser* user : users_) user->on_session(state_.resumed());
  }

  void tell_lost() {
    for (ConnectionUser* user : users_) user->on_session_lost();
  }

  void lose() {
    const bool was_open = state_.open();
    if (last_problem_.empty()) {
      last_problem_ = was_open ? "the connection was lost" : "nobody answers there";
    }
    state_.on_lost(transport_->now());
    if (was_open) tell_lost();
  }

  // Carries out what the session asks for, then gives every user its turn.
  void act() {
    for (;;) {
      if (fatal_) return;
      const bool was_open = state_.open();
      const base::MonoTime now = transport_->now();
      const SessionState::Action action = state_.step(now);
      if (action == SessionState::Action::kNone) break;
      if (action == SessionState::Action::kConnect) connect();
      if (action == SessionState::Action::kSendHeartbeat) {
        send(wire::Heartbeat{static_cast<std::uint64_t>(now.value())}, 0);
      }
      if (action == SessionState::Action::kDisconnect) {
        last_problem_ = was_open ? "the broker fell silent" : "nobody says welcome";
        if (was_open) tell_lost();
      }
    }
    next_wake_ = state_.deadline();
    const base::MonoTime now = transport_->now();
    for (ConnectionUser* user : users_) {
      const std::optional<base::MonoTime> wake = user->on_round(now);
      if (wake) next_wake_ = std::min(next_wake_, *wake);
    }
  }

  void connect() {
    base::Status status = transport_->connect();
    if (!status.has_value()) {
      fatal_ = std::move(status).error();
      return;
    }
    wire::Hello hello = state_.hello();
    hello.client = options_.client_name;
    hello.software = kSoftware;
    scratch_.clear();
    wire::FrameHeader header;
    header.request = ++last_request_;
    wire::encode_frame(header, hello, scratch_);
    transport_->send(base::ByteView(scratch_));  // not taken = nobody says welcome
  }

  std::optional<base::Error> fatal_;
  std::string last_problem_;
  std::vector<std::byte> scratch_;
  base::MonoTime next_wake_;
  std::uint64_t awaited_ = 0;
  std::optional<Answer> answer_;
  std::uint64_t goodbye_request_ = 0;
};

base::Result<std::unique_ptr<Connection>> Connection::open(ConnectionOptions options) {
  std::unique_ptr<Transport> transport = make_zmq_transport(options.endpoint);
  return open(std::move(options), std::move(transport));
}

base::Result<std::unique_ptr<Connection>> Connection::open(ConnectionOptions options,
                                                           std::unique_ptr<Transport> transport) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(transport));
  const base::MonoTime until = after(impl->transport_->now(), impl->options_.connect_timeout);
  RETURN_IF_ERROR(
      impl->run_until([&impl] { return impl->state_.open(); }, until, "no broker said welcome"));
  return std::unique_ptr<Connection>(new Connection(std::move(impl)));
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Connection::~Connection() {
  CHECK(impl_->users_.empty());
  impl_->say_goodbye();
}

base::Status Connection::close(base::Millis timeout) { return impl_->close(timeout); }

base::Status Connection::poll(base::Millis timeout) {
  return impl_->round(after(impl_->transport_->now(), timeout));
}

base::Status Connection::poll_until(const std::function<bool()>& done, base::Millis timeout) {
  return impl_->run_until(done, after(impl_->transport_->now(), timeout), "not done");
}

base::Result<Connection::Answer> Connection::request(const wire::Body& body,
                                                     RequestOptions options) {
  return impl_->request(body, options);
}

void Connection::add_user(ConnectionUser* user) {
  impl_->users_.push_back(user);
  if (impl_->state_.open()) user->on_session(false);
}

void Connection::remove_user(ConnectionUser* user) {
  CHECK(!impl_->in_round_);
  std::erase(impl_->users_, user);
}

bool Connection::ready() const { return impl_->state_.open(); }
std::uint64_t Connection::next_request() { return ++impl_->last_request_; }
wire::FrameHeader Connection::header(std::uint64_t request) const {
  return impl_->state_.header(request);
}
bool Connection::send(const wire::Body& body, std::uint64_t request) {
  return impl_->send(body, request);
}
bool Connection::send(std::shared_ptr<OutboundBuffer> frame) {
  return impl_->send(std::move(frame));
}
base::MonoTime Connection::now() const { return impl_->transport_->now(); }
const ConnectionOptions& Connection::options() const { return impl_->options_; }
const base::SessionId& Connection::session_id() const { return impl_->state_.id(); }
std::uint32_t Connection::incarnation() const { return impl_->state_.incarnation(); }
const std::string& Connection::broker_software() const { return impl_->software_; }
std::uint64_t Connection::reconnects() const {
  return impl_->sessions_ == 0 ? 0 : impl_->sessions_ - 1;
}

}  // namespace sluice::client
