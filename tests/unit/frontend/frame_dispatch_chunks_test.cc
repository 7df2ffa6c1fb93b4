#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/message.h"
#include "base/prng.h"
#include "frontend/frame_dispatch.h"
#include "tests/unit/frontend/recording_commands.h"
#include "wire/frame_codec.h"

namespace sluice::frontend {
namespace {

using testing::SizeIs;

constexpr std::uint32_t kEntryBytes = 4'000'000;  // of a store with pieces of 100,000
constexpr std::size_t kPieces = 40;
constexpr std::size_t kPiecesInWindow = 21;  // begin below 2 MiB

Peer client_peer(std::uint8_t number) {
  const std::byte id[kRoutingIdBytes] = {std::byte{0}, std::byte{9}, std::byte{9}, std::byte{9},
                                         std::byte{number}};
  return make_peer(Port::kClient, id);
}

class FrameDispatchChunksTest : public testing::Test {
 protected:
  FrameDispatchChunksTest() {
    commands.queue.name = "orders";
    commands.queue.limits.message_bytes_max = 16U << 20;
    commands.queue.subscriptions.emplace_back().name = "default";
    commands.queue_id = base::QueueId(prng.id128());
    for (std::size_t i = 0; i < kEntryBytes; ++i) {
      messages.bytes.push_back(static_cast<std::byte>(i * 7 >> 8));
    }
  }

  void receive(Peer peer, const wire::FrameHeader& header, const wire::Body& body) {
    std::vector<std::byte> bytes;
    wire::encode_frame(header, body, bytes);
    dispatch.receive(now, peer, bytes);
  }
  wire::FrameHeader open(Peer peer, std::uint64_t features = wire::kFeatureChunks,
                         base::SessionId id = {}) {
    wire::Hello hello;
    hello.features = features;
    hello.session_id = id;
    receive(peer, {}, hello);
    broker::SessionOpened opened;
    opened.origin.session = commands.last<broker::OpenSession>()->session;
    gate.emit({}, opened);
    release();
    const auto welcome = output.sent.back().body<wire::Welcome>();
    session_id = welcome.session_id;
    wire::FrameHeader header;
    header.session = welcome.session;
    header.session_epoch = welcome.session_epoch;
    return header;
  }
  void release() {
    gate.release({base::Lsn(1'000), base::Lsn(1'000), base::Lsn(1'000)},
                 [&](Effect&& effect) { dispatch.pass(now, std::move(effect)); });
  }
  static broker::SessionHandle handle_of(const wire::FrameHeader& header) {
    return broker::SessionHandle(static_cast<std::uint32_t>(header.session));
  }
  void deliver(const wire::FrameHeader& to, std::uint64_t epoch, std::uint32_t attachment = 4) {
    broker::Deliver effect;
    effect.session = handle_of(to);
    effect.attachment = broker::AttachmentHandle(attachment);
    effect.epoch = base::Epoch(epoch);
    effect.lease_ms = 30'000;
    storage::EntrySlice slice;
    slice.bytes = kEntryBytes;
    slice.first = base::Sequence(10);
    slice.count = 1;
    slice.chunks = base::Lsn(4096);
    effect.runs.push_back({slice, base::WallTime(5), 2, 1, {}});
    gate.emit({}, effect);
    release();
  }
  // As many rounds as there is something to send in.
  std::size_t rounds() {
    std::size_t count = 0;
    do {
      dispatch.send_pieces(now);
      ++count;
    } while (dispatch.has_pieces());
    return count;
  }
  std::vector<wire::DeliverChunk> chunks_to(Peer peer) {
    std::vector<wire::DeliverChunk> chunks;
    for (const RecordingOutput::Sent& sent : output.sent) {
      if (sent.peer != peer) continue;
      const auto frame = wire::decode_frame(sent.bytes);
      if (const auto* chunk = std::get_if<wire::DeliverChunk>(&frame->body)) {
        chunks.push_back(*chunk);
      }
    }
    return chunks;
  }
  void credit(Peer peer, const wire::FrameHeader& header, std::uint64_t epoch,
              std::uint64_t limit) {
    receive(peer, header, wire::ChunkCredit{4, epoch, 10, limit});
  }

  base::Prng prng{3};
  base::Now now{base::MonoTime(1'000'000'000), base::WallTime(1'000)};
  SessionTable sessions{{.ttl = base::Millis(10'000), .sessions_max = 8}, 2, [this] {
                          return base::SessionId(prng.id128());
                        }};
  RecordingCommands commands;
  EffectGate gate;
  FixedMessages messages;
  RecordingOutput output;
  RecordingOutput control;
  base::SessionId session_id;
  FrameDispatch dispatch{{sessions, commands, gate, messages, output, control},
                         [this] {
                           DispatchHooks hooks;
                           hooks.random_id = [this] { return prng.id128(); };
                           return hooks;
                         }(),
                         {2, "test", nullptr}};
};

TEST_F(FrameDispatchChunksTest, a_large_message_leaves_as_far_as_the_client_takes_it) {
  const auto header = open(client_peer(1));
  deliver(header, 99);
  EXPECT_GE(rounds(), kPiecesInWindow);  // others come between two pieces
  ASSERT_THAT(chunks_to(client_peer(1)), SizeIs(kPiecesInWindow));
  const wire::DeliverChunk first = chunks_to(client_peer(1))[0];
  EXPECT_EQ(first.attachment, 4U);
  EXPECT_EQ(first.epoch, 99U);
  EXPECT_EQ(first.sequence, 10U);
  EXPECT_EQ(first.attempts, 2U);
  EXPECT_EQ(first.stalls, 1U);
  EXPECT_EQ(first.accepted_at_ms, 5);
  EXPECT_EQ(first.message_bytes, kEntryBytes);
  EXPECT_EQ(commands.count<broker::ChunksSent>(), 0U);
  credit(client_peer(1), header, 99, 3'000'000);
  ASSERT_NE(commands.last<broker::Extend>(), nullptr);  // who takes pieces keeps its lease
  EXPECT_EQ(commands.last<broker::Extend>()->receipts.at(0).epoch, base::Epoch(99));
  rounds();
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(30));
  credit(client_peer(1), header, 98, 9'000'000);  // of another delivery
  credit(client_peer(1), header, 99, 1'000'000);  // never sinks
  rounds();
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(30));
  credit(client_peer(1), header, 99, 9'000'000);
  rounds();
  const auto all = chunks_to(client_peer(1));
  ASSERT_THAT(all, SizeIs(kPieces));
  std::vector<std::byte> bytes;
  for (const wire::DeliverChunk& chunk : all) {
    EXPECT_EQ(chunk.offset, bytes.size());
    bytes.insert(bytes.end(), chunk.piece.begin(), chunk.piece.end());
  }
  EXPECT_TRUE(bytes == messages.bytes);
  EXPECT_EQ(commands.count<broker::ChunksSent>(), 1U);
}

TEST_F(FrameDispatchChunksTest, two_clients_take_turns_and_one_client_takes_one_at_a_time) {
  const auto first = open(client_peer(1));
  const auto second = open(client_peer(2));
  deliver(first, 1, 4);
  deliver(first, 2, 5);
  deliver(second, 3, 6);
  dispatch.send_pieces(now);
  EXPECT_EQ(chunks_to(client_peer(1)).size() + chunks_to(client_peer(2)).size(), 1U);
  dispatch.send_pieces(now);
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(1));
  EXPECT_THAT(chunks_to(client_peer(2)), SizeIs(1));
  rounds();
  for (const wire::DeliverChunk& chunk : chunks_to(client_peer(1))) EXPECT_EQ(chunk.epoch, 1U);
  credit(client_peer(1), first, 1, kEntryBytes);
  rounds();
  EXPECT_EQ(chunks_to(client_peer(1)).back().epoch, 2U);
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(kPieces + kPiecesInWindow));
}

TEST_F(FrameDispatchChunksTest, nothing_is_waited_for_while_the_disk_works) {
  const auto header = open(client_peer(1));
  messages.is_ready = false;
  deliver(header, 99);
  EXPECT_EQ(rounds(), 1U);
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(0));
  messages.is_ready = true;
  rounds();
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(kPiecesInWindow));
}

TEST_F(FrameDispatchChunksTest, what_cannot_be_read_is_given_up_and_given_back) {
  const auto header = open(client_peer(1));
  deliver(header, 99);
  dispatch.send_pieces(now);
  messages.unreadable = true;
  rounds();
  const auto all = chunks_to(client_peer(1));
  EXPECT_TRUE(all.back().piece.empty());
  EXPECT_FALSE(all.back().is_last());
  EXPECT_EQ(commands.count<broker::Settle>(), 1U);
  EXPECT_EQ(commands.count<broker::ChunksSent>(), 1U);
}

TEST_F(FrameDispatchChunksTest, a_lost_connection_gives_it_back_and_so_does_a_new_hello) {
  const auto header = open(client_peer(1));
  deliver(header, 99);
  dispatch.send_pieces(now);
  dispatch.disconnected(now, client_peer(1));
  EXPECT_EQ(commands.count<broker::Settle>(), 1U);
  EXPECT_EQ(rounds(), 1U);

  const auto again = open(client_peer(2), wire::kFeatureChunks, session_id);
  deliver(again, 100);
  dispatch.send_pieces(now);
  open(client_peer(3), wire::kFeatureChunks, session_id);
  EXPECT_EQ(commands.count<broker::Settle>(), 2U);
  EXPECT_THAT(chunks_to(client_peer(3)), SizeIs(0));
}

TEST_F(FrameDispatchChunksTest, a_connection_that_takes_nothing_costs_one_window_and_its_session) {
  const auto header = open(client_peer(1));
  deliver(header, 99);
  output.result = SendResult::kOverflow;
  rounds();
  EXPECT_EQ(commands.count<broker::SessionGone>(), 1U);
  output.result = SendResult::kSent;
  EXPECT_EQ(rounds(), 1U);
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(0));
}

TEST_F(FrameDispatchChunksTest, a_detached_or_closed_attachment_gets_no_more) {
  const auto header = open(client_peer(1));
  deliver(header, 99);
  dispatch.send_pieces(now);
  receive(client_peer(1), header, wire::Detach{4});
  rounds();
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(1));
  deliver(header, 100);
  dispatch.send_pieces(now);
  gate.emit({}, broker::AttachmentClosed{handle_of(header), broker::AttachmentHandle(4), {}});
  release();
  rounds();
  EXPECT_THAT(chunks_to(client_peer(1)), SizeIs(2));
}

TEST_F(FrameDispatchChunksTest, resolve_names_the_limit_that_this_client_and_this_log_have) {
  const auto limit = [&](std::uint64_t features) {
    const auto header = open(client_peer(1), features);
    receive(client_peer(1), header, wire::Resolve{"orders"});
    return output.sent.back().body<wire::Resolved>().message_bytes_max;
  };
  EXPECT_EQ(limit(wire::kFeatureChunks), 16U << 20);
  EXPECT_EQ(limit(0), 261'112U);
  commands.level = 1;
  EXPECT_EQ(limit(wire::kFeatureChunks), 261'112U);
}

TEST_F(FrameDispatchChunksTest, a_dead_letter_leaves_with_another_front) {
  const auto header = open(client_peer(1));
  const std::vector<std::byte> front(16'000, std::byte{'h'});
  messages.bytes.resize(300'000);
  broker::Deliver effect;
  effect.session = handle_of(header);
  effect.attachment = broker::AttachmentHandle(4);
  effect.epoch = base::Epoch(99);
  broker::DeliveryRun& run = effect.runs.emplace_back();
  run.slice.bytes = 300'000;
  run.slice.first = base::Sequence(10);
  run.slice.count = 1;
  run.slice.chunks = base::Lsn(4096);
  run.rewritten = front;
  run.replaced = 500;
  gate.emit({}, effect);
  release();
  rounds();
  std::vector<std::byte> received;
  for (const wire::DeliverChunk& chunk : chunks_to(client_peer(1))) {
    EXPECT_EQ(chunk.message_bytes, 315'500U);
    EXPECT_EQ(chunk.offset, received.size());
    EXPECT_LE(chunk.piece.size(), wire::kChunkBytesMax);
    received.insert(received.end(), chunk.piece.begin(), chunk.piece.end());
  }
  std::vector<std::byte> expected = front;
  expected.insert(expected.end(), messages.bytes.begin() + 500, messages.bytes.end());
  EXPECT_TRUE(received == expected);
  EXPECT_EQ(commands.count<broker::ChunksSent>(), 1U);
}

TEST_F(FrameDispatchChunksTest, pieces_from_a_session_that_went_are_refused_with_what_to_do) {
  const auto header = open(client_peer(1));
  wire::Chunk chunk{31, 1, 7, 600'000, 261'120, messages.bytes};
  chunk.piece = chunk.piece.first(1'000);
  open(client_peer(2), wire::kFeatureChunks, session_id);  // the same session from elsewhere
  const std::size_t before = commands.all.size();
  receive(client_peer(1), header, chunk);
  auto error = output.sent.back().body<wire::ErrorFrame>();
  EXPECT_EQ(error.code, static_cast<std::uint16_t>(broker::RefusalCode::kSessionFenced));
  EXPECT_EQ(error.message,
            "session epoch: a newer connection has taken this session over; begin a new session");
  wire::FrameHeader nobody = header;
  nobody.session += 100;
  receive(client_peer(1), nobody, chunk);
  error = output.sent.back().body<wire::ErrorFrame>();
  EXPECT_EQ(error.code, static_cast<std::uint16_t>(broker::RefusalCode::kNoSession));
  EXPECT_EQ(error.message, "session: unknown or expired; say hello again");
  EXPECT_EQ(commands.all.size(), before);
}

TEST_F(FrameDispatchChunksTest, attachments_know_what_their_client_takes) {
  const auto attach = [&](std::uint64_t features) {
    const auto header = open(client_peer(1), features);
    wire::Attach frame;
    frame.queue = commands.queue_id;
    frame.map_version = 1;
    receive(client_peer(1), header, frame);
    return commands.last<broker::Attach>()->takes_chunks;
  };
  EXPECT_TRUE(attach(wire::kFeatureChunks));
  EXPECT_FALSE(attach(0));
}

TEST_F(FrameDispatchChunksTest, pieces_reach_the_broker_and_an_old_map_is_refused_once) {
  const auto header = open(client_peer(1));
  wire::Chunk chunk{31, 1, 7, 600'000, 261'120, messages.bytes};
  chunk.piece = chunk.piece.first(1'000);
  receive(client_peer(1), header, chunk);
  ASSERT_NE(commands.last<broker::PublishChunk>(), nullptr);
  EXPECT_EQ(commands.last<broker::PublishChunk>()->offset, 261'120U);
  EXPECT_EQ(commands.last<broker::PublishChunk>()->message_bytes, 600'000U);
  const std::size_t before = output.sent.size();
  chunk.map_version = 9;
  receive(client_peer(1), header, chunk);
  EXPECT_EQ(output.sent.size(), before);
  chunk.offset = 0;
  receive(client_peer(1), header, chunk);
  EXPECT_EQ(output.sent.back().body<wire::Published>().code,
            static_cast<std::uint16_t>(broker::RefusalCode::kStaleShardMap));
}

}  // namespace
}  // namespace sluice::frontend
