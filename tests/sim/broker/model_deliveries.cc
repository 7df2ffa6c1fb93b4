#include <algorithm>

#include "base/message.h"
#include "tests/sim/broker/model.h"
#include "wire/error_code.h"

// Who has a message, and what became of it: leases, receipts, counters, dead letters.
namespace sluice::sim {
namespace {

std::string name_of(std::string_view subscription) {
  return subscription.empty() ? "default" : std::string(subscription);
}

}  // namespace

void Model::on_attach(const wire::FrameHeader& header, const wire::Attach& frame,
                      bool at_most_once) {
  const Attachment at{{frame.queue, frame.shard}, name_of(frame.subscription), at_most_once};
  attaching_[{header.session, header.request}] = at;
  loosen(sessions_[header.session].id, at, frame.last_epoch);
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
      if (place.epoch > receipt.epoch && !place.forgotten) {
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

// To another queue, where each message may come to be as often as it is copied. What is moved is
// gone from here; a task leaves alone what came after it began.
void Model::on_transfer(const wire::StartTask& task) {
  constexpr std::uint8_t kMove = 4;
  copied_into_.insert(task.target);
  if (task.kind != kMove) return;
  const std::string subscription = name_of(task.subscription);
  for (auto& [key, stream] : streams_) {
    if (key.first == task.queue) stream.seeks[subscription].passed_over = first_asked_.size();
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

void Model::on_deliver(base::Now now, const wire::FrameHeader& header, const wire::Deliver& frame) {
  const auto found = attachments_.find({header.session, frame.attachment});
  if (found == attachments_.end()) return complain("a delivery to nobody");
  if (!epochs_.insert(frame.epoch).second) {
    complain("epoch " + std::to_string(frame.epoch) + " was used for two deliveries");
  }
  const Attachment& at = found->second;
  if (removed_.contains(at.stream.first)) return complain("a queue that was removed delivers");
  const bool dead = is_dead_letters(at.subscription);
  base::ByteView left = frame.entries;
  for (const wire::DeliverRun& run : frame.runs) {
    for (std::uint64_t i = 0; i < run.count; ++i) {
      const base::MessageView message = base::take_entry(left);
      const std::uint64_t sequence = run.first + i;
      if (!check_message(now, at.stream, sequence, message, dead)) continue;
      deliver_one(now, at, run, sequence, frame.epoch, frame.lease_ms,
                  sessions_[header.session].id);
    }
  }
}

// A delivery begins with its first piece, and what was delivered is known with the last one.
void Model::on_deliver_chunk(base::Now now, const wire::FrameHeader& header,
                             const wire::DeliverChunk& frame) {
  const Handle handle{header.session, frame.attachment};
  const auto found = attachments_.find(handle);
  if (found == attachments_.end()) return complain("a delivery to nobody");
  const Attachment& at = found->second;
  if (frame.piece.empty()) {  // given up
    going_.erase({handle, frame.epoch});
    return;
  }
  if (frame.offset == 0) {
    if (!epochs_.insert(frame.epoch).second) {
      complain("epoch " + std::to_string(frame.epoch) + " was used for two deliveries");
    }
    wire::DeliverRun run;
    run.first = frame.sequence;
    run.count = 1;
    run.attempts = frame.attempts;
    run.stalls = frame.stalls;
    deliver_one(now, at, run, frame.sequence, frame.epoch, frame.lease_ms,
                sessions_[header.session].id);
    // Who has not got all of it may lose it: its lease is not judged.
    stream_of(at.stream).places[at.subscription][frame.sequence].loose = true;
  }
  Gathering& gathering = going_[{handle, frame.epoch}];
  gathering.add(frame.offset, frame.piece);
  if (!frame.is_last()) return;
  base::ByteView entry(gathering.entry);
  if (gathering.broken) {
    complain("queue " + stream_of(at.stream).queue + ": a piece of a large message is missing");
  } else {
    check_message(now, at.stream, frame.sequence, base::take_entry(entry),
                  is_dead_letters(at.subscription));
  }
  going_.erase({handle, frame.epoch});
}

void Model::deliver_one(base::Now now, const Attachment& at, const wire::DeliverRun& run,
                        std::uint64_t sequence, std::uint64_t epoch, std::uint32_t lease_ms,
                        base::SessionId session) {
  ++delivered_;
  Stream& stream = stream_of(at.stream);
  Place& place = stream.places[at.subscription][sequence];
  const QueueRules& rules = rules_[stream.queue];
  const std::string what =
      "queue " + stream.queue + " (" + at.subscription + ") sequence " + std::to_string(sequence);
  if (place.gone && !medium_failed_) complain(what + ": settled, and delivered again");
  // So no receipt of a delivery before it has settled it, or a seek or a redrive has undone that.
  if (epoch > place.epoch) {
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
  place.epoch = epoch;
  place.holder = session;
  place.loose = place.forgotten = false;
  place.lease_until = decided_from_ + base::Millis(lease_ms);
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
  const bool ok = static_cast<wire::Code>(frame.code) == wire::Code::kNone;
  if (frame.stale < settling.stale_min && ok && !medium_failed_) {
    complain(what + ": a stale receipt was accepted");
  }
  Places& places = stream.places[settling.at.subscription];
  const bool all = ok && frame.stale == 0;
  // No seek may have brought it back since.
  const Seeks& seeks = stream.seeks[without_dead(settling.at.subscription)];
  const bool undisturbed = settling.certain && settling.seeks == seeks.count;
  for (const SettledOne& one : settling.current) {
    Place& place = places[one.sequence];
    // An older delivery, which is the last one again when the later ones were forgotten.
    if (place.forgotten && settling.kind == 1 && frame.settled > 0) place.acked_maybe = true;
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
  const Place* const dead = find(dead_letters_of(subscription));
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
  if (asked == first_asked_.end() || asked->second.order <= stream.passed_over) return true;
  // Time is about every message, one that a subscription has not settled goes too
  // (docs/manifest.md, "Retention"); its age counts by the wall clock.
  const bool ages = rules.retention.count() > 0;
  if (ages && wall_max_ >= asked->second.at + rules.retention.count()) return true;
  // `sluice queue seek --to end` settles all that is there by then (docs/manifest.md, "Changing a
  // queue that exists"), also what nobody was told of yet.
  const auto seeks = stream.seeks.find(without_dead(subscription));
  return seeks != stream.seeks.end() && asked->second.order <= seeks->second.passed_over;
}

}  // namespace sluice::sim
