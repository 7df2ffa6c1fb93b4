#include "broker/core.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/buggify.h"
#include "base/check.h"
#include "broker/retaining.h"

namespace sluice::broker {

Core::Core(BrokerOptions broker_options, storage::Log& the_log, storage::MessageStore& the_messages,
           storage::SideIndex& the_index, EffectSink& the_effects)
    : options(broker_options),
      log(the_log),
      messages(the_messages),
      effects(the_effects),
      state(broker_options.producers_max, the_index),
      prng(broker_options.prng_seed, "broker") {}

storage::Appended Core::start(base::Now now, bool unclean, const base::Id128& log_id_if_new,
                              std::string_view software, std::uint32_t incarnations_skipped) {
  const bool is_new = state.incarnation == 0;
  software_ = software;
  state.replay_index.end_replay();
  storage::IncarnationFact fact;
  // The numbers end one day, and then the log does.
  CHECK(state.incarnation < std::numeric_limits<std::uint32_t>::max() - incarnations_skipped);
  fact.incarnation = state.incarnation + 1 + incarnations_skipped;
  fact.unclean = unclean;
  fact.at = now.wall;
  const bool restored = incarnations_skipped > 0;
  fact.sequence_jump = restored  ? options.sequence_jump_restored
                       : unclean ? options.sequence_jump
                                 : 0;
  fact.log_id = is_new ? log_id_if_new : state.log_id;
  fact.software = software_;
  const storage::Appended at = append(fact, true);
  state.leases.watch(this);
  for (const auto& [id, queue] : state.queues) touch(*queue);
  created_look = now.mono;
  if (!state.sessions.empty() || !state.leases.leases().empty()) {
    recovery_ends = now.mono + base::Nanos(options.session_ttl);
  }
  return at;
}

base::Epoch Core::next_epoch(base::Now now) {
  if (batches_ == std::numeric_limits<std::uint32_t>::max()) {
    storage::IncarnationFact fact;
    fact.incarnation = state.incarnation + 1;
    fact.at = now.wall;
    fact.log_id = state.log_id;
    fact.software = software_;
    record(fact, true);
    batches_ = 0;
  }
  ++batches_;
  if (PLANTED("epoch_reused_after_restart")) {
    const base::Epoch used((std::uint64_t{1} << 32) | batches_);
    if (state.leases.find(used) == nullptr) return used;
  }
  return base::Epoch((std::uint64_t{state.incarnation} << 32) | batches_);
}

void Core::touch(Subscription& subscription) {
  if (subscription.touched) return;
  subscription.touched = true;
  touched_.push_back(&subscription);
}

void Core::touch(Queue& queue) {
  for (const auto& stream : queue.streams()) {
    for (const auto& subscription : stream->subscriptions()) touch(*subscription);
  }
}

Subscription* Core::take_touched() {
  if (touched_.empty()) return nullptr;
  Subscription* subscription = touched_.back();
  touched_.pop_back();
  subscription->touched = false;
  return subscription;
}

void Core::schedule(Subscription& subscription) {
  backoffs.set(subscription, subscription.retries().earliest());
  Stream& stream = subscription.stream();
  delays.set(stream, stream.delays().earliest());
  expiries.set(stream, stream.expiry().earliest());
  schedule_retention(stream);

  std::optional<base::WallTime> dead_expires;
  const base::Millis retention = stream.queue().settings(subscription.id()).dead_letter.retention;
  if (retention.count() > 0) {
    const auto& oldest = subscription.dead().oldest();
    if (oldest) dead_expires = oldest->letter.died_at + retention.count();
  }
  dead_expiries.set(subscription, dead_expires);
  dead_rests.set(subscription, subscription.dead_order.earliest());
}

void Core::schedule_retention(Stream& stream) { retentions.set(stream, retention_due(stream)); }

void Core::drop(Subscription& subscription) {
  backoffs.set(subscription, std::nullopt);
  dead_expiries.set(subscription, std::nullopt);
  dead_rests.set(subscription, std::nullopt);
  unfinished.erase(subscription.number());
  reading.erase(subscription.number());
  std::erase(touched_, &subscription);
}

void Core::drop(Queue& queue) {
  std::erase_if(idle_since, [&](const auto& idle) { return idle.first.first == queue.id(); });
  for (const auto& stream : queue.streams()) {
    delays.set(*stream, std::nullopt);
    expiries.set(*stream, std::nullopt);
    retentions.set(*stream, std::nullopt);
    for (const auto& subscription : stream->subscriptions()) drop(*subscription);
  }
}

void Core::offer(Attachment& attachment) {
  if (attachment.in_ring || !attachment.has_credit()) return;
  attachment.in_ring = true;
  Subscription& subscription = *attachment.subscription;
  (attachment.dead ? subscription.dead_ring : subscription.ring).push_back(attachment.handle);
}

void Core::end_lease(Lease& lease, SessionEnd end, const std::string& consumer) {
  state.leases.clear_deadline(lease);
  if (lease.suspect) suspect_left(lease);
  lease.ending = true;
  endings.push_back({lease.epoch, end, consumer});
}

void Core::on_left(const Lease& lease, std::uint64_t left) {
  if (Attachment* attachment = sessions.attachment(lease.attachment)) {
    CHECK(left <= attachment->outstanding);
    attachment->outstanding -= left;
    offer(*attachment);
  }
  // An ending lease has been counted off already.
  if (lease.messages == 0 && lease.suspect && !lease.ending) suspect_left(lease);
}

void Core::suspect_left(const Lease& lease) {
  Session* session = sessions.find(lease.session);
  if (session == nullptr || session->suspects == 0) return;
  session->suspects -= 1;
  // The session may have another suspect now, wherever it consumes.
  for (const AttachmentHandle handle : session->attachments) {
    Subscription& other = *sessions.attachment(handle)->subscription;
    if (other.lowest_suspect()) touch(other);
  }
}

std::string Core::consumer_of(const Lease& lease) const {
  const auto known = state.sessions.find(lease.session);
  return known == state.sessions.end() ? std::string() : known->second.client;
}

bool Core::is_unclaimed_recovered(const Lease& lease) const {
  const std::uint64_t incarnation = lease.epoch.value() >> 32;
  return lease.attachment == AttachmentHandle() && incarnation < state.incarnation;
}

bool Core::may_have_left(const Lease& lease) const {
  const storage::LogPositions at = log.positions();
  return lease.leaves_after.lsn <= (lease.leaves_after.durable ? at.durable : at.written);
}

void Core::note(Subscription& subscription, base::Lsn end) {
  subscription.last_record_end = end;
  subscription.stream().last_record_end = end;
  touch(subscription);
}

}  // namespace sluice::broker
