#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "wire/error_code.h"
#include "wire/frame.h"

namespace sluice::client {

// A broker in memory that speaks the real frames, for one queue `orders`. It keeps the rules of
// docs/protocol.md that clients depend on, and breaks what a test tells it to break. Connections
// are numbers; it does not matter what carries the frames.
class FakeBroker {
 public:
  struct Sent {
    std::uint64_t connection = 0;
    std::vector<std::byte> frame;
  };

  // What becomes of the next PUBLISH; beyond the script all are stored.
  enum class PublishAct { kStore, kStoreAndCut, kCut, kRefuse };
  struct PublishStep {
    PublishAct act = PublishAct::kStore;
    wire::Code code = wire::Code::kNone;
  };

  struct Settlement {
    std::uint8_t kind = 0;
    std::optional<std::uint32_t> delay_ms;
    std::string error;
    std::vector<wire::WireReceipt> receipts;
  };

  // --- What a test sets.
  std::uint16_t shards = 1;
  std::uint32_t map_version = 1;  // to be raised with every change of `shards`
  bool queue_is_gone = false;     // RESOLVE finds none
  std::uint32_t message_bytes_max = 1U << 20;
  bool forgets_producers = false;  // once: as if all had been forgotten before the next frame
  std::uint32_t heartbeat_ms = 1'000;
  std::uint64_t features = wire::kFeatureChunks;
  int cut_at_chunk = 0;  // once: the connection is lost with the so manieth CHUNK from now on
  std::deque<PublishStep> publish_script;
  std::deque<wire::Code> hello_refusals;
  std::deque<wire::Code> attach_refusals;
  // Credit given by PUBLISHER_OPENED and PUBLISHED, above what was handled.
  std::uint64_t window_messages = 1'000'000;
  std::uint64_t window_bytes = 64U << 20;
  bool silent = false;  // nothing is answered
  bool answers_settles = true;
  std::uint64_t stale_settles = 0;  // messages of every SETTLE, at most
  std::uint64_t stale_extends = 1;  // as every EXTENDED says
  bool cut_on_settle = false;       // once: the next SETTLE is carried out and its answer lost
  bool cut_on_delete = false;       // the same for DELETE_QUEUE
  bool cut_on_goodbye = false;      // the same for GOODBYE
  wire::Peeked peeked;              // answers every PEEK

  void forget_sessions() { sessions_.clear(); }
  // Of each producer in each shard, as if the disk had lost them. REQUIRES: it has so many.
  void lose_last_messages(std::uint64_t count) {
    for (auto& [producer, last] : last_sequences_) last -= count;
  }
  // Sent to every open attachment and publisher of the present connection.
  void deliver(std::vector<std::string> bodies, std::uint16_t shard = 0);
  // The pieces that the window allows, the rest with CHUNK_CREDIT.
  void deliver_large(const std::string& body, std::uint16_t shard = 0);
  void close_attachments(wire::Code code);
  void give_credit(std::uint64_t messages, std::uint64_t bytes);
  void say(const wire::Body& body, std::uint64_t request);

  // --- What a test looks at.
  std::map<std::uint16_t, std::vector<std::string>> stored;  // bodies in order, by shard
  std::vector<std::string> stored_in_order;                  // the same, of all shards
  std::vector<Settlement> settlements;
  std::vector<wire::Credit> credits;
  std::vector<std::uint64_t> last_epochs;  // of each ATTACH
  int resolves = 0;
  std::vector<wire::Extend> extends;
  std::vector<wire::ChunkCredit> chunk_credits;
  int chunks = 0;
  std::size_t attachments() const { return attachments_.size(); }
  int hellos = 0;
  int heartbeats = 0;
  int publishes = 0;
  int goodbyes = 0;
  int detaches = 0;
  std::string last_client;

  // --- For what carries the frames.
  void on_frame(std::uint64_t connection, base::ByteView bytes);
  std::vector<Sent> take_sent();
  // True once after a script cut the connection.
  bool take_cut() { return std::exchange(cut_, false); }

 private:
  struct Session {
    std::uint64_t number = 0;
    std::uint32_t epoch = 0;
  };
  struct Publisher {
    std::uint16_t shard = 0;
    base::ProducerId producer;
    std::uint64_t taken_messages = 0;
    std::uint64_t taken_bytes = 0;
  };

  void on(const wire::FrameHeader& header, const wire::Hello& hello);
  void on(const wire::FrameHeader& header, const wire::Resolve& resolve);
  void on(const wire::FrameHeader& header, const wire::OpenPublisher& open);
  void on(const wire::FrameHeader& header, const wire::Publish& publish);
  void on(const wire::FrameHeader& header, const wire::Chunk& chunk);
  void send_pieces(std::uint64_t limit);
  void on(const wire::FrameHeader& header, const wire::Attach& attach);
  void on(const wire::FrameHeader& header, const wire::Settle& settle);
  void on(const wire::FrameHeader& header, const wire::Extend& extend);
  void on_other(const wire::FrameHeader& header, const wire::Body& body);
  void forget_producers();
  void grant(const Publisher& publisher, wire::Published& published) const;
  void answer(const wire::FrameHeader& header, wire::Body body);
  void cut();

  std::map<base::SessionId, Session> sessions_;
  base::SessionId current_;
  std::uint64_t connection_ = 0;
  std::uint64_t last_session_ = 0;
  std::uint32_t last_handle_ = 0;
  std::uint32_t last_batch_ = 0;
  std::map<std::uint32_t, Publisher> publishers_;
  std::map<std::uint32_t, std::uint16_t> attachments_;  // handle -> shard
  std::map<std::pair<base::ProducerId, std::uint16_t>, std::uint64_t> last_sequences_;
  std::map<base::ProducerId, std::uint32_t> producer_epochs_;
  std::map<std::uint16_t, std::uint64_t> next_delivery_;
  std::map<std::uint32_t, std::vector<std::byte>> gatherings_;
  std::vector<std::byte> large_;  // on its way
  wire::DeliverChunk next_piece_;
  std::vector<Sent> sent_;
  bool cut_ = false;
};

}  // namespace sluice::client
