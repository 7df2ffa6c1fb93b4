#include "broker/publish_credit.h"

#include <algorithm>
#include <vector>

#include "base/message.h"

namespace sluice::broker {

namespace {

struct Limits {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

std::uint64_t share_of(std::uint64_t limit, std::uint64_t used, std::uint64_t publishers) {
  if (used >= limit) return 0;
  return (limit - used + publishers - 1) / publishers;
}

// An empty queue takes any message that it may have at all.
std::uint64_t bytes_of_one(const LimitsConfig& limits) {
  return std::uint64_t{limits.message_bytes_max} + base::kEntryHeaderBytes +
         base::kAttributesBytesMax;
}

// How far ahead of what was accepted the limits are at most.
Limits window_of(const Core& core, const LimitsConfig& limits) {
  Limits window{core.options.publisher_window_messages, core.options.publisher_window_bytes};
  if (limits.overflow == Overflow::kReject || limits.overflow == Overflow::kBlock) {
    window.messages = std::min(window.messages, limits.messages_max);
    window.bytes = std::min(window.bytes, std::max(limits.bytes_max, bytes_of_one(limits)));
  }
  return window;
}

// The limits that the publisher may have now.
Limits limits_now(const Core& core, const Publisher& publisher) {
  const Queue& queue = publisher.stream->queue();
  const LimitsConfig& limits = queue.config().limits;
  Limits ahead = window_of(core, limits);
  if (limits.overflow == Overflow::kBlock) {
    const std::uint64_t publishers = std::max<std::size_t>(1, queue.publishers.size());
    const std::uint64_t messages = queue.messages();
    std::uint64_t bytes = share_of(limits.bytes_max, queue.bytes(), publishers);
    if (messages == 0) bytes = std::max(bytes, bytes_of_one(limits));
    ahead.messages = std::min(ahead.messages, share_of(limits.messages_max, messages, publishers));
    ahead.bytes = std::min(ahead.bytes, bytes);
  }
  return {std::max(publisher.messages_limit, publisher.messages + ahead.messages),
          std::max(publisher.bytes_limit, publisher.bytes + ahead.bytes)};
}

// True when the publisher may soon have to wait.
bool is_low(const Core& core, const Publisher& publisher) {
  const LimitsConfig& limits = publisher.stream->queue().config().limits;
  const std::uint64_t messages =
      std::min(core.options.publisher_window_messages, limits.messages_max);
  const std::uint64_t bytes = std::min(core.options.publisher_window_bytes, limits.bytes_max);
  const std::uint64_t enough = std::max<std::uint64_t>(bytes / 4, base::kBatchEntriesBytesMax);
  return publisher.messages_limit - publisher.messages <= messages / 4 ||
         publisher.bytes_limit - publisher.bytes <= enough;
}

void note_shortness(const Core& core, Publisher& publisher) {
  Queue& queue = publisher.stream->queue();
  const bool is_short =
      queue.config().limits.overflow == Overflow::kBlock &&
      (publisher.messages_limit < publisher.messages + core.options.publisher_window_messages ||
       publisher.bytes_limit < publisher.bytes + core.options.publisher_window_bytes);
  if (is_short) {
    queue.short_of_credit.insert(publisher.handle);
  } else {
    queue.short_of_credit.erase(publisher.handle);
  }
}

}  // namespace

void grant_credit(Core& core, Publisher& publisher) {
  const Limits limits = limits_now(core, publisher);
  publisher.messages_limit = limits.messages;
  publisher.bytes_limit = limits.bytes;
  note_shortness(core, publisher);
}

bool is_too_much(const Core& core, const LimitsConfig& before, const LimitsConfig& now) {
  if (now.overflow != Overflow::kReject) return false;
  const Limits given = window_of(core, before);
  const Limits window = window_of(core, now);
  return given.messages > window.messages || given.bytes > window.bytes;
}

void return_credit(Core& core, Queue& queue) {
  if (queue.short_of_credit.empty()) return;
  const std::vector<PublisherHandle> waiting(queue.short_of_credit.begin(),
                                             queue.short_of_credit.end());
  for (const PublisherHandle handle : waiting) {
    Publisher& publisher = *core.sessions.publisher(handle);
    if (!is_low(core, publisher)) continue;
    const Limits limits = limits_now(core, publisher);
    if (limits.messages == publisher.messages_limit && limits.bytes == publisher.bytes_limit) {
      continue;
    }
    grant_credit(core, publisher);
    PublisherCredit effect;
    effect.session = publisher.session;
    effect.publisher = handle;
    effect.messages_limit = publisher.messages_limit;
    effect.bytes_limit = publisher.bytes_limit;
    core.effects.emit(Wait{}, effect);
  }
}

}  // namespace sluice::broker
