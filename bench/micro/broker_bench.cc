// How fast the broker's state machine is alone: in-memory fakes for log and messages, one thread.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "base/message.h"
#include "broker/broker.h"
#include "storage/fact_codec.h"
#include "storage/memory_side_index.h"

namespace sluice::broker {
namespace {

// Copies every payload into one buffer, as a real log does, and forgets it.
class MemoryLog final : public storage::Log {
 public:
  storage::Appended append(storage::RecordType, base::ByteView head, base::ByteView tail,
                           bool) override {
    const std::size_t size = head.size() + tail.size();
    if (at_ + size > buffer_.size()) at_ = 0;
    if (!head.empty()) std::memcpy(buffer_.data() + at_, head.data(), head.size());
    if (!tail.empty()) std::memcpy(buffer_.data() + at_ + head.size(), tail.data(), tail.size());
    at_ += size;
    const base::Lsn begin = end_;
    end_ = begin + (32 + size);
    return {begin, end_};
  }
  storage::LogPositions positions() const override { return {end_, end_, end_}; }
  base::Result<storage::RecordView> read(base::Lsn, std::vector<std::byte>&) override {
    return base::not_found("forgotten");
  }
  std::uint32_t feature_level() const override { return storage::kFeatureLevelSupported; }
  std::uint64_t unwritten_bytes() const override { return 0; }

 private:
  std::vector<std::byte> buffer_ = std::vector<std::byte>(8 << 20);
  std::size_t at_ = 0;
  base::Lsn end_{4096};
};

// Knows the batches of one stream, the newest `kept` of them. All messages have one size.
class MemoryMessages final : public storage::MessageStore {
 public:
  MemoryMessages(storage::Log& log, std::size_t kept) : log_(log), kept_(kept) {}

  storage::Appended append(storage::MessagesFact fact, base::ByteView entries,
                           bool needs_sync) override {
    std::byte head[storage::kMessagesHeadBytes];
    storage::encode(fact, head);
    const auto at = log_.append(storage::RecordType::kMessages, head, entries, needs_sync);
    storage::BatchLocation batch;
    batch.lsn = at.begin;
    batch.first = fact.first;
    batch.count = fact.count;
    batch.entries_bytes = static_cast<std::uint32_t>(entries.size());
    batch.accepted_at = fact.accepted_at;
    if (kept_ > 0) batches_.push_back(batch);
    if (batches_.size() > kept_) batches_.pop_front();
    return at;
  }
  // No message here is large.
  storage::Appended append_large(storage::MessagesFact, base::ByteView, bool) override {
    return {};
  }
  base::Result<base::ByteView> read_piece(const storage::EntrySlice&, std::uint64_t) override {
    return base::not_found("forgotten");
  }
  base::Result<std::optional<storage::BatchLocation>> locate(const storage::StreamId&,
                                                             base::Sequence sequence) override {
    const auto at = std::lower_bound(
        batches_.begin(), batches_.end(), sequence,
        [](const storage::BatchLocation& b, base::Sequence s) { return b.last() < s; });
    if (at == batches_.end()) return std::optional<storage::BatchLocation>();
    return std::optional<storage::BatchLocation>(*at);
  }
  base::Result<storage::EntrySlice> slice(const storage::BatchLocation& batch, base::Sequence first,
                                          base::Sequence last, std::uint32_t bytes_max) override {
    const std::uint32_t each = batch.entries_bytes / batch.count;
    storage::EntrySlice slice;
    slice.lsn = batch.lsn;
    slice.first = first;
    slice.count =
        std::min(static_cast<std::uint32_t>(last - first + 1), std::max(1U, bytes_max / each));
    slice.bytes = slice.count * each;
    slice.offset = static_cast<std::uint32_t>(first - batch.first) * each;
    return slice;
  }
  base::Result<base::ByteView> read(const storage::EntrySlice&) override {
    return base::not_found("forgotten");
  }

 private:
  storage::Log& log_;
  const std::size_t kept_;
  std::deque<storage::BatchLocation> batches_;
};

// Keeps the receipts of what was delivered.
class Consumer final : public EffectSink {
 public:
  void emit(Wait, SessionOpened) override {}
  void emit(Wait, PublisherOpened effect) override { publisher = effect.publisher; }
  void emit(Wait, PublishReply effect) override { refused += effect.refusal.refused() ? 1U : 0U; }
  void emit(Wait, PublisherCredit) override {}
  void emit(Wait, AttachReply effect) override { attachment = effect.attachment; }
  void emit(Wait, DetachReply) override {}
  void emit(Wait, Deliver effect) override {
    for (const DeliveryRun& run : effect.runs) {
      receipts.push_back(
          {effect.epoch, {run.slice.first, run.slice.first + (run.slice.count - 1)}});
    }
  }
  void emit(Wait, SettleReply effect) override { settled += effect.settled; }
  void emit(Wait, ExtendReply) override {}
  void emit(Wait, AttachmentClosed) override {}
  void emit(Wait, TaskReply) override {}
  void emit(Wait, PeekReply) override {}
  void emit(Wait, DeleteReply) override {}
  void emit(Wait, SeekReply) override {}
  void emit(Wait, DiscardReply) override {}
  void emit(Wait, CordonReply) override {}

  PublisherHandle publisher;
  AttachmentHandle attachment;
  std::vector<Receipt> receipts;
  std::uint64_t settled = 0;
  std::uint64_t refused = 0;
};

constexpr Origin kProducer{SessionHandle(1), RequestId(1)};
constexpr Origin kConsumer{SessionHandle(2), RequestId(1)};

class Setup {
 public:
  explicit Setup(std::size_t kept)
      : messages_(log_, kept), broker_({}, log_, messages_, index_, sink) {
    broker_.start(now, false, base::Id128{{1}}, "bench");
    QueueConfig config;
    config.name = "bench";
    config.limits.messages_max = ~std::uint64_t{0} >> 1;
    config.limits.bytes_max = ~std::uint64_t{0} >> 1;
    config.subscriptions.push_back({});
    config.subscriptions[0].name = "default";
    queue_ = *broker_.configure(now, {config, base::QueueId(base::Id128{{2}})});
    open(kProducer.session, 3);
    OpenPublisher publisher;
    publisher.origin = kProducer;
    publisher.queue = queue_;
    publisher.producer = base::ProducerId(base::Id128{{7}});
    broker_.apply(now, publisher);
  }

  void attach() {
    open(kConsumer.session, 4);
    Attach command;
    command.origin = kConsumer;
    command.queue = queue_;
    command.subscription = "default";
    command.messages_limit = ~std::uint64_t{0};
    command.bytes_limit = ~std::uint64_t{0};
    broker_.apply(now, command);
  }
  void publish(base::ByteView entries, std::uint32_t count) {
    Publish command;
    command.origin = kProducer;
    command.publisher = sink.publisher;
    command.producer_sequence = next_;
    command.entries = entries;
    command.count = count;
    next_ += count;
    broker_.apply(now, command);
  }
  void settle() {
    Settle command;
    command.origin = kConsumer;
    command.attachment = sink.attachment;
    command.receipts = std::move(sink.receipts);
    sink.receipts.clear();
    broker_.apply(now, command);
  }
  void tick() {
    now.mono = now.mono + std::int64_t{1'000'000};
    now.wall = now.wall + 1;
    broker_.tick(now);
  }

  Consumer sink;
  base::Now now{base::MonoTime(1), base::WallTime(1'700'000'000'000)};

 private:
  void open(SessionHandle handle, std::uint8_t id) {
    OpenSession command;
    command.session = handle;
    command.id = base::SessionId(base::Id128{{id}});
    broker_.apply(now, command);
  }

  MemoryLog log_;
  MemoryMessages messages_;
  storage::MemorySideIndex index_;
  Broker broker_;
  base::QueueId queue_;
  std::uint64_t next_ = 1;
};

std::vector<std::byte> batch_of(std::int64_t count, std::size_t body_bytes) {
  std::vector<std::byte> entries;
  const std::vector<std::byte> body(body_bytes);
  for (std::int64_t i = 0; i < count; ++i) base::append_entry(body, entries);
  return entries;
}

// One batch in, out, and settled; a tick now and then as the loop does.
void publish_deliver_settle(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::byte> entries = batch_of(count, 128);
  Setup setup(16);
  setup.attach();
  std::uint64_t batches = 0;
  for (auto _ : state) {
    setup.publish(entries, count);
    setup.settle();
    if (++batches % 16 == 0) setup.tick();
  }
  if (setup.sink.settled != batches * count || setup.sink.refused != 0) {
    state.SkipWithError("not everything was settled");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(batches * count));
}
BENCHMARK(publish_deliver_settle)->Arg(1)->Arg(16)->Arg(480)->Arg(1800);

// As above, but every message is settled by a receipt of its own, in a shuffled order.
void publish_deliver_settle_singly(benchmark::State& state) {
  const std::vector<std::byte> entries = batch_of(480, 128);
  Setup setup(16);
  setup.attach();
  std::uint64_t batches = 0;
  for (auto _ : state) {
    setup.publish(entries, 480);
    const Receipt all = setup.sink.receipts.front();
    setup.sink.receipts.clear();
    for (std::uint64_t i = 0; i < 480; ++i) {
      const base::Sequence at = all.range.first + (i * 7) % 480;
      setup.sink.receipts.push_back({all.epoch, {at, at}});
      if (setup.sink.receipts.size() == 60) setup.settle();
    }
    if (++batches % 16 == 0) setup.tick();
  }
  if (setup.sink.settled != batches * 480) state.SkipWithError("not everything was settled");
  state.SetItemsProcessed(static_cast<std::int64_t>(batches * 480));
}
BENCHMARK(publish_deliver_settle_singly);

// What 10 million waiting messages cost in memory.
void ten_million_waiting(benchmark::State& state) {
  const std::vector<std::byte> entries = batch_of(480, 100);
  for (auto _ : state) {
    Setup setup(0);
    const std::size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 10'000'000 / 480; ++i) setup.publish(entries, 480);
    state.counters["kib"] = static_cast<double>(mallinfo2().uordblks - before) / 1024.0;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 10'000'000);
}
BENCHMARK(ten_million_waiting)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::broker

BENCHMARK_MAIN();
