// What waits, fails or dies is in the side index; in memory and in snapshots are only bitmaps.

#include "tests/support/thinning.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

constexpr std::uint64_t kMany = 200'000 / test::kThinning;
constexpr std::uint64_t kBatch = 1'000;

QueueConfig large_queue() {
  QueueConfig config = plain_queue();
  config.limits.messages_max = 1'000'000'000;
  config.limits.bytes_max = 1ULL << 40;
  return config;
}

std::size_t snapshot_bytes(const World& world) {
  return world.broker->snapshot(SnapshotForm::kBesideIndex).size();
}

// Everything that is delivered now goes back as `kind`; how many messages.
std::uint64_t settle_all(World& world, SettleKind kind, const std::string& error = "") {
  std::uint64_t count = 0;
  for (;;) {
    const std::vector<Got> all = world.take();
    if (all.empty()) return count;
    for (std::size_t at = 0; at < all.size();) {
      std::size_t end = at + 1;
      while (end < all.size() && all[end].epoch == all[at].epoch &&
             all[end].sequence == all[end - 1].sequence + 1) {
        ++end;
      }
      const Receipt receipt{all[at].epoch, {all[at].sequence, all[end - 1].sequence}};
      world.settle(kind, all[at].session, all[at].attachment, {receipt}, error);
      count += end - at;
      at = end;
    }
    world.tick();
  }
}

// `kMany` messages that wait for one consumer.
base::QueueId fill_many(World& world, const QueueConfig& config) {
  const auto queue = world.make(config);
  for (std::uint64_t i = 0; i < kMany / kBatch; ++i) world.fill(queue, kBatch);
  world.attach(world.open(1), queue, "default", ~std::uint64_t{0});
  world.tick();
  return queue;
}

TEST(SideIndexUse, a_queue_in_which_nothing_fails_or_waits_makes_none) {
  World world;
  const auto queue = world.make(large_queue());
  const auto pod = world.open(1);
  world.attach(pod, queue);
  for (int i = 0; i < 5; ++i) {
    world.fill(queue, 100);
    const auto got = world.take();
    ASSERT_EQ(got.size(), 100U);
    world.settle(SettleKind::kRelease, got[7]);
    world.ack(got);
    world.ack(world.take());
    world.sleep(1s);
  }
  EXPECT_FALSE(world.broker->any_text(base::Lsn(0), world.log.positions().appended));
  snapshot_bytes(world);
  EXPECT_EQ(world.index->calls(), 0U);
}

TEST(SideIndexUse, failed_messages_cost_bitmaps_only) {
  World world;
  fill_many(world, large_queue());
  const std::size_t before = snapshot_bytes(world);
  EXPECT_EQ(settle_all(world, SettleKind::kFail, "no route"), kMany);
  EXPECT_EQ(world.stats().delayed, kMany);
  EXPECT_GE(world.index->size(), 2 * kMany);
  EXPECT_LT(snapshot_bytes(world), before + 1'000);
  EXPECT_EQ(world.broker->snapshot(SnapshotForm::kWhole), world.replayed());

  // From the snapshot each comes when its time is over, with its count.
  world.restart_from(world.broker->snapshot(SnapshotForm::kBesideIndex), *world.index,
                     world.log.records().size());
  EXPECT_EQ(world.stats().delayed, kMany);
  world.attach(world.open(1), world.broker->find_queue("orders").value(), "default",
               ~std::uint64_t{0});
  world.sleep(2s);
  std::uint64_t again = 0;
  for (std::vector<Got> got = world.take(); !got.empty(); got = world.take()) {
    for (const Got& one : got) again += one.attempts;
    world.tick();
  }
  EXPECT_EQ(again, kMany);
}

TEST(SideIndexUse, a_restart_reads_next_to_nothing) {
  World world;
  fill_many(world, large_queue());
  settle_all(world, SettleKind::kFail, "no route");
  const auto bytes = world.broker->snapshot(SnapshotForm::kBesideIndex);
  storage::MemorySideIndex index = *world.index;
  Recorder sink;
  Broker other(world.options, world.log, world.store, index, sink);
  const std::uint64_t before = index.calls();
  ASSERT_TRUE(other.restore(bytes).has_value());
  EXPECT_LT(index.calls(), before + 10);
}

TEST(SideIndexUse, each_tick_wakes_only_so_many) {
  World world;
  fill_many(world, large_queue());
  settle_all(world, SettleKind::kFail, "no route");
  world.now.mono = world.now.mono + base::Nanos(60s);
  world.now.wall = world.now.wall + 60'000;
  const std::uint64_t before = world.stats().delayed;
  world.broker->tick(world.now);
  EXPECT_LT(world.stats().delayed, before);
  EXPECT_LT(before - world.stats().delayed, 5'000U);
}

TEST(SideIndexUse, delays_cost_bitmaps_only) {
  World world;
  const auto queue = world.make(large_queue());
  const std::size_t before = snapshot_bytes(world);
  for (std::uint64_t i = 0; i < kMany / kBatch; ++i) {
    std::vector<base::Message> messages(kBatch, with_body("later"));
    for (std::uint64_t m = 0; m < kBatch; ++m) {
      const std::uint64_t at = i * kBatch + m;
      messages[m].deliver_at = world.now.wall + static_cast<std::int64_t>(1'000 + at);
    }
    world.send(queue, messages);
  }
  EXPECT_EQ(world.stats().delayed, kMany);
  EXPECT_LT(snapshot_bytes(world), before + 1'000);
  world.attach(world.open(1), queue, "default", ~std::uint64_t{0});
  world.sleep(1'099ms);
  EXPECT_EQ(world.take().size(), 100U);
  // Whoever comes later waits as long for those that nobody had yet.
  QueueConfig two = large_queue();
  two.subscriptions.push_back(two.subscriptions.front());
  two.subscriptions.back().name = "audit";
  const std::uint64_t calls = world.index->calls();
  world.make(two);
  EXPECT_LT(world.index->calls(), calls + 100);
  EXPECT_EQ(world.stats("orders", "audit").delayed, kMany - 100);
  world.sleep(10ms);
  EXPECT_EQ(world.stats("orders", "audit").delayed, kMany - 110);
  EXPECT_EQ(world.stats("orders", "audit").ready, 110U);
}

TEST(SideIndexUse, a_batch_of_one_time_costs_one_run) {
  World world;
  const auto queue = world.make(large_queue());
  std::vector<base::Message> messages(kBatch, with_body("later"));
  for (base::Message& message : messages) message.deliver_at = world.now.wall + 5'000;
  world.send(queue, messages);
  EXPECT_EQ(world.index->size(), 2U);
  world.attach(world.open(1), queue);
  world.sleep(5s);
  EXPECT_EQ(world.take().size(), kBatch);
  EXPECT_EQ(world.index->size(), 0U);
}

TEST(SideIndexUse, dead_letters_cost_bitmaps_only_and_come_back) {
  World world;
  const auto queue = fill_many(world, large_queue());
  const std::size_t before = snapshot_bytes(world);
  EXPECT_EQ(settle_all(world, SettleKind::kReject, "bad"), kMany);
  EXPECT_EQ(world.stats().dead_lettered, kMany);
  EXPECT_LT(snapshot_bytes(world), before + 1'000);
  const PeekReply seen = world.peek(queue, true, kMany / 2, 1);
  ASSERT_EQ(seen.messages.size(), 1U);
  EXPECT_EQ(seen.messages[0].error, "bad");
  world.restart_from(world.broker->snapshot(SnapshotForm::kBesideIndex), *world.index,
                     world.log.records().size());
  EXPECT_EQ(world.stats().dead_lettered, kMany);
  world.redrive(queue);
  world.tick();
  EXPECT_EQ(world.stats().dead_lettered, 0U);
  EXPECT_EQ(world.stats().ready, kMany);
  EXPECT_EQ(world.index->size(), 0U);
}

TEST(SideIndexUse, what_a_deleted_queue_leaves_goes_in_slices) {
  World world;
  const auto queue = fill_many(world, large_queue());
  settle_all(world, SettleKind::kFail, "no route");
  const std::size_t entries = world.index->size();
  DeleteQueue command;
  command.queue = queue;
  world.broker->apply(world.now, command);
  EXPECT_EQ(world.index->size(), entries);
  EXPECT_EQ(world.broker->tick(world.now), world.now.mono);
  EXPECT_LT(world.index->size(), entries);
  EXPECT_LT(entries - world.index->size(), 5'000U);
  // A restart in between goes on with it.
  world.restart_from(world.broker->snapshot(SnapshotForm::kBesideIndex), *world.index,
                     world.log.records().size());
  world.tick();
  EXPECT_EQ(world.index->size(), 0U);
}

TEST(SideIndexUse, a_snapshot_of_an_old_layout_brings_its_entries) {
  World world;
  fill_many(world, large_queue());
  settle_all(world, SettleKind::kFail, "no route");
  const std::size_t entries = world.index->size();
  world.restart_from(world.broker->snapshot(SnapshotForm::kWhole), world.log.records().size());
  EXPECT_EQ(world.index->size(), entries);
  EXPECT_EQ(world.stats().delayed, kMany);
}

TEST(SideIndexUse, beside_a_whole_snapshot_nothing_is_there_twice) {
  World world;
  const auto queue = world.make(large_queue());
  world.fill(queue, 10);
  world.attach(world.open(1), queue);
  settle_all(world, SettleKind::kReject, "bad");
  const auto whole = world.broker->snapshot(SnapshotForm::kWhole);
  world.broker->snapshot(SnapshotForm::kBesideIndex);  // puts what is kept in memory there
  const std::size_t entries = world.index->size();
  world.restart_from(whole, *world.index, world.log.records().size());
  world.broker->snapshot(SnapshotForm::kBesideIndex);
  EXPECT_EQ(world.index->size(), entries);
  world.purge(queue, true);
  world.tick();
  EXPECT_EQ(world.index->size(), 0U);
  EXPECT_FALSE(world.broker->any_text(base::Lsn(0), world.log.positions().appended));
}

}  // namespace
}  // namespace sluice::broker
