#include "tests/sim/broker/checkers.h"

#include <algorithm>

#include "wire/error_code.h"
#include "wire/frame_codec.h"

// Connections, sessions and the broker's lives. Numbers of
// docs/simulation-broker.md, "What is checked": an incarnation never comes again (10).
namespace sluice::sim {
namespace {

constexpr std::size_t kComplaintsMax = 20;

bool is_ok(std::uint16_t code) { return static_cast<wire::Code>(code) == wire::Code::kNone; }

}  // namespace

void Checkers::complain(std::string text) {
  if (complaints_.size() < kComplaintsMax) complaints_.push_back(std::move(text));
}

// --- What the broker is given.

void Checkers::received(base::Now now, frontend::Peer peer, base::ByteView bytes) {
  const auto frame = wire::decode_frame(bytes);
  if (!frame.has_value()) return;
  if (const auto* hello = std::get_if<wire::Hello>(&frame->body)) {
    hellos_[peer] = {hello->session_id, now.mono};
    // A connection has one session (docs/protocol.md, "Sessions"): another one that it had is lost.
    for (const auto& [number, session] : sessions_) {
      if (session.peer == peer && session.id != hello->session_id) model_.loosen_all(session.id);
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
void Checkers::heard(const base::SessionId& session, Client& client, base::MonoTime at) {
  if (client.heard != base::MonoTime() && at >= client.heard + session_ttl_) {
    model_.loosen_all(session);
  }
  client.heard = std::max(client.heard, at);
}

void Checkers::on_received(base::Now now, const wire::FrameHeader& header, const wire::Body& body) {
  const Request request{header.session, header.request};
  if (const auto* resolve = std::get_if<wire::Resolve>(&body)) {
    resolving_[request] = std::string(resolve->queue);
  } else if (const auto* open = std::get_if<wire::OpenPublisher>(&body)) {
    opening_[request] = {open->queue, open->shard};
  } else if (const auto* publish = std::get_if<wire::Publish>(&body)) {
    on_publish(now, header, *publish);
  } else if (const auto* chunk = std::get_if<wire::Chunk>(&body)) {
    on_chunk(now, header, *chunk);
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
    if (at != attachments_.end()) model_.loosen(sessions_[header.session].id, at->second, 0);
  } else if (std::holds_alternative<wire::Goodbye>(body)) {
    clients_[sessions_[header.session].id].ended = true;
  } else if (const auto* redrive = std::get_if<wire::Redrive>(&body)) {
    model_.on_task(redrive->queue, true);
  } else if (const auto* task = std::get_if<wire::StartTask>(&body)) {
    if (task->kind <= 2) model_.on_task(task->queue, task->kind == 1);
    if (task->kind > 2) model_.on_transfer(*task);
  } else if (const auto* one = std::get_if<wire::StartShardTask>(&body)) {
    // The model knows no shards of tasks: it allows more than there is to do.
    if (one->task.kind <= 2) model_.on_task(one->task.queue, one->task.kind == 1);
    if (one->task.kind > 2) model_.on_transfer(one->task);
  } else if (const auto* purge = std::get_if<wire::Purge>(&body)) {
    model_.on_task(purge->queue, false);
  } else if (const auto* seek = std::get_if<wire::Seek>(&body)) {
    on_seek(header, *seek);
  } else if (const auto* gone = std::get_if<wire::DeleteQueue>(&body)) {
    on_remove(request, {{gone->queue}, false});
  } else if (const auto* remove = std::get_if<wire::RemoveQueue>(&body)) {
    Removal removal{{}, remove->if_empty};
    for (const auto& [id, name] : names_) {
      if (name == remove->queue) removal.queues.push_back(id);
    }
    on_remove(request, std::move(removal));
  }
}

// Whatever leaves now waited for a record beyond what was durable at the release before, so it was
// not decided before the round whose end first was beyond that.
void Checkers::releasing(base::Now now, const storage::LogPositions& positions) {
  model_.wall_max = std::max(model_.wall_max, now.wall);
  durable_before_ = durable_now_;
  durable_now_ = positions.durable;
  if (rounds_.empty() || rounds_.back().second < positions.appended) {
    rounds_.emplace_back(now.mono, positions.appended);
  }
  while (rounds_.size() > 1 && rounds_.front().second <= durable_before_) rounds_.pop_front();
  decided_from_ = rounds_.front().first;
}

void Checkers::broker_ended(base::MonoTime now, bool power_lost) {
  rounds_.clear();
  durable_before_ = durable_now_ = base::Lsn();
  // What was not lost by now lives for that time again from the next start on.
  for (auto& [id, client] : clients_) heard(id, client, now);
  model_.broker_ended(now + session_ttl_, power_lost);
  // Requests that were not answered are open for ever.
  publishing_.clear();
  settling_.clear();
  attaching_.clear();
  opening_.clear();
  seeking_.clear();
  removing_.clear();
  coming_.clear();
  going_.clear();
}

// What that session holds may be given back now, or any time.
void Checkers::not_sent(frontend::Peer peer) {
  for (const auto& [number, session] : sessions_) {
    if (session.peer == peer) model_.loosen_all(session.id);
  }
}

// --- What leaves it.

void Checkers::sent(base::Now now, frontend::Peer peer, base::ByteView bytes) {
  const auto frame = wire::decode_frame(bytes);
  if (!frame.has_value()) return complain("the broker sent what nobody can read");
  on_sent(now, peer, *frame);
}

void Checkers::on_sent(base::Now now, frontend::Peer peer, const wire::Frame& frame) {
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
    model_.stream_of(open->second).queue = names_[open->second.first];
  } else if (const auto* published = std::get_if<wire::Published>(&frame.body)) {
    on_published(header, *published);
  } else if (const auto* attached = std::get_if<wire::Attached>(&frame.body)) {
    const auto attach = attaching_.find(request);
    if (attach == attaching_.end() || !is_ok(attached->code)) return;
    attachments_[{header.session, attached->attachment}] = attach->second;
    Stream& stream = model_.stream_of(attach->second.stream);
    const std::string& subscription = attach->second.subscription;
    stream.queue = names_[attach->second.stream.first];
    stream.places.try_emplace(subscription);
    if (!Model::is_dead_letters(subscription) && subscription != "default") {
      Model::Seeks& seeks = stream.seeks[subscription];
      // What was there before it was created need not come.
      if (!seeks.begun && model_.rules[stream.queue].creates)
        seeks.passed_over = model_.first_asked.size();
      seeks.begun = true;
    }
  } else if (const auto* deliver = std::get_if<wire::Deliver>(&frame.body)) {
    on_deliver(now, header, *deliver);
  } else if (const auto* piece = std::get_if<wire::DeliverChunk>(&frame.body)) {
    on_deliver_chunk(now, header, *piece);
  } else if (const auto* settled = std::get_if<wire::Settled>(&frame.body)) {
    on_settled(header, *settled);
  } else if (const auto* removed = std::get_if<wire::QueueRemoved>(&frame.body)) {
    if (is_ok(removed->code)) on_removed(request);
  } else if (const auto* gone = std::get_if<wire::QueueDeleted>(&frame.body)) {
    if (is_ok(gone->code)) on_removed(request);
  } else if (std::holds_alternative<wire::Seeked>(frame.body)) {
    on_seeked(header);
  } else if (const auto* closed = std::get_if<wire::AttachmentClosed>(&frame.body)) {
    const auto at = attachments_.find({header.session, closed->attachment});
    if (at != attachments_.end()) model_.loosen(sessions_[header.session].id, at->second, 0);
  }
}

void Checkers::on_welcome(base::Now now, frontend::Peer peer, const wire::Welcome& frame) {
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

}  // namespace sluice::sim
