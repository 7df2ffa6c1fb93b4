#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/message.h"
#include "broker/broker.h"
#include "frontend/effect_gate.h"
#include "storage/memory_side_index.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/broker/fake_log.h"

namespace {

namespace base = sluice::base;
namespace broker = sluice::broker;
namespace storage = sluice::storage;
using sluice::fuzz::Input;

constexpr base::Now kNow{base::MonoTime(1'000'000'000), base::WallTime(1'000'000)};
constexpr int kRecordsMax = 200;

// A process that has just found this log.
struct Process {
  broker::FakeLog log;
  broker::FakeMessages messages{log};
  storage::MemorySideIndex index;
  sluice::frontend::EffectGate gate;
  broker::Broker machine{{}, log, messages, index, gate};
};

// A life of a broker whose facts are the beginning of each log here.
const std::vector<broker::FakeLog::Record>& real_log() {
  static const std::vector<broker::FakeLog::Record> records = [] {
    Process process;
    base::Id128 id;
    id.bytes[0] = 7;
    process.machine.start(kNow, false, id, "fuzz");
    broker::QueueConfig config;
    config.name = "orders";
    config.shards = 2;
    config.retention.bytes = 1'000;
    config.subscriptions.resize(2);
    config.subscriptions[0].name = "default";
    config.subscriptions[1].name = "audit";
    const auto queue = process.machine.configure(kNow, {config, base::QueueId(id)});
    CHECK(queue.has_value());
    const broker::SessionHandle session(1);
    process.machine.apply(kNow, broker::OpenSession{session, base::SessionId(id), 1, "pod", false});
    process.machine.apply(
        kNow,
        broker::OpenPublisher{
            {session, broker::RequestId(1)}, *queue, base::ShardIndex(0), base::ProducerId(id), 0});
    std::vector<std::byte> entries;
    for (int i = 0; i < 20; ++i) base::append_entry(base::as_bytes("message"), entries);
    broker::Publish publish{
        {session, broker::RequestId(2)}, broker::PublisherHandle(1), 1, entries, 20};
    process.machine.apply(kNow, publish);
    broker::Attach attach{{session, broker::RequestId(3)}, *queue, "", base::ShardIndex(0)};
    attach.messages_limit = 10;
    attach.bytes_limit = 1'000'000;
    process.machine.apply(kNow, attach);
    const auto settle = [&](broker::SettleKind kind, std::uint64_t sequence) {
      broker::Settle command{{session, broker::RequestId(4)}, broker::AttachmentHandle(1), kind};
      command.receipts = {
          {base::Epoch((1ULL << 32) + 1), {base::Sequence(sequence), base::Sequence(sequence)}}};
      command.error = "it broke";
      process.machine.apply(kNow, command);
    };
    settle(broker::SettleKind::kAck, 1);
    settle(broker::SettleKind::kFail, 2);
    settle(broker::SettleKind::kReject, 3);
    settle(broker::SettleKind::kRelease, 4);
    process.machine.tick(kNow);
    process.machine.apply(kNow, broker::SessionGone{session, broker::SessionEnd::kLost});
    return process.log.records();
  }();
  return records;
}

}  // namespace

// Facts that contradict the state, or make no sense, are Corruption. What is taken gives a state
// that a snapshot carries to another process, and a broker that can begin its work.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Process process;
  const auto& begin = real_log();
  std::size_t at = input.below(begin.size() + 1);
  // Messages stay whole: where they lie is storage's, which wrote them.
  const auto give = [&process](storage::RecordType type, base::ByteView payload) {
    if (type == storage::RecordType::kMessages && !storage::decode_messages(payload).has_value()) {
      return false;
    }
    process.log.append(type, payload, {}, true);
    return process.machine.replay(process.log.records().back().view()).has_value();
  };
  for (std::size_t i = 0; i < at; ++i) CHECK(give(begin[i].type, begin[i].payload));
  for (int records = 0; records < kRecordsMax && !input.empty(); ++records) {
    if (input.u8() % 2 == 0) {
      const auto type = static_cast<storage::RecordType>(input.below(32));
      if (!give(type, input.take(input.below(200)))) return 0;
      continue;
    }
    // One of the real ones, again or too early, with other numbers in it.
    at = input.below(begin.size());
    std::vector<std::byte> payload = begin[at].payload;
    for (std::size_t changes = input.below(4); changes > 0; --changes) {
      const std::size_t where = input.below(payload.size());
      payload[where] = static_cast<std::byte>(input.u8());
    }
    if (!give(begin[at].type, payload)) return 0;
  }
  const std::vector<std::byte> snapshot = process.machine.snapshot(broker::SnapshotForm::kWhole);
  Process other;
  CHECK(other.machine.restore(snapshot).has_value());
  CHECK(other.machine.snapshot(broker::SnapshotForm::kWhole) == snapshot);
  process.messages.recover();
  process.machine.start(kNow, true, {}, "fuzz");
  for (int ticks = 0; ticks < 20; ++ticks) {
    const base::Now later{kNow.mono + base::Nanos(base::Millis(20'000)) * ticks,
                          kNow.wall + std::int64_t{20'000} * ticks};
    process.machine.tick(later);
  }
  return 0;
}
