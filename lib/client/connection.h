#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "access/key_files.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "client/frame_buffer.h"
#include "wire/frame.h"

namespace sluice::client {

class Transport;

struct ConnectionOptions {
  // One, or several with commas between, all of the same broker: when an attempt at one fails the
  // next one is tried. What was connected is tried again first.
  std::string endpoint = "tcp://127.0.0.1:7650";
  // A folder of keys (docs/access.md), read for every connection; its endpoint wins. Or the keys
  // themselves. Neither = plain text.
  std::string keys_folder;
  // `endpoint` is what somebody has asked for: the folder's does not count.
  bool endpoint_wins = false;
  std::optional<access::Credentials> credentials;
  // Where the brokers of other shards are reached, by the endpoint that a shard map names: for who
  // is outside of their network. Those that are missing are reached where the map says.
  std::map<std::string, std::string> detours;
  // Who this is, for lags, leases and dead letters; empty = client/client_name.h.
  std::string client_name;
  // How long open() and every blocking call wait for a session.
  base::Millis connect_timeout{5'000};
  // How long a request without a limit of its own waits for its answer.
  base::Millis request_timeout{30'000};
  // Pause before the n-th attempt to reconnect: doubles from min to max, drawn from its upper half.
  base::Millis backoff_min{100};
  base::Millis backoff_max{5'000};
  // Of pauses and of producers' ids; none = nobody can guess them. For who must be able to repeat a
  // run.
  std::optional<std::uint64_t> prng_seed;
};

// What hangs on a connection: told when sessions come and go, offered every frame that is not the
// answer to Connection::request(). Called from inside the connection's calls only.
class ConnectionUser {
 public:
  virtual ~ConnectionUser() = default;
  // A session is there (again). `resumed`: leases from before are still ours. Handles of publishers
  // and attachments are void: open them again.
  virtual void on_session(bool resumed) = 0;
  virtual void on_session_lost() = 0;
  // True = it was mine. May take `frame` and `inbound` away; views of the one point into the other.
  virtual bool on_frame(wire::Frame& frame, InboundFrame& inbound) = 0;
  // What is due now (resending, lingering batches), after every round of frames. Returns when it
  // wants to be called again at the latest.
  virtual std::optional<base::MonoTime> on_round(base::MonoTime now) = 0;
};

// A session with one broker over one ZeroMQ DEALER. Says hello, keeps the session alive, and after
// a lost connection makes a new socket and resumes the session; users of the connection hear of it.
//
// Thread: one, the owner's; it is also the thread of everything that hangs on the connection. There
// is no hidden thread of ours, so a session lives only while somebody calls in: every blocking call
// and poll() do; a handler that runs longer than a third of the session's time to live (10 s unless
// the broker says otherwise) calls keep_alive() now and then. A session that was silent for longer
// is lost: its leases end, and count as stalled.
//
// Exceptions: none. Errors: Unavailable where trying again may help, else what the broker said.
class Connection {
 public:
  // Returns when the broker has welcomed us, or fails: DeadlineExceeded or Unavailable when nobody
  // answers, FailedPrecondition when versions do not fit.
  static base::Result<std::unique_ptr<Connection>> open(ConnectionOptions options);
  // The same over another transport; for tests.
  static base::Result<std::unique_ptr<Connection>> open(ConnectionOptions options,
                                                        std::unique_ptr<Transport> transport);
  // Says goodbye without waiting for the answer. Users must be gone.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Says goodbye: held leases are released, uncounted. Waits for the answer up to `timeout`, or
  // until the connection breaks.
  base::Status close(base::Millis timeout = base::Millis(1'000));

  // Handles what arrives until something was handled, the session was lost, or `timeout` is over;
  // 0 = only what is here.
  // Fails only when the session can never come back (versions, permission, closed). A lost
  // connection is not an error: poll() reconnects.
  base::Status poll(base::Millis timeout);
  // Any thread: the poll() of now, or else the next one that waits, returns early.
  void interrupt();
  // Sends a heartbeat when one is due and handles what is here. Cheap; call it from long handlers.
  base::Status keep_alive() { return poll(base::Millis(0)); }

  // Polls until `done` says so. DeadlineExceeded after `timeout`.
  base::Status poll_until(const std::function<bool()>& done, base::Millis timeout);

  // Sends `body` and waits for its answer, an ERROR included, for which it returns the mapped
  // error. `repeat`: ask again when the connection broke before the answer; otherwise that is
  // Unavailable, and whether the request was carried out is unknown.
  struct RequestOptions {
    bool repeat = false;
    std::optional<base::Millis> timeout = std::nullopt;
    // True for an answer that another one follows (TASK): wait on for it, up to `more_timeout` from
    // the first; then the last that came is the answer.
    std::function<bool(const wire::Frame&)> more = nullptr;
    base::Millis more_timeout{0};
  };
  struct Answer {
    InboundFrame inbound;
    wire::Frame frame;  // views point into `inbound`
  };
  base::Result<Answer> request(const wire::Body& body, const RequestOptions& options);

  // --- For publishers and consumers.
  void add_user(ConnectionUser* user);
  void remove_user(ConnectionUser* user);
  // False while there is no session; then on_session() will be called.
  bool ready() const;
  std::uint64_t next_request();
  // Header of a frame of this session.
  wire::FrameHeader header(std::uint64_t request) const;
  // False = not sent (no session, or the socket is full): the user keeps what it wanted to send.
  bool send(const wire::Body& body, std::uint64_t request);
  // `frame` is whole, with a header of header(). Not copied; it stays untouched until released.
  bool send(std::shared_ptr<OutboundBuffer> frame);

  // A connection of its own to another broker, with the same keys and name; every call of this one
  // drives it too. Made where there is none yet, and lives as long as this one. Its users are to be
  // gone before this one's owner destroys it.
  Connection& peer(const std::string& endpoint);

  // The epoch of the last delivery that this session received from a subscription's shard, by
  // whichever of its consumers; 0 = none yet. Stays in its place as long as the connection.
  std::uint64_t& last_epoch(const base::QueueId& queue, base::ShardIndex shard,
                            std::string_view subscription);

  base::MonoTime now() const;
  const ConnectionOptions& options() const;
  // As the broker said in its last WELCOME.
  const base::SessionId& session_id() const;
  std::uint32_t incarnation() const;
  const std::string& broker_software() const;
  std::uint64_t features() const;  // wire::kFeature...
  // Sessions that were resumed or begun anew after the first.
  std::uint64_t reconnects() const;
  // 128 bits; ConnectionOptions::prng_seed.
  base::Id128 draw_id();

 private:
  class Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::client
