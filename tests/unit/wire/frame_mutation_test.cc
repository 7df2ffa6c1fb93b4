#include <gtest/gtest.h>

#include "base/prng.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_codec.h"

// What a hostile or broken peer sends is refused or decoded, and never read beyond its end (the
// sanitizers watch: every input is copied to a buffer of exactly its size).
namespace sluice::wire {
namespace {

using test::IsOk;

TEST(FrameMutation, NoTruncatedFrameIsTaken) {
  for (const SampleFrame& sample : sample_frames()) {
    const std::vector<std::byte> whole = encoded(sample.frame);
    // The last entry, or the piece, may lose bytes: nobody looks into them here.
    std::size_t whole_bytes = whole.size();
    if (std::holds_alternative<Publish>(sample.frame.body)) whole_bytes = kPublishPrefixBytes + 1;
    if (const auto* chunk = std::get_if<Chunk>(&sample.frame.body)) {
      whole_bytes -= chunk->piece.size() - 1;
    }
    if (const auto* chunk = std::get_if<DeliverChunk>(&sample.frame.body)) {
      whole_bytes -= chunk->piece.size();
    }
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto end = whole.begin() + static_cast<std::ptrdiff_t>(size);
      const std::vector<std::byte> cut(whole.begin(), end);
      if (size >= whole_bytes) {
        EXPECT_THAT(decode_frame(cut), IsOk());
      } else {
        EXPECT_FALSE(decode_frame(cut).has_value()) << sample.name << " at " << size;
      }
    }
  }
}

TEST(FrameMutation, WhatIsDecodedIsEncodedToTheSameBytes) {
  base::Prng prng(20'240'601);
  const std::vector<SampleFrame> samples = sample_frames();
  int decoded = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::vector<std::byte> bytes = encoded(samples[prng.below(samples.size())].frame);
    for (std::uint64_t flips = 1 + prng.below(4); flips > 0; --flips) {
      // Mostly in the body, where the lengths are.
      const std::size_t at = prng.below(bytes.size());
      if (at == 1 && prng.below(4) != 0) continue;
      bytes[at] = static_cast<std::byte>(prng.next());
    }
    if (prng.below(8) == 0) bytes.resize(prng.below(bytes.size() + 1));
    bytes.shrink_to_fit();
    const base::Result<Frame> frame = decode_frame(bytes);
    if (!frame.has_value()) continue;
    ++decoded;
    ASSERT_EQ(encoded(*frame), bytes);
  }
  EXPECT_GT(decoded, 10'000);
}

TEST(FrameMutation, NoiseBehindAGoodHeaderIsHarmless) {
  base::Prng prng(7);
  for (int round = 0; round < 100'000; ++round) {
    std::vector<std::byte> bytes(kHeaderBytes + prng.below(200));
    for (std::byte& byte : bytes)
      byte = static_cast<std::byte>(prng.below(3) == 0 ? 0 : prng.next());
    bytes[0] = std::byte{kProtocolVersion};
    bytes[1] = static_cast<std::byte>(prng.below(70));
    bytes[2] = bytes[3] = std::byte{0};
    const base::Result<Frame> frame = decode_frame(bytes);
    if (frame.has_value()) {
      ASSERT_EQ(encoded(*frame), bytes);
    }
  }
}

}  // namespace
}  // namespace sluice::wire
