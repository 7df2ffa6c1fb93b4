#include "frontend/command_decoder.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace sluice::frontend {
namespace {

constexpr std::string_view kDefaultSubscription = "default";
// What PEEKED can hold with the longest error texts.
constexpr std::uint32_t kPeekMessagesMax = 1'000;

std::vector<broker::Receipt> to_receipts(const std::vector<wire::WireReceipt>& receipts) {
  std::size_t count = 0;
  for (const wire::WireReceipt& receipt : receipts) count += wire::count_ranges(receipt);
  std::vector<broker::Receipt> result;
  result.reserve(count);
  for (const wire::WireReceipt& receipt : receipts) {
    const base::Epoch epoch(receipt.epoch);
    wire::for_each_range(receipt, [&](base::SequenceRange range) {
      result.push_back({epoch, range});
    });
  }
  return result;
}

broker::Selector to_selector(const wire::WireSelector& frame) {
  broker::Selector selector;
  if (frame.reason != 0) selector.reason = static_cast<storage::DeadReason>(frame.reason);
  if (frame.first != 0 || frame.last != 0) {
    // From 0 on is from the first one on.
    selector.sequences.push_back(
        {base::Sequence(std::max<std::uint64_t>(frame.first, 1)), base::Sequence(frame.last)});
  }
  if (!frame.header_name.empty()) {
    selector.header.emplace(std::string(frame.header_name), std::string(frame.header_value));
  }
  selector.before = base::WallTime(frame.dead_before_ms);
  return selector;
}

std::string subscription_or_default(std::string_view name) {
  return std::string(name.empty() ? kDefaultSubscription : name);
}

}  // namespace

broker::OpenPublisher to_command(broker::Origin origin, const wire::OpenPublisher& frame) {
  return {origin, frame.queue, base::ShardIndex(frame.shard), frame.producer, frame.producer_epoch};
}

broker::Publish to_command(broker::Origin origin, const wire::Publish& frame) {
  return {origin, broker::PublisherHandle(frame.publisher), frame.producer_sequence, frame.entries,
          frame.count};
}

broker::Attach to_command(broker::Origin origin, const wire::Attach& frame) {
  return {origin,
          frame.queue,
          subscription_or_default(frame.subscription),
          base::ShardIndex(frame.shard),
          frame.messages_limit,
          frame.bytes_limit,
          false,
          base::Epoch(frame.last_epoch),
          false};
}

broker::PublishChunk to_command(broker::Origin origin, const wire::Chunk& frame) {
  return {origin,
          broker::PublisherHandle(frame.publisher),
          frame.producer_sequence,
          frame.message_bytes,
          frame.offset,
          frame.piece};
}

broker::Attach to_command(broker::Origin origin, const wire::AttachWith& frame) {
  broker::Attach command = to_command(origin, frame.attach);
  command.at_most_once = frame.mode == 1;
  return command;
}

broker::Seek to_command(broker::Origin origin, const wire::Seek& frame) {
  return {origin,
          frame.queue,
          subscription_or_default(frame.subscription),
          base::ShardIndex(frame.shard),
          static_cast<broker::Seek::To>(frame.to),
          frame.value};
}

broker::DiscardDamaged to_command(broker::Origin origin, const wire::DiscardDamaged& frame) {
  return {origin, frame.queue, std::string(frame.subscription), frame.dry_run};
}

broker::Detach to_command(broker::Origin origin, const wire::Detach& frame) {
  return {origin, broker::AttachmentHandle(frame.attachment)};
}

broker::Credit to_command(broker::Origin origin, const wire::Credit& frame) {
  return {origin.session, broker::AttachmentHandle(frame.attachment), frame.messages_limit,
          frame.bytes_limit};
}

broker::Settle to_command(broker::Origin origin, const wire::Settle& frame) {
  broker::Settle command;
  command.origin = origin;
  command.attachment = broker::AttachmentHandle(frame.attachment);
  command.kind = static_cast<broker::SettleKind>(frame.kind);
  command.receipts = to_receipts(frame.receipts);
  if (frame.has_delay) command.delay = base::Millis(frame.delay_ms);
  command.error = std::string(frame.error);
  command.wants_reply = origin.request != broker::RequestId{};
  return command;
}

broker::Extend to_command(broker::Origin origin, const wire::Extend& frame) {
  broker::Extend command;
  command.origin = origin;
  command.attachment = broker::AttachmentHandle(frame.attachment);
  command.all = frame.all;
  command.receipts = to_receipts(frame.receipts);
  command.duration = base::Millis(frame.duration_ms);
  return command;
}

broker::DeleteQueue to_command(broker::Origin origin, const wire::DeleteQueue& frame) {
  return {origin, frame.queue};
}

broker::StartTask to_command(broker::Origin origin, const wire::Redrive& frame) {
  broker::StartTask command;
  command.origin = origin;
  command.kind = storage::TaskKind::kRedrive;
  command.queue = frame.queue;
  command.subscription = std::string(frame.subscription);
  command.dead_letters = true;
  command.selector = to_selector(frame.selector);
  command.dry_run = frame.dry_run;
  command.rate_per_second_max = frame.rate_per_second_max;
  return command;
}

broker::StartTask to_command(broker::Origin origin, const wire::Purge& frame) {
  broker::StartTask command;
  command.origin = origin;
  command.kind = storage::TaskKind::kPurge;
  command.queue = frame.queue;
  command.subscription = std::string(frame.subscription);
  command.dead_letters = frame.dead_letters;
  command.selector = to_selector(frame.selector);
  return command;
}

broker::StartTask to_command(broker::Origin origin, const wire::StartTask& frame) {
  broker::StartTask command;
  command.origin = origin;
  command.detailed = true;
  command.kind = static_cast<storage::TaskKind>(frame.kind);
  command.queue = frame.queue;
  command.subscription = std::string(frame.subscription);
  command.dead_letters = frame.dead_letters;
  command.dry_run = frame.dry_run;
  command.rate_per_second_max = frame.rate_per_second_max;
  command.samples_max = std::min<std::uint32_t>(frame.samples_max, wire::kTaskSamplesMax);
  command.target = frame.target;
  broker::Selector& selector = command.selector;
  if (frame.reason != 0) selector.reason = static_cast<storage::DeadReason>(frame.reason);
  if (!frame.header_name.empty()) {
    selector.header.emplace(std::string(frame.header_name), std::string(frame.header_value));
  }
  selector.before = base::WallTime(frame.before_ms);
  selector.not_before = base::WallTime(frame.not_before_ms);
  selector.error = std::string(frame.error);
  for (const wire::WireRange& range : frame.ranges) {
    selector.sequences.push_back({base::Sequence(range.first), base::Sequence(range.last)});
  }
  return command;
}

broker::StartTask to_command(broker::Origin origin, const wire::StartShardTask& frame) {
  broker::StartTask command = to_command(origin, frame.task);
  command.selector.shard = base::ShardIndex(frame.shard);
  return command;
}

broker::CancelTask to_command(broker::Origin origin, const wire::CancelTask& frame) {
  return {origin, frame.task};
}

broker::Peek to_command(broker::Origin origin, const wire::Peek& frame) {
  broker::Peek command;
  command.origin = origin;
  command.queue = frame.queue;
  command.subscription = subscription_or_default(frame.subscription);
  command.dead_letters = frame.dead_letters;
  command.shard = base::ShardIndex(frame.shard);
  command.from = base::Sequence(frame.from);
  command.messages_max = std::min(frame.messages_max, kPeekMessagesMax);
  return command;
}

}  // namespace sluice::frontend
