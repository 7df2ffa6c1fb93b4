#include "wire/frame_codec.h"

#include <gtest/gtest.h>

#include "base/message.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_type.h"

namespace sluice::wire {
namespace {

using base::ErrorCode;
using test::HasCode;
using test::IsOk;

Frame frame_of(Body body) {
  Frame frame;
  frame.header.type = type_of(body);
  frame.body = std::move(body);
  return frame;
}

std::string refusal_of(const std::vector<std::byte>& bytes) {
  const base::Result<Frame> frame = decode_frame(bytes);
  return frame.has_value() ? "none" : frame.error().message();
}

// The sample of that type, with the bytes at `offset` replaced.
template <typename T>
std::vector<std::byte> sample_with(FrameType type, std::size_t offset, T value) {
  for (const SampleFrame& sample : sample_frames()) {
    if (sample.frame.header.type != type) continue;
    std::vector<std::byte> bytes = encoded(sample.frame);
    base::store(bytes.data() + offset, value);
    return bytes;
  }
  return {};
}

TEST(FrameCodec, TakesTheTypeFromTheBody) {
  std::vector<std::byte> out;
  FrameHeader header;
  header.type = FrameType::kPublish;
  encode_frame(header, Heartbeat{1}, out);
  EXPECT_EQ(out[1], std::byte{3});
  EXPECT_EQ(out.size(), kHeaderBytes + 8);
}

TEST(FrameCodec, AppendsToWhatIsThere) {
  std::vector<std::byte> out(5);
  encode_frame({}, Goodbye{}, out);
  EXPECT_EQ(out.size(), 5 + kHeaderBytes);
  EXPECT_THAT(decode_frame(base::ByteView(out).subspan(5)), IsOk());
}

TEST(FrameCodec, RefusesWhatIsShorterThanAHeader) {
  const std::vector<std::byte> bytes(kHeaderBytes - 1);
  EXPECT_THAT(decode_header(bytes), HasCode(ErrorCode::kInvalidArgument));
  EXPECT_THAT(decode_frame(bytes), HasCode(ErrorCode::kInvalidArgument));
}

TEST(FrameCodec, ReadsTheHeaderOfAFrameWhoseBodyIsBad) {
  std::vector<std::byte> bytes = sample_with(FrameType::kSettle, 28, std::uint8_t{9});
  EXPECT_EQ(refusal_of(bytes), "SETTLE: kind is out of range");
  const base::Result<FrameHeader> header = decode_header(bytes);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->request, 0x0001000000000002U);
}

TEST(FrameCodec, ReadsTheHeaderOfAnotherVersion) {
  const auto bytes = sample_with(FrameType::kHeartbeat, 0, std::uint8_t{2});
  EXPECT_EQ(refusal_of(bytes), "header: version is 2, this side speaks 1");
  EXPECT_THAT(decode_header(bytes), IsOk());
}

TEST(FrameCodec, RefusesFlags) {
  EXPECT_EQ(refusal_of(sample_with(FrameType::kHeartbeat, 2, std::uint16_t{1})),
            "header: flags are not 0");
}

TEST(FrameCodec, RefusesUnknownTypes) {
  EXPECT_EQ(refusal_of(sample_with(FrameType::kGoodbye, 1, std::uint8_t{0})),
            "header: type 0 is unknown");
  EXPECT_EQ(refusal_of(sample_with(FrameType::kGoodbye, 1, std::uint8_t{73})),
            "header: type 73 is unknown");
}

TEST(FrameCodec, RefusesFramesAboveTheLimit) {
  const std::vector<std::byte> bytes(kFrameBytesMax + 1);
  EXPECT_THAT(decode_frame(bytes), HasCode(ErrorCode::kInvalidArgument));
}

TEST(FrameCodec, RefusesBytesThatAreLeftOver) {
  std::vector<std::byte> bytes = encoded(frame_of(Detach{1}));
  bytes.push_back(std::byte{0});
  EXPECT_EQ(refusal_of(bytes), "DETACH: body has bytes left over");
}

TEST(FrameCodec, NamesTheFirstMissingField) {
  std::vector<std::byte> bytes = encoded(frame_of(Credit{1, 2, 3}));
  bytes.resize(kHeaderBytes + 4);
  EXPECT_EQ(refusal_of(bytes), "CREDIT: messages limit is missing");
}

TEST(FrameCodec, RefusesABoolThatIsNone) {
  EXPECT_EQ(refusal_of(sample_with(FrameType::kSettle, 29, std::uint8_t{2})),
            "SETTLE: has delay is neither 0 nor 1");
}

TEST(FrameCodec, RefusesLongTexts) {
  const std::string name(kNameBytesMax + 1, 'x');
  EXPECT_EQ(refusal_of(encoded(frame_of(Resolve{name}))), "RESOLVE: queue is too long");
}

TEST(FrameCodec, CutsErrorTextsToWhatAFrameMayCarry) {
  const std::string text(10'000, 'e');
  const std::vector<std::byte> bytes = encoded(frame_of(ErrorFrame{1, text}));
  const base::Result<Frame> frame = decode_frame(bytes);
  ASSERT_THAT(frame, IsOk());
  EXPECT_EQ(std::get<ErrorFrame>(frame->body).message.size(), kErrorTextBytesMax);
}

TEST(FrameCodec, RefusesACountThatTheFrameCannotHold) {
  EXPECT_EQ(refusal_of(sample_with(FrameType::kDeliver, 40, std::uint32_t{2'000})),
            "DELIVER: runs is more than the frame holds");
  EXPECT_EQ(refusal_of(sample_with(FrameType::kDeliver, 40, ~std::uint32_t{0})),
            "DELIVER: runs is out of range");
}

TEST(FrameCodec, RefusesReceiptsThatEndBeforeTheyBegin) {
  EXPECT_EQ(refusal_of(encoded(frame_of(Settle{1, 1, false, 0, "", {{1, 5, 4}}}))),
            "SETTLE: receipt last is before first");
}

TEST(FrameCodec, RefusesAWordWithoutItsFirstMessage) {
  EXPECT_EQ(refusal_of(encoded(frame_of(Settle{1, 1, false, 0, "", {{1, 5, 7, 0b110}}}))),
            "SETTLE: receipt word lacks its first message");
}

TEST(FrameCodec, RefusesMoreWordsThanASettleMayCarry) {
  Settle settle{1, 1, false, 0, "", {}};
  for (std::uint64_t i = 0; i < kReceiptWordsMax; ++i) settle.receipts.push_back({1, i * 64, 0, 5});
  for (std::uint64_t i = 0; i < 9; ++i) settle.receipts.push_back({1, 1'000'000 + 2 * i, ~0U, 0});
  EXPECT_THAT(decode_frame(encoded(frame_of(settle))), IsOk());
  settle.receipts.push_back({1, 2'000'000, 0, 5});
  EXPECT_EQ(refusal_of(encoded(frame_of(settle))), "SETTLE: receipts have more than 512 words");
}

TEST(FrameCodec, AWordMayReachToTheEndOfAllSequences) {
  const std::uint64_t first = (std::uint64_t{1} << 63) - 1;
  const std::vector<std::byte> bytes =
      encoded(frame_of(Settle{1, 1, false, 0, "", {{1, first, 0, ~std::uint64_t{0}}}}));
  const base::Result<Frame> frame = decode_frame(bytes);
  ASSERT_THAT(frame, IsOk());
  const WireReceipt& receipt = std::get<Settle>(frame->body).receipts.front();
  EXPECT_EQ(receipt.first, first);
  EXPECT_EQ(receipt.last, first + 63);
  EXPECT_EQ(receipt.bits, ~std::uint64_t{0});
}

TEST(FrameCodec, RefusesASettleOfNothing) {
  EXPECT_EQ(refusal_of(encoded(frame_of(Settle{1, 1, false, 0, "", {}}))),
            "SETTLE: receipts are missing");
}

TEST(FrameCodec, TakesAnExtendOfAllWithoutReceiptsOnly) {
  EXPECT_THAT(decode_frame(encoded(frame_of(Extend{1, true, 0, {}}))), IsOk());
  EXPECT_EQ(refusal_of(encoded(frame_of(Extend{1, true, 0, {{1, 1, 1}}}))),
            "EXTEND: receipts are given with all");
  EXPECT_EQ(refusal_of(encoded(frame_of(Extend{1, false, 0, {}}))), "EXTEND: receipts are missing");
}

TEST(FrameCodec, TakesARefusedResolveWithoutAMap) {
  Resolved refused;
  refused.code = 5;
  EXPECT_THAT(decode_frame(encoded(frame_of(refused))), IsOk());
  EXPECT_EQ(refusal_of(encoded(frame_of(Resolved{}))), "RESOLVED: slots do not add up to 1024");
}

TEST(FrameCodec, RefusesAMapWithSurplusSlots) {
  ShardMap map;
  map.runs = {{kSlots, 0}, {1, 1}};
  EXPECT_EQ(refusal_of(encoded(frame_of(map))), "SHARD_MAP: slots do not add up to 1024");
}

TEST(FrameCodec, RefusesDeliveriesWhoseRunsAndEntriesDisagree) {
  std::vector<std::byte> entries;
  base::append_entry(base::as_bytes("body"), entries);
  const auto deliver = [&entries](DeliverRun run) {
    return refusal_of(encoded(frame_of(Deliver{1, 1, 1, {run}, entries})));
  };
  EXPECT_EQ(deliver({1, 1, 0, 0, 0, 12}), "none");
  EXPECT_EQ(deliver({1, 1, 0, 0, 0, 11}), "DELIVER: entries are not as long as the runs say");
  EXPECT_EQ(deliver({1, 2, 0, 0, 0, 12}),
            "DELIVER: run entries bytes are too few for the messages");
  EXPECT_EQ(deliver({0, 1, 0, 0, 0, 12}), "DELIVER: run first is 0");
  EXPECT_EQ(deliver({~std::uint64_t{0}, 1, 0, 0, 0, 12}), "DELIVER: run count is out of range");
}

TEST(FrameCodec, RefusesEmptyAndOversizedBatches) {
  EXPECT_EQ(refusal_of(encoded(frame_of(Publish{1, 1, 1, 1, {}}))), "PUBLISH: entries are missing");
  const std::vector<std::byte> entries(base::kBatchEntriesBytesMax + 1);
  EXPECT_EQ(refusal_of(encoded(frame_of(Publish{1, 1, 1, 1, entries}))),
            "PUBLISH: entries are too long");
}

TEST(FrameCodec, PrefixesAreTheBeginningsOfTheWholeFrames) {
  for (const SampleFrame& sample : sample_frames()) {
    const std::vector<std::byte> whole = encoded(sample.frame);
    std::vector<std::byte> prefix;
    if (const auto* publish = std::get_if<Publish>(&sample.frame.body)) {
      prefix.resize(kPublishPrefixBytes);
      encode_publish_prefix(sample.frame.header, *publish, prefix);
      EXPECT_EQ(prefix.size() + publish->entries.size(), whole.size());
    }
    if (const auto* deliver = std::get_if<Deliver>(&sample.frame.body)) {
      prefix.resize(deliver_prefix_bytes(deliver->runs.size()));
      DeliverPrefix written(sample.frame.header, *deliver, deliver->runs.size(), prefix);
      for (const DeliverRun& run : deliver->runs) written.add(run);
      EXPECT_EQ(prefix.size() + deliver->entries.size(), whole.size());
    }
    EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), whole.begin())) << sample.name;
  }
}

TEST(FrameCodec, RefusesPiecesThatAreNoneOfALargeMessage) {
  const std::vector<std::byte> piece(1'000);
  const auto chunk = [&](std::uint64_t message_bytes, std::uint64_t offset, std::size_t bytes) {
    return encoded(
        frame_of(Chunk{1, 1, 1, message_bytes, offset, base::ByteView(piece).first(bytes)}));
  };
  EXPECT_THAT(decode_frame(chunk(261'121, 260'121, 1'000)), IsOk());
  EXPECT_EQ(refusal_of(chunk(261'120, 0, 1)),
            "CHUNK: message bytes must be 261121 to 16793608: smaller messages go in a PUBLISH");
  EXPECT_EQ(refusal_of(chunk(16'793'609, 0, 1)),
            "CHUNK: message bytes must be 261121 to 16793608: smaller messages go in a PUBLISH");
  EXPECT_EQ(refusal_of(chunk(300'000, 299'001, 1'000)),
            "CHUNK: offset is behind the message's end: a piece ends where message bytes says");
  EXPECT_EQ(refusal_of(chunk(300'000, ~std::uint64_t{0}, 1)),
            "CHUNK: offset is behind the message's end: a piece ends where message bytes says");
  EXPECT_EQ(refusal_of(chunk(300'000, 0, 0)), "CHUNK: piece is missing");
  const std::vector<std::byte> long_piece(kChunkBytesMax + 1);
  EXPECT_EQ(refusal_of(encoded(frame_of(Chunk{1, 1, 1, 300'000, 0, long_piece}))),
            "CHUNK: piece is too long: cut the message into pieces of at most 261120 bytes");
  // An empty one says that the broker gives up.
  EXPECT_THAT(decode_frame(encoded(frame_of(DeliverChunk{1, 1, 1, 1, 0, 0, 0, 300'000, 5, {}}))),
              IsOk());
  EXPECT_EQ(refusal_of(encoded(frame_of(DeliverChunk{1, 1, 1, 0, 0, 0, 0, 300'000, 5, {}}))),
            "DELIVER_CHUNK: sequence is 0");
}

TEST(FrameType, NamesAreThoseOfTheDocument) {
  EXPECT_EQ(to_string(FrameType::kPublishCredit), "PUBLISH_CREDIT");
  EXPECT_EQ(to_string(static_cast<FrameType>(73)), "");
}

}  // namespace
}  // namespace sluice::wire
