#include "cli/line_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "runtime/posix/file_descriptor.h"

namespace sluice::cli {
namespace {

// All lines of what is written to a pipe; those that were cut end in "...".
std::vector<std::string> lines_of(const std::string& text, std::size_t line_bytes_max) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const runtime::FileDescriptor from(ends[0]);
  std::jthread writer([&text, fd = ends[1]] {
    const runtime::FileDescriptor to(fd);
    EXPECT_EQ(write(to.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  });
  LineReader reader(from.get(), line_bytes_max);
  std::vector<std::string> lines;
  while (true) {
    while (const auto line = reader.next()) {
      lines.push_back(std::string(line->text) + (line->too_long ? "..." : ""));
    }
    if (reader.at_end()) return lines;
    EXPECT_TRUE(reader.fill().has_value());
  }
}

using Lines = std::vector<std::string>;

TEST(LineReader, SplitsAtNewlines) {
  EXPECT_EQ(lines_of("one\ntwo\nthree\n", 100), (Lines{"one", "two", "three"}));
}

TEST(LineReader, ALastLineNeedsNoNewline) {
  EXPECT_EQ(lines_of("one\ntwo", 100), (Lines{"one", "two"}));
}

TEST(LineReader, EmptyLinesAreLines) {
  EXPECT_EQ(lines_of("\n\na\n\n", 100), (Lines{"", "", "a", ""}));
  EXPECT_EQ(lines_of("", 100), Lines{});
}

TEST(LineReader, KeepsACarriageReturn) { EXPECT_EQ(lines_of("a\r\nb\n", 9), (Lines{"a\r", "b"})); }

TEST(LineReader, CutsAndMarksALineThatIsTooLong) {
  EXPECT_EQ(lines_of("12345\n123456\n1\n", 5), (Lines{"12345", "12345...", "1"}));
  EXPECT_EQ(lines_of("123456", 5), (Lines{"12345..."}));
}

TEST(LineReader, FindsItsWayBehindALineLargerThanItsBuffer) {
  const std::string large(1'000'000, 'x');
  EXPECT_EQ(lines_of(large + "\nshort\n", 4), (Lines{"xxxx...", "shor..."}));
  EXPECT_EQ(lines_of("a\n" + large + "\nb", 4), (Lines{"a", "xxxx...", "b"}));
  EXPECT_EQ(lines_of(large, 4), (Lines{"xxxx..."}));
}

TEST(LineReader, LinesMayCrossReads) {
  std::string text;
  Lines expected;
  for (int i = 0; i < 20'000; ++i) {
    expected.push_back(std::string(static_cast<std::size_t>(i % 97), 'a'));
    text += expected.back() + "\n";
  }
  EXPECT_EQ(lines_of(text, 100), expected);
}

}  // namespace
}  // namespace sluice::cli
