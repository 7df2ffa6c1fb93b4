#include "base/message.h"
#include "tests/sim/broker/checkers.h"
#include "wire/error_code.h"

// Who has a message, and what became of it. Numbers of docs/simulation-broker.md, "What is
// checked": what is settled does not come again (4), one lease at a time (5), no effect of a late
// receipt (6), attempts and stalls as counted (7), no death without a reason (8), epochs are used
// once (10), and a queue that was removed delivers nothing (14).
namespace sluice::sim {

void Checkers::on_attach(const wire::FrameHeader& header, const wire::Attach& frame,
                         bool at_most_once) {
  const Attachment at{{frame.queue, frame.shard}, name_of(frame.subscription), at_most_once};
  attaching_[{header.session, header.request}] = at;
  model_.loosen(sessions_[header.session].id, at, frame.last_epoch);
}

void Checkers::on_settle(const wire::FrameHeader& header, const wire::Settle& frame) {
  const auto at = attachments_.find({header.session, frame.attachment});
  if (at == attachments_.end()) return;
  Model::Settling settling = model_.settling_of(at->second, frame);
  if (header.request != 0) settling_[{header.session, header.request}] = std::move(settling);
}

void Checkers::on_extend(base::Now now, const wire::FrameHeader& header,
                         const wire::Extend& frame) {
  const auto at = attachments_.find({header.session, frame.attachment});
  if (at == attachments_.end() || frame.duration_ms == 0) return;
  model_.extended(at->second, sessions_[header.session].id,
                  now.mono + base::Millis(frame.duration_ms));
}

void Checkers::on_seek(const wire::FrameHeader& header, const wire::Seek& frame) {
  const std::pair target(StreamKey{frame.queue, frame.shard}, name_of(frame.subscription));
  model_.on_seek(frame);
  if (!seeking_.emplace(Request{header.session, header.request}, target).second) return;
  ++model_.stream_of(target.first).seeks[target.second].open;
}

void Checkers::on_seeked(const wire::FrameHeader& header) {
  const auto found = seeking_.find({header.session, header.request});
  if (found == seeking_.end()) return;
  const auto& [key, subscription] = found->second;
  --model_.stream_of(key).seeks[subscription].open;
  seeking_.erase(found);
}

void Checkers::on_deliver(base::Now now, const wire::FrameHeader& header,
                          const wire::Deliver& frame) {
  const auto found = attachments_.find({header.session, frame.attachment});
  if (found == attachments_.end()) return complain("a delivery to nobody");
  if (!model_.epochs.insert(frame.epoch).second) {
    complain("epoch " + std::to_string(frame.epoch) + " was used for two deliveries");
  }
  const Attachment& at = found->second;
  if (model_.removed.contains(at.stream.first))
    return complain("a queue that was removed delivers");
  const bool dead = Model::is_dead_letters(at.subscription);
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
void Checkers::on_deliver_chunk(base::Now now, const wire::FrameHeader& header,
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
    if (!model_.epochs.insert(frame.epoch).second) {
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
    model_.stream_of(at.stream).places[at.subscription][frame.sequence].loose = true;
  }
  Gathering& gathering = going_[{handle, frame.epoch}];
  gathering.add(frame.offset, frame.piece);
  if (!frame.is_last()) return;
  base::ByteView entry(gathering.entry);
  if (gathering.broken) {
    complain("queue " + model_.stream_of(at.stream).queue +
             ": a piece of a large message is missing");
  } else {
    check_message(now, at.stream, frame.sequence, base::take_entry(entry),
                  Model::is_dead_letters(at.subscription));
  }
  going_.erase({handle, frame.epoch});
}

void Checkers::deliver_one(base::Now now, const Attachment& at, const wire::DeliverRun& run,
                           std::uint64_t sequence, std::uint64_t epoch, std::uint32_t lease_ms,
                           base::SessionId session) {
  Stream& stream = model_.stream_of(at.stream);
  const Place& place = stream.places[at.subscription][sequence];
  const QueueRules& rules = model_.rules[stream.queue];
  const std::string what =
      "queue " + stream.queue + " (" + at.subscription + ") sequence " + std::to_string(sequence);
  if (place.gone && !place.rotted) complain(what + ": settled, and delivered again");
  check_lease(now, place, session, what);
  if (Model::is_dead_letters(at.subscription)) {
    check_dead(stream, at.subscription, sequence, what);
  } else {
    check_counters(place, run, rules, what);
  }
  model_.on_delivery(at, run, sequence, epoch, session, decided_from_ + base::Millis(lease_ms));
}

void Checkers::check_lease(base::Now now, const Place& place, const base::SessionId& session,
                           const std::string& what) {
  if (place.epoch == 0 || place.loose || place.rotted) return;
  const Client& client = clients_[place.holder];
  if (client.ended || now.mono >= client.heard + session_ttl_) return;
  if (now.mono >= place.lease_until) return;
  complain(what + ": leased while " +
           (place.holder == session ? "the same session" : "another session") + " holds it");
}

void Checkers::check_counters(const Place& place, const wire::DeliverRun& run,
                              const QueueRules& rules, const std::string& what) {
  const int attempts = run.attempts;
  if (!place.counters_free && !place.rotted) {
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
}

// A dead letter: it must have had a reason to die.
void Checkers::check_dead(Stream& stream, const std::string& subscription, std::uint64_t sequence,
                          const std::string& what) {
  const std::string name = Model::without_dead(subscription);
  const QueueRules& rules = model_.rules[stream.queue];
  const Place& place = stream.places[name][sequence];
  const bool failed =
      rules.max_attempts > 0 && place.fails + place.fails_open >= rules.max_attempts;
  const bool stalled = rules.max_stalls > 0 && place.epoch != 0;
  const bool excused = place.counters_free || rules.may_die || place.rotted || stream.redriven;
  if (!place.rejected_maybe && !failed && !stalled && !excused && !place.gone) {
    complain(what + ": dead without a reason");
  }
}

void Checkers::on_settled(const wire::FrameHeader& header, const wire::Settled& frame) {
  const auto found = settling_.find({header.session, header.request});
  if (found == settling_.end()) return;
  const Model::Settling settling = std::move(found->second);
  settling_.erase(found);
  const bool ok = static_cast<wire::Code>(frame.code) == wire::Code::kNone;
  if (frame.stale < settling.stale_min && ok) {
    complain("queue " + model_.stream_of(settling.at.stream).queue + " (" +
             settling.at.subscription + "): a stale receipt was accepted");
  }
  model_.on_settled(settling, frame);
}

}  // namespace sluice::sim
