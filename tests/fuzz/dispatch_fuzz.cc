#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/message.h"
#include "base/prng.h"
#include "frontend/frame_dispatch.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/memory_broker.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_codec.h"

namespace {

namespace base = sluice::base;
namespace broker = sluice::broker;
namespace frontend = sluice::frontend;
namespace wire = sluice::wire;
using frontend::Peer;
using frontend::Port;
using sluice::fuzz::Input;
using sluice::fuzz::MemoryBroker;

constexpr int kStepsMax = 250;
constexpr std::uint32_t kSessionsMax = 8;
constexpr std::uint32_t kMessageBytesMax = 1U << 20;

// Keeps what peers are told, and looks at every frame of it.
class Output final : public frontend::FrameOutput {
 public:
  frontend::SendResult send(Peer, base::ByteView frame) override {
    look(frame);
    return frontend::SendResult::kSent;
  }
  frontend::SendResult send(Peer, std::size_t bytes, const Fill& fill) override {
    std::vector<std::byte> frame(bytes);
    if (!fill(frame).has_value()) return frontend::SendResult::kFailed;
    look(frame);
    return frontend::SendResult::kSent;
  }
  void send_or_drop(Peer, base::ByteView frame) override { look(frame); }
  void forget(Peer) override {}

  wire::FrameHeader session;  // of the last WELCOME
  std::uint64_t epoch = 0;    // of the last delivery
  std::uint64_t sequence = 0;

 private:
  void look(base::ByteView bytes) {
    const auto frame = wire::decode_frame(bytes);
    CHECK(frame.has_value());
    CHECK(bytes.size() <= wire::kFrameBytesMax);
    if (const auto* welcome = std::get_if<wire::Welcome>(&frame->body)) {
      session.session = welcome->session;
      session.session_epoch = welcome->session_epoch;
    } else if (const auto* deliver = std::get_if<wire::Deliver>(&frame->body)) {
      epoch = deliver->epoch;
      sequence = deliver->runs.empty() ? 0 : deliver->runs.front().first;
    } else if (const auto* chunk = std::get_if<wire::DeliverChunk>(&frame->body)) {
      CHECK(chunk->message_bytes <= kMessageBytesMax + base::kAttributesBytesMax + 8);
      CHECK(chunk->offset + chunk->piece.size() <= chunk->message_bytes);
      epoch = chunk->epoch;
      sequence = chunk->sequence;
    }
  }
};

class World {
 public:
  World() {
    broker::QueueConfig orders;
    orders.name = "orders";
    orders.shards = 2;
    orders.limits.messages_max = 200;
    orders.limits.message_bytes_max = kMessageBytesMax;
    queues_[0] = broker_.configure(now_, 1, orders);
    broker::QueueConfig small;
    small.name = "small";
    small.limits = {.messages_max = 4, .bytes_max = 4'000, .message_bytes_max = 1'000};
    small.limits.overflow = broker::Overflow::kDropOldest;
    small.retention.bytes = 1'000;
    queues_[1] = broker_.configure(now_, 2, small);
  }

  void step(Input& input) {
    const std::uint8_t kind = input.u8() % 20;
    const Port port = input.u8() % 8 == 0 ? Port::kControl : Port::kClient;
    const std::byte id[frontend::kRoutingIdBytes] = {
        {}, {}, {}, {}, static_cast<std::byte>(input.below(3))};
    const Peer peer = frontend::make_peer(port, id);
    if (kind == 0) {
      pass_time(base::Millis(input.u16()));
    } else if (kind == 1) {
      dispatch_.disconnected(now_, peer);
    } else if (kind == 2) {
      dispatch_.receive(now_, peer, input.take(input.below(64)));
    } else {
      send(peer, kind, input);
    }
    settle();
  }

  // Everybody leaves; nothing is left of them, and another process makes the same of the log.
  void end() {
    for (int rounds = 0; rounds < 4; ++rounds) pass_time(base::Millis(60'000));
    settle();
    CHECK(sessions_.size() == 0);
    CHECK(!dispatch_.has_pieces());
    CHECK(broker_.gate().empty());
    CHECK(broker_.broker().stats(now_).sessions == 0);
    CHECK(broker_.replayed() == broker_.broker().snapshot(broker::SnapshotForm::kWhole));
  }

 private:
  void send(Peer peer, std::uint8_t kind, Input& input) {
    wire::FrameHeader header = output(peer).session;
    header.request = input.u8();
    std::vector<std::byte> memory;  // that the body points to
    wire::Body body = body_of(kind, input, output(peer), memory);
    if (std::holds_alternative<wire::Hello>(body) || input.u8() % 16 == 0) {
      header.session = 0;
      header.session_epoch = 0;
    }
    std::vector<std::byte> bytes;
    wire::encode_frame(header, body, bytes);
    if (input.u8() % 4 == 0) {
      for (std::size_t changes = 1 + input.below(3); changes > 0; --changes) {
        const std::size_t at = input.below(std::min<std::size_t>(bytes.size(), 120));
        bytes[at] = static_cast<std::byte>(input.u8());
      }
      if (input.u8() % 4 == 0) bytes.resize(input.below(bytes.size() + 1));
    }
    dispatch_.receive(now_, peer, bytes);
  }

  wire::Body body_of(std::uint8_t kind, Input& input, const Output& told,
                     std::vector<std::byte>& memory) {
    const base::QueueId& queue = queues_[input.below(2)];
    const std::uint32_t handle = static_cast<std::uint32_t>(1 + input.below(4));
    const std::uint16_t shard = static_cast<std::uint16_t>(input.below(2));
    const auto receipt = [&] {
      const std::uint64_t epoch = told.epoch - input.below(2);
      const std::uint64_t first = told.sequence + input.below(2);
      const std::uint64_t bits = input.below(8);
      // A word where it has its first message.
      if (bits % 2 == 1) return wire::WireReceipt{epoch, first, 0, bits};
      return wire::WireReceipt{epoch, first, told.sequence + bits / 2, 0};
    };
    switch (kind) {
      case 3:
        return wire::Hello{.features = input.u8(), .client = "pod-1/x"};
      case 4: {
        wire::OpenPublisher open{.queue = queue, .shard = shard};
        open.producer.bytes[0] = static_cast<std::uint8_t>(input.below(3));
        open.producer_epoch = static_cast<std::uint32_t>(input.below(3));
        return open;
      }
      case 5:
      case 6: {
        wire::Publish publish{.publisher = handle, .producer_sequence = input.below(20)};
        publish.count = static_cast<std::uint32_t>(1 + input.below(6));
        for (std::uint32_t i = 0; i < publish.count; ++i) {
          base::Message message;
          message.body = std::string(input.text(input.below(40)));
          const std::size_t extra = input.below(8);
          if (extra == 1) message.deliver_at = now_.wall + std::int64_t{input.u16()};
          if (extra == 2) message.expires_at = now_.wall + std::int64_t{input.u16()};
          if (extra == 3) message.headers.emplace_back("h", "v");
          CHECK(base::append_entry(message, memory).has_value());
        }
        publish.entries = memory;
        return publish;
      }
      case 7:
      case 8: {
        // Mostly the pieces of a message in their order.
        wire::Chunk chunk{.publisher = handle, .producer_sequence = input.below(20)};
        chunk.message_bytes = large_.size();
        chunk.offset = input.u8() % 8 == 0 ? input.u16() : sent_of_large_;
        const std::size_t most = input.u8() % 4 == 0 ? 40'000 : wire::kChunkBytesMax;
        const std::size_t bytes = std::min<std::size_t>(
            most, large_.size() - std::min(chunk.offset, chunk.message_bytes));
        chunk.piece = base::ByteView(large_).subspan(large_.size() - bytes, bytes);
        if (chunk.offset + bytes <= large_.size()) {
          chunk.piece = base::ByteView(large_).subspan(chunk.offset, bytes);
        }
        sent_of_large_ = chunk.offset + bytes >= large_.size() ? 0 : chunk.offset + bytes;
        return chunk;
      }
      case 9:
      case 10: {
        wire::AttachWith attach;
        attach.attach = {.queue = queue, .shard = shard, .subscription = kNames[input.below(4)]};
        attach.attach.messages_limit = input.below(100);
        attach.attach.bytes_limit = input.u32();
        attach.mode = static_cast<std::uint8_t>(input.below(2));
        if (kind == 9) return attach.attach;
        return attach;
      }
      case 11:
        return wire::Credit{handle, input.u16(), input.u32()};
      case 12:
      case 13: {
        wire::Settle settle{.attachment = handle};
        settle.kind = static_cast<std::uint8_t>(1 + input.below(4));
        settle.has_delay = settle.kind == 3 && input.u8() % 2 == 0;
        settle.delay_ms = settle.has_delay ? input.u16() : 0;
        settle.error = settle.kind >= 3 ? "it broke" : "";
        for (std::size_t i = 1 + input.below(3); i > 0; --i) settle.receipts.push_back(receipt());
        return settle;
      }
      case 14:
        return wire::Extend{handle, false, input.u16(), {receipt()}};
      case 15:
        return wire::ChunkCredit{handle, told.epoch, told.sequence, input.u32()};
      case 16:
        return wire::Detach{handle};
      default: {
        sample_ = samples_[input.below(samples_.size())].frame.body;
        return sample_;
      }
    }
  }

  void pass_time(base::Millis time) {
    now_.mono = now_.mono + base::Nanos(time);
    now_.wall = now_.wall + time.count();
    dispatch_.tick(now_);
    settle();
  }

  // Until nothing more happens by itself.
  void settle() {
    for (int rounds = 0; rounds < 50; ++rounds) {
      const auto due = broker_.broker().tick(now_);
      broker_.commit(
          [this](frontend::Effect&& effect) { dispatch_.pass(now_, std::move(effect)); });
      dispatch_.send_pieces(now_);
      if (!dispatch_.has_pieces() && (!due || now_.mono < *due)) break;
    }
    CHECK(sessions_.size() <= kSessionsMax);
  }

  Output& output(Peer peer) {
    return frontend::port_of(peer) == Port::kClient ? client_ : control_;
  }

  static frontend::DispatchHooks hooks(World* world) {
    frontend::DispatchHooks hooks;
    hooks.random_id = [world] { return world->prng_.id128(); };
    hooks.stat = [](base::Now, std::string_view) -> base::Result<std::string> { return {"{}"}; };
    hooks.observe = [](base::Now) { return frontend::DispatchHooks::Observation{1, "{}"}; };
    hooks.picture = [world](base::Now now) {
      frontend::ControlPicture picture;
      picture.queues = std::make_shared<const std::vector<broker::QueuePicture>>(
          world->broker_.broker().observe(now));
      return picture;
    };
    hooks.show_epoch = [](std::uint64_t) { return broker::Refusal(); };
    return hooks;
  }

  static constexpr std::array<std::string_view, 4> kNames = {"", "audit", "default/dlq", "none"};

  base::Prng prng_{3};
  base::Now now_{base::MonoTime(1'000'000'000), base::WallTime(1'000'000)};
  MemoryBroker broker_{now_};
  std::array<base::QueueId, 2> queues_;
  frontend::SessionTable sessions_{{.ttl = base::Millis(10'000), .sessions_max = kSessionsMax},
                                   2,
                                   [this] { return base::SessionId(prng_.id128()); }};
  Output client_;
  Output control_;
  frontend::FrameDispatch dispatch_{
      {sessions_, broker_, broker_.gate(), broker_.messages(), client_, control_},
      hooks(this),
      {.incarnation = 2, .software = "fuzz"}};
  std::vector<wire::SampleFrame> samples_ = wire::sample_frames();
  wire::Body sample_;
  std::vector<std::byte> large_ = [] {
    base::Message message;
    message.body.assign(700'000, 'L');
    std::vector<std::byte> bytes;
    base::append_entry(base::as_bytes(message.body), bytes);
    return bytes;
  }();
  std::uint64_t sent_of_large_ = 0;
};

}  // namespace

// Frames of several peers, most of them in order and some garbled, through the decoder and the
// dispatch to the real broker: it answers with good frames only, holds no more sessions than it
// may, forgets all that leave, and its log means what it did.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  World world;
  for (int steps = 0; steps < kStepsMax && !input.empty(); ++steps) world.step(input);
  world.end();
  return 0;
}
