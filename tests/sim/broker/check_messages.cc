#include "base/message.h"
#include "tests/sim/broker/body.h"
#include "tests/sim/broker/checkers.h"
#include "wire/error_code.h"

// What is stored. Numbers of docs/simulation-broker.md, "What is checked": it is delivered as it
// was published (1) and not before its time (9), nothing comes that nobody published, or that was
// refused (2), each message lies at one place, and no place is used for other bytes (3), and
// nothing is stored in a queue that was removed (14).
namespace sluice::sim {

void Checkers::on_publish(base::Now now, const wire::FrameHeader& header,
                          const wire::Publish& frame) {
  const auto publisher = publishers_.find({header.session, frame.publisher});
  if (publisher == publishers_.end()) return;
  if (!base::summarize_batch(frame.entries).has_value()) return;
  note_publication(now, {header.session, header.request}, publisher->second, frame.entries);
}

void Checkers::Gathering::add(std::uint64_t offset, base::ByteView piece) {
  if (offset == 0) *this = {};
  broken |= offset != entry.size();
  if (!broken) entry.insert(entry.end(), piece.begin(), piece.end());
}

void Checkers::on_chunk(base::Now now, const wire::FrameHeader& header, const wire::Chunk& frame) {
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

void Checkers::note_publication(base::Now now, const Request& request, const StreamKey& key,
                                base::ByteView entries) {
  Publication publication{key, {}};
  for (base::ByteView left = entries; !left.empty();) {
    const base::MessageView message = base::take_entry(left);
    const std::optional<std::uint64_t> tag = read_body(message.body);
    if (!tag) return;  // a stranger's
    publication.tags.push_back(*tag);
    model_.asked(now.wall, key, message, *tag);
  }
  publishing_[request] = std::move(publication);
}

void Checkers::bind(Stream& stream, std::uint64_t sequence, std::uint64_t tag, bool accepted) {
  const std::string what = "queue " + stream.queue + " sequence " + std::to_string(sequence);
  if (!model_.bind(stream, sequence, tag, accepted)) {
    return complain(what + " was used for other bytes");
  }
  if (model_.refused.contains(tag)) complain(what + " holds a message that was refused");
}

void Checkers::on_published(const wire::FrameHeader& header, const wire::Published& frame) {
  const auto found = publishing_.find({header.session, header.request});
  if (found == publishing_.end()) return;
  const Publication& publication = found->second;
  const auto code = static_cast<wire::Code>(frame.code);
  for (std::size_t i = 0; i < publication.tags.size(); ++i) {
    const std::uint64_t tag = publication.tags[i];
    if (code == wire::Code::kQueueFull || code == wire::Code::kDiskLow) {
      if (model_.stored.contains(tag)) complain("a stored message was refused");
      model_.refused.insert(tag);
    }
    if (code != wire::Code::kNone) continue;
    if (!frame.duplicate && model_.removed.contains(publication.stream.first)) {
      complain("a message was stored in a queue that was removed");
    }
    if (frame.duplicate && model_.refused.contains(tag)) {
      complain("queue " + model_.stream_of(publication.stream).queue +
               ": a message that was refused is called stored before");
    }
    if (frame.duplicate && model_.first_asked.at(tag).requests == 1) {
      complain("queue " + model_.stream_of(publication.stream).queue +
               ": a message that was sent once is called stored before");
    }
    if (frame.first == 0) continue;  // a duplicate whose place is forgotten
    const std::uint64_t sequence = frame.first + i;
    const Model::Home& home = model_.home_of(tag, publication.stream, sequence);
    if (home != std::pair(publication.stream, sequence)) {
      complain("queue " + model_.stream_of(publication.stream).queue +
               ": one message was stored at " + std::to_string(home.second) + " and at " +
               std::to_string(sequence));
    }
    bind(model_.stream_of(publication.stream), sequence, tag, true);
  }
}

// What is delivered was published, as it was published, and lies where it always lay. False:
// nothing more can be said of it.
bool Checkers::check_message(base::Now now, const StreamKey& key, std::uint64_t sequence,
                             const base::MessageView& message, bool dead) {
  Stream& stream = model_.stream_of(key);
  const std::string what = "queue " + stream.queue + " sequence " + std::to_string(sequence);
  const std::optional<std::uint64_t> tag = read_body(message.body);
  if (!tag || !model_.published.contains(*tag)) {
    complain(what + ": what was delivered was never published");
    return false;
  }
  if (const StreamKey& source = model_.published.at(*tag); source != key) {
    // As it is copied where a queue has other shards, and with what it died of.
    if (source.first == key.first || !model_.copied_into.contains(key.first)) {
      complain(what + ": a message of queue " + model_.stream_of(source).queue + " came here");
    }
    bind(stream, sequence, *tag, false);
    return true;
  }
  if (!dead && !model_.is_as_published(*tag, message)) {
    complain(what + ": delivered with other attributes than published");
  }
  const Model::Home& home = model_.home_of(*tag, key, sequence);
  if (home != std::pair(key, sequence)) {
    complain(what + ": the same message was stored before at " + std::to_string(home.second));
  }
  bind(stream, sequence, *tag, false);
  const auto attributes = base::decode_attributes(message.attributes);
  const bool too_early = attributes.has_value() && attributes->deliver_at > now.wall;
  if (!dead && !wall_stepped_ && too_early) complain(what + ": delivered before its time");
  return true;
}

}  // namespace sluice::sim
