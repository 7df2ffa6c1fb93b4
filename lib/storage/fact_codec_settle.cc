#include "base/check.h"
#include "storage/fact_codec.h"
#include "storage/fact_fields.h"
#include "storage/varint.h"

// Facts about leases, settles, dead letters and tasks.
namespace sluice::storage {

using base::ByteReader;
using base::ByteView;
using base::ByteWriter;
using base::Result;

namespace {

// Beside the reason of a death.
constexpr std::uint8_t kKeepsDeliverAt = 0x80;

void put_retries(ByteWriter& out, const std::vector<RetryEntry>& entries, base::WallTime at) {
  out.u32(static_cast<std::uint32_t>(entries.size()));
  std::uint64_t last = 0;
  for (const RetryEntry& entry : entries) {
    put_delta(out, last, entry.sequence.value());
    put_varint(out, entry.attempts);
    put_varint(out, entry.stalls);
    put_delta(out, static_cast<std::uint64_t>(at.value()),
              static_cast<std::uint64_t>(entry.due.value()));
    last = entry.sequence.value();
  }
}

std::uint16_t get_counter(ByteReader& in) {
  const std::uint64_t value = get_varint(in);
  if (value > 0xFFFF) in.fail();
  return static_cast<std::uint16_t>(value);
}

base::WallTime get_time_near(ByteReader& in, base::WallTime at) {
  const std::uint64_t value = get_delta(in, static_cast<std::uint64_t>(at.value()));
  return base::WallTime(static_cast<std::int64_t>(value));
}

std::vector<RetryEntry> get_retries(ByteReader& in, base::WallTime at) {
  const std::size_t count = get_count(in, 4);
  std::vector<RetryEntry> entries;
  entries.reserve(count);
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    RetryEntry entry;
    last = get_delta(in, last);
    entry.sequence = base::Sequence(last);
    entry.attempts = get_counter(in);
    entry.stalls = get_counter(in);
    entry.due = get_time_near(in, at);
    entries.push_back(entry);
  }
  return entries;
}

// Released, removed and settled facts differ in one byte only.
template <typename Fact>
void encode_caused_ranges(const Fact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  writer.u8(static_cast<std::uint8_t>(fact.cause));
  put_ranges(writer, fact.ranges);
}

template <typename Fact, typename Cause>
Result<Fact> decode_caused_ranges(ByteView payload, Cause last, std::string_view name) {
  ByteReader in(payload);
  Fact fact;
  fact.key = get_key(in);
  fact.cause = get_enum(in, last);
  fact.ranges = get_ranges(in);
  return finish(in, std::move(fact), name);
}

}  // namespace

void encode(const LeasedFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  put_id(writer, fact.session);
  writer.u64(fact.epoch.value());
  writer.u32(fact.lease_ms);
  put_ranges(writer, fact.ranges);
}

Result<LeasedFact> decode_leased(ByteView payload) {
  ByteReader in(payload);
  LeasedFact fact;
  fact.key = get_key(in);
  fact.session = get_id<base::SessionId>(in);
  fact.epoch = base::Epoch(in.u64());
  fact.lease_ms = in.u32();
  fact.ranges = get_ranges(in);
  return finish(in, std::move(fact), "Leased");
}

void encode(const SettledFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  put_ranges(writer, fact.ranges);
}

Result<SettledFact> decode_settled(ByteView payload) {
  ByteReader in(payload);
  SettledFact fact;
  fact.key = get_key(in);
  fact.ranges = get_ranges(in);
  return finish(in, std::move(fact), "Settled");
}

void encode(const ReleasedFact& fact, std::vector<std::byte>& out) {
  encode_caused_ranges(fact, out);
}

Result<ReleasedFact> decode_released(ByteView payload) {
  return decode_caused_ranges<ReleasedFact>(payload, ReleaseCause::kRestart, "Released");
}

void encode(const RemovedFact& fact, std::vector<std::byte>& out) {
  encode_caused_ranges(fact, out);
}

Result<RemovedFact> decode_removed(ByteView payload) {
  return decode_caused_ranges<RemovedFact>(payload, RemoveCause::kDeadDiscarded, "Removed");
}

void encode(const FailedFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  put_text(writer, fact.error, kErrorTextBytesMax);
  put_text(writer, fact.consumer, kTextBytesMax);
  put_time(writer, fact.at);
  put_retries(writer, fact.entries, fact.at);
}

Result<FailedFact> decode_failed(ByteView payload) {
  ByteReader in(payload);
  FailedFact fact;
  fact.key = get_key(in);
  fact.error = get_text(in, kErrorTextBytesMax);
  fact.consumer = get_text(in, kTextBytesMax);
  fact.at = get_time(in);
  fact.entries = get_retries(in, fact.at);
  return finish(in, std::move(fact), "Failed");
}

void encode(const StalledFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  put_text(writer, fact.consumer, kTextBytesMax);
  put_time(writer, fact.at);
  put_retries(writer, fact.entries, fact.at);
}

Result<StalledFact> decode_stalled(ByteView payload) {
  ByteReader in(payload);
  StalledFact fact;
  fact.key = get_key(in);
  fact.consumer = get_text(in, kTextBytesMax);
  fact.at = get_time(in);
  fact.entries = get_retries(in, fact.at);
  return finish(in, std::move(fact), "Stalled");
}

void encode(const DeadFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  const auto reason = static_cast<std::uint8_t>(fact.reason);
  writer.u8(fact.keeps_deliver_at ? reason | kKeepsDeliverAt : reason);
  put_text(writer, fact.error, kErrorTextBytesMax);
  put_text(writer, fact.consumer, kTextBytesMax);
  put_time(writer, fact.at);
  writer.u32(static_cast<std::uint32_t>(fact.entries.size()));
  std::uint64_t last = 0;
  for (const DeadEntry& entry : fact.entries) {
    put_delta(writer, last, entry.sequence.value());
    put_varint(writer, entry.attempts);
    put_varint(writer, entry.stalls);
    put_delta(writer, static_cast<std::uint64_t>(fact.at.value()),
              static_cast<std::uint64_t>(entry.first_failed.value()));
    last = entry.sequence.value();
  }
}

Result<DeadFact> decode_dead(ByteView payload) {
  ByteReader in(payload);
  DeadFact fact;
  fact.key = get_key(in);
  const std::uint8_t reason = in.u8();
  fact.keeps_deliver_at = (reason & kKeepsDeliverAt) != 0;
  fact.reason = static_cast<DeadReason>(reason & ~kKeepsDeliverAt);
  if (fact.reason < DeadReason::kRejected || DeadReason::kOverflow < fact.reason) in.fail();
  fact.error = get_text(in, kErrorTextBytesMax);
  fact.consumer = get_text(in, kTextBytesMax);
  fact.at = get_time(in);
  const std::size_t count = get_count(in, 4);
  fact.entries.reserve(count);
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    DeadEntry entry;
    last = get_delta(in, last);
    entry.sequence = base::Sequence(last);
    entry.attempts = get_counter(in);
    entry.stalls = get_counter(in);
    entry.first_failed = get_time_near(in, fact.at);
    fact.entries.push_back(entry);
  }
  return finish(in, std::move(fact), "Dead");
}

void encode(const RedrivenFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  put_id(writer, fact.task);
  put_ranges(writer, fact.ranges);
}

Result<RedrivenFact> decode_redriven(ByteView payload) {
  ByteReader in(payload);
  RedrivenFact fact;
  fact.key = get_key(in);
  fact.task = get_id<base::TaskId>(in);
  fact.ranges = get_ranges(in);
  return finish(in, std::move(fact), "Redriven");
}

void encode(const RewoundFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  put_ranges(writer, fact.ranges);
}

Result<RewoundFact> decode_rewound(ByteView payload) {
  ByteReader in(payload);
  RewoundFact fact;
  fact.key = get_key(in);
  fact.ranges = get_ranges(in);
  return finish(in, std::move(fact), "Rewound");
}

void encode(const DamagedFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_key(writer, fact.key);
  writer.u8(static_cast<std::uint8_t>(fact.event));
  writer.u64(fact.begin.value());
  writer.u64(fact.end.value());
  put_time(writer, fact.at);
  put_ranges(writer, fact.ranges);
}

Result<DamagedFact> decode_damaged(ByteView payload) {
  ByteReader in(payload);
  DamagedFact fact;
  fact.key = get_key(in);
  fact.event = get_enum(in, DamageEvent::kReadable);
  fact.begin = base::Lsn(in.u64());
  fact.end = base::Lsn(in.u64());
  fact.at = get_time(in);
  fact.ranges = get_ranges(in);
  return finish(in, std::move(fact), "Damaged");
}

void encode(const SubscriptionExpiredFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_id(writer, fact.queue);
  writer.u16(fact.subscription.value());
  put_time(writer, fact.at);
}

Result<SubscriptionExpiredFact> decode_subscription_expired(ByteView payload) {
  ByteReader in(payload);
  SubscriptionExpiredFact fact;
  fact.queue = get_id<base::QueueId>(in);
  fact.subscription = base::SubscriptionId(in.u16());
  fact.at = get_time(in);
  return finish(in, fact, "SubscriptionExpired");
}

void encode(const DroppedFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_stream(writer, fact.stream);
  writer.u8(static_cast<std::uint8_t>(fact.cause));
  put_ranges(writer, fact.ranges);
}

Result<DroppedFact> decode_dropped(ByteView payload) {
  ByteReader in(payload);
  DroppedFact fact;
  fact.stream = get_stream(in);
  fact.cause = get_enum(in, DropCause::kSize);
  fact.ranges = get_ranges(in);
  return finish(in, std::move(fact), "Dropped");
}

void encode(const TaskFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_id(writer, fact.task);
  writer.u8(static_cast<std::uint8_t>(fact.kind));
  writer.u8(static_cast<std::uint8_t>(fact.state));
  put_key(writer, fact.key);
  writer.u64(fact.matched);
  writer.u64(fact.done);
  writer.u64(fact.position.value());
  writer.bytes32(fact.selector);
}

Result<TaskFact> decode_task(ByteView payload) {
  ByteReader in(payload);
  TaskFact fact;
  fact.task = get_id<base::TaskId>(in);
  fact.kind = get_enum(in, TaskKind::kMove);
  fact.state = get_enum(in, TaskState::kFailed);
  fact.key = get_key(in);
  fact.matched = in.u64();
  fact.done = in.u64();
  fact.position = base::Sequence(in.u64());
  const ByteView selector = in.bytes32();
  fact.selector.assign(selector.begin(), selector.end());
  return finish(in, std::move(fact), "Task");
}

void encode(const TransferFact& fact, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  put_id(writer, fact.task);
  writer.u8(static_cast<std::uint8_t>(fact.kind));
  writer.u8(fact.dead_letters ? 1 : 0);
  put_key(writer, fact.from);
  put_stream(writer, fact.to);
  writer.u64(fact.first.value());
  writer.u32(fact.count);
  writer.u64(fact.matched);
  writer.u64(fact.done);
  writer.u64(fact.position.value());
  put_ranges(writer, fact.ranges);
}

Result<TransferFact> decode_transfer(ByteView payload) {
  ByteReader in(payload);
  TransferFact fact;
  fact.task = get_id<base::TaskId>(in);
  fact.kind = get_enum(in, TaskKind::kMove);
  const std::uint8_t dead_letters = in.u8();
  if (dead_letters > 1) in.fail();
  fact.dead_letters = dead_letters == 1;
  fact.from = get_key(in);
  fact.to = get_stream(in);
  fact.first = base::Sequence(in.u64());
  fact.count = in.u32();
  fact.matched = in.u64();
  fact.done = in.u64();
  fact.position = base::Sequence(in.u64());
  fact.ranges = get_ranges(in);
  return finish(in, std::move(fact), "Transfer");
}

}  // namespace sluice::storage
