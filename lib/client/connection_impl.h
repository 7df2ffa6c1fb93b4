#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/prng.h"
#include "client/connection.h"
#include "client/session_state.h"
#include "client/transport.h"

namespace sluice::client {

// The thin shell around SessionState: moves frames, carries out what the state asks for, and gives
// every user its turn. `until` are points in time of the transport's clock.
class Connection::Impl {
 public:
  Impl(ConnectionOptions options, std::unique_ptr<Transport> transport);

  // Waits for the first WELCOME.
  base::Status open();
  // Handles what is here, then waits for more until `until` unless something was handled, or the
  // session was lost.
  base::Status round(base::MonoTime until);
  // DeadlineExceeded with `what` when `done` does not come true in time.
  base::Status run_until(const std::function<bool()>& done, base::MonoTime until,
                         std::string_view what);
  base::Result<Answer> request(const wire::Body& body, const RequestOptions& options);
  base::Status close(base::Millis timeout);
  void say_goodbye();
  void interrupt() { transport_->interrupt(); }

  void add_user(ConnectionUser* user);
  void remove_user(ConnectionUser* user);
  bool has_users() const { return !users_.empty(); }
  bool send(const wire::Body& body, std::uint64_t request);
  bool send(std::shared_ptr<OutboundBuffer> frame);
  std::uint64_t next_request() { return ++last_request_; }
  Connection& peer(const std::string& endpoint);
  std::uint64_t& last_epoch(const base::QueueId& queue, base::ShardIndex shard,
                            std::string_view subscription);

  base::MonoTime now() const { return transport_->now(); }
  base::MonoTime after(base::Millis timeout) const;
  const ConnectionOptions& options() const { return options_; }
  const SessionState& state() const { return state_; }
  const std::string& software() const { return software_; }
  std::uint64_t features() const { return features_; }
  std::uint64_t sessions() const { return sessions_; }
  base::Id128 draw_id();

 private:
  // Nothing = the connection broke before there was an answer; `sent` says on which side.
  base::Result<std::optional<Answer>> ask(const wire::Body& body, const RequestOptions& options,
                                          base::MonoTime until, bool& sent);
  // The session that was the so manieth is not there any more.
  bool has_lost(std::uint64_t session) const { return sessions_ != session || !state_.open(); }
  base::Status check_deadline(base::MonoTime until, std::string_view what) const;
  base::Status pause(base::Millis time, base::MonoTime until);

  // What a round does, without waiting: of a connection that another one drives.
  bool turn();
  // Something was handled at one of them.
  bool turn_peers();
  bool handle_frames();
  void handle(InboundFrame inbound);
  void dispatch(wire::Frame frame, InboundFrame inbound);
  bool is_about_session(const wire::FrameHeader& header, const wire::ErrorFrame& error) const;
  void refuse_session(const wire::ErrorFrame& error);
  void begin_session(const wire::Welcome& welcome);
  void tell_lost();
  void lose();
  // Carries out what the session asks for, then gives every user its turn.
  void act();
  void connect();

  ConnectionOptions options_;
  std::unique_ptr<Transport> transport_;
  std::optional<base::Prng> repeatable_;
  SessionState state_;
  std::vector<ConnectionUser*> users_;
  std::uint64_t last_request_ = 0;
  std::map<std::tuple<base::QueueId, base::ShardIndex, std::string>, std::uint64_t> last_epochs_;
  std::uint64_t sessions_ = 0;  // begun or resumed
  std::size_t turn_ = 0;        // of the endpoint
  std::size_t in_vain_ = 0;     // attempts since there was a session
  std::string software_;        // the broker's
  std::uint64_t features_ = 0;  // the broker's
  bool in_round_ = false;
  std::optional<base::Error> fatal_;
  std::string last_problem_;      // why there is no session, for people
  bool handshake_broke_ = false;  // of the last connection
  std::vector<std::byte> scratch_;
  base::MonoTime next_wake_;
  std::uint64_t awaited_ = 0;  // the request whose answer is `answer_`; 0 = none
  std::optional<Answer> answer_;
  std::uint64_t goodbye_request_ = 0;
  // By endpoint; before the transport goes, whose peers theirs are.
  std::map<std::string, std::unique_ptr<Connection>> peers_;
};

}  // namespace sluice::client
