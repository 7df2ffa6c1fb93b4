#include "cli/output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <string>

#include "tests/support/status_matchers.h"

namespace sluice::cli {
namespace {

using sluice::test::IsOk;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_.data(), O_NONBLOCK), 0); }
  ~Pipe() {
    close_reader();
    close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int writer() const { return ends_[1]; }
  void drain() {
    std::array<char, 65536> part{};
    for (ssize_t got = 0; (got = read(ends_[0], part.data(), part.size())) > 0;) {
      text_.append(part.data(), static_cast<std::size_t>(got));
    }
  }
  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  const std::string& text() const { return text_; }

 private:
  std::array<int, 2> ends_{-1, -1};
  std::string text_;
};

TEST(Output, WhatComesWhileItWaitsGoesOutBehind) {
  Pipe pipe;
  std::string expected(100'000, 'a');
  int waits = 0;
  Output* self = nullptr;
  Output output(
      [&] {
        // Far more than the string that is being written has room for.
        const std::string more(100'000, static_cast<char>('b' + waits % 20));
        if (++waits <= 2) {
          *self << more;
          expected += more;
          EXPECT_THAT(self->flush_if_large(), IsOk());
        }
        pipe.drain();
      },
      pipe.writer());
  self = &output;
  output << std::string(100'000, 'a');
  EXPECT_THAT(output.flush(), IsOk());
  pipe.drain();
  EXPECT_GE(waits, 2);
  EXPECT_TRUE(pipe.text() == expected) << pipe.text().size() << " bytes of " << expected.size();
  EXPECT_TRUE(output.text().empty());
}

TEST(Output, IsClosedWithItsReader) {
  std::signal(SIGPIPE, SIG_IGN);  // as the commands do
  Pipe pipe;
  pipe.close_reader();
  Output output([] {}, pipe.writer());
  output << "lost";
  EXPECT_FALSE(output.flush().has_value());
  EXPECT_TRUE(output.closed());
  EXPECT_FALSE(output.flush().has_value());
}

}  // namespace
}  // namespace sluice::cli
