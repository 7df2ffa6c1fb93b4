#include "tests/unit/broker/model.h"

#include "base/prng.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

// Random commands against the model. Backoff without jitter: the model knows every due time;
// two subscriptions, so that one's doings must not show in the other.
class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : prng_(seed, "model") {
    QueueConfig config = plain_queue();
    config.subscriptions[0].name = "a";
    config.subscriptions[0].delivery.max_attempts = 3;
    config.subscriptions[0].delivery.max_stalls = 2;
    config.subscriptions[0].delivery.lease = 20s;
    config.subscriptions.push_back(config.subscriptions[0]);
    config.subscriptions[1].name = "b";
    queue_ = world_.make(config);
    for (std::uint64_t pod = 0; pod < kPods; ++pod) connect(pod, false);
  }

  void go(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      act();
      collect();
      check(step);
    }
    finish();
  }

 private:
  static constexpr std::uint64_t kPods = 3;
  static constexpr std::array<const char*, 2> kNames{"a", "b"};
  using Where = Model::Where;

  struct Pod {
    SessionHandle session;
    std::uint64_t id = 0;
    std::array<AttachmentHandle, 2> attachments;
    std::array<std::uint64_t, 2> delivered{};
  };

  std::int64_t some_ms(std::uint64_t below) {
    return static_cast<std::int64_t>(prng_.below(below));
  }
  std::int64_t wall() const { return world_.now.wall.value(); }

  void connect(std::uint64_t pod, bool resumed) {
    Pod& mine = pods_[pod];
    if (!resumed) mine.id = ++sessions_;
    mine.session = world_.open(mine.id, resumed);
    for (std::size_t s = 0; s < 2; ++s) {
      mine.delivered[s] = 0;
      mine.attachments[s] =
          world_.attach(mine.session, queue_, kNames[s], 1 + prng_.below(20)).attachment;
    }
  }

  void act() {
    switch (prng_.below(14)) {
      case 0:
      case 1:
      case 2:
        return publish();
      case 3:
      case 4:
      case 5:
      case 6:
        return settle();
      case 7:
      case 8:
        return credit();
      case 9:
        return pass(some_ms(4'000));
      case 10:
        return lose();
      case 11:
        return prng_.chance(0.2) ? restart() : pass(100);
      case 12:
        return stale();
      default:
        return prng_.chance(0.1) ? redrive() : settle();
    }
  }

  void publish() {
    std::vector<base::Message> messages(1 + prng_.below(8));
    for (base::Message& message : messages) {
      message.body = std::string(prng_.below(20), 'x');
      if (prng_.chance(0.1)) message.deliver_at = world_.now.wall + some_ms(9'000);
      if (prng_.chance(0.1)) message.expires_at = world_.now.wall + some_ms(30'000);
    }
    const PublishReply reply = world_.send(queue_, messages);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      for (Model& model : models_) {
        model.publish(reply.first.value() + i, messages[i].deliver_at.value(),
                      messages[i].expires_at.value(), wall());
      }
    }
  }

  void settle() {
    const std::uint64_t pod = prng_.below(kPods);
    const std::size_t s = prng_.below(2);
    const std::vector<std::uint64_t> held = models_[s].held_by(pods_[pod].id);
    if (held.empty()) return;
    const std::uint64_t sequence = held[prng_.below(held.size())];
    const Receipt receipt{base::Epoch(models_[s].at(sequence).epoch),
                          {base::Sequence(sequence), base::Sequence(sequence)}};
    const auto kind = static_cast<SettleKind>(1 + prng_.below(4));
    std::optional<base::Millis> delay;
    if (prng_.chance(0.3)) delay = base::Millis(prng_.below(3'000));
    const SettleReply reply =
        world_.settle(kind, pods_[pod].session, pods_[pod].attachments[s], {receipt}, "why", delay);
    EXPECT_EQ(reply.settled, 1U);
    EXPECT_EQ(reply.stale, 0U);
    Model& model = models_[s];
    if (kind == SettleKind::kAck) model.ack(sequence);
    if (kind == SettleKind::kRelease) model.release(sequence, wall());
    if (kind == SettleKind::kReject) model.reject(sequence);
    if (kind == SettleKind::kFail) {
      const int attempts = model.at(sequence).attempts + 1;
      model.fail(sequence, delay ? delay->count() : 1'000LL << (attempts - 1), wall());
    }
  }

  // A receipt of another delivery, or of somebody else's.
  void stale() {
    const std::size_t s = prng_.below(2);
    const std::uint64_t pod = prng_.below(kPods);
    const std::uint64_t sequence = 1 + prng_.below(50);
    const std::uint64_t epoch = (1ULL << 32) + prng_.below(100);
    const bool holds = models_[s].holds(sequence, pods_[pod].id, epoch);
    if (holds || !models_[s].knows(sequence)) return;
    const SettleReply reply =
        world_.settle(SettleKind::kAck, pods_[pod].session, pods_[pod].attachments[s],
                      {{base::Epoch(epoch), {base::Sequence(sequence), base::Sequence(sequence)}}});
    EXPECT_EQ(reply.settled, models_[s].is_acked(sequence) ? 1U : 0U);
  }

  void credit() {
    Pod& pod = pods_[prng_.below(kPods)];
    const std::size_t s = prng_.below(2);
    world_.credit(pod.session, pod.attachments[s], pod.delivered[s] + prng_.below(20));
  }

  void pass(std::int64_t ms) {
    // In small steps, so that the model sees each deadline about when it comes.
    for (; ms > 0; ms -= 50) {
      world_.sleep(base::Millis(50));
      end_recovery();
      expire_leases();
      for (Model& model : models_) model.pass(wall());
      collect();
    }
  }

  // The broker expires leases by itself; the model learns it from the clock.
  void expire_leases() {
    for (std::size_t s = 0; s < 2; ++s) {
      for (const std::uint64_t sequence : models_[s].all(Where::kHeld)) {
        const Model::Message& m = models_[s].at(sequence);
        const auto out = leased_at_[s].find(m.epoch);
        if (out == leased_at_[s].end() || world_.now.mono < out->second) continue;
        models_[s].stall(sequence, 1'000LL << m.stalls, wall());
      }
    }
  }

  void lose() {
    const std::uint64_t pod = prng_.below(kPods);
    const bool lost = prng_.chance(0.7);
    world_.lose(pods_[pod].session, lost ? SessionEnd::kLost : SessionEnd::kClosed);
    for (Model& model : models_) {
      for (const std::uint64_t sequence : model.held_by(pods_[pod].id)) {
        if (lost) {
          model.stall(sequence, 1'000LL << model.at(sequence).stalls, wall());
        } else {
          model.release(sequence, wall());
        }
      }
    }
    collect();
    connect(pod, false);
  }

  void restart() {
    collect();
    // Either the whole log is replayed, or a snapshot and the rest.
    EXPECT_EQ(world_.broker->snapshot(SnapshotForm::kWhole), world_.replayed());
    if (snapshot_.empty() || prng_.chance(0.5)) {
      world_.restart(prng_.chance(0.5));
    } else {
      world_.restart_from(snapshot_, snapshot_index_, snapshot_records_);
    }
    for (std::size_t s = 0; s < 2; ++s) leased_at_[s].clear();
    for (std::uint64_t pod = 0; pod < kPods; ++pod) {
      const bool resumed = prng_.chance(0.6);
      if (!resumed) {
        // Nobody comes back for these; they are released when the time is over.
        const std::uint64_t id = pods_[pod].id;
        connect(pod, false);
        abandoned_.push_back(id);
        continue;
      }
      connect(pod, true);
      for (std::size_t s = 0; s < 2; ++s) {
        for (const std::uint64_t sequence : models_[s].held_by(pods_[pod].id)) {
          leased_at_[s][models_[s].at(sequence).epoch] = world_.now.mono + base::Nanos(20s);
        }
      }
    }
    collect();
    recovery_ends_ = world_.now.mono + base::Nanos(10s);
    pass(11'000);
  }

  // The broker gives up waiting for sessions that did not come back.
  void end_recovery() {
    if (world_.now.mono < recovery_ends_) return;
    for (const std::uint64_t id : abandoned_) {
      for (Model& model : models_) {
        for (const std::uint64_t sequence : model.held_by(id)) model.release(sequence, wall());
      }
    }
    abandoned_.clear();
  }

  void redrive() {
    for (std::size_t s = 0; s < 2; ++s) {
      world_.redrive(queue_, {}, false, 0, kNames[s]);
      world_.tick();
      models_[s].redrive_all();
    }
    for (Model& model : models_) model.pass(wall());
  }

  // Tells the models what was delivered.
  void collect() {
    for (const Got& got : world_.take()) {
      for (Pod& pod : pods_) {
        for (std::size_t s = 0; s < 2; ++s) {
          if (pod.session != got.session || pod.attachments[s] != got.attachment) continue;
          pod.delivered[s] += 1;
          models_[s].deliver(got.sequence.value(), pod.id, got.epoch.value(), got.attempts,
                             got.stalls, wall());
          leased_at_[s].emplace(got.epoch.value(), world_.now.mono + base::Nanos(20s));
        }
      }
    }
    if (prng_.chance(0.02)) {
      const bool whole = prng_.chance(0.3);
      snapshot_ =
          world_.broker->snapshot(whole ? SnapshotForm::kWhole : SnapshotForm::kBesideIndex);
      snapshot_index_ = whole ? storage::MemorySideIndex() : *world_.index;
      snapshot_records_ = world_.log.records().size();
    }
  }

  void check(int step) {
    world_.tick();
    for (Model& model : models_) model.pass(wall());
    collect();
    for (std::size_t s = 0; s < 2; ++s) {
      const SubscriptionStats stats = world_.stats("orders", kNames[s]);
      const Model& model = models_[s];
      EXPECT_EQ(model.complaints(), std::vector<std::string>{}) << "step " << step;
      EXPECT_EQ(stats.ready, model.count(Where::kReady)) << "step " << step;
      EXPECT_EQ(stats.in_flight, model.count(Where::kHeld)) << "step " << step;
      EXPECT_EQ(stats.delayed, model.count(Where::kDelayed)) << "step " << step;
      EXPECT_EQ(stats.dead_lettered, model.count(Where::kDead)) << "step " << step;
    }
  }

  // Everybody consumes properly: in the end each message is acked, dead or expired.
  void finish() {
    for (int round = 0; round < 3'000 && !testing::Test::HasFailure(); ++round) {
      bool any = false;
      for (std::uint64_t pod = 0; pod < kPods; ++pod) {
        for (std::size_t s = 0; s < 2; ++s) {
          Pod& mine = pods_[pod];
          for (const std::uint64_t sequence : models_[s].held_by(mine.id)) {
            const base::Epoch epoch(models_[s].at(sequence).epoch);
            const base::Sequence at(sequence);
            EXPECT_EQ(world_
                          .settle(SettleKind::kAck, mine.session, mine.attachments[s],
                                  {{epoch, {at, at}}})
                          .settled,
                      1U);
            models_[s].ack(sequence);
          }
          world_.credit(mine.session, mine.attachments[s], mine.delivered[s] + 100);
        }
      }
      collect();
      for (const Model& model : models_) {
        any = any || model.count(Where::kReady) + model.count(Where::kHeld) +
                             model.count(Where::kDelayed) >
                         0;
      }
      if (!any) break;
      pass(500);
    }
    for (std::size_t s = 0; s < 2; ++s) {
      const SubscriptionStats stats = world_.stats("orders", kNames[s]);
      EXPECT_EQ(stats.ready + stats.in_flight + stats.delayed, 0U);
      EXPECT_EQ(stats.dead_lettered, models_[s].count(Where::kDead));
    }
    EXPECT_EQ(world_.queue_stats().messages, 0U);
    EXPECT_EQ(world_.queue_stats().bytes, 0U);
    EXPECT_EQ(world_.broker->snapshot(SnapshotForm::kWhole), world_.replayed());
  }

  base::Prng prng_;
  World world_;
  base::QueueId queue_;
  std::array<Pod, kPods> pods_;
  std::array<Model, 2> models_{Model({3, 2}), Model({3, 2})};
  std::array<std::map<std::uint64_t, base::MonoTime>, 2> leased_at_;
  std::vector<std::uint64_t> abandoned_;
  base::MonoTime recovery_ends_;
  std::vector<std::byte> snapshot_;
  std::size_t snapshot_records_ = 0;
  storage::MemorySideIndex snapshot_index_;  // what it held then
  std::uint64_t sessions_ = 0;
};

class ModelTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ModelTest, every_message_ends_acked_dead_or_expired_once_a_subscription) {
  ModelRun(GetParam()).go(400);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace sluice::broker
