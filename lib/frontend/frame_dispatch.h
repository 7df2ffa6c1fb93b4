#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "access/key_ring.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "broker/refusal.h"
#include "frontend/commands.h"
#include "frontend/control_picture.h"
#include "frontend/effect_gate.h"
#include "frontend/frame_output.h"
#include "frontend/session_table.h"
#include "frontend/watcher.h"
#include "storage/message_store.h"
#include "wire/frame.h"

namespace sluice::frontend {

// What frames ask for that is not the broker's. Called on the loop thread.
struct DispatchHooks {
  // Draws 128 bits that nobody can guess.
  std::function<base::Id128()> random_id;
  // The peer has begun or resumed a session. May be empty.
  std::function<void(base::Now, Peer)> admitted;
  // The document of GET /api/v1/queues (empty name) or /api/v1/queues/NAME.
  std::function<base::Result<std::string>(base::Now, std::string_view queue)> stat;
  // What the operator reads. `revision` rises with every change of the configuration.
  struct Observation {
    std::uint64_t revision = 0;
    std::string json;
  };
  std::function<Observation(base::Now)> observe;
  // The same for who watches, as numbers.
  std::function<ControlPicture(base::Now)> picture;
  // A control call shows the epoch of its leader: refused, or from now on none below it is good.
  std::function<broker::Refusal(std::uint64_t epoch)> show_epoch;
  // Where the shards of a queue are, one a shard, for who came in by this connection; none = all
  // are here. May be empty.
  std::function<std::vector<std::string>(Peer)> shard_endpoints;
  // Creates or changes the queue of a manifest. Empty = this broker is not configured from outside.
  std::function<base::Result<base::QueueId>(base::Now, std::string_view manifest)> configure;
};

struct DispatchOptions {
  std::uint32_t incarnation = 0;
  std::string software;
  // The keys that are let in; null = everybody has all roles of its port.
  std::shared_ptr<const access::KeyRing> keys;
};

// Frames that were refused, by code; and all that came.
struct DispatchCounters {
  std::uint64_t frames_received = 0;
  std::map<std::uint16_t, std::uint64_t> refused_by_code;
  std::uint64_t strangers = 0;  // frames from connections whose key nobody has checked
  std::map<std::string, std::uint64_t> denied_by_role;  // the role that was missing
};

// Between frames and the broker: checks the session of each frame, turns it into a command, and
// turns released effects into frames. Bad frames are answered by ERROR with the field's name and
// leave no state behind.
//
// Owned and called by the loop thread; no I/O of its own. Nothing here is done for each message.
class FrameDispatch {
 public:
  // All must outlive this. `outputs` is indexed by Port.
  struct Parts {
    SessionTable& sessions;
    Commands& commands;
    EffectGate& gate;
    storage::MessageStore& messages;
    FrameOutput& client;
    FrameOutput& control;
  };
  FrameDispatch(Parts parts, DispatchHooks hooks, DispatchOptions options);
  FrameDispatch(const FrameDispatch&) = delete;
  FrameDispatch& operator=(const FrameDispatch&) = delete;

  // `frame` must stay as it is until this returns. `user` is the public key of the connection.
  void receive(base::Now now, Peer peer, base::ByteView frame, std::string_view user = {});
  // From a connection whose key nobody has checked.
  void receive_stranger(Peer peer);
  // Other keys, or other rights: sessions whose grant is not what it was end; where the key is
  // still known, the client begins anew under its new rights.
  void set_keys(base::Now now, std::shared_ptr<const access::KeyRing> keys);
  // Something else than one frame came.
  void receive_junk(Peer peer, std::string_view what);
  // A frame of a connection that is no peer, since it has chosen its routing id. What it is to be
  // told: the bytes of an error, valid until the next call.
  base::ByteView receive_nobody();

  // An effect whose wait is over.
  void pass(base::Now now, Effect&& effect);

  // Sends what large deliveries may send now, a few pieces at a time, and tells the broker what of
  // its deliveries has left. To be called every round.
  void send_pieces(base::Now now);
  // More could be sent at once.
  bool has_pieces() const { return more_pieces_; }

  // Sessions that were silent for too long, and observations that are due.
  void tick(base::Now now);
  std::optional<base::MonoTime> next_tick() const;

  // The output found out that the connection is gone.
  void disconnected(base::Now now, Peer peer);

  const DispatchCounters& counters() const { return counters_; }

 private:
  using Session = SessionTable::Session;
  struct Request {
    base::Now now;
    const wire::FrameHeader& header;
    Peer peer;
    Session& session;
    broker::Origin origin() const { return {session.handle, broker::RequestId(header.request)}; }
  };
  struct Observer {
    base::Nanos interval{0};
    std::uint64_t request = 0;
    base::MonoTime due;
    base::MonoTime repeat;  // sent again by then although nothing changed
    std::string last;
  };

  FrameOutput& output(Peer peer);
  void hello(base::Now now, Peer peer, const wire::FrameHeader& header, wire::Hello hello,
             std::string_view user);
  // What stands against it, by the keys.
  broker::Refusal admit(Peer peer, wire::Hello& hello, const access::Grant* grant);
  broker::Refusal check_access(const Request& request, const wire::Body& body);
  broker::Refusal deny(const access::Grant& grant, access::RoleSet needed, std::string_view queue);
  void audit(const Request& request, std::string_view command, const base::QueueId& queue,
             const base::TaskId* task, std::string_view selector);
  static void audit_end(const broker::TaskReply& reply);
  void welcome(Session& session, std::uint32_t leases_kept);
  void dispatch(const Request& request, const wire::Body& body);

  // One for each frame that a client may send; the rest is refused.
  template <typename T>
  void on(const Request& request, const T& frame);
  void on(const Request& request, const wire::Heartbeat& frame);
  void on(const Request& request, const wire::Goodbye& frame);
  void on(const Request& request, const wire::Resolve& frame);
  void on(const Request& request, const wire::OpenPublisher& frame);
  void on(const Request& request, const wire::Publish& frame);
  void on(const Request& request, const wire::Attach& frame);
  void on(const Request& request, const wire::AttachWith& frame);
  void attach(const Request& request, const wire::Attach& frame, broker::Attach command);
  void on(const Request& request, const wire::Chunk& frame);
  void on(const Request& request, const wire::ChunkCredit& frame);
  void on(const Request& request, const wire::Detach& frame);
  void on(const Request& request, const wire::Stat& frame);
  void on(const Request& request, const wire::Redrive& frame);
  void on(const Request& request, const wire::Purge& frame);
  void on(const Request& request, const wire::StartTask& frame);
  void on(const Request& request, const wire::StartShardTask& frame);
  void start_task(const Request& request, broker::StartTask command);
  void on(const Request& request, const wire::CancelTask& frame);
  void on(const Request& request, const wire::DeleteQueue& frame);
  void on(const Request& request, const wire::Seek& frame);
  void on(const Request& request, const wire::DiscardDamaged& frame);
  void on(const Request& request, const wire::Observe& frame);
  void on(const Request& request, const wire::Configure& frame);
  void on(const Request& request, const wire::Cordon& frame);
  void on(const Request& request, const wire::RemoveQueue& frame);
  void on(const Request& request, const wire::Watch& frame);

  void pass_one(base::Now now, broker::SessionOpened& effect);
  void pass_one(base::Now now, broker::Deliver& effect);
  void pass_one(base::Now now, broker::AttachmentClosed& effect);
  void pass_one(base::Now now, PreparedFrame& effect);
  void pass_one(base::Now now, broker::TaskReply& effect);
  void pass_one(base::Now now, broker::DeleteReply& effect);
  template <typename T>
  void pass_one(base::Now now, T& effect);

  void give_back(base::Now now, const broker::Deliver& effect);
  // A large delivery on its way; the front one of a session is being sent.
  struct Transfer {
    broker::Deliver delivery;
    std::uint64_t offset = 0;
    std::uint64_t limit = wire::kChunkWindowBytes;

    const broker::DeliveryRun& run() const { return delivery.runs.front(); }
    bool may_send() const { return offset < limit; }
  };
  enum class PieceSent : std::uint8_t { kOne, kNotReady, kGone };
  PieceSent send_piece(base::Now now, Session& session, Transfer& transfer);
  void count_unsent(base::Now now, Session& session, const broker::Deliver& effect);
  void tell_what_left(base::Now now);
  void begin_transfer(broker::Deliver&& delivery);
  void end_transfer(base::Now now, broker::SessionHandle session);
  // Where one attachment is named: only its transfer. `given_back`: nobody received the messages.
  void drop_transfers(base::Now now, broker::SessionHandle session,
                      std::optional<broker::AttachmentHandle> attachment, bool given_back);
  void disconnect(base::Now now, broker::SessionHandle session);
  bool map_is_current(std::uint32_t version) const;
  void send_map(const Request& request, const base::QueueId& queue);
  // `endpoints` keeps the texts of the map.
  wire::ShardMap map_of(const broker::QueueConfig& config, Peer peer,
                        std::vector<std::string>& endpoints) const;
  void observe(base::Now now, Session& session, Observer& observer);
  void tick_observers(base::Now now);
  void tell_watchers(base::Now now);
  std::optional<base::MonoTime> next_observation() const;
  void forget_observer(broker::SessionHandle session);
  void audit_control(const Request& request, std::string_view command, std::uint64_t epoch,
                     std::string_view what, const broker::Refusal& refusal);
  // Refused where the leader was replaced; a control call without this changes nothing.
  broker::Refusal check_leader(const Request& request, std::string_view command,
                               std::uint64_t epoch, std::string_view what);

  void send(base::Now now, Session& session, std::uint64_t request, const wire::Body& body);
  void reply(const Request& request, const wire::Body& body);
  void refuse(Peer peer, const wire::FrameHeader& header, broker::RefusalCode code,
              std::string_view message);
  // Counts it; the bytes of the error are valid until the next call.
  base::ByteView refusal(const wire::FrameHeader& header, broker::RefusalCode code,
                         std::string_view message);
  void count_refusal(broker::RefusalCode code);
  void sent(base::Now now, broker::SessionHandle session, SendResult result);
  void lose(base::Now now, broker::SessionHandle session);
  wire::FrameHeader header_of(const Session& session, std::uint64_t request) const;

  Parts parts_;
  const DispatchHooks hooks_;
  DispatchOptions options_;
  DispatchCounters counters_;
  std::vector<std::byte> scratch_;
  std::map<broker::SessionHandle, Observer> observers_;
  std::map<broker::SessionHandle, Watcher> watchers_;
  std::map<broker::SessionHandle, std::deque<Transfer>> transfers_;
  std::set<broker::SessionHandle> sending_;  // whose front transfer may send
  broker::SessionHandle sent_last_;
  bool more_pieces_ = false;
  std::set<broker::SessionHandle> unsent_;  // that have as much unsent as is worth telling
  base::MonoTime unsent_look_;              // the next one
  base::Nanos unsent_again_{0};             // and the one after it, unless something left
};

}  // namespace sluice::frontend
