#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/key_ring.h"
#include "base/result.h"
#include "base/time.h"
#include "frontend/broker_host.h"
#include "frontend/connection_guard.h"
#include "frontend/connection_watch.h"
#include "frontend/doors.h"
#include "frontend/frame_dispatch.h"
#include "frontend/http/process_stats.h"
#include "frontend/post_queue.h"
#include "frontend/session_table.h"
#include "frontend/stats_board.h"
#include "frontend/zmq_context.h"
#include "frontend/zmq_gatekeeper.h"
#include "frontend/zmq_gatekeeper_probe.h"
#include "frontend/zmq_wait.h"
#include "runtime/clock.h"
#include "runtime/posix/wakeup.h"

namespace sluice::frontend {

struct ServerOptions {
  std::string client_endpoint = "tcp://127.0.0.1:7650";
  std::string control_endpoint = "tcp://127.0.0.1:7651";
  SessionOptions sessions;
  std::string software;
  http::BuildInfo build;
  // With keys the ports speak CURVE, and nobody else is let in. Null = plain text for everybody.
  std::shared_ptr<const access::KeyRing> keys;
  std::string curve_secret;  // of the broker; REQUIRES: not empty where there are keys
  RotationOptions rotation;
  GuardOptions guard;
  base::Millis handshake_timeout{5'000};
};

// Runs on the loop thread between two rounds.
struct ServerHooks {
  // The documents of the HTTP API, from the same statistics.
  std::function<base::Result<std::string>(const http::ProcessStats&, std::string_view queue)> stat;
  std::function<std::string(const http::ProcessStats&)> observe;
  // Asked about once a second: other keys, or null where nothing has changed. May be empty.
  std::function<std::shared_ptr<const access::KeyRing>()> new_keys;
  // Whom ZeroMQ asks about keys; empty = ZmqGatekeeper::open(). One that gives null is a gatekeeper
  // that has failed: the ports are there and nobody gets in.
  std::function<base::Result<std::unique_ptr<ZmqGatekeeper>>(
      ZmqContext&, std::shared_ptr<const access::KeyRing>)>
      open_gatekeeper;
  // Where the shards of each queue are, for who came in at this port of ours; none = all are here.
  // May be empty.
  std::function<std::vector<std::string>(std::uint16_t port)> shard_endpoints;
  // A manifest from the control port, to be applied and noted (BrokerHost::note_manifest); may be
  // empty.
  std::function<base::Result<base::QueueId>(BrokerHost&, base::Now, std::string_view)> configure;
};

// The loop: one thread that reads frames, applies them, hands the log's groups to its threads and
// sends what is committed. Nothing in it waits but the poll.
//
// Made, run and destroyed by one thread, which is the loop thread. Only request_stop() and post()
// may be called by others.
class BrokerServer {
 public:
  // All must outlive the server. `wake` also wakes for the host; a picture of the process is put on
  // `board` about once a second.
  struct Parts {
    BrokerHost& host;
    runtime::Wakeup& wake;
    const runtime::Clock& clock;
    StatsBoard& board;
  };
  // Binds the ports.
  static base::Result<std::unique_ptr<BrokerServer>> open(Parts parts, const ServerOptions& options,
                                                          ServerHooks hooks);
  ~BrokerServer();
  BrokerServer(const BrokerServer&) = delete;
  BrokerServer& operator=(const BrokerServer&) = delete;

  // Until request_stop(), then stops in order: everything is written, answered as far as it was
  // asked for, and marked clean. An error: the log failed; nothing that was not committed has been
  // answered, and the process must end.
  base::Status run();

  // Any thread, also a signal handler.
  void request_stop();
  // Any thread: runs `task` on the loop thread. False = the loop is full or stopped.
  bool post(PostQueue::Task task) { return posts_.post(std::move(task)); }
  // Loop thread: takes a new picture now.
  std::shared_ptr<const http::ProcessStats> refresh_stats(base::Now now);

  // Loop thread: asks for new keys now.
  void look_at_keys(base::Now now);
  // Loop thread: the broker's own keys are these; as Doors::follow(). REQUIRES: it has keys.
  base::Status follow_keys(base::Now now, const std::string& secret,
                           const std::optional<access::NextKey>& next);

  // Where clients are to come now; during a rotation with the next key.
  const std::string& client_endpoint() const { return doors_.endpoint(Port::kClient); }
  const std::string& control_endpoint() const { return doors_.endpoint(Port::kControl); }

 private:
  BrokerServer(Parts parts, const ServerOptions& options, ServerHooks hooks);

  DispatchHooks dispatch_hooks();
  base::Status round();
  // Waits until there is something to do; receives from whom something came.
  base::Status receive();
  base::Status stop();
  bool is_ready(ZmqRouter& router) const;
  void drain(ZmqRouter& router);
  void refuse_chosen_id(base::Now now, ZmqRouter& router, std::string_view user);
  // Of whose key this is; empty = nobody's.
  std::string_view key_id(std::string_view user) const;
  void release(base::Now now);
  void do_timed_work(base::Now now);
  void flush_outboxes(base::Now now);
  void forget_closed_doors(base::Now now);
  void rest_when_idle(base::Now now);
  long timeout_ms() const;

  BrokerHost& host_;
  runtime::Wakeup& wake_;
  const runtime::Clock& clock_;
  StatsBoard& board_;
  const ServerOptions options_;
  const ServerHooks hooks_;
  ZmqContext context_;
  std::unique_ptr<ZmqGatekeeper> gatekeeper_;
  std::optional<ZmqGatekeeperProbe> probe_;  // none = without keys
  Doors doors_;
  std::vector<ZmqWaited> waited_;
  SessionTable sessions_;
  ConnectionWatch watch_;
  ZmqRouter* receiving_ = nullptr;  // set while its frames are handled
  std::unique_ptr<FrameDispatch> dispatch_;
  PostQueue posts_;
  std::atomic<bool> stopping_{false};

  std::shared_ptr<const access::KeyRing> keys_;
  std::optional<base::MonoTime> host_due_;
  base::MonoTime stats_due_;
  base::MonoTime doors_due_;  // keys, rotation
  // When the log grew last, and how far.
  base::MonoTime busy_at_;
  base::Lsn busy_end_;
  bool rested_ = false;
};

}  // namespace sluice::frontend
