#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "storage/memory_side_index.h"
#include "tests/unit/broker/fake_log.h"

namespace sluice::broker {

using namespace std::chrono_literals;

// One message as a consumer got it.
struct Got {
  SessionHandle session;
  AttachmentHandle attachment;
  base::Epoch epoch;
  base::Sequence sequence;
  std::string body;
  std::uint16_t attempts = 0;
  std::uint16_t stalls = 0;
  std::size_t batch = 0;  // number of the Deliver, from 0

  Receipt receipt() const { return {epoch, {sequence, sequence}}; }
};

// Keeps every effect, with what it waits for.
class Recorder final : public EffectSink {
 public:
  template <typename T>
  struct Kept {
    Wait wait;
    T effect;
  };
  void emit(Wait wait, SessionOpened e) override { opened.push_back({wait, std::move(e)}); }
  void emit(Wait wait, PublisherOpened e) override { publishers.push_back({wait, std::move(e)}); }
  void emit(Wait wait, PublishReply e) override { published.push_back({wait, std::move(e)}); }
  void emit(Wait wait, PublisherCredit e) override { credits.push_back({wait, std::move(e)}); }
  void emit(Wait wait, AttachReply e) override { attached.push_back({wait, std::move(e)}); }
  void emit(Wait wait, DetachReply e) override { detached.push_back({wait, std::move(e)}); }
  void emit(Wait wait, Deliver e) override { delivers.push_back({wait, std::move(e)}); }
  void emit(Wait wait, SettleReply e) override { settled.push_back({wait, std::move(e)}); }
  void emit(Wait wait, ExtendReply e) override { extended.push_back({wait, std::move(e)}); }
  void emit(Wait wait, AttachmentClosed e) override { closed.push_back({wait, std::move(e)}); }
  void emit(Wait wait, TaskReply e) override { tasks.push_back({wait, std::move(e)}); }
  void emit(Wait wait, PeekReply e) override { peeks.push_back({wait, std::move(e)}); }
  void emit(Wait wait, DeleteReply e) override { deletes.push_back({wait, std::move(e)}); }
  void emit(Wait wait, SeekReply e) override { seeks.push_back({wait, std::move(e)}); }
  void emit(Wait wait, CordonReply e) override { cordons.push_back({wait, std::move(e)}); }
  void emit(Wait wait, DiscardReply e) override { discards.push_back({wait, std::move(e)}); }

  std::vector<Kept<SessionOpened>> opened;
  std::vector<Kept<PublisherOpened>> publishers;
  std::vector<Kept<PublishReply>> published;
  std::vector<Kept<PublisherCredit>> credits;
  std::vector<Kept<AttachReply>> attached;
  std::vector<Kept<DetachReply>> detached;
  std::vector<Kept<Deliver>> delivers;
  std::vector<Kept<SettleReply>> settled;
  std::vector<Kept<ExtendReply>> extended;
  std::vector<Kept<AttachmentClosed>> closed;
  std::vector<Kept<TaskReply>> tasks;
  std::vector<Kept<PeekReply>> peeks;
  std::vector<Kept<DeleteReply>> deletes;
  std::vector<Kept<SeekReply>> seeks;
  std::vector<Kept<CordonReply>> cordons;
  std::vector<Kept<DiscardReply>> discards;
};

inline base::Id128 id_of(std::uint64_t number) {
  base::Id128 id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return id;
}

inline base::Message with_body(std::string body) {
  base::Message message;
  message.body = std::move(body);
  return message;
}

inline QueueConfig plain_queue(const std::string& name = "orders") {
  QueueConfig config;
  config.name = name;
  SubscriptionConfig subscription;
  subscription.name = "default";
  subscription.delivery.backoff.jitter = 0.0;
  config.subscriptions.push_back(subscription);
  return config;
}

// A broker over memory, with a clock that the test moves.
class World {
 public:
  explicit World(BrokerOptions broker_options = {}) : options(broker_options) { boot(false); }

  // --- The process.

  // A new process on the same log: everything that was in memory is gone.
  void restart(bool unclean = false, std::uint32_t incarnations_skipped = 0) {
    broker.reset();
    sink = Recorder();
    taken_ = 0;
    boot(unclean, incarnations_skipped);
  }
  // As restart(), from a snapshot that was taken when the log had `records` records.
  void restart_from(const std::vector<std::byte>& snapshot, std::size_t records) {
    restart_from(snapshot, {}, records);
  }
  // From one beside the index, with what that held then.
  void restart_from(const std::vector<std::byte>& snapshot, storage::MemorySideIndex index_then,
                    std::size_t records) {
    broker.reset();
    sink = Recorder();
    taken_ = 0;
    store.recover();
    filler_.reset();
    filler_session_.reset();
    index = std::make_unique<storage::MemorySideIndex>(std::move(index_then));
    broker = std::make_unique<Broker>(options, log, store, *index, sink);
    ASSERT_TRUE(broker->restore(snapshot).has_value());
    for (std::size_t i = records; i < log.records().size(); ++i) {
      ASSERT_TRUE(broker->replay(log.records()[i].view()).has_value());
    }
    broker->start(now, false, id_of(99), "test");
  }
  // The state that a replay of the whole log gives, without a start.
  std::vector<std::byte> replayed() {
    FakeLog other_log;
    FakeMessages other_store(other_log);
    Recorder other_sink;
    storage::MemorySideIndex other_index;
    Broker other(options, other_log, other_store, other_index, other_sink);
    for (const FakeLog::Record& record : log.records()) {
      const base::Status status = other.replay(record.view());
      EXPECT_TRUE(status.has_value()) << status.error().message();
    }
    return other.snapshot(SnapshotForm::kWhole);
  }

  // --- Time.

  void sleep(base::Millis duration) {
    now.mono = now.mono + base::Nanos(duration);
    now.wall = now.wall + duration.count();
    tick();
  }
  // Until nothing is left to do now; returns when there is again.
  std::optional<base::MonoTime> tick() {
    if (disk_works) log.sync();
    for (;;) {
      const std::optional<base::MonoTime> next = broker->tick(now);
      if (!next || now.mono < *next) return next;
    }
  }

  // --- Commands.

  base::QueueId make(const QueueConfig& config) {
    const auto made = configure(config);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return *made;
  }
  base::Result<base::QueueId> configure(const QueueConfig& config) {
    return broker->configure(now, {config, base::QueueId(id_of(++ids_))});
  }

  SessionHandle open(std::uint64_t id, bool resumed = false, const std::string& client = "") {
    OpenSession command;
    command.session = SessionHandle(++sessions_);
    command.id = base::SessionId(id_of(1000 + id));
    command.epoch = sessions_;
    command.client = client.empty() ? "pod-" + std::to_string(id) : client;
    command.resumed = resumed;
    broker->apply(now, command);
    return command.session;
  }
  void lose(SessionHandle session, SessionEnd end = SessionEnd::kLost) {
    broker->apply(now, SessionGone{session, end});
    tick();
  }

  PublisherOpened open_publisher(SessionHandle session, const base::QueueId& queue,
                                 std::uint64_t producer = 0, std::uint32_t epoch = 0,
                                 std::uint16_t shard = 0) {
    OpenPublisher command;
    command.origin = {session, RequestId(1)};
    command.queue = queue;
    command.shard = base::ShardIndex(shard);
    if (producer != 0) command.producer = base::ProducerId(id_of(producer));
    command.producer_epoch = epoch;
    broker->apply(now, command);
    return sink.publishers.back().effect;
  }
  PublishReply publish(SessionHandle session, PublisherHandle publisher,
                       std::uint64_t producer_sequence,
                       const std::vector<base::Message>& messages) {
    std::vector<std::byte> entries;
    for (const base::Message& message : messages) {
      EXPECT_TRUE(base::append_entry(message, entries).has_value());
    }
    return publish(session, publisher, producer_sequence, entries, messages.size());
  }
  PublishReply publish(SessionHandle session, PublisherHandle publisher,
                       std::uint64_t producer_sequence, base::ByteView entries, std::size_t count) {
    Publish command;
    command.origin = {session, RequestId(2)};
    command.publisher = publisher;
    command.producer_sequence = producer_sequence;
    command.entries = entries;
    command.count = static_cast<std::uint32_t>(count);
    broker->apply(now, command);
    return sink.published.back().effect;
  }
  // `count` messages "m1", "m2", ... through an unnamed producer of its own session.
  void fill(const base::QueueId& queue, std::uint64_t count, std::uint16_t shard = 0) {
    std::vector<base::Message> messages(count);
    for (base::Message& message : messages) message.body = "m" + std::to_string(++bodies_);
    send(queue, messages, shard);
  }
  PublishReply send(const base::QueueId& queue, const std::vector<base::Message>& messages,
                    std::uint16_t shard = 0) {
    if (!filler_ || filler_queue_ != queue || filler_shard_ != shard) {
      if (!filler_session_) filler_session_ = open(999'999);
      filler_ = open_publisher(*filler_session_, queue, 0, 0, shard).publisher;
      filler_queue_ = queue;
      filler_shard_ = shard;
    }
    const PublishReply reply = publish(*filler_session_, *filler_, 0, messages);
    EXPECT_FALSE(reply.refusal.refused()) << reply.refusal.message;
    return reply;
  }

  AttachReply attach(SessionHandle session, const base::QueueId& queue,
                     const std::string& subscription = "default",
                     std::uint64_t messages = 1'000'000, std::uint64_t bytes = 1ULL << 40,
                     std::uint16_t shard = 0, bool at_most_once = false,
                     std::optional<base::Epoch> last_epoch = std::nullopt) {
    Attach command;
    command.last_epoch = last_epoch;
    command.origin = {session, RequestId(3)};
    command.queue = queue;
    command.subscription = subscription;
    command.shard = base::ShardIndex(shard);
    command.messages_limit = messages;
    command.bytes_limit = bytes;
    command.at_most_once = at_most_once;
    broker->apply(now, command);
    return sink.attached.back().effect;
  }
  DetachReply detach(SessionHandle session, AttachmentHandle attachment) {
    const std::size_t answers = sink.detached.size();
    broker->apply(now, Detach{{session, RequestId(4)}, attachment});
    while (sink.detached.size() == answers) broker->tick(now);  // of very many
    return sink.detached.back().effect;
  }
  void credit(SessionHandle session, AttachmentHandle attachment, std::uint64_t messages,
              std::uint64_t bytes = 1ULL << 40) {
    broker->apply(now, Credit{session, attachment, messages, bytes});
  }

  SettleReply settle(SettleKind kind, SessionHandle session, AttachmentHandle attachment,
                     std::vector<Receipt> receipts, const std::string& error = "",
                     std::optional<base::Millis> delay = {}) {
    Settle command;
    command.origin = {session, RequestId(5)};
    command.attachment = attachment;
    command.kind = kind;
    command.receipts = std::move(receipts);
    command.error = error;
    command.delay = delay;
    const std::size_t answers = sink.settled.size();
    broker->apply(now, command);
    while (sink.settled.size() == answers) broker->tick(now);  // of very many
    return sink.settled.back().effect;
  }
  SettleReply settle(SettleKind kind, const Got& got, const std::string& error = "",
                     std::optional<base::Millis> delay = {}) {
    return settle(kind, got.session, got.attachment, {got.receipt()}, error, delay);
  }
  SettleReply ack(const Got& got) { return settle(SettleKind::kAck, got); }
  SettleReply ack(const std::vector<Got>& all) {
    SettleReply last;
    for (const Got& got : all) last = ack(got);
    return last;
  }
  ExtendReply extend(SessionHandle session, AttachmentHandle attachment, bool all,
                     std::vector<Receipt> receipts, base::Millis duration) {
    Extend command;
    command.origin = {session, RequestId(6)};
    command.attachment = attachment;
    command.all = all;
    command.receipts = std::move(receipts);
    command.duration = duration;
    broker->apply(now, command);
    return sink.extended.back().effect;
  }

  PeekReply peek(const base::QueueId& queue, bool dead, std::uint64_t from = 0,
                 std::uint32_t messages_max = 1000, const std::string& subscription = "default",
                 std::uint16_t shard = 0) {
    Peek command;
    command.shard = base::ShardIndex(shard);
    command.queue = queue;
    command.subscription = subscription;
    command.dead_letters = dead;
    command.from = base::Sequence(from);
    command.messages_max = messages_max;
    command.bytes_max = 1U << 20;
    broker->apply(now, command);
    return sink.peeks.back().effect;
  }
  DiscardReply discard_damaged(const base::QueueId& queue, const std::string& subscription = "",
                               bool dry_run = false) {
    DiscardDamaged command;
    command.queue = queue;
    command.subscription = subscription;
    command.dry_run = dry_run;
    broker->apply(now, command);
    return sink.discards.back().effect;
  }
  SeekReply seek(const base::QueueId& queue, Seek::To to, std::uint64_t value = 0,
                 const std::string& subscription = "default") {
    Seek command;
    command.queue = queue;
    command.subscription = subscription;
    command.to = to;
    command.value = value;
    broker->apply(now, command);
    return sink.seeks.back().effect;
  }
  base::TaskId redrive(const base::QueueId& queue, const Selector& selector = {},
                       bool dry_run = false, std::uint32_t rate = 0,
                       const std::string& subscription = "default") {
    StartTask command;
    command.kind = storage::TaskKind::kRedrive;
    command.queue = queue;
    command.subscription = subscription;
    command.selector = selector;
    command.dry_run = dry_run;
    command.rate_per_second_max = rate;
    return start(command);
  }
  base::TaskId purge(const base::QueueId& queue, bool dead, const Selector& selector = {},
                     const std::string& subscription = "default") {
    StartTask command;
    command.kind = storage::TaskKind::kPurge;
    command.queue = queue;
    command.subscription = subscription;
    command.dead_letters = dead;
    command.selector = selector;
    return start(command);
  }
  base::TaskId start(StartTask command) {
    command.origin = {SessionHandle(1), RequestId(7)};
    command.task = base::TaskId(id_of(++ids_));
    broker->apply(now, command);
    return command.task;
  }

  // --- What came out.

  // The messages of all Delivers since the last call.
  std::vector<Got> take() {
    std::vector<Got> all;
    for (; taken_ < sink.delivers.size(); ++taken_) {
      const Deliver& effect = sink.delivers[taken_].effect;
      for (const DeliveryRun& run : effect.runs) {
        base::ByteView entries(run.rewritten);
        if (entries.empty()) entries = *store.read(run.slice);
        for (std::uint32_t i = 0; i < run.slice.count; ++i) {
          const base::MessageView view = base::take_entry(entries);
          all.push_back({effect.session, effect.attachment, effect.epoch, run.slice.first + i,
                         std::string(base::as_text(view.body)), run.attempts, run.stalls, taken_});
        }
      }
    }
    return all;
  }
  static std::vector<std::uint64_t> sequences(const std::vector<Got>& all) {
    std::vector<std::uint64_t> list;
    for (const Got& got : all) list.push_back(got.sequence.value());
    return list;
  }
  SubscriptionStats stats(const std::string& queue = "orders",
                          const std::string& subscription = "default") {
    for (const QueueStats& q : broker->stats(now).queues) {
      if (q.name != queue) continue;
      for (const SubscriptionStats& s : q.subscriptions) {
        if (s.name == subscription) return s;
      }
    }
    ADD_FAILURE() << "no " << queue << "/" << subscription;
    return {};
  }
  QueueStats queue_stats(const std::string& queue = "orders") {
    for (QueueStats& q : broker->stats(now).queues) {
      if (q.name == queue) return q;
    }
    ADD_FAILURE() << "no " << queue;
    return {};
  }

  BrokerOptions options;
  FakeLog log;
  bool disk_works = true;  // false: ticks find that nothing was written since
  FakeMessages store{log};
  Recorder sink;
  // What the broker of this process has put there.
  std::unique_ptr<storage::MemorySideIndex> index;
  std::unique_ptr<Broker> broker;
  base::Now now{base::MonoTime(1'000'000'000), base::WallTime(1'700'000'000'000)};

 private:
  void boot(bool unclean, std::uint32_t incarnations_skipped = 0) {
    store.recover();
    filler_.reset();
    filler_session_.reset();
    index = std::make_unique<storage::MemorySideIndex>();
    broker = std::make_unique<Broker>(options, log, store, *index, sink);
    for (std::size_t i = 0; i < log.records().size(); ++i) {
      const base::Status status = broker->replay(log.records()[i].view());
      ASSERT_TRUE(status.has_value()) << status.error().message();
    }
    broker->start(now, unclean, id_of(99), "test", incarnations_skipped);
  }

  std::uint64_t ids_ = 0;
  std::uint32_t sessions_ = 0;
  std::uint64_t bodies_ = 0;
  std::size_t taken_ = 0;
  std::optional<SessionHandle> filler_session_;
  std::optional<PublisherHandle> filler_;
  base::QueueId filler_queue_;
  std::uint16_t filler_shard_ = 0;
};

inline std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> list;
  for (std::uint64_t n = first; n <= last; ++n) list.push_back(n);
  return list;
}

}  // namespace sluice::broker
