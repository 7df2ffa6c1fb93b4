#include "kube/line_splitter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace sluice::kube {
namespace {

using test::HasCode;
using test::IsOkAndHolds;

TEST(LineSplitterTest, pieces_become_lines_wherever_they_are_cut) {
  const std::string text = "one\r\n\ntwo\nthree";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    LineSplitter splitter(100);
    std::vector<std::string> lines;
    const LineSink sink = [&lines](std::string_view line) {
      lines.emplace_back(line);
      return true;
    };
    for (std::size_t at = 0; at < text.size(); at += size) {
      EXPECT_THAT(splitter.feed(std::string_view(text).substr(at, size), sink), IsOkAndHolds(true));
    }
    splitter.finish(sink);
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "three"})) << size;
  }
}

TEST(LineSplitterTest, a_sink_that_has_enough_gets_no_more) {
  LineSplitter splitter(100);
  int lines = 0;
  EXPECT_THAT(splitter.feed("a\nb\nc\n", [&lines](std::string_view) { return ++lines < 2; }),
              IsOkAndHolds(false));
  EXPECT_EQ(lines, 2);
}

TEST(LineSplitterTest, a_line_is_bounded) {
  LineSplitter splitter(8);
  const LineSink sink = [](std::string_view) { return true; };
  EXPECT_THAT(splitter.feed("12345678\n", sink), IsOkAndHolds(true));
  EXPECT_THAT(splitter.feed("12345", sink), IsOkAndHolds(true));
  EXPECT_THAT(splitter.feed("6789", sink), HasCode(base::ErrorCode::kResourceExhausted));
}

}  // namespace
}  // namespace sluice::kube
