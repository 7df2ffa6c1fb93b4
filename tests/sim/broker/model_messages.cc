#include <algorithm>

#include "base/fnv1a.h"
#include "base/message.h"
#include "tests/sim/broker/body.h"
#include "tests/sim/broker/model.h"
#include "wire/error_code.h"

// What is stored: each message once, at one place, and in the end nothing is missing.
namespace sluice::sim {

namespace {

std::uint64_t hash_of(base::ByteView bytes) { return base::fnv1a(base::as_text(bytes)); }

}  // namespace

void Model::on_publish(base::Now now, const wire::FrameHeader& header, const wire::Publish& frame) {
  const auto publisher = publishers_.find({header.session, frame.publisher});
  if (publisher == publishers_.end()) return;
  if (!base::summarize_batch(frame.entries).has_value()) return;
  note_publication(now, {header.session, header.request}, publisher->second, frame.entries);
}

void Model::Gathering::add(std::uint64_t offset, base::ByteView piece) {
  if (offset == 0) *this = {};
  broken |= offset != entry.size();
  if (!broken) entry.insert(entry.end(), piece.begin(), piece.end());
}

void Model::on_chunk(base::Now now, const wire::FrameHeader& header, const wire::Chunk& frame) {
  const auto publisher = publishers_.find({header.session, frame.publisher});
  if (publisher == publishers_.end()) return;
  const Request request{header.session, header.request};
  Gathering& gathering = coming_[request];
  gathering.add(frame.offset, frame.piece);
  if (!frame.is_last()) return;
  const Gathering whole = std::move(gathering);
  coming_.erase(request);
  if (whole.broken || !base::summarize_large(whole.entry, whole.entry.size())) return;
  note_publication(now, request, publisher->second, whole.entry);
}

void Model::note_publication(base::Now now, const Request& request, const StreamKey& key,
                             base::ByteView entries) {
  Publication publication{key, {}};
  for (base::ByteView left = entries; !left.empty();) {
    const base::MessageView message = base::take_entry(left);
    const std::optional<std::uint64_t> tag = read_body(message.body);
    if (!tag) return;  // a stranger's
    publication.tags.push_back(*tag);
    published_[*tag] = publication.stream;
    entries_[*tag] = hash_of(message.entry);
    refused_.erase(*tag);  // this time it may be taken
    const FirstAsked asked{first_asked_.size() + 1, now.wall};
    FirstAsked& first = first_asked_.emplace(*tag, asked).first->second;
    first.at = std::min(first.at, now.wall);
  }
  publishing_[request] = std::move(publication);
}

void Model::bind(Stream& stream, std::uint64_t sequence, std::uint64_t tag, bool accepted) {
  Message& message = stream.messages[sequence];
  const std::string what = "queue " + stream.queue + " sequence " + std::to_string(sequence);
  if (message.tag != 0 && message.tag != tag) {
    return complain(what + " was used for other bytes");
  }
  message.tag = tag;
  if (refused_.contains(tag)) complain(what + " holds a message that was refused");
  if (accepted && !message.accepted) ++accepted_;
  message.accepted |= accepted;
}

void Model::on_published(const wire::FrameHeader& header, const wire::Published& frame) {
  const auto found = publishing_.find({header.session, header.request});
  if (found == publishing_.end()) return;
  const Publication& publication = found->second;
  const auto code = static_cast<wire::Code>(frame.code);
  for (std::size_t i = 0; i < publication.tags.size(); ++i) {
    const std::uint64_t tag = publication.tags[i];
    if (code == wire::Code::kQueueFull || code == wire::Code::kDiskLow) {
      if (stored_.contains(tag)) complain("a stored message was refused");
      refused_.insert(tag);
    }
    if (code != wire::Code::kNone) continue;
    if (!frame.duplicate && removed_.contains(publication.stream.first)) {
      complain("a message was stored in a queue that was removed");
    }
    if (frame.duplicate && refused_.contains(tag)) {
      complain("queue " + stream_of(publication.stream).queue +
               ": a message that was refused is called stored before");
    }
    if (frame.first == 0) continue;  // a duplicate whose place is forgotten
    const std::uint64_t sequence = frame.first + i;
    const auto [stored, is_new] = stored_.emplace(tag, std::pair(publication.stream, sequence));
    if (stored->second != std::pair(publication.stream, sequence)) {
      complain("queue " + stream_of(publication.stream).queue + ": one message was stored at " +
               std::to_string(stored->second.second) + " and at " + std::to_string(sequence));
    }
    bind(stream_of(publication.stream), sequence, tag, true);
  }
}

// What is delivered was published, as it was published, and lies where it always lay. False:
// nothing more can be said of it.
bool Model::check_message(base::Now now, const StreamKey& key, std::uint64_t sequence,
                          const base::MessageView& message, bool dead) {
  Stream& stream = stream_of(key);
  const std::string what = "queue " + stream.queue + " sequence " + std::to_string(sequence);
  const std::optional<std::uint64_t> tag = read_body(message.body);
  if (!tag || !published_.contains(*tag)) {
    complain(what + ": what was delivered was never published");
    return false;
  }
  if (const StreamKey& home = published_.at(*tag); home != key) {
    // As it is copied where a queue has other shards, and with what it died of.
    if (home.first == key.first || !copied_into_.contains(key.first)) {
      complain(what + ": a message of queue " + stream_of(home).queue + " came here");
    }
    bind(stream, sequence, *tag, false);
    return true;
  }
  if (!dead && hash_of(message.entry) != entries_[*tag]) {
    complain(what + ": delivered with other attributes than published");
  }
  const auto [stored, is_new] = stored_.emplace(*tag, std::pair(key, sequence));
  if (stored->second != std::pair(key, sequence)) {
    complain(what + ": the same message was stored before at " +
             std::to_string(stored->second.second));
  }
  bind(stream, sequence, *tag, false);
  const auto attributes = base::decode_attributes(message.attributes);
  const bool too_early = attributes.has_value() && attributes->deliver_at > now.wall;
  if (!dead && !wall_stepped_ && too_early) complain(what + ": delivered before its time");
  return true;
}

void Model::messages_rotted(const base::QueueId& queue, std::uint16_t shard, std::uint64_t first,
                            std::uint32_t count) {
  Stream& stream = stream_of({queue, shard});
  const auto end = stream.messages.lower_bound(first + count);
  for (auto at = stream.messages.lower_bound(first); at != end; ++at) {
    at->second.may_be_lost = true;
    // So whoever sends it again is not told that it is there.
    stored_.erase(at->second.tag);
  }
}

// Takes what was published by now along, unless it is to be done only where there is nothing.
void Model::on_remove(const Request& request, Removal removal) {
  for (auto& [key, stream] : streams_) {
    const bool is_meant =
        std::find(removal.queues.begin(), removal.queues.end(), key.first) != removal.queues.end();
    if (is_meant && !removal.if_empty) stream.passed_over = first_asked_.size();
  }
  removing_[request] = std::move(removal);
}

void Model::on_removed(const Request& request) {
  const auto found = removing_.find(request);
  if (found == removing_.end()) return;
  const Removal removal = std::move(found->second);
  removing_.erase(found);
  for (const base::QueueId& queue : removal.queues) {
    if (!removed_.insert(queue).second || !removal.if_empty) continue;
    for (const auto& [key, stream] : streams_) {
      if (key.first != queue || medium_failed_) continue;
      for (const auto& [name, places] : stream.places) {
        if (is_dead_letters(name)) continue;
        for (const auto& [sequence, message] : stream.messages) {
          if (!message.accepted || message.may_be_lost) continue;
          if (may_be_gone(stream, name, sequence)) continue;
          complain("queue " + stream.queue + " was removed as empty, and had sequence " +
                   std::to_string(sequence) + " of " + name);
        }
      }
    }
  }
}

void Model::check_end(std::uint64_t damaged) {
  std::uint64_t lost = 0;
  std::string first;
  for (const auto& [key, stream] : streams_) {
    const auto rules = rules_.find(stream.queue);
    if (rules == rules_.end()) continue;
    for (const auto& [name, places] : stream.places) {
      if (is_dead_letters(name)) continue;
      for (const auto& [sequence, message] : stream.messages) {
        if (!message.accepted || message.may_be_lost) continue;
        if (may_be_gone(stream, name, sequence)) continue;
        if (lost++ > 0) continue;
        first = "queue " + stream.queue + " (" + name + ") sequence " + std::to_string(sequence);
      }
    }
  }
  if (lost <= damaged) return;
  complain(std::to_string(lost) + " acknowledged messages were lost, " + std::to_string(damaged) +
           " are counted as damaged; the first: " + first);
}

void Model::check_drained(const broker::BrokerStats& stats, std::uint64_t damaged) {
  for (const broker::QueueStats& queue : stats.queues) {
    for (const broker::SubscriptionStats& subscription : queue.subscriptions) {
      if (damaged > 0) break;
      const std::uint64_t rest = subscription.ready + subscription.in_flight +
                                 subscription.delayed + subscription.dead_lettered;
      if (rest == 0) continue;
      complain("queue " + queue.name + " (" + subscription.name + ") still counts " +
               std::to_string(rest) + " messages");
    }
    if (damaged > 0 || (queue.messages == 0 && queue.bytes == 0 && queue.dead_bytes == 0)) continue;
    complain("queue " + queue.name + " is empty and counts " + std::to_string(queue.messages) +
             " messages, " + std::to_string(queue.bytes) + " bytes, " +
             std::to_string(queue.dead_bytes) + " dead bytes");
  }
}

}  // namespace sluice::sim
