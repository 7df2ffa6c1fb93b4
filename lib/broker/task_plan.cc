#include "broker/task_plan.h"

#include <string>
#include <utility>

#include "broker/queue.h"
#include "broker/tlv.h"

namespace sluice::broker {

namespace {

enum class Tag : std::uint16_t {
  kReason = 1,
  kSequences = 2,
  kHeader = 3,
  kBefore = 4,
  kFlags = 5,  // 1 dead letters, 2 all subscriptions
  kRate = 6,
  kEnd = 7,  // repeated, one a shard
  // Feature level 2, as is kSequences more than once.
  kTarget = 8,
  kNotBefore = 9,
  kError = 10,
  kNote = 11,
  kShard = 12,
};
constexpr std::uint16_t tag(Tag value) { return static_cast<std::uint16_t>(value); }
constexpr std::uint8_t kDeadLetters = 1;
constexpr std::uint8_t kAllSubscriptions = 2;

bool get_field(Tag field, base::ByteReader& value, TaskPlan& plan) {
  switch (field) {
    case Tag::kReason: {
      const std::uint8_t reason = value.u8();
      plan.selector.reason = static_cast<storage::DeadReason>(reason);
      return reason >= static_cast<std::uint8_t>(storage::DeadReason::kRejected) &&
             reason <= static_cast<std::uint8_t>(storage::DeadReason::kOverflow);
    }
    case Tag::kSequences: {
      const base::Sequence first(value.u64());
      const base::SequenceRange range{first, base::Sequence(value.u64())};
      std::vector<base::SequenceRange>& sequences = plan.selector.sequences;
      const bool in_order = sequences.empty() || sequences.back().last < range.first;
      sequences.push_back(range);
      return in_order && range.first <= range.last;
    }
    case Tag::kHeader: {
      std::string name(value.text16());
      plan.selector.header.emplace(std::move(name), std::string(base::as_text(value.rest())));
      return true;
    }
    case Tag::kBefore:
      plan.selector.before = base::WallTime(value.i64());
      return true;
    case Tag::kFlags: {
      const std::uint8_t flags = value.u8();
      plan.dead_letters = (flags & kDeadLetters) != 0;
      plan.all_subscriptions = (flags & kAllSubscriptions) != 0;
      return true;
    }
    case Tag::kRate:
      plan.rate_per_second_max = value.u32();
      return true;
    case Tag::kEnd:
      plan.ends.push_back(base::Sequence(value.u64()));
      return true;
    case Tag::kTarget:
      plan.target.bytes = value.array<16>();
      return true;
    case Tag::kNotBefore:
      plan.selector.not_before = base::WallTime(value.i64());
      return true;
    case Tag::kError:
      plan.selector.error = base::as_text(value.rest());
      return true;
    case Tag::kNote:
      plan.note.key = value.text16();
      plan.note.command = value.text16();
      plan.note.selector = value.text16();
      return true;
    case Tag::kShard:
      plan.selector.shard = base::ShardIndex(value.u16());
      return true;
  }
  return false;
}

}  // namespace

bool is_possible(storage::TaskKind kind, const storage::SubscriptionKey& key, const TaskPlan& plan,
                 const Queue& queue) {
  const bool carries = kind == storage::TaskKind::kCopy || kind == storage::TaskKind::kMove;
  if (plan.selector.shard && *plan.selector.shard != key.stream.shard) return false;
  return carries == !plan.target.is_zero() && plan.ends.size() == queue.streams().size() &&
         key.stream.shard.value() < queue.streams().size();
}

bool needs_level_2(storage::TaskKind kind, const Selector& selector) {
  const bool carries = kind == storage::TaskKind::kCopy || kind == storage::TaskKind::kMove;
  return carries || selector.shard || selector.sequences.size() > 1 ||
         selector.not_before != base::WallTime() || !selector.error.empty();
}

std::vector<std::byte> encode_plan(const TaskPlan& plan, bool with_note) {
  std::vector<std::byte> out;
  const Selector& selector = plan.selector;
  if (selector.reason) {
    TlvField(out, tag(Tag::kReason))->u8(static_cast<std::uint8_t>(*selector.reason));
  }
  for (const base::SequenceRange& range : selector.sequences) {
    TlvField field(out, tag(Tag::kSequences));
    field->u64(range.first.value());
    field->u64(range.last.value());
  }
  if (selector.header) {
    TlvField field(out, tag(Tag::kHeader));
    field->text16(selector.header->first);
    field->bytes(base::as_bytes(selector.header->second));
  }
  TlvField(out, tag(Tag::kBefore))->i64(selector.before.value());
  TlvField(out, tag(Tag::kFlags))
      ->u8(static_cast<std::uint8_t>((plan.dead_letters ? kDeadLetters : 0) |
                                     (plan.all_subscriptions ? kAllSubscriptions : 0)));
  TlvField(out, tag(Tag::kRate))->u32(plan.rate_per_second_max);
  for (const base::Sequence end : plan.ends) TlvField(out, tag(Tag::kEnd))->u64(end.value());
  if (!plan.target.is_zero()) TlvField(out, tag(Tag::kTarget))->array(plan.target.bytes);
  if (selector.not_before != base::WallTime()) {
    TlvField(out, tag(Tag::kNotBefore))->i64(selector.not_before.value());
  }
  if (!selector.error.empty()) {
    TlvField(out, tag(Tag::kError))->bytes(base::as_bytes(selector.error));
  }
  if (selector.shard) TlvField(out, tag(Tag::kShard))->u16(selector.shard->value());
  if (with_note) {
    TlvField field(out, tag(Tag::kNote));
    field->text16(plan.note.key);
    field->text16(plan.note.command);
    field->text16(plan.note.selector);
  }
  return out;
}

base::Result<TaskPlan> decode_plan(base::ByteView data) {
  TaskPlan plan;
  const bool good = for_each_field(data, [&](std::uint16_t field, base::ByteReader& value) {
    return get_field(static_cast<Tag>(field), value, plan);
  });
  if (!good) return base::corruption("task: malformed selector, or written by a newer version");
  return plan;
}

}  // namespace sluice::broker
