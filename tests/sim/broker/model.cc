#include "tests/sim/broker/model.h"

#include <algorithm>

#include "base/fnv1a.h"
#include "wire/error_code.h"

namespace sluice::sim {
namespace {

constexpr std::string_view kDead = "/dlq";

std::uint64_t hash_of(base::ByteView bytes) { return base::fnv1a(base::as_text(bytes)); }

}  // namespace

std::string name_of(std::string_view subscription) {
  return subscription.empty() ? "default" : std::string(subscription);
}

bool Model::is_dead_letters(const std::string& subscription) {
  return subscription.ends_with(kDead);
}

std::string Model::without_dead(const std::string& subscription) {
  const std::size_t cut = is_dead_letters(subscription) ? kDead.size() : 0;
  return subscription.substr(0, subscription.size() - cut);
}

std::string Model::dead_letters_of(const std::string& subscription) {
  return subscription + std::string(kDead);
}

std::uint64_t Model::accepted_in(const std::string& queue) const {
  std::uint64_t count = 0;
  for (const auto& [key, stream] : streams) {
    if (stream.queue != queue) continue;
    for (const auto& [sequence, message] : stream.messages) count += message.accepted ? 1U : 0U;
  }
  return count;
}

// --- Publishing.

void Model::asked(base::WallTime at, const StreamKey& key, const base::MessageView& message,
                  std::uint64_t tag) {
  published[tag] = key;
  entries[tag] = hash_of(message.entry);
  refused.erase(tag);  // this time it may be taken
  FirstAsked& first =
      first_asked.emplace(tag, FirstAsked{first_asked.size() + 1, at}).first->second;
  first.at = std::min(first.at, at);
  ++first.requests;
}

bool Model::is_as_published(std::uint64_t tag, const base::MessageView& message) {
  return hash_of(message.entry) == entries[tag];
}

const Model::Home& Model::home_of(std::uint64_t tag, const StreamKey& key, std::uint64_t sequence) {
  return stored.emplace(tag, Home(key, sequence)).first->second;
}

bool Model::bind(Stream& stream, std::uint64_t sequence, std::uint64_t tag, bool is_accepted) {
  Message& message = stream.messages[sequence];
  if (message.tag != 0 && message.tag != tag) return false;
  message.tag = tag;
  if (is_accepted && !message.accepted) ++accepted;
  message.accepted |= is_accepted;
  return true;
}

void Model::messages_rotted(const base::QueueId& queue, std::uint16_t shard, std::uint64_t first,
                            std::uint32_t count) {
  Stream& stream = stream_of({queue, shard});
  const auto end = stream.messages.lower_bound(first + count);
  for (auto at = stream.messages.lower_bound(first); at != end; ++at) {
    at->second.may_be_lost = true;
    // So whoever sends it again is not told that it is there.
    stored.erase(at->second.tag);
  }
}

// Of whichever subscription. Facts are not about messages that nobody had yet, but a broker knows
// of them before anybody does.
void Model::facts_rotted(const StreamKey& key, const std::vector<base::SequenceRange>& ranges) {
  for (auto& [name, places] : stream_of(key).places) {
    for (const base::SequenceRange& range : ranges) {
      for (base::Sequence at = range.first; at <= range.last; at = at + 1) {
        places[at.value()].rotted = true;
      }
    }
  }
}

// --- Who has a message, and what became of it.

// What the session holds there of later deliveries is, or may be, given back.
void Model::loosen(const base::SessionId& session, const Attachment& at,
                   std::uint64_t above_epoch) {
  // Somebody may ask for what never was: no subscription begins by that.
  std::map<std::string, Places>& all = stream_of(at.stream).places;
  const auto places = all.find(at.subscription);
  if (places == all.end()) return;
  for (auto& [sequence, place] : places->second) {
    if (place.holder == session && place.epoch > above_epoch) place.loose = true;
  }
}

void Model::loosen_all(const base::SessionId& session) {
  for (const auto& [key, stream] : streams) {
    for (const auto& [name, places] : stream.places) loosen(session, {key, name, false}, 0);
  }
}

Model::Settling Model::settling_of(const Attachment& at, const wire::Settle& frame) {
  Settling settling{at, frame.kind, {}, 0};
  Stream& stream = stream_of(at.stream);
  Places& places = stream.places[at.subscription];
  const Seeks& seeks = stream.seeks[without_dead(at.subscription)];
  settling.seeks = seeks.count;
  settling.certain = seeks.open == 0;
  const auto name = [&](std::uint64_t epoch, base::SequenceRange range) {
    const auto end = places.upper_bound(range.last.value());
    for (auto found = places.lower_bound(range.first.value()); found != end; ++found) {
      Place& place = found->second;
      if (place.epoch > epoch && !place.forgotten) {
        // An ack of what is gone counts as settled (docs/protocol.md, SETTLED): whoever acked it,
        // also as a dead letter, and where an expiry or a limit has removed it.
        const bool excused = may_be_gone(stream, at.subscription, found->first);
        if (!place.rotted && (frame.kind != 1 || !excused)) ++settling.stale_min;
        continue;
      }
      if (place.epoch < epoch) continue;
      place.loose = true;
      settling.current.push_back({found->first, epoch});
      if (frame.kind == 1) ++place.acks_open;
      if (frame.kind == 3) ++place.fails_open;
      if (frame.kind == 4) place.rejected_maybe = true;
    }
  };
  for (const wire::WireReceipt& receipt : frame.receipts) {
    wire::for_each_range(receipt, [&](base::SequenceRange range) { name(receipt.epoch, range); });
  }
  return settling;
}

// An extension counts from now, so it may also shorten a lease.
void Model::extended(const Attachment& at, const base::SessionId& session, base::MonoTime end) {
  for (auto& [sequence, place] : stream_of(at.stream).places[at.subscription]) {
    if (place.holder == session) place.lease_until = std::min(place.lease_until, end);
  }
}

void Model::on_delivery(const Attachment& at, const wire::DeliverRun& run, std::uint64_t sequence,
                        std::uint64_t epoch, const base::SessionId& session,
                        base::MonoTime lease_until) {
  ++delivered;
  Stream& stream = stream_of(at.stream);
  Place& place = stream.places[at.subscription][sequence];
  // So no receipt of a delivery before it has settled it, or a seek or a redrive has undone that.
  if (epoch > place.epoch) {
    place.acks_open = 0;
    place.acked_maybe = false;
  }
  if (is_dead_letters(at.subscription)) {
    Place& died = stream.places[without_dead(at.subscription)][sequence];
    died.gone = died.gone || !stream.redriven;
  } else {
    place.fails = run.attempts;
    place.fails_open = 0;
    place.stalls = run.stalls;
    place.counters_free = false;
  }
  if (stream.redriven) place.counters_free = true;
  place.epoch = epoch;
  place.holder = session;
  place.loose = place.forgotten = false;
  place.lease_until = lease_until;
  if (at.at_most_once) place.gone = place.acked_maybe = true;
}

void Model::on_settled(const Settling& settling, const wire::Settled& frame) {
  Stream& stream = stream_of(settling.at.stream);
  const bool ok = static_cast<wire::Code>(frame.code) == wire::Code::kNone;
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
    ++settled;
    if (!undisturbed) continue;
    if (settling.kind == 1 || (settling.kind == 4 && !stream.redriven)) place.gone = true;
    if (settling.kind != 3 || place.fails_open == 0) continue;
    --place.fails_open;
    ++place.fails;
    const std::uint16_t limit = rules[stream.queue].max_attempts;
    const bool may_die = !is_dead_letters(settling.at.subscription) && !stream.redriven;
    if (may_die && limit > 0 && place.fails >= limit) {
      place.gone = true;
    }
  }
}

// --- Tasks, seeks, removals, the broker's end.

void Model::on_task(const base::QueueId& queue, bool redrive) {
  for (auto& [key, stream] : streams) {
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
  copied_into.insert(task.target);
  if (task.kind != kMove) return;
  const std::string subscription = name_of(task.subscription);
  for (auto& [key, stream] : streams) {
    if (key.first == task.queue) stream.seeks[subscription].passed_over = first_asked.size();
  }
}

// It settles what lies before its position, whoever holds it, and brings back what was settled
// behind it. Where that position is, is decided now; the rest may take until it is answered.
void Model::on_seek(const wire::Seek& frame) {
  const StreamKey key{frame.queue, frame.shard};
  const std::string subscription = name_of(frame.subscription);
  constexpr std::uint8_t kToFirst = 3;
  Stream& stream = stream_of(key);
  stream.redriven = true;
  Seeks& seeks = stream.seeks[subscription];
  ++seeks.count;
  if (frame.to != kToFirst) seeks.passed_over = first_asked.size();
  for (auto& [name, places] : stream.places) {
    if (without_dead(name) != subscription) continue;
    for (auto& [sequence, place] : places) {
      place.loose = place.counters_free = true;
      place.gone = false;
    }
  }
}

// Takes what was published by now along.
void Model::on_remove(const base::QueueId& queue) {
  for (auto& [key, stream] : streams) {
    if (key.first == queue) stream.passed_over = first_asked.size();
  }
}

void Model::broker_ended(base::MonoTime leases_end, bool power_lost) {
  for (auto& [key, stream] : streams) {
    for (auto& [name, seeks] : stream.seeks) seeks.open = 0;  // nobody goes on with them
    const bool may_lose = power_lost && !rules[stream.queue].durable;
    for (auto& [sequence, message] : stream.messages) {
      message.may_be_lost |= may_lose;
      if (may_lose) stored.erase(message.tag);
    }
    for (auto& [name, places] : stream.places) {
      for (auto& [sequence, place] : places) {
        place.lease_until = std::min(place.lease_until, leases_end);
        if (!may_lose) continue;
        place.loose = place.forgotten = true;
        place.acked_maybe |= place.gone;
        place.gone = false;
        // What was counted may be counted again: whoever told of it asks once more.
        place.fails_open += place.fails;
        place.fails = place.stalls = 0;
      }
    }
  }
}

// --- What may be.

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
  const auto known = rules.find(stream.queue);
  const QueueRules promised = known == rules.end() ? QueueRules() : known->second;
  if (promised.may_lose || is_resolved(stream, subscription, sequence)) return true;
  const auto message = stream.messages.find(sequence);
  if (message == stream.messages.end()) return true;
  const auto asked = first_asked.find(message->second.tag);
  if (asked == first_asked.end() || asked->second.order <= stream.passed_over) return true;
  // Time is about every message, one that a subscription has not settled goes too
  // (docs/manifest.md, "Retention"); its age counts by the wall clock.
  const bool ages = promised.retention.count() > 0;
  if (ages && wall_max >= asked->second.at + promised.retention.count()) return true;
  // `sluice queue seek --to end` settles all that is there by then (docs/manifest.md, "Changing a
  // queue that exists"), also what nobody was told of yet.
  const auto seeks = stream.seeks.find(without_dead(subscription));
  return seeks != stream.seeks.end() && asked->second.order <= seeks->second.passed_over;
}

}  // namespace sluice::sim
