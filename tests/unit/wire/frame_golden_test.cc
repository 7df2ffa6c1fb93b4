#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <set>
#include <sstream>
#include <variant>

#include "tests/support/status_matchers.h"
#include "tests/unit/wire/sample_frames.h"
#include "wire/frame_codec.h"
#include "wire/frame_type.h"

// The golden files are hexadecimal text, 16 bytes a line. A new frame type gets its file with
// SLUICE_WRITE_GOLDEN=1; a file that exists never changes within a protocol version.
namespace sluice::wire {
namespace {

using test::IsOk;

std::filesystem::path golden_folder() {
  return std::filesystem::path(SLUICE_TEST_SOURCE_DIR) / "tests/golden/wire";
}

std::string to_hex(base::ByteView bytes) {
  std::ostringstream out;
  out << std::hex << std::setfill('0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out << std::setw(2) << std::to_integer<unsigned>(bytes[i])
        << (i % 16 == 15 || i + 1 == bytes.size() ? '\n' : ' ');
  }
  return out.str();
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::byte> from_hex(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::byte> bytes;
  unsigned value = 0;
  while (in >> std::hex >> value) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(FrameGolden, EveryFrameIsEncodedAsItsFileSays) {
  for (const SampleFrame& sample : sample_frames()) {
    SCOPED_TRACE(sample.name);
    const std::filesystem::path path = golden_folder() / (sample.name + ".hex");
    const std::string hex = to_hex(encoded(sample.frame));
    if (std::getenv("SLUICE_WRITE_GOLDEN") != nullptr && !std::filesystem::exists(path)) {
      std::ofstream(path) << hex;
    }
    EXPECT_EQ(read_file(path), hex);
  }
}

TEST(FrameGolden, EveryFileIsDecodedToTheSameFrame) {
  for (const SampleFrame& sample : sample_frames()) {
    SCOPED_TRACE(sample.name);
    const std::vector<std::byte> bytes =
        from_hex(read_file(golden_folder() / (sample.name + ".hex")));
    const base::Result<Frame> frame = decode_frame(bytes);
    ASSERT_THAT(frame, IsOk());
    EXPECT_EQ(frame->body.index(), sample.frame.body.index());
    EXPECT_EQ(frame->header.session, sample.frame.header.session);
    EXPECT_EQ(to_hex(encoded(*frame)), to_hex(bytes));
  }
}

TEST(FrameGolden, EveryFrameTypeHasAFile) {
  std::set<std::size_t> seen;
  for (const SampleFrame& sample : sample_frames()) seen.insert(sample.frame.body.index());
  EXPECT_EQ(seen.size(), std::variant_size_v<Body>);
}

// A frame of the code without a table of bytes, or a table that the code does not know, is a
// mistake in one of the two.
TEST(FrameGolden, EveryFrameTypeHasItsTableInTheDocument) {
  std::set<std::string> known;
  for (const SampleFrame& sample : sample_frames()) {
    const FrameType type = type_of(sample.frame.body);
    known.insert(std::to_string(static_cast<unsigned>(type)) + " " + std::string(to_string(type)));
  }
  std::set<std::string> documented;
  std::istringstream page(
      read_file(std::filesystem::path(SLUICE_TEST_SOURCE_DIR) / "docs/protocol.md"));
  for (std::string line; std::getline(page, line);) {
    // "### 13 PUBLISH (client → broker)"
    if (line.rfind("### ", 0) != 0 || line.size() < 5 || line[4] < '0' || line[4] > '9') continue;
    documented.insert(line.substr(4, line.find(" (") - 4));
  }
  EXPECT_EQ(known, documented);
}

}  // namespace
}  // namespace sluice::wire
