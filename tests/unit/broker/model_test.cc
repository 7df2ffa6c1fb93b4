#include "tests/unit/broker/model.h"

#include <cstdlib>
#include <limits>
#include <set>

#include "base/prng.h"
#include "broker/sequence_runs.h"
#include "storage/fact_codec.h"
#include "tests/unit/broker/world.h"

namespace sluice::broker {
namespace {

// Random commands against the model. Backoff without jitter: the model knows every due time;
// two subscriptions, so that one's doings must not show in the other. The second one is created by
// its first consumer. What the broker does on its own account (limits, retention, redrives) the
// models learn from its records, and check that it was allowed.
class ModelRun {
 public:
  ModelRun(std::uint64_t seed, Overflow overflow, bool retains)
      : prng_(seed, "model"), retains_(retains) {
    config_ = plain_queue();
    QueueConfig& config = config_;
    config.limits.overflow = overflow;
    if (overflow != Overflow::kReject) config.limits.messages_max = 40;
    if (retains) config.retention.time = base::Millis(kRetentionMs);
    config.subscriptions[0].name = "a";
    config.subscriptions[0].delivery.max_attempts = 3;
    config.subscriptions[0].delivery.max_stalls = 2;
    config.subscriptions[0].delivery.lease = 20s;
    config.created.allowed = true;
    config.created.defaults = config.subscriptions[0];
    queue_ = world_.make(config);
    open_publisher();
    for (std::uint64_t pod = 0; pod < kPods; ++pod) connect(pod, false);
  }

  void go(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      act();
      follow();
      collect();
      check(step);
    }
    finish();
  }

 private:
  static constexpr std::uint64_t kPods = 3;
  static constexpr std::int64_t kRetentionMs = 40'000;
  static constexpr std::array<const char*, 2> kNames{"a", "b"};
  using Where = Model::Where;

  struct Pod {
    SessionHandle session;
    std::uint64_t id = 0;
    std::array<AttachmentHandle, 2> attachments;
    std::array<std::uint64_t, 2> delivered{};
    std::array<bool, 2> at_most_once{};
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
      mine.at_most_once[s] = !resumed && prng_.chance(0.1);
      mine.attachments[s] = world_
                                .attach(mine.session, queue_, kNames[s], 1 + prng_.below(20),
                                        1ULL << 40, 0, mine.at_most_once[s])
                                .attachment;
    }
  }

  void open_publisher() {
    publisher_session_ = world_.open(888'888);
    publisher_ = world_.open_publisher(publisher_session_, queue_).publisher;
  }

  void act() {
    switch (prng_.below(16)) {
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
      case 13:
        return prng_.chance(0.2) ? seek() : settle();
      case 14:
        return prng_.chance(0.2) ? change() : publish();
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
    const PublishReply reply = world_.publish(publisher_session_, publisher_, 0, messages);
    if (reply.refusal.refused()) {
      // Only what is leased may keep a queue full whose oldest go.
      EXPECT_NE(config_.limits.overflow, Overflow::kReject) << reply.refusal.message;
      return;
    }
    // What made room went before; of a batch that does not fit, its first ones go behind it.
    const auto& records = world_.log.records();
    std::size_t batch = records.size();
    while (records[batch - 1].type != storage::RecordType::kMessages) --batch;
    follow(batch);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const std::uint64_t sequence = reply.first.value() + i;
      for (Model& model : models_) {
        model.publish(sequence, messages[i].deliver_at.value(), messages[i].expires_at.value(),
                      wall());
      }
      stream_expiry_[sequence] = messages[i].expires_at.value();
      accepted_[sequence] = wall();
      if (retains_) kept_.insert(sequence);
    }
    follow();
  }

  void follow() { follow(world_.log.records().size()); }
  // What the broker's records before number `end` say of which no command of the test knows.
  void follow(std::size_t end) {
    const auto& records = world_.log.records();
    for (; followed_ < end; ++followed_) {
      const storage::RecordView view = records[followed_].view();
      if (view.type == storage::RecordType::kRemoved) {
        const auto fact = *storage::decode_removed(view.payload);
        if (fact.cause != storage::RemoveCause::kOverflow) continue;
        for_each(fact.ranges,
                 [&](std::uint64_t at) { model_of(fact.key).evict(at, Where::kRemoved); });
      } else if (view.type == storage::RecordType::kDead) {
        const auto fact = *storage::decode_dead(view.payload);
        if (fact.reason != storage::DeadReason::kOverflow) continue;
        for (const storage::DeadEntry& entry : fact.entries) {
          model_of(fact.key).evict(entry.sequence.value(), Where::kDead);
        }
      } else if (view.type == storage::RecordType::kRedriven) {
        const auto fact = *storage::decode_redriven(view.payload);
        for_each(fact.ranges, [&](std::uint64_t at) { model_of(fact.key).redrive(at); });
      } else if (view.type == storage::RecordType::kDropped) {
        const auto fact = *storage::decode_dropped(view.payload);
        for_each(fact.ranges, [&](std::uint64_t at) { drop(at); });
      }
    }
    forget_expiries();
  }

  template <typename Fn>
  static void for_each(const Ranges& ranges, Fn&& fn) {
    for (const base::SequenceRange& range : ranges) {
      for (base::Sequence at = range.first; at <= range.last; ++at) fn(at.value());
    }
  }
  Model& model_of(const storage::SubscriptionKey& key) {
    return models_[*world_.broker->find_subscription(queue_, "a") == key.subscription ? 0 : 1];
  }

  void drop(std::uint64_t sequence) {
    EXPECT_EQ(kept_.erase(sequence), 1U) << sequence << " was not kept";
    EXPECT_LE(accepted_[sequence] + kRetentionMs, wall()) << sequence << " went too early";
    for (Model& model : models_) {
      EXPECT_FALSE(model.is_held(sequence)) << sequence << " is leased";
      if (!model.is_gone(sequence)) model.evict(sequence, Where::kRemoved);
    }
    stream_expiry_[sequence] = 0;
  }

  // Without retention a message that everybody is done with has no time any more.
  void forget_expiries() {
    for (auto& [sequence, expires] : stream_expiry_) {
      if (expires == 0 || kept_.contains(sequence)) continue;
      if (models_[0].is_gone(sequence) && models_[1].is_gone(sequence)) expires = 0;
    }
  }

  void seek() {
    const std::size_t s = prng_.below(2);
    if (accepted_.empty()) return;
    const auto skipped = static_cast<std::ptrdiff_t>(prng_.below(accepted_.size()));
    const std::uint64_t position = std::next(accepted_.begin(), skipped)->first;
    const SeekReply reply = world_.seek(queue_, Seek::To::kSequence, position, kNames[s]);
    EXPECT_FALSE(reply.refusal.refused()) << reply.refusal.message;
    models_[s].skip(position);
    for (const auto& [sequence, accepted] : accepted_) {
      if (sequence < position) continue;
      const bool there = kept_.contains(sequence) || !models_[1 - s].is_gone(sequence);
      if (there)
        models_[s].rewind(sequence, stream_expiry_[sequence], models_[1 - s].waits_until(sequence));
    }
  }

  // Another manifest: paused or not, other limits, retention or not.
  void change() {
    collect();
    if (prng_.chance(0.5)) config_.paused = !config_.paused;
    if (config_.limits.overflow != Overflow::kReject) {
      config_.limits.messages_max = 20 + prng_.below(40);
    }
    if (prng_.chance(0.3)) {
      retains_ = !retains_;
      config_.retention.time = base::Millis(retains_ ? kRetentionMs : 0);
      kept_.clear();
      for (auto& [sequence, accepted] : accepted_) {
        const bool wanted = !models_[0].is_gone(sequence) || !models_[1].is_gone(sequence);
        if (!retains_ || !wanted) continue;
        kept_.insert(sequence);
        accepted = wall();  // or later: it ages with the next message
        ageless_ = std::max(ageless_, sequence);
      }
    }
    world_.make(config_);
    forget_expiries();
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
      note_held();
      end_recovery();
      expire_leases();
      follow();
      for (Model& model : models_) model.pass(wall());
      forget_expiries();
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
    follow();
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
    open_publisher();
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
      follow();
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
          EXPECT_FALSE(config_.paused) << "delivered while paused";
          if (pod.at_most_once[s]) {
            models_[s].take(got.sequence.value(), got.attempts, got.stalls, wall());
            continue;
          }
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
    follow();
    for (Model& model : models_) model.pass(wall());
    forget_expiries();
    collect();
    for (std::size_t s = 0; s < 2; ++s) {
      const SubscriptionStats stats = world_.stats("orders", kNames[s]);
      const Model& model = models_[s];
      EXPECT_EQ(model.complaints(), std::vector<std::string>{}) << "step " << step;
      EXPECT_EQ(stats.ready, model.count(Where::kReady)) << "step " << step;
      EXPECT_EQ(stats.in_flight, model.count(Where::kHeld)) << "step " << step;
      EXPECT_EQ(stats.delayed, model.count(Where::kDelayed)) << "step " << step;
      EXPECT_EQ(stats.dead_lettered, model.count(Where::kDead)) << "step " << step;
      EXPECT_EQ(stats.created, s == 1);
    }
    const QueueStats stats = world_.queue_stats();
    EXPECT_EQ(stats.retained_messages, kept_.size()) << "step " << step;
    note_held();
    for (const std::uint64_t sequence : kept_) {
      if (sequence <= ageless_) continue;
      // A look at what was leased comes a second later, and times are known to a few 100 ms.
      const std::int64_t due = std::max(accepted_[sequence] + kRetentionMs, last_held_[sequence]);
      EXPECT_GT(due + 2'000, wall()) << sequence << " stays";
    }
  }

  void note_held() {
    for (const Model& model : models_) {
      for (const std::uint64_t sequence : model.all(Where::kHeld)) last_held_[sequence] = wall();
    }
  }

  // Everybody consumes properly: in the end each message is acked, dead or expired.
  void finish() {
    config_.paused = false;
    world_.make(config_);
    collect();
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
  QueueConfig config_;
  bool retains_ = false;
  SessionHandle publisher_session_;
  PublisherHandle publisher_;
  std::size_t followed_ = 0;  // records
  std::map<std::uint64_t, std::int64_t> accepted_;
  // When the stream lets them expire; 0 = it does not, or no longer.
  std::map<std::uint64_t, std::int64_t> stream_expiry_;
  std::set<std::uint64_t> kept_;  // by retention
  std::map<std::uint64_t, std::int64_t> last_held_;
  std::uint64_t ageless_ = 0;  // up to there they were accepted before retention was turned on
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
  const std::uint64_t seed = GetParam();
  constexpr std::array<Overflow, 3> kOverflows{Overflow::kReject, Overflow::kDropOldest,
                                               Overflow::kDeadLetterOldest};
  ModelRun(seed, kOverflows[seed % 3], seed % 2 == 0).go(400);
}

// SLUICE_MODEL_SEEDS: that many, instead of those that every run of the tests has.
std::uint64_t seeds() {
  const char* asked = std::getenv("SLUICE_MODEL_SEEDS");
  return asked != nullptr ? std::strtoull(asked, nullptr, 10) : 30;
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range<std::uint64_t>(1, 1 + seeds()));

}  // namespace
}  // namespace sluice::broker
