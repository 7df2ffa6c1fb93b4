#include "cli/task_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/selector_flags.h"

namespace sluice::cli {
namespace {

client::TaskStatus dry_run_of_three() {
  client::TaskStatus task;
  task.state = client::TaskState::kCompleted;
  task.matched = 3;
  task.samples = {{base::ShardIndex(0), base::Sequence(17)},
                  {base::ShardIndex(0), base::Sequence(18)},
                  {base::ShardIndex(0), base::Sequence(40)}};
  return task;
}

TEST(TaskOutput, ADryRunOfOneShardNamesMessagesAsTheSelectorTakesThem) {
  const std::string text = dry_run_sentence(dry_run_of_three(), "would purge", 1);
  ASSERT_EQ(text, "would purge 3 messages: 17,18,40");
  const auto selector =
      selector_from({.sequences = text.substr(text.rfind(' ') + 1)}, base::WallTime(1));
  ASSERT_TRUE(selector.has_value());
  EXPECT_EQ(selector->sequences.size(), 3U);
}

TEST(TaskOutput, ADryRunOfSeveralShardsNamesThemToo) {
  client::TaskStatus task = dry_run_of_three();
  task.samples[1].shard = base::ShardIndex(2);
  task.matched = 1'000;
  EXPECT_EQ(dry_run_sentence(task, "would redrive", 4),
            "would redrive 1,000 messages, among them 0:17,2:18,0:40");
  for (client::TaskSample& sample : task.samples) sample.shard = base::ShardIndex(2);
  const std::string text = dry_run_sentence(task, "would redrive", 4);
  const auto selector =
      selector_from({.sequences = text.substr(text.rfind(' ') + 1)}, base::WallTime(1));
  ASSERT_TRUE(selector.has_value());
  EXPECT_EQ(selector->shard, base::ShardIndex(2));
  EXPECT_EQ(selector->sequences.size(), 3U);
}

TEST(TaskOutput, ADryRunWithoutSamplesOnlyCounts) {
  client::TaskStatus task = dry_run_of_three();
  task.samples.clear();
  task.matched = 1;
  EXPECT_EQ(dry_run_sentence(task, "would move", 1), "would move 1 message");
}

}  // namespace
}  // namespace sluice::cli
