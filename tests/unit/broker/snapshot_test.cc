#include "base/prng.h"
#include "broker/snapshot_codec.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

// One lease of so many messages of a queue of its own, every second of which is settled.
void hold_every_second(World& world, std::size_t messages) {
  QueueConfig config = plain_queue();
  config.name = "scattered";
  const auto queue = world.make(config);
  world.fill(queue, messages);
  world.attach(world.open(3), queue);
  bool settles = false;
  for (const auto& received : world.take()) {
    if (settles) world.ack(received);
    settles = !settles;
  }
}

// A world with something of everything in it.
void populate(World& world) {
  QueueConfig config = plain_queue();
  config.ttl = 3'600s;
  config.shards = 2;
  config.subscriptions.push_back(config.subscriptions[0]);
  config.subscriptions[1].name = "other";
  const auto queue = world.make(config);
  base::Message later = with_body("later");
  later.deliver_at = world.now.wall + 60'000;
  world.send(queue, {with_body("a"), later, with_body("ccc")});
  world.fill(queue, 40);
  world.fill(queue, 5, 1);
  const auto session = world.open(1);
  const auto publisher = world.open_publisher(session, queue, 5).publisher;
  world.publish(session, publisher, 1, {with_body("x"), with_body("y")});
  world.attach(session, queue, "default", 20);
  const auto got = world.take();
  world.ack(got[2]);
  world.settle(SettleKind::kFail, got[3], "failed");
  world.settle(SettleKind::kReject, got[4], "rejected");
  world.settle(SettleKind::kReject, got[5], "rejected");
  world.redrive(queue, {}, false, 1);
  world.broker->tick(world.now);
  const auto lost = world.open(2);
  world.attach(lost, queue, "other", 3);
  world.lose(lost);
  hold_every_second(world, 80);
}

TEST(Snapshot, it_is_the_same_bytes_after_a_restore) {
  World world;
  populate(world);
  const auto bytes = world.broker->snapshot(SnapshotForm::kWhole);
  Recorder sink;
  storage::MemorySideIndex index;
  Broker other(world.options, world.log, world.store, index, sink);
  ASSERT_TRUE(other.restore(bytes).has_value());
  EXPECT_EQ(other.snapshot(SnapshotForm::kWhole), bytes);
  EXPECT_EQ(bytes, world.replayed());
}

TEST(Snapshot, a_snapshot_and_the_rest_of_the_log_give_the_same_state) {
  for (const std::size_t cut : {3U, 8U, 12U, 16U}) {
    World world;
    populate(world);
    FakeLog other_log;
    FakeMessages other_store(other_log);
    Recorder sink;
    storage::MemorySideIndex index;
    Broker before(world.options, other_log, other_store, index, sink);
    const auto& records = world.log.records();
    for (std::size_t i = 0; i < cut; ++i) ASSERT_TRUE(before.replay(records[i].view()).has_value());
    storage::MemorySideIndex index_after;
    Broker after(world.options, other_log, other_store, index_after, sink);
    ASSERT_TRUE(after.restore(before.snapshot(SnapshotForm::kWhole)).has_value());
    for (std::size_t i = cut; i < records.size(); ++i) {
      ASSERT_TRUE(after.replay(records[i].view()).has_value());
    }
    EXPECT_EQ(after.snapshot(SnapshotForm::kWhole), world.broker->snapshot(SnapshotForm::kWhole));
  }
}

TEST(Snapshot, beside_the_index_it_gives_the_same_state) {
  World world;
  populate(world);
  const auto whole = world.broker->snapshot(SnapshotForm::kWhole);
  const auto bytes = world.broker->snapshot(SnapshotForm::kBesideIndex);
  storage::MemorySideIndex index = *world.index;
  Recorder sink;
  Broker other(world.options, world.log, world.store, index, sink);
  ASSERT_TRUE(other.restore(bytes).has_value());
  EXPECT_EQ(other.snapshot(SnapshotForm::kBesideIndex), bytes);
  EXPECT_EQ(other.snapshot(SnapshotForm::kWhole), whole);
}

TEST(Snapshot, beside_the_index_the_rest_of_the_log_gives_the_same_state) {
  World world;
  populate(world);
  for (const std::size_t cut : {1U, 5U, 9U, 12U}) {
    FakeLog other_log;
    FakeMessages other_store(other_log);
    Recorder sink;
    storage::MemorySideIndex index;
    Broker before(world.options, other_log, other_store, index, sink);
    const auto& records = world.log.records();
    for (std::size_t i = 0; i < cut; ++i) ASSERT_TRUE(before.replay(records[i].view()).has_value());
    const auto bytes = before.snapshot(SnapshotForm::kBesideIndex);
    storage::MemorySideIndex index_after = index;
    Broker after(world.options, other_log, other_store, index_after, sink);
    ASSERT_TRUE(after.restore(bytes).has_value());
    for (std::size_t i = cut; i < records.size(); ++i) {
      ASSERT_TRUE(after.replay(records[i].view()).has_value());
    }
    EXPECT_EQ(after.snapshot(SnapshotForm::kWhole), world.broker->snapshot(SnapshotForm::kWhole));
  }
}

TEST(Snapshot, ten_million_waiting_messages_are_a_few_hundred_bytes) {
  World world;
  QueueConfig config = plain_queue();
  config.limits.messages_max = 1'000'000'000;
  const auto queue = world.make(config);
  const std::size_t empty = world.broker->snapshot(SnapshotForm::kWhole).size();
  for (int i = 0; i < 20; ++i) {
    world.send(queue, std::vector<base::Message>(1000, with_body(std::string(100, 'x'))));
  }
  EXPECT_LT(world.broker->snapshot(SnapshotForm::kWhole).size(), empty + 200);
}

TEST(Snapshot, bytes_that_are_cut_are_refused) {
  World world;
  populate(world);
  const auto bytes = world.broker->snapshot(SnapshotForm::kWhole);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    storage::MemorySideIndex index;
    State state(100, index);
    EXPECT_FALSE(decode_state(base::ByteView(bytes).first(size), state).has_value()) << size;
  }
}

TEST(Snapshot, bytes_that_are_cut_beside_the_index_are_refused) {
  World world;
  populate(world);
  const auto bytes = world.broker->snapshot(SnapshotForm::kBesideIndex);
  // The last section is one that need not be there.
  std::size_t good = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    storage::MemorySideIndex index = *world.index;
    State state(100, index);
    if (decode_state(base::ByteView(bytes).first(size), state).has_value()) ++good;
  }
  EXPECT_EQ(good, 1U);
}

TEST(Snapshot, a_scattered_lease_costs_bits) {
  const auto bytes_of = [](std::size_t messages) {
    World world;
    hold_every_second(world, messages);
    return world.broker->snapshot(SnapshotForm::kBesideIndex).size();
  };
  // One more word of those that are held, in the lease and in the set of the settled.
  EXPECT_LE(bytes_of(640 + 64) - bytes_of(640), 9U + 128U);
}

TEST(Snapshot, bytes_that_are_wrong_do_no_harm) {
  World world;
  populate(world);
  const auto good = world.broker->snapshot(SnapshotForm::kWhole);
  base::Prng prng(11, "snapshot");
  for (int round = 0; round < 3'000; ++round) {
    auto bytes = good;
    for (std::uint64_t flips = 1 + prng.below(3); flips > 0; --flips) {
      bytes[prng.below(bytes.size())] = static_cast<std::byte>(prng.next());
    }
    storage::MemorySideIndex index;
    State state(100, index);
    if (decode_state(bytes, state).has_value()) encode_state(state, SnapshotForm::kWhole);
  }
}

TEST(Snapshot, bytes_that_are_wrong_beside_the_index_do_no_harm) {
  World world;
  populate(world);
  const auto good = world.broker->snapshot(SnapshotForm::kBesideIndex);
  base::Prng prng(13, "snapshot");
  for (int round = 0; round < 3'000; ++round) {
    auto bytes = good;
    for (std::uint64_t flips = 1 + prng.below(3); flips > 0; --flips) {
      bytes[prng.below(bytes.size())] = static_cast<std::byte>(prng.next());
    }
    storage::MemorySideIndex index = *world.index;
    State state(100, index);
    if (decode_state(bytes, state).has_value()) encode_state(state, SnapshotForm::kBesideIndex);
  }
}

TEST(Snapshot, another_version_is_refused) {
  World world;
  auto bytes = world.broker->snapshot(SnapshotForm::kWhole);
  bytes[0] = std::byte{3};
  storage::MemorySideIndex index;
  State state(100, index);
  const auto status = decode_state(bytes, state);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), base::ErrorCode::kFailedPrecondition);
}

TEST(Replay, records_that_contradict_the_state_are_corruption) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 5);
  world.attach(world.open(1), queue);
  Recorder sink;
  FakeLog log;
  FakeMessages store(log);
  storage::MemorySideIndex index;
  Broker other(world.options, log, store, index, sink);
  const auto code = [&](const FakeLog::Record& record) {
    const auto status = other.replay(record.view());
    EXPECT_FALSE(status.has_value());
    return status.error().code();
  };
  const auto& records = world.log.records();
  EXPECT_EQ(code(records.back()), base::ErrorCode::kCorruption);  // a lease of nothing
  for (const auto& record : records) ASSERT_TRUE(other.replay(record.view()).has_value());
  EXPECT_EQ(code(records.back()), base::ErrorCode::kCorruption);  // the same epoch again
  for (const auto& record : records) {
    if (record.type != storage::RecordType::kMessages) continue;
    EXPECT_EQ(code(record), base::ErrorCode::kCorruption);  // the same sequences again
  }
  EXPECT_EQ(code(records.front()), base::ErrorCode::kCorruption);  // the same incarnation again
}

TEST(Replay, random_bytes_in_facts_do_no_harm) {
  World world;
  populate(world);
  base::Prng prng(12, "facts");
  for (int round = 0; round < 300; ++round) {
    Recorder sink;
    FakeLog log;
    FakeMessages store(log);
    storage::MemorySideIndex index;
    Broker other(world.options, log, store, index, sink);
    for (const FakeLog::Record& record : world.log.records()) {
      FakeLog::Record bad = record;
      const bool is_batch = record.type == storage::RecordType::kMessages;
      if (!is_batch && prng.chance(0.2) && !bad.payload.empty()) {
        bad.payload[prng.below(bad.payload.size())] = static_cast<std::byte>(prng.next());
      }
      (void)other.replay(bad.view()).has_value();
    }
    (void)other.snapshot(SnapshotForm::kWhole);
  }
}

TEST(Texts, a_record_is_needed_while_its_dead_letter_is_there) {
  World world;
  const auto queue = world.make(plain_queue());
  world.fill(queue, 2);
  world.attach(world.open(1), queue);
  const auto got = world.take();
  world.settle(SettleKind::kReject, got[0], "gone wrong");
  const storage::Appended dead = world.log.records().back().at;
  world.settle(SettleKind::kFail, got[1], "try again", 60s);
  const storage::Appended failed = world.log.records().back().at;
  EXPECT_TRUE(world.broker->any_text(dead.begin, dead.end));
  EXPECT_TRUE(world.broker->any_text(failed.begin, failed.end));
  EXPECT_FALSE(world.broker->any_text(base::Lsn(0), dead.begin));
  world.purge(queue, true);
  world.tick();
  world.purge(queue, false);
  world.tick();
  EXPECT_FALSE(world.broker->any_text(base::Lsn(0), world.log.positions().appended));
}

}  // namespace
}  // namespace sluice::broker
