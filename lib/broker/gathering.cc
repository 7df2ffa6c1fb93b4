#include "broker/gathering.h"

#include <string>
#include <utility>
#include <vector>

#include "broker/publish_credit.h"

namespace sluice::broker {

void give_up(Core& core, PublisherHandle handle, Refusal refusal) {
  Publisher& publisher = *core.sessions.publisher(handle);
  const Gathering& gathering = *core.sessions.gathering(handle);
  Queue& queue = publisher.stream->queue();
  queue.totals().refused_by_code[static_cast<std::uint16_t>(refusal.code)] += 1;
  PublishReply reply;
  reply.origin = {publisher.session, gathering.request};
  reply.publisher = handle;
  reply.producer_sequence = gathering.producer_sequence;
  reply.count = 1;
  reply.refusal = std::move(refusal);
  core.sessions.end_gathering(handle);
  grant_credit(core, publisher);
  reply.messages_limit = publisher.messages_limit;
  reply.bytes_limit = publisher.bytes_limit;
  core.effects.emit(Wait{}, std::move(reply));
}

Gathering* begin_gathering(Core& core, const PublishChunk& command) {
  const bool full =
      core.sessions.gathered_bytes() + command.message_bytes > core.options.gathered_bytes_max;
  Gathering& gathering = core.sessions.gather(command.publisher, full ? 0 : command.message_bytes);
  gathering.request = command.origin.request;
  gathering.producer_sequence = command.producer_sequence;
  if (!full) return &gathering;
  give_up(core, command.publisher,
          {RefusalCode::kNotReady,
           "message bytes: " + std::to_string(command.message_bytes) + " more than the " +
               std::to_string(core.options.gathered_bytes_max) +
               " B that all clients together may have under way: try again later"});
  return nullptr;
}

void expire_gatherings(Core& core, base::Now now) {
  std::vector<PublisherHandle> late;
  for (const auto& [publisher, gathering] : core.sessions.gatherings()) {
    if (gathering.deadline <= now.mono) late.push_back(publisher);
  }
  for (const PublisherHandle publisher : late) {
    const Gathering& gathering = *core.sessions.gathering(publisher);
    give_up(core, publisher,
            {RefusalCode::kLimitReached,
             "piece: the one at offset " + std::to_string(gathering.entry.size()) + " of " +
                 std::to_string(gathering.message_bytes) + " B did not come within " +
                 std::to_string(core.options.gathering_timeout.count()) +
                 " ms: send the message again from offset 0"});
  }
}

void abandon_gatherings(Core& core, const Queue& queue, std::string_view why) {
  for (const PublisherHandle publisher : queue.publishers) {
    if (core.sessions.gathering(publisher) == nullptr) continue;
    give_up(
        core, publisher,
        {RefusalCode::kUnknownHandle, "publisher: queue " + queue.name() + " " + std::string(why)});
  }
}

std::optional<base::MonoTime> next_gathering_deadline(const Core& core) {
  std::optional<base::MonoTime> next;
  for (const auto& [publisher, gathering] : core.sessions.gatherings()) {
    if (!next || gathering.deadline < *next) next = gathering.deadline;
  }
  return next;
}

}  // namespace sluice::broker
