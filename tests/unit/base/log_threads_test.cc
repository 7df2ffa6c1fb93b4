#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"

namespace sluice::base {
namespace {

TEST(LogThreadsTest, events_of_many_threads_stay_whole_lines) {
  std::multiset<std::string> lines;
  LogOptions options;
  options.clock = [] { return WallTime(0); };
  options.sink = [&lines](std::string_view line) { lines.emplace(line); };
  Logger logger(options);
  constexpr int kThreads = 4;
  constexpr int kEvents = 200;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&logger, t] {
      for (int i = 0; i < kEvents; ++i) {
        logger.write(LogLevel::kInfo, "event", {{"thread", t}});
        logger.set_level(LogLevel::kInfo);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lines.size(), static_cast<std::size_t>(kThreads) * kEvents);
  for (int t = 0; t < kThreads; ++t) {
    const std::string line =
        "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\","
        "\"event\":\"event\",\"thread\":" +
        std::to_string(t) + "}\n";
    EXPECT_EQ(lines.count(line), static_cast<std::size_t>(kEvents));
  }
}

}  // namespace
}  // namespace sluice::base
