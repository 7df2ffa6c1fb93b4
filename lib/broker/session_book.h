#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "broker/command.h"
#include "broker/subscription.h"

namespace sluice::broker {

// A session's link to one subscription of one stream. Limits and counts are absolute since then.
struct Attachment {
  AttachmentHandle handle;
  SessionHandle session;
  Subscription* subscription = nullptr;
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
  std::uint64_t messages = 0;  // delivered
  std::uint64_t bytes = 0;
  std::uint64_t outstanding = 0;  // delivered and not settled
  bool at_most_once = false;
  bool takes_chunks = false;
  bool sends_chunks = false;  // a large message is on its way: nothing may overtake it
  bool dead = false;          // consumes the subscription's dead letters
  bool cordoned = false;      // gets nothing new (cordoning.h)
  bool congested = false;     // its session has too much that has not left the process
  bool in_ring = false;       // stands in Subscription::ring, or dead_ring

  // A message of any size may follow when nothing is outstanding. What is settled before it is sent
  // never is, so that there the first message beyond the bytes is the last one.
  bool has_credit() const {
    return !sends_chunks && !cordoned && !congested && messages < messages_limit &&
           (bytes < bytes_limit || takes_any_size());
  }
  std::uint64_t bytes_left() const { return bytes < bytes_limit ? bytes_limit - bytes : 0; }
  bool takes_any_size() const { return at_most_once ? bytes < bytes_limit : outstanding == 0; }
};

// A large message of which not all pieces are here yet.
struct Gathering {
  RequestId request;
  std::uint64_t producer_sequence = 0;
  std::uint64_t message_bytes = 0;
  std::vector<std::byte> entry;  // so much of it
  base::MonoTime deadline;       // the next piece is here by then
};

// A session's right to publish to one stream, as one producer.
struct Publisher {
  PublisherHandle handle;
  SessionHandle session;
  Stream* stream = nullptr;
  base::ProducerId producer;
  std::uint32_t epoch = 0;
  // Accepted since it was opened, and the limits that the client was told.
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t messages_limit = 0;
  std::uint64_t bytes_limit = 0;
};

// A client that is there.
struct Session {
  SessionHandle handle;
  base::SessionId id;
  std::uint32_t epoch = 0;
  std::string client;
  std::set<AttachmentHandle> attachments;
  std::set<PublisherHandle> publishers;
  std::uint32_t suspects = 0;      // leases that hold one
  std::uint64_t unsent_bytes = 0;  // of deliveries, see BrokerOptions
  bool congested = false;
};

// Who is connected; nothing of it survives the process. Pointers stay valid until the thing is
// closed.
class SessionBook {
 public:
  // Attachments and publishers of one session together.
  static constexpr std::size_t kHandlesMax = 4096;

  Session* find(SessionHandle handle);
  Session* find(const base::SessionId& id);
  // REQUIRES: neither handle nor id is open.
  Session& open(const OpenSession& command);
  // REQUIRES: no attachments and publishers any more.
  void close(Session& session);

  Attachment* attachment(AttachmentHandle handle);
  Attachment& attach(Session& session, Subscription& subscription);
  void detach(Attachment& attachment);

  Publisher* publisher(PublisherHandle handle);
  Publisher& open_publisher(Session& session, Stream& stream);
  void close_publisher(Publisher& publisher);

  // Messages that are received in pieces, one a publisher. What each will have counts from its
  // first piece on.
  Gathering* gathering(PublisherHandle publisher);
  // REQUIRES: the publisher has none.
  Gathering& gather(PublisherHandle publisher, std::uint64_t message_bytes);
  void end_gathering(PublisherHandle publisher);
  std::uint64_t gathered_bytes() const { return gathered_bytes_; }
  const std::map<PublisherHandle, Gathering>& gatherings() const { return gatherings_; }

  static bool has_room(const Session& session) {
    return session.attachments.size() + session.publishers.size() < kHandlesMax;
  }
  std::size_t size() const { return sessions_.size(); }
  const std::map<AttachmentHandle, std::unique_ptr<Attachment>>& attachments() const {
    return attachments_;
  }
  const Session* find(SessionHandle handle) const;

 private:
  std::map<SessionHandle, std::unique_ptr<Session>> sessions_;
  std::map<base::SessionId, Session*> by_id_;
  std::map<AttachmentHandle, std::unique_ptr<Attachment>> attachments_;
  std::map<PublisherHandle, std::unique_ptr<Publisher>> publishers_;
  std::map<PublisherHandle, Gathering> gatherings_;
  std::uint64_t gathered_bytes_ = 0;
  std::uint32_t attachments_made_ = 0;
  std::uint32_t publishers_made_ = 0;
};

}  // namespace sluice::broker
