#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "broker/snapshot_codec.h"
#include "storage/memory_side_index.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/memory_broker.h"

namespace {

namespace base = sluice::base;
namespace broker = sluice::broker;
using sluice::fuzz::Input;

// The state of a broker that has done some of everything.
std::vector<std::byte> real_state(broker::SnapshotForm form) {
  constexpr base::Now kNow{base::MonoTime(1'000'000'000), base::WallTime(1'000'000)};
  sluice::fuzz::MemoryBroker process(kNow);
  broker::QueueConfig config;
  config.name = "orders";
  config.shards = 2;
  config.retention.bytes = 1'000;
  const base::QueueId queue = process.configure(kNow, 1, config);
  const broker::SessionHandle session(1);
  base::SessionId id;
  id.bytes[0] = 5;
  process.apply(kNow, broker::OpenSession{session, id, 1, "pod", false});
  process.apply(
      kNow,
      broker::OpenPublisher{
          {session, broker::RequestId(1)}, queue, base::ShardIndex(0), base::ProducerId(id), 0});
  std::vector<std::byte> entries;
  for (int i = 0; i < 30; ++i) base::append_entry(base::as_bytes("message"), entries);
  process.apply(
      kNow,
      broker::Publish{{session, broker::RequestId(2)}, broker::PublisherHandle(1), 1, entries, 30});
  broker::Attach attach{{session, broker::RequestId(3)}, queue, "", base::ShardIndex(0)};
  attach.messages_limit = 10;
  attach.bytes_limit = 1'000'000;
  process.apply(kNow, attach);
  for (const auto kind : {broker::SettleKind::kAck, broker::SettleKind::kFail,
                          broker::SettleKind::kReject, broker::SettleKind::kRelease}) {
    broker::Settle settle{{session, broker::RequestId(4)}, broker::AttachmentHandle(1), kind};
    const base::Sequence sequence(static_cast<std::uint64_t>(kind));
    settle.receipts = {{base::Epoch((1ULL << 32) + 1), {sequence, sequence}}};
    process.apply(kNow, settle);
  }
  return process.broker().snapshot(form);
}

void check(base::ByteView bytes, broker::SnapshotForm form) {
  sluice::storage::MemorySideIndex index;
  broker::State state(100, index);
  if (!broker::decode_state(bytes, state).has_value()) return;
  const std::vector<std::byte> once = broker::encode_state(state, form);
  // What it wrote itself is one of the states that there are.
  sluice::storage::MemorySideIndex again_index = index;
  broker::State again(100, again_index);
  CHECK(broker::decode_state(once, again).has_value());
  CHECK(broker::encode_state(again, form) == once);
}

}  // namespace

// A snapshot's broker state is refused, or is a state like any other.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<std::byte> kWhole = real_state(broker::SnapshotForm::kWhole);
  static const std::vector<std::byte> kBeside = real_state(broker::SnapshotForm::kBesideIndex);
  Input input(data, size);
  const bool whole = input.u8() % 2 == 0;
  const auto form = whole ? broker::SnapshotForm::kWhole : broker::SnapshotForm::kBesideIndex;
  std::vector<std::byte> bytes = whole ? kWhole : kBeside;
  for (int changes = 0; changes < 64 && !input.empty(); ++changes) {
    const std::size_t at = input.below(bytes.size());
    const std::uint8_t what = input.u8();
    if (what % 8 == 0) {
      const base::ByteView piece = input.take(1 + input.below(40));
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(), piece.end());
    } else if (what % 8 == 1 && at + 1 < bytes.size()) {
      bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      bytes[at] = static_cast<std::byte>(input.u8());
    }
  }
  check(bytes, form);
  return 0;
}
