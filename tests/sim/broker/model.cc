#include "tests/sim/broker/model.h"

#include <algorithm>

#include "base/fnv1a.h"
#include "base/message.h"
#include "tests/sim/broker/body.h"
#include "wire/error_code.h"
#include "wire/frame_codec.h"

namespace sluice::sim {
namespace {

constexpr std::string_view kDead = "/dlq";
constexpr std::size_t kComplaintsMax = 20;

std::uint64_t hash_of(base::ByteView bytes) { return base::fnv1a(base::as_text(bytes)); }

std::string name_of(std::string_view subscription) {
  return subscription.empty() ? "default" : std::string(subscription);
}

bool is_ok(std::uint16_t code) { return static_cast<wire::Code>(code) == wire::Code::kNone; }

}  // namespace

bool Model::is_dead_letters(const std::string& subscription) {
  return subscription.ends_with(kDead);
}

std::string Model::without_dead(const std::string& subscription) {
  const std::size_t cut = is_dead_letters(subscription) ? kDead.size() : 0;
  return subscription.substr(0, subscription.size() - cut);
}

void Model::complain(std::string text) {
  if (complaints_.size() < kComplaintsMax) complaints_.push_back(std::move(text));
}

std::uint64_t Model::accepted_in(const std::string& queue) const {
  std::uint64_t count = 0;
  for (const auto& [key, stream] : streams_) {
    if (stream.queue != queue) continue;
    for (const auto& [sequence, message] : stream.messages) count += message.accepted ? 1U : 0U;
  }
  return count;
}

// --- What the broker is given.

void Model::received(base::Now now, frontend::Peer peer, base::ByteView bytes) {
  const auto frame = wire::decode_frame(bytes);
  if (!frame.has_value()) return;
  if (const auto* hello = std::get_if<wire::Hello>(&frame->body)) {
    hellos_[peer] = {hello->session_id, now.mono};
    // A connection has one session (docs/protocol.md, "Sessions"): another one that it had is lost.
    for (const auto& [number, session] : sessions_) {
      if (session.peer == peer && session.id != hello->session_id) loosen_all(session.id);
    }
    return;
  }
  const auto session = sessions_.find(frame->header.session);
  if (session == sessions_.end() || session->second.peer != peer ||
      session->second.epoch != frame->header.session_epoch) {
    return;  // fenced, or nobody's
  }
  // A frame of a session that was lost, and begun anew under the same id, is a sign of life for
  // none.
  Client& client = clients_[session->second.id];
  if (client.number == frame->header.session) heard(session->second.id, client, now.mono);
  on_received(now, frame->header, frame->body);
}

// Who was silent for the time to live may have been lost (docs/protocol.md, "Sessions"), and what
// it held given away, though it goes on talking and has not been told yet.
void Model::heard(const base::SessionId& session, Client& client, base::MonoTime at) {
  if (client.heard != base::MonoTime() && at >= client.heard + session_ttl_) {
    loosen_all(session);
  }
  client.heard = std::max(client.heard, at);
}

void Model::loosen_all(const base::SessionId& session) {
  for (const auto& [key, stream] : streams_) {
    for (const auto& [name, places] : stream.places) loosen(session, {key, name, false}, 0);
  }
}

void Model::on_received(base::Now now, const wire::FrameHeader& header, const wire::Body& body) {
  const Request request{header.session, header.request};
  if (const auto* resolve = std::get_if<wire::Resolve>(&body)) {
    resolving_[request] = std::string(resolve->queue);
  } else if (const auto* open = std::get_if<wire::OpenPublisher>(&body)) {
    opening_[request] = {open->queue, open->shard};
  } else if (const auto* publish = std::get_if<wire::Publish>(&body)) {
    on_publish(now, header, *publish);
  } else if (const auto* attach = std::get_if<wire::Attach>(&body)) {
    on_attach(header, *attach, false);
  } else if (const auto* with = std::get_if<wire::AttachWith>(&body)) {
    on_attach(header, with->attach, with->mode != 0);
  } else if (const auto* settle = std::get_if<wire::Settle>(&body)) {
    on_settle(header, *settle);
  } else if (const auto* extend = std::get_if<wire::Extend>(&body)) {
    on_extend(now, header, *extend);
  } else if (const auto* detach = std::get_if<wire::Detach>(&body)) {
    const auto at = attachments_.find({header.session, detach->attachment});
    if (at != attachments_.end()) loosen(sessions_[header.session].id, at->second, 0);
  } else if (std::holds_alternative<wire::Goodbye>(body)) {
    clients_[sessions_[header.session].id].ended = true;
  } else if (const auto* redrive = std::get_if<wire::Redrive>(&body)) {
    on_task(redrive->queue, true);
  } else if (const auto* task = std::get_if<wire::StartTask>(&body)) {
    on_task(task->queue, task->kind == 1);
  } else if (const auto* purge = std::get_if<wire::Purge>(&body)) {
    on_task(purge->queue, false);
  } else if (const auto* seek = std::get_if<wire::Seek>(&body)) {
    on_seek(header, *seek);
  }
}

void Model::on_publish(base::Now now, const wire::FrameHeader& header, const wire::Publish& frame) {
  const auto publisher = publishers_.find({header.session, frame.publisher});
  if (publisher == publishers_.end()) return;
  if (!base::summarize_batch(frame.entries).has_value()) return;
  Publication publication{publisher->second, {}};
  for (base::ByteView left = frame.entries; !left.empty();) {
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
  publishing_[{header.session, header.request}] = std::move(publication);
}

void Model::on_attach(const wire::FrameHeader& header, const wire::Attach& frame,
                      bool at_most_once) {
  const Attachment at{{frame.queue, frame.shard}, name_of(frame.subscription), at_most_once};
  attaching_[{header.session, header.request}] = at;
  loosen(sessions_[header.session].id, at, frame.last_epoch);
}

// What the session holds there of later deliveries is, or may be, given back.
void Model::loosen(const base::SessionId& session, const Attachment& at,
                   std::uint64_t above_epoch) {
  for (auto& [sequence, place] : stream_of(at.stream).places[at.subscription]) {
    if (place.holder == session && place.epoch > above_epoch) place.loose = true;
  }
}

void Model::on_settle(const wire::FrameHeader& header, const wire::Settle& frame) {
  const auto at = attachments_.find({header.session, frame.attachment});
  if (at == attachments_.end()) return;
  Settling settling{at->second, frame.kind, {}, 0};
  Stream& stream = stream_of(at->second.stream);
  Places& places = stream.places[at->second.subscription];
  const Seeks& seeks = stream.seeks[without_dead(at->second.subscription)];
  settling.seeks = seeks.count;
  settling.certain = seeks.open == 0;
  for (const wire::WireReceipt& receipt : frame.receipts) {
    const auto end = places.upper_bound(receipt.last);
    for (auto found = places.lower_bound(receipt.first); found != end; ++found) {
      Place& place = found->second;
      if (place.epoch > receipt.epoch) {
        // An ack of what is gone counts as settled (docs/protocol.md, SETTLED): whoever acked it,
        // also as a dead letter, and where an expiry or a limit has removed it.
        const bool excused = may_be_gone(stream, at->second.subscription, found->first);
        if (frame.kind != 1 || !excused) ++settling.stale_min;
        continue;
      }
      if (place.epoch < receipt.epoch) continue;
      place.loose = true;
      settling.current.push_back({found->first, receipt.epoch});
      if (frame.kind == 1) ++place.acks_open;
      if (frame.kind == 3) ++place.fails_open;
      if (frame.kind == 4) place.rejected_maybe = true;
    }
  }
  if (header.request != 0) settling_[{header.session, header.request}] = std::move(settling);
}

void Model::on_extend(base::Now now, const wire::FrameHeader& header, const wire::Extend& frame) {
  const auto at = attachments_.find({header.session, frame.attachment});
  if (at == attachments_.end()) return;
  // An extension counts from now, so it may also shorten a lease.
  const base::MonoTime end = now.mono + base::Millis(frame.duration_ms);
  for (auto& [sequence, place] : stream_of(at->second.stream).places[at->second.subscription]) {
    if (place.holder != sessions_[header.session].id) continue;
    if (frame.duration_ms > 0) place.lease_until = std::min(place.lease_until, end);
  }
}

void Model::on_task(const base::QueueId& queue, bool redrive) {
  for (auto& [key, stream] : streams_) {
    if (key.first != queue) continue;
    stream.redriven = true;
    for (auto& [name, places] : stream.places) {
      for (auto& [sequence, place] : places) {
        place.loose = true;
        place.counters_free = true;
        if (!redrive) place.acked_maybe = true;
        if (redrive && !place.acked_maybe && place.acks_open == 0) place.gone = false;
      }
    }
  }
}

// It settles what lies before its position, whoever holds it, and brings back what was settled
// behind it. Where that position is, is decided now; the rest may take until it is answered.
void Model::on_seek(const wire::FrameHeader& header, const wire::Seek& frame) {
  const StreamKey key{frame.queue, frame.shard};
  const std::string subscription = name_of(frame.subscription);
  constexpr std::uint8_t kToFirst = 3;
  Stream& stream = stream_of(key);
  stream.redriven = true;
  Seeks& seeks = stream.seeks[subscription];
  ++seeks.count;
  if (seeking_.emplace(Request{header.session, header.request}, std::pair(key, subscription))
          .second) {
    ++seeks.open;
  }
  if (frame.to != kToFirst) seeks.passed_over = first_asked_.size();
  for (auto& [name, places] : stream.places) {
    if (without_dead(name) != subscription) continue;
    for (auto& [sequence, place] : places) {
      place.loose = place.counters_free = true;
      place.gone = false;
    }
  }
}

// --- What leaves it.

// Whatever leaves now waited for a record beyond what was durable at the release before, so it was
// not decided before the round whose end first was beyond that.
void Model::releasing(base::Now now, const storage::LogPositions& positions) {
  wall_max_ = std::max(wall_max_, now.wall);
  durable_before_ = durable_now_;
  durable_now_ = positions.durable;
  if (rounds_.empty() || rounds_.back().second < positions.appended) {
    rounds_.emplace_back(now.mono, positions.appended);
  }
  while (rounds_.size() > 1 && rounds_.front().second <= durable_before_) rounds_.pop_front();
  decided_from_ = rounds_.front().first;
}

void Model::broker_ended(base::MonoTime now, bool power_lost) {
  rounds_.clear();
  durable_before_ = durable_now_ = base::Lsn();
  // What was not lost by now lives for that time again from the next start on.
  for (auto& [id, client] : clients_) heard(id, client, now);
  for (auto& [key, stream] : streams_) {
    for (auto& [name, seeks] : stream.seeks) seeks.open = 0;  // nobody goes on with them
    const bool may_lose = power_lost && !rules_[stream.queue].durable;
    for (auto& [sequence, message] : stream.messages) {
      message.may_be_lost |= may_lose;
      if (may_lose) stored_.erase(message.tag);
    }
    for (auto& [name, places] : stream.places) {
      for (auto& [sequence, place] : places) {
        place.lease_until = std::min(place.lease_until, now + session_ttl_);
        if (!may_lose) continue;
        place.loose = place.counters_free = true;
        place.acked_maybe |= place.gone;
        place.gone = false;
      }
    }
  }
  // Requests that were not answered are open for ever.
  publishing_.clear();
  settling_.clear();
  attaching_.clear();
  opening_.clear();
  seeking_.clear();
}

// What that session holds may be given back now, or any time.
void Model::not_sent(frontend::Peer peer) {
  for (const auto& [number, session] : sessions_) {
    if (session.peer == peer) loosen_all(session.id);
  }
}

void Model::sent(base::Now now, frontend::Peer peer, base::ByteView bytes) {
  const auto frame = wire::decode_frame(bytes);
  if (!frame.has_value()) return complain("the broker sent what nobody can read");
  on_sent(now, peer, *frame);
}

void Model::on_sent(base::Now now, frontend::Peer peer, const wire::Frame& frame) {
  const wire::FrameHeader& header = frame.header;
  const Request request{header.session, header.request};
  if (const auto* welcome = std::get_if<wire::Welcome>(&frame.body)) {
    on_welcome(now, peer, *welcome);
  } else if (const auto* resolved = std::get_if<wire::Resolved>(&frame.body)) {
    if (is_ok(resolved->code)) names_[resolved->queue] = resolving_[request];
  } else if (const auto* opened = std::get_if<wire::PublisherOpened>(&frame.body)) {
    const auto open = opening_.find(request);
    if (open == opening_.end() || !is_ok(opened->code)) return;
    publishers_[{header.session, opened->publisher}] = open->second;
    stream_of(open->second).queue = names_[open->second.first];
  } else if (const auto* published = std::get_if<wire::Published>(&frame.body)) {
    on_published(header, *published);
  } else if (const auto* attached = std::get_if<wire::Attached>(&frame.body)) {
    const auto attach = attaching_.find(request);
    if (attach == attaching_.end() || !is_ok(attached->code)) return;
    attachments_[{header.session, attached->attachment}] = attach->second;
    stream_of(attach->second.stream).queue = names_[attach->second.stream.first];
    stream_of(attach->second.stream).places[attach->second.subscription];
  } else if (const auto* deliver = std::get_if<wire::Deliver>(&frame.body)) {
    on_deliver(now, header, *deliver);
  } else if (const auto* settled = std::get_if<wire::Settled>(&frame.body)) {
    on_settled(header, *settled);
  } else if (std::holds_alternative<wire::Seeked>(frame.body)) {
    on_seeked(header);
  } else if (const auto* closed = std::get_if<wire::AttachmentClosed>(&frame.body)) {
    const auto at = attachments_.find({header.session, closed->attachment});
    if (at != attachments_.end()) loosen(sessions_[header.session].id, at->second, 0);
  }
}

void Model::on_welcome(base::Now now, frontend::Peer peer, const wire::Welcome& frame) {
  if (frame.incarnation < incarnation_) complain("an incarnation came again");
  incarnation_ = frame.incarnation;
  sessions_[frame.session] = {frame.session_id, peer, frame.session_epoch};
  const auto hello = hellos_.find(peer);
  const bool asked = hello != hellos_.end();
  Client& client = clients_[frame.session_id];
  heard(frame.session_id, client, asked ? hello->second.at : now.mono);
  client.number = frame.session;
  // One that could not be taken up again has ended.
  if (asked && hello->second.session != frame.session_id) {
    clients_[hello->second.session].ended = true;
  }
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

void Model::on_deliver(base::Now now, const wire::FrameHeader& header, const wire::Deliver& frame) {
  const auto found = attachments_.find({header.session, frame.attachment});
  if (found == attachments_.end()) return complain("a delivery to nobody");
  if (!epochs_.insert(frame.epoch).second) {
    complain("epoch " + std::to_string(frame.epoch) + " was used for two deliveries");
  }
  const Attachment& at = found->second;
  const bool dead = is_dead_letters(at.subscription);
  Stream& stream = stream_of(at.stream);
  base::ByteView left = frame.entries;
  for (const wire::DeliverRun& run : frame.runs) {
    for (std::uint64_t i = 0; i < run.count; ++i) {
      const base::MessageView message = base::take_entry(left);
      const std::uint64_t sequence = run.first + i;
      const std::string what = "queue " + stream.queue + " sequence " + std::to_string(sequence);
      const std::optional<std::uint64_t> tag = read_body(message.body);
      if (!tag || !published_.contains(*tag)) {
        complain(what + ": what was delivered was never published");
        continue;
      }
      if (!dead && hash_of(message.entry) != entries_[*tag]) {
        complain(what + ": delivered with other attributes than published");
      }
      const auto [stored, is_new] = stored_.emplace(*tag, std::pair(at.stream, sequence));
      if (stored->second != std::pair(at.stream, sequence)) {
        complain(what + ": the same message was stored before at " +
                 std::to_string(stored->second.second));
      }
      bind(stream, sequence, *tag, false);
      const auto attributes = base::decode_attributes(message.attributes);
      const bool too_early = attributes.has_value() && attributes->deliver_at > now.wall;
      if (!dead && !wall_stepped_ && too_early) {
        complain(what + ": delivered before its time");
      }
      deliver_one(now, at, run, sequence, frame, sessions_[header.session].id);
    }
  }
}

void Model::deliver_one(base::Now now, const Attachment& at, const wire::DeliverRun& run,
                        std::uint64_t sequence, const wire::Deliver& frame,
                        base::SessionId session) {
  ++delivered_;
  Stream& stream = stream_of(at.stream);
  Place& place = stream.places[at.subscription][sequence];
  const QueueRules& rules = rules_[stream.queue];
  const std::string what =
      "queue " + stream.queue + " (" + at.subscription + ") sequence " + std::to_string(sequence);
  if (place.gone && !medium_failed_) complain(what + ": settled, and delivered again");
  // So no receipt of a delivery before it has settled it, or a seek or a redrive has undone that.
  if (frame.epoch > place.epoch) {
    place.acks_open = 0;
    place.acked_maybe = false;
  }
  check_lease(now, place, session, what);
  if (is_dead_letters(at.subscription)) {
    check_dead(stream, at.subscription, sequence, what);
  } else {
    check_counters(place, run, rules, what);
  }
  if (stream.redriven) place.counters_free = true;
  place.epoch = frame.epoch;
  place.holder = session;
  place.loose = false;
  place.lease_until = decided_from_ + base::Millis(frame.lease_ms);
  if (at.at_most_once) place.gone = place.acked_maybe = true;
}

void Model::check_lease(base::Now now, const Place& place, const base::SessionId& session,
                        const std::string& what) {
  if (place.epoch == 0 || place.loose || medium_failed_) return;
  const Client& client = clients_[place.holder];
  if (client.ended || now.mono >= client.heard + session_ttl_) return;
  if (now.mono >= place.lease_until) return;
  complain(what + ": leased while " +
           (place.holder == session ? "the same session" : "another session") + " holds it");
}

void Model::check_counters(Place& place, const wire::DeliverRun& run, const QueueRules& rules,
                           const std::string& what) {
  const int attempts = run.attempts;
  if (!place.counters_free && !medium_failed_) {
    if (attempts < place.fails || attempts > place.fails + place.fails_open) {
      complain(what + ": " + std::to_string(attempts) + " attempts, not " +
               std::to_string(place.fails) + " to " +
               std::to_string(place.fails + place.fails_open));
    }
    if (run.stalls < place.stalls) complain(what + ": a stall was forgotten");
  }
  if (rules.max_attempts > 0 && attempts >= rules.max_attempts) {
    complain(what + ": delivered after its last attempt");
  }
  place.fails = attempts;
  place.fails_open = 0;
  place.stalls = run.stalls;
  place.counters_free = false;
}

// A dead letter: it must have had a reason to die, and is gone from its subscription.
void Model::check_dead(Stream& stream, const std::string& subscription, std::uint64_t sequence,
                       const std::string& what) {
  const std::string name = without_dead(subscription);
  const QueueRules& rules = rules_[stream.queue];
  Place& place = stream.places[name][sequence];
  const bool failed =
      rules.max_attempts > 0 && place.fails + place.fails_open >= rules.max_attempts;
  const bool stalled = rules.max_stalls > 0 && place.epoch != 0;
  const bool excused = place.counters_free || rules.may_die || medium_failed_ || stream.redriven;
  if (!place.rejected_maybe && !failed && !stalled && !excused && !place.gone) {
    complain(what + ": dead without a reason");
  }
  place.gone = place.gone || !stream.redriven;
}

void Model::on_settled(const wire::FrameHeader& header, const wire::Settled& frame) {
  const auto found = settling_.find({header.session, header.request});
  if (found == settling_.end()) return;
  const Settling settling = std::move(found->second);
  settling_.erase(found);
  Stream& stream = stream_of(settling.at.stream);
  const std::string what = "queue " + stream.queue + " (" + settling.at.subscription + ")";
  if (frame.stale < settling.stale_min && is_ok(frame.code) && !medium_failed_) {
    complain(what + ": a stale receipt was accepted");
  }
  Places& places = stream.places[settling.at.subscription];
  const bool all = is_ok(frame.code) && frame.stale == 0;
  // No seek may have brought it back since.
  const Seeks& seeks = stream.seeks[without_dead(settling.at.subscription)];
  const bool undisturbed = settling.certain && settling.seeks == seeks.count;
  for (const SettledOne& one : settling.current) {
    Place& place = places[one.sequence];
    if (place.epoch != one.epoch) continue;  // delivered anew meanwhile: it came too late
    if (settling.kind == 1 && (all || frame.settled == 0)) --place.acks_open;
    if (settling.kind == 1 && frame.settled > 0) place.acked_maybe = true;
    if (!all || place.gone) continue;
    ++settled_;
    if (!undisturbed) continue;
    if (settling.kind == 1 || (settling.kind == 4 && !stream.redriven)) place.gone = true;
    if (settling.kind != 3 || place.fails_open == 0) continue;
    --place.fails_open;
    ++place.fails;
    const std::uint16_t limit = rules_[stream.queue].max_attempts;
    const bool may_die = !is_dead_letters(settling.at.subscription) && !stream.redriven;
    if (may_die && limit > 0 && place.fails >= limit) {
      place.gone = true;
    }
  }
}

void Model::on_seeked(const wire::FrameHeader& header) {
  const auto found = seeking_.find({header.session, header.request});
  if (found == seeking_.end()) return;
  const auto& [key, subscription] = found->second;
  --stream_of(key).seeks[subscription].open;
  seeking_.erase(found);
}

// --- The end.

// Acked, as far as anybody can know, or seen among the dead letters.
bool Model::is_resolved(const Stream& stream, const std::string& subscription,
                        std::uint64_t sequence) const {
  const auto find = [&](const std::string& name) -> const Place* {
    const auto places = stream.places.find(name);
    if (places == stream.places.end()) return nullptr;
    const auto place = places->second.find(sequence);
    return place == places->second.end() ? nullptr : &place->second;
  };
  const Place* const place = find(subscription);
  if (place != nullptr && (place->acked_maybe || place->acks_open > 0)) return true;
  const Place* const dead = find(subscription + std::string(kDead));
  return dead != nullptr && (dead->acked_maybe || dead->acks_open > 0);
}

// Or taken away without anybody's ack, as the queue or a seek may.
bool Model::may_be_gone(const Stream& stream, const std::string& subscription,
                        std::uint64_t sequence) const {
  const auto known = rules_.find(stream.queue);
  const QueueRules rules = known == rules_.end() ? QueueRules() : known->second;
  if (rules.may_lose || is_resolved(stream, subscription, sequence)) return true;
  const auto message = stream.messages.find(sequence);
  if (message == stream.messages.end()) return true;
  const auto asked = first_asked_.find(message->second.tag);
  if (asked == first_asked_.end()) return true;
  // Time is about every message, one that a subscription has not settled goes too
  // (docs/manifest.md, "Retention"); its age counts by the wall clock.
  const bool ages = rules.retention.count() > 0;
  if (ages && wall_max_ >= asked->second.at + rules.retention.count()) return true;
  // `sluice queue seek --to end` settles all that is there by then (docs/manifest.md, "Changing a
  // queue that exists"), also what nobody was told of yet.
  const auto seeks = stream.seeks.find(without_dead(subscription));
  return seeks != stream.seeks.end() && asked->second.order <= seeks->second.passed_over;
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
